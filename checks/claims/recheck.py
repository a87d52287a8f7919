"""attention-recheck: rounding of the second program's attention against its own bound.

Reference: long double, 64 bits of mantissa. Adversary: large logits, one key far above the others,
values far from 0.
"""

from __future__ import annotations

import sys

import numpy as np

from varnum.proof.checking import Measurement, main, summarise
from varnum.recheck.exact_rows import attend


def _pair(q, k, v):
    ends = np.full(len(q), len(k))
    rows = attend(q, k, v, np.float64(1.5), ends)
    q, k, v = (np.asarray(part, dtype=np.longdouble) for part in (q, k, v))
    logits = q @ k.T / np.longdouble(1.5)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    true = weights @ (v - v[0]) / weights.sum(1, keepdims=True)
    error = np.abs(rows.value - true) / rows.spread
    known = np.isfinite(rows.slip)
    return np.max(error[known], initial=0), float(rows.slip[known].max(initial=0))


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Error in units of the range against the slip."""
    rng = np.random.default_rng(seed)
    random, corners = [], []
    for _ in range(max(trials // 200, 10)):
        n, d = int(rng.integers(2, 400)), int(rng.integers(1, 64))
        q, k, v = (rng.normal(size=(m, w)) for m, w in ((5, d), (n, d), (n, 3)))
        random.append(_pair(q, k, v))
        k[n // 2] *= 9
        corners.append(_pair(30 * q, k, v + 1e6))
    pairs = [tuple(np.array(part).T) for part in (random, corners)]
    return [summarise("attention-recheck", "rounding of float64 attention", *pairs)]


if __name__ == "__main__":
    sys.exit(main(measure))
