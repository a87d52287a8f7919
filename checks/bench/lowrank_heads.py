"""Synthetic heads for the low-rank benchmarks: correlated, isotropic, and VAR pyramids."""

from __future__ import annotations

import numpy as np


def correlated(d, length, seed, largest=1.0):
    """Standard deviations 0.7^j in one random basis plus mean offsets; largest entry `largest`."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    sides = []
    for _ in range(2):
        tokens = (rng.standard_normal((length, d)) * 0.7 ** np.arange(d)) @ basis.T
        tokens += 0.3 * rng.standard_normal(d)
        sides.append(tokens * (largest / np.abs(tokens).max()))
    return sides


def isotropic(d, length, seed, largest=1.0):
    """Independent uniform entries in [-largest, largest]: the worst ordinary data."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(-largest, largest, (length, d)) for _ in range(2)]


def pyramid(n):
    """Token counts of the scales 1, 2, 4, .., n."""
    return tuple(4**i for i in range(int(np.log2(n)) + 1))


def values(length, d_v, seed=1):
    """Standard normal values."""
    return np.random.default_rng(seed).standard_normal((length, d_v))
