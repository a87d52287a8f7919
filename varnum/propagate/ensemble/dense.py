"""Linear maps of clouds, and clouds put together."""

from __future__ import annotations

import numpy as np

from varnum.floats.rounding import gamma
from varnum.propagate.ensemble.cloud import Cloud, l2
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.forms import Floats


def dense(x: Cloud, weight: Floats, bias: Floats) -> Cloud:
    """W x + b of a place whose entry, ball and err are zero or go through |W|."""
    count, m, width = x.samples.shape
    size = np.abs(weight)
    centre = x.centre @ weight.T + bias
    entry = gamma(width + 2) * (np.abs(x.centre) @ size.T + np.abs(bias)) * UP
    samples = (x.samples.reshape(-1, width) @ weight.T).reshape(count, m, -1)
    err = gamma(width + 2) * spread(weight) * l2(x.samples) * UP
    return Cloud(centre, samples, entry, np.zeros(count), err)


def spread(weight: Floats) -> float:
    """Not below the spectral norm of |W|."""
    size = np.abs(weight)
    return float(np.sqrt(min(size.sum(0).max() * size.sum(1).max(), (weight**2).sum())) * UP)


def joined(parts: list[Cloud]) -> Cloud:
    """The tokens of several clouds, one after the other."""
    return Cloud(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("centre", "samples", "entry", "ball", "err")
        )
    )
