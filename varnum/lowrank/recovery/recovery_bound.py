"""The bound of a row: block optimal recovery, with Jensen's denominator and every rounding.

    |o~ - o|_u <= [ root (G(u) + |z_u| G(1)) + g |f| (H(u) + |z_u| H(1)) + 2 u |z_u| D~ ] / D
    D = max(D~ - g |f| H(1) - root G(1),  C exp((q - q0).ybar - slip))

root = sqrt(R(x, x)), z = o~ - v0 as computed, G the sums of block norms, H of c |f| |u|, g the
rounding of sums; then the logits' own error zeta/2 and the last roundings. proofs/recovery.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from varnum.floats.arrays import namespace
from varnum.floats.rounding import EXP_ULPS, TINY, UNIT, dtype_name, gamma, unit_of
from varnum.floats.values import ValueRange
from varnum.lowrank.recovery.blocks import SUM, to_host
from varnum.tensor import Array, Tensor

if TYPE_CHECKING:
    from varnum.lowrank.recovery.recovery_state import Sums

_U = UNIT["float64"]
_STEPS = 2 * EXP_ULPS + 32  # of a weighted feature and of the last quotient and sums


@dataclass(frozen=True)
class Limits:
    """What all rows share: sums in the working dtype, bounds in units of each column's range."""

    state: Tensor  # (rank, d_v + 1)
    v0: Tensor
    left: Tensor  # (d_v,) G(u)/range, from above
    left_mass: Tensor  # (d_v,) G(1)/range
    inverse: Tensor  # (d_v,) 1/range, 0 where it is 0
    norm_mass: float  # G(1)
    sizes: Tensor  # () or (n,): largest H(u)/range
    size_mass: float  # H(1)
    mass: tuple[float, float]  # C from below and above
    rounding: float  # g
    last: Tensor  # () or (n,): what rounding of v - v0 and of z + v0 costs
    lost: Tensor  # what underflow may, times |f| (1 + |z|/range), before it is divided by D
    most: Tensor  # largest |u|/range
    unit: float
    shared: bool  # one range for all rows

    @classmethod
    def of(
        cls, sums: Sums, seen: ValueRange, v0: Tensor, parts: int, cast: Callable[[Array], Tensor]
    ) -> Limits:
        """For outputs in units of the range of `seen`; constant columns do not count."""
        unit, tiny = unit_of(v0), TINY[dtype_name(v0)]
        low, high = (to_host(part).astype(np.float64) for part in (seen.low, seen.high))
        moving = high > low
        spread = np.where(moving, (high - low) * (1 - 2 * _U), 1.0)
        inverse = np.where(moving, (1 + 4 * _U) / spread, 0.0)
        terms = min(sums.count, SUM) + len(sums.state) + _STEPS
        rounding = gamma(terms + (sums.count / SUM + parts + 1) * _U / unit, unit)
        mass, size_mass = float(sums.state[0, 0]), float(sums.sizes[0])
        apart = rounding * size_mass
        start = abs(to_host(v0).astype(np.float64))
        biggest = np.maximum(abs(low), abs(high)) + start
        ratio = (biggest * inverse).max(-1, initial=0.0)
        lost = 64 * tiny * (sums.count + len(sums.state)) * (1 + sums.most)
        lost = lost * (1 + inverse.max(-1, initial=0.0))
        more = 1 + 8 * unit  # they are rounded to the working dtype
        left, left_mass = (
            cast(_sure(part * inverse) * more) for part in (sums.norms[1:], sums.norms[0])
        )
        return cls(
            cast(sums.state), v0, left, left_mass, cast(inverse * more), float(sums.norms[0]),
            _sure(sums.sizes[1:] * inverse).max(-1, initial=0.0), size_mass,
            (mass - apart, mass + apart), rounding, 8 * unit * (1 + ratio), lost,
            1.01 * ratio, unit, low.ndim == 1,
        )  # fmt: skip


def row_bounds(
    limits: Limits, x: Tensor, f: Tensor | None, root: Array, length: Array, zeta: Array,
    out: Tensor, sums: Tensor, size: Tensor, extra: tuple[Tensor, Array, Array] | None = None,
) -> Array:  # fmt: skip
    """Write the output (n, d_v), return its bound (n,): infinite where nothing is certified.

    x (n, m) coordinates; f (n, rank) their features, None where these are (1, x); root and length
    (n,): not below sqrt(R(x, x)) and |f|; sums (n, d_v + 1) and size (n, d_v) are scratch.
    extra: sums over more keys (n, d_v + 1), their error for |u| <= 1, and their mass from below.
    """
    xp, state, width = namespace(x), limits.state, int(x.shape[1])
    if f is None:
        xp.matmul(x, state[1:], out=sums)
        along = _double(sums[:, 0])
        sums += state[0]
    else:
        along = _double(x @ state[1 : 1 + width, 0])
        xp.matmul(f, state, out=sums)
    more_slip: Array | float = 0.0
    more_mass: Array | float = 0.0
    if extra is not None:
        sums += extra[0]
        more_slip = extra[1] + 2 * limits.unit * abs(_double(sums[:, 0]))
        more_mass = np.maximum(extra[2], 0.0)
    below = _double(sums[:, 0])
    shift = sums[:, 1:]
    shift /= sums[:, :1]
    xp.add(shift, limits.v0, out=out)
    xp.abs(shift, out=shift)
    xp.multiply(shift, limits.inverse, out=size)
    farthest = _double(_largest(size))
    xp.multiply(shift, limits.left_mass, out=size)
    size += limits.left
    more = 1 + 16 * limits.unit
    reach, farthest = _double(_largest(size)) * more, farthest * more
    slip = limits.rounding * length * limits.size_mass + limits.lost * length
    least = jensen(limits, along, slip) + more_mass
    slip = slip + more_slip
    least = np.maximum(below - slip - root * limits.norm_mass, least)
    sums_slip = limits.rounding * length * (limits.sizes + farthest * limits.size_mass)
    sums_slip += limits.lost * length * (1 + farthest)
    sums_slip += more_slip * (limits.most + farthest)
    error = root * reach + sums_slip + 2 * limits.unit * farthest * abs(below)
    error = error / np.where(least > 0, least, np.nan)
    error += 0.5 * zeta * (1 + limits.last) + limits.last + 2 * limits.unit * farthest
    return _sure(error * (1 + 64 * _U))


def jensen(limits: Limits, along: Array, slip: Array) -> Array:
    """Not above C e^(x.ybar), which is not above the exact denominator; along = C x.ybar."""
    low, high = limits.mass
    if not 0 < low <= high:
        return np.full(len(along), -np.inf)
    far = along - slip
    exponent = np.minimum(far / low, far / high)
    return np.asarray(low * np.exp(np.minimum(exponent, 700.0) - 4 * _U * (2 + abs(exponent))))


def _largest(array: Tensor) -> Tensor:
    return array.max(1) if isinstance(array, np.ndarray) else array.amax(1)


def _double(array: Tensor) -> Array:
    """A copy in float64: the scratch that it comes from is written to."""
    return np.array(to_host(array), dtype=np.float64)


def _sure(array: Array) -> Array:
    """What is not a number bounds nothing."""
    return np.nan_to_num(array, nan=np.inf, posinf=np.inf)
