"""Queries, keys and values like those of a head."""

from __future__ import annotations

import numpy as np


def correlated(d, length, seed, largest=1.0, dtype=np.float64, values=4):
    """q, k (length, d), v (length, values): spectrum 0.7^j in a random basis plus mean offsets.

    The largest entries of q and of k are `largest`; v is standard normal.
    """
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    sides = []
    for _ in range(2):
        tokens = (rng.standard_normal((length, d)) * 0.7 ** np.arange(d)) @ basis.T
        tokens += 0.3 * rng.standard_normal(d)
        sides.append((tokens * (largest / np.abs(tokens).max())).astype(dtype))
    return (*sides, rng.standard_normal((length, values)).astype(dtype))


def along_axes(d, length, seed, largest=1.0):
    """[q, k] (length, d): independent coordinates of size 0.7^j, entries up to about `largest`."""
    rng = np.random.default_rng(seed)
    return [
        (rng.standard_normal((length, d)) * 0.7 ** np.arange(d)) * largest / 3 for _ in range(2)
    ]
