"""The float64 edges of balls: numbers on the safe side of them, right at any precision in force."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from flint import arb

from varnum.balls.convert import Balls, entrywise
from varnum.balls.scalar import current_precision, precision

Floats: TypeAlias = npt.NDArray[np.float64]


def float_down(x: arb) -> float:
    """The largest float64 not above an exact ball; from its integers, at any precision in force."""
    mantissa, exponent = x.man_exp()
    return _down(int(mantissa), int(exponent))


def float_up(x: arb) -> float:
    """The smallest float64 not below an exact ball, likewise."""
    mantissa, exponent = x.man_exp()
    return 0.0 - _down(-int(mantissa), int(exponent))


def _down(mantissa: int, exponent: int) -> float:
    """mantissa 2^exponent, rounded down."""
    drop = max(mantissa.bit_length() - 53, -1074 - exponent)  # bits below a float64's last
    if drop > 0:
        mantissa, exponent = mantissa >> drop, exponent + drop
    if mantissa.bit_length() + exponent > 1024:
        return math.nextafter(math.inf, 0.0) if mantissa > 0 else -math.inf
    return math.ldexp(mantissa, exponent)  # exact


def _nearest(x: arb) -> float:
    """About the float64 next to an exact ball."""
    mantissa, exponent = (int(part) for part in x.man_exp())
    drop = max(mantissa.bit_length() - 64, 0)
    if mantissa.bit_length() + exponent > 1023:  # ldexp would warn of 2^1024
        return _down(mantissa, exponent)
    return math.ldexp(float(mantissa >> drop), exponent + drop)


def _floats(function: Callable[[arb], float], balls: Balls) -> Floats:
    with precision(max(64, current_precision())):  # .lower() and .upper() round to it
        return entrywise(function)(balls).astype(np.float64)


def estimate(balls: Balls) -> Floats:
    """Midpoints rounded to float64, radius dropped; NaN where the ball is unbounded."""
    return _floats(lambda b: _nearest(b.mid()) if b.is_finite() else math.nan, balls)


def radius_upper(balls: Balls) -> Floats:
    """Float64 not below the radius about the exact midpoint; infinity where unbounded.

    `estimate` rounds that midpoint: for an interval take `bounds`.
    """
    return _floats(lambda b: float_up(b.rad()) if b.is_finite() else math.inf, balls)


def bounds(balls: Balls) -> tuple[Floats, Floats]:
    """Float64 arrays (low, high) with low <= every point <= high; infinite where unbounded."""
    low = _floats(lambda b: float_down(b.lower()) if b.is_finite() else -math.inf, balls)
    high = _floats(lambda b: float_up(b.upper()) if b.is_finite() else math.inf, balls)
    return low, high
