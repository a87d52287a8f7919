"""attention-lipschitz: one attention layer whose q, k, v and kernel are all perturbed.

Adversary: all entries of q and k at their ends so that the logits of two groups of keys move by
+zeta and -zeta, group sizes that balance the masses, kernel errors and values by sign.
"""

from __future__ import annotations

import sys

import numpy as np

from varnum.proof.checking import Measurement, main, summarise


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


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Output change against eta_v + rho(v) tanh((zeta + artanh eps)/2)."""
    rng = np.random.default_rng(seed)
    random = np.array([_random_trial(rng) for _ in range(trials)]).T
    adversarial = np.array([_adversarial_trial(rng) for _ in range(trials)]).T
    return [
        summarise("attention-lipschitz", "output of one layer", tuple(random), tuple(adversarial))
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
