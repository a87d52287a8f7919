"""attention-lipschitz: one attention layer whose q, k, v and kernel are all perturbed.

Adversary: all entries of q and k at their ends so that the logits of two groups of keys move by
+zeta and -zeta, group sizes that balance the masses, kernel errors and values by sign.
For normalised vectors it moves at a right angle to where it ends.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np

from varnum.balls.scalar import ball
from varnum.model import layers as model
from varnum.proof.checking import Measurement, main, summarise
from varnum.propagate import transfer as t
from varnum.propagate.transfer import Reach


def _attend(q, k, v, sigma, e=0.0):
    """One query: (d), (n, d), (n) -> output."""
    x = k @ q / sigma
    a = np.exp(x - x.max()) * (1 + e)
    return a @ v / a.sum()


def _claimed(d, sigma, sizes, errors, eps, rho, eta_v):
    (rq, rk), (eq, ek) = sizes, errors
    zeta = d * (rq * ek + rk * eq + eq * ek) / sigma
    return eta_v + rho * np.tanh((zeta + np.arctanh(eps)) / 2)


def _random_trial(rng):
    d, n = int(rng.integers(1, 9)), int(rng.integers(2, 30))
    sigma = float(rng.choice([1, np.sqrt(d), d, 4 * np.sqrt(d)]))
    q, k, v = rng.normal(size=d), rng.normal(size=(n, d)), rng.normal(size=n)
    eq, ek, ev, eps = rng.uniform(0, 0.3, 4)
    moved = _attend(
        q + rng.uniform(-eq, eq, d),
        k + rng.uniform(-ek, ek, (n, d)),
        v + rng.uniform(-ev, ev, n),
        sigma,
        rng.uniform(-eps, eps, n),
    )
    sizes = np.abs(q).max(), np.abs(k).max()
    claimed = _claimed(d, sigma, sizes, (eq, ek), eps, np.ptp(v), ev)
    return abs(moved - _attend(q, k, v, sigma)), claimed


def _adversarial_trial(rng):
    d = int(rng.integers(1, 9))
    sigma = float(rng.choice([1, np.sqrt(d), d, 4 * np.sqrt(d)]))
    rq, rk = rng.uniform(0.1, 0.9, 2) / np.sqrt(d / sigma)
    eq, ek, ev, eps = rng.uniform(0.001, 0.3, 4) * np.array([rq, rk, 1, 1])
    zeta = d * (rq * ek + rk * eq + eq * ek) / sigma
    theta, x = zeta + np.arctanh(eps), d * rq * rk / sigma
    ratio = np.exp(2 * x + theta)  # keys of the falling group per key of the rising one
    ones = np.arange(1, 60)
    first = int(ones[np.argmin(np.abs(np.round(ones * ratio) / ones / ratio - 1))])
    second = max(1, round(first * ratio))
    signs = np.concatenate([np.ones(first), -np.ones(second)])
    q, k, v = np.full(d, rq), signs[:, None] * np.full(d, rk), (signs > 0).astype(float)
    moved = _attend(q + eq, k + signs[:, None] * ek, v + ev, sigma, signs * eps)
    claimed = _claimed(d, sigma, (rq, rk), (eq, ek), eps, 1.0, ev)
    return abs(moved - _attend(q, k, v, sigma)), claimed


def _normalised(trials, rng):
    """Unit vectors moved by h times their length: distance against the claimed chord."""
    pairs = []
    for kind in ("random", "adversarial"):
        d, h = 4, rng.uniform(1e-3, 1, trials)
        x, step = rng.normal(size=(2, trials, d))
        lengths = np.linalg.norm(x, axis=-1)
        if kind == "adversarial":
            u = x / lengths[:, None]
            step -= (step * u).sum(-1, keepdims=True) * u
            step /= np.linalg.norm(step, axis=-1, keepdims=True)
            step = np.sqrt(1 - h**2)[:, None] * step - h[:, None] * u  # to the tangent's foot
        step *= (h * lengths / np.linalg.norm(step, axis=-1))[:, None]
        unit = [model.unit_vectors(v) for v in (x, x + step)]
        claimed = [_chord(Fraction(v)) for v in h]
        pairs.append((np.linalg.norm(unit[1] - unit[0], axis=-1), np.array(claimed)))
    return pairs


def _chord(h):
    """What the transfer of unit vectors says of a move by h."""
    reach = replace(Reach.of(2, 1, 1, 1), norm_error=ball(h))
    return float(t.unit_vectors(reach, 1).norm_error.upper())


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Output change against eta_v + range(v) tanh((zeta + artanh eps)/2)."""
    rng = np.random.default_rng(seed)
    random = np.array([_random_trial(rng) for _ in range(trials)]).T
    adversarial = np.array([_adversarial_trial(rng) for _ in range(trials)]).T
    return [
        summarise("attention-lipschitz", "output of one layer", tuple(random), tuple(adversarial)),
        summarise("attention-lipschitz", "normalised vectors", *_normalised(trials, rng)),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
