"""merge-parts: two parts of a softmax merged by sums of weights that are off.

Adversary: one part at each end of the range, a small error of the odds, equal shares.
"""

from __future__ import annotations

import sys

import numpy as np

from varnum.proof.checking import Measurement, main, summarise


def _moved(rng, trials, far, eta, ends):
    """Error of merged outputs, and what is claimed, in units of range(v) = 1."""
    logits = rng.normal(size=(trials, 2, 4)) * far
    values = rng.uniform(0, 1, logits.shape)
    if ends:
        values[:, 0], values[:, 1] = 1, 0
    low, high = values.min((1, 2)), values.max((1, 2))
    values = (values - low[:, None, None]) / (high - low)[:, None, None]
    weights = np.exp(logits)
    sums = weights.sum(2)
    outputs = (weights * values).sum(2) / sums
    exact = (sums * outputs).sum(1) / sums.sum(1)
    errors = rng.uniform(0, 1, (trials, 2)) * (0 if ends else 0.1)
    off = eta * (rng.choice([-1, 1], trials) if ends else rng.uniform(-1, 1, trials))
    odds = sums[:, 0] / sums[:, 1] * np.exp(off)
    share = odds / (1 + odds)
    signs = rng.choice([-1, 1], errors.shape)
    parts = outputs + errors * signs
    merged = share * parts[:, 0] + (1 - share) * parts[:, 1]
    claimed = share * errors[:, 0] + (1 - share) * errors[:, 1]
    return np.abs(merged - exact), claimed + share * (1 - share) * np.expm1(eta)


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Error of the merged output against the bound."""
    rng = np.random.default_rng(seed)
    random = _moved(rng, trials, 2.0, rng.uniform(0, 1, trials), ends=False)
    corners = _moved(rng, trials, 0.5, rng.uniform(1e-4, 0.05, trials), ends=True)
    return [summarise("merge-parts", "output over range(v)", random, corners)]


if __name__ == "__main__":
    sys.exit(main(measure))
