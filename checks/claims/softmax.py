"""softmax-relative, softmax-logit, softmax-compose: how far an attention output moves.

Adversary: kernel errors, logit errors and values sit at their ends by the sign of the gradient,
logits climb the gradient; the claims are sharp, so the ratio must reach 1.
"""

from __future__ import annotations

import sys

import numpy as np

from varnum.proof.checking import Measurement, main, summarise

KEYS, STEPS = 6, 60


def _move(x, e, z, v):
    """Output change, p, p~: logits x, kernel errors e, logit errors z, values v in [0, 1]."""
    a = np.exp(x - x.max(-1, keepdims=True))
    p = a / a.sum(-1, keepdims=True)
    b = a * np.exp(z) * (1 + e)
    q = b / b.sum(-1, keepdims=True)
    return ((q - p) * v).sum(-1), p, q


def _random(rng, trials, eps, zeta):
    x = rng.normal(size=(trials, KEYS)) * rng.uniform(0, 6, (trials, 1))
    e = rng.uniform(-1, 1, x.shape) * eps[:, None]
    z = rng.uniform(-1, 1, x.shape) * zeta[:, None]
    v = rng.uniform(0, 1, x.shape)
    v = (v - v.min(-1, keepdims=True)) / np.ptp(v, axis=-1, keepdims=True)
    return x, e, z, v


def _climb(x, e, z, v, eps, zeta):
    for step in range(STEPS):
        _, p, q = _move(x, e, z, v)
        out_p, out_q = (p * v).sum(-1, keepdims=True), (q * v).sum(-1, keepdims=True)
        sign = np.where(v >= out_q, 1.0, -1.0)  # d out~/d log a~_j = q_j (v_j - out~)
        e, z = sign * eps[:, None], sign * zeta[:, None]
        v = np.where(q >= p, 1.0, 0.0)  # the output change is linear in v
        v[np.ptp(v, axis=-1) == 0, 0] = 1 - v[np.ptp(v, axis=-1) == 0, 1]
        gradient = q * (v - out_q) - p * (v - out_p)
        size = np.abs(gradient).max(-1, keepdims=True) + 1e-300
        x = x + gradient / size * (1.5 * 0.8**step)
    return x, e, z, v


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Output change against tanh(theta/2), both with range(v) = 1."""
    rng = np.random.default_rng(seed)
    results = []
    cases = {
        "softmax-relative": (rng.uniform(1e-4, 0.95, trials), np.zeros(trials)),
        "softmax-logit": (np.zeros(trials), rng.uniform(1e-4, 3, trials)),
        "softmax-compose": (rng.uniform(1e-4, 0.9, trials), rng.uniform(1e-4, 2, trials)),
    }
    for claim, (eps, zeta) in cases.items():
        start = _random(rng, trials, eps, zeta)
        claimed = np.tanh((zeta + np.arctanh(eps)) / 2)
        random = np.abs(_move(*start)[0])
        climbed = np.abs(_move(*_climb(*start, eps, zeta))[0])
        results.append(
            summarise(claim, "output over range(v)", (random, claimed), (climbed, claimed))
        )
    return results


if __name__ == "__main__":
    sys.exit(main(measure))
