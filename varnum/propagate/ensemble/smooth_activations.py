"""GELU's tanh form and SiLU with two derivatives, by exp alone; errors of each, absolute.

gelu(x) = x sigma(2 s (x + 0.044715 x^3)), s = sqrt(2/pi). Needed of exp: 4 units in the last place;
`exponential.exp` is within one.
"""

from __future__ import annotations

from dataclasses import dataclass

from varnum.model.backend import namespace
from varnum.propagate.ensemble.engine import Array
from varnum.propagate.ensemble.exponential import exp

_SLOPE = 0.7978845608028654  # sqrt(2/pi), to half an ulp
_CUBIC = 0.044715


@dataclass(frozen=True)
class Smooth:
    """f, f', |f''| at x, and the error of the value; f' is within `SLOPE_ERROR`."""

    value: Array
    error: Array
    slope: Array
    second: Array


SLOPE_ERROR = 2.0**-40


def gelu(x: Array) -> Smooth:
    """Of finite x; the error is proved for |x| <= 60, beyond which the tails are below 2^-900."""
    xp = namespace(x)
    inner = 2 * _SLOPE * (x + _CUBIC * x * x * x)
    low = exp(-xp.abs(inner))  # never overflows
    total = 1 + low
    gate = xp.where(inner >= 0, 1.0, low) / total  # sigma(inner)
    other = low / (total * total)  # sigma (1 - sigma)
    first = 2 * _SLOPE * (1 + 3 * _CUBIC * x * x)
    value = x * gate
    slope = gate + x * other * first
    tilt = xp.where(inner >= 0, low - 1, 1 - low) / total  # 1 - 2 sigma
    second = other * (2 * first + x * (2 * _SLOPE * 6 * _CUBIC * x) + x * tilt * first * first)
    # sigma is off by 16 u |inner| sigma (1 - sigma) and 16 u sigma; |inner| (1 - sigma) |x| < 2^4
    error = 2.0**-46 * (xp.abs(x) + xp.abs(value))
    return Smooth(value, error, slope, xp.abs(second) * (1 + 2.0**-20) + 2.0**-30)


def silu(x: Array) -> tuple[Array, Array]:
    """x/(1 + e^-x) and its error, 16 u relative; |x| <= 700."""
    xp = namespace(x)
    value = x / (1 + exp(-x))
    return value, 2.0**-49 * xp.abs(value)


def smooth_silu(x: Array) -> Smooth:
    """SiLU of |x| <= 700: f' = s + x s (1 - s), f'' = s (1 - s) (2 + x (1 - 2s)), s = sigma(x)."""
    xp = namespace(x)
    value, error = silu(x)
    low = exp(-xp.abs(x))
    total = 1 + low
    gate = xp.where(x >= 0, 1.0, low) / total
    other = low / (total * total)  # s (1 - s); |x| s (1 - s) < 1/4
    tilt = xp.where(x >= 0, low - 1, 1 - low) / total  # 1 - 2s
    second = other * (2 + x * tilt)
    slope = gate + x * other
    return Smooth(value, error, slope, xp.abs(second) * (1 + 2.0**-20) + 2.0**-30)
