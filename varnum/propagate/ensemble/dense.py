"""Linear maps of clouds, and clouds put together."""

from __future__ import annotations

import math

from varnum.floats.rounding import gamma
from varnum.model.backend import namespace
from varnum.propagate.ensemble.cloud import Cloud, l2
from varnum.propagate.ensemble.engine import Array
from varnum.propagate.ensemble.sites import UP


def dense(x: Cloud, weight: Array, bias: Array, norms: Array | None = None) -> Cloud:
    """W x + b of a place whose entry, ball and err are zero or go through |W|.

    norms: `l2` of the samples, where it is known.
    """
    xp = namespace(x.samples)
    count, m, width = x.samples.shape
    size = xp.abs(weight)
    centre = x.centre @ weight.T + bias
    entry = gamma(width + 2) * (xp.abs(x.centre) @ size.T + xp.abs(bias)) * UP
    samples = (x.samples.reshape((-1, width)) @ weight.T).reshape((count, m, -1))
    norms = l2(x.samples) if norms is None else norms
    err = gamma(width + 2) * spread(weight) * norms * UP
    return Cloud(centre, samples, entry, xp.zeros_like(x.ball), err)


def spread(weight: Array) -> float:
    """Not below the spectral norm of |W|."""
    xp = namespace(weight)
    size = xp.abs(weight)
    ends = float(xp.max(xp.sum(size, axis=0))) * float(xp.max(xp.sum(size, axis=1)))
    return math.sqrt(min(ends, float(xp.sum(weight * weight)))) * UP


def joined(parts: list[Cloud]) -> Cloud:
    """The tokens of several clouds, one after the other."""
    return Cloud(
        *(
            namespace(parts[0].centre).concat([getattr(part, name) for part in parts])
            for name in ("centre", "samples", "entry", "ball", "err")
        )
    )
