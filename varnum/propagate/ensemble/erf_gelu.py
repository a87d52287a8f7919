"""GELU itself, x Phi(x), with two derivatives; Phi from a table in balls and Taylor's polynomial.

No error function of a library is trusted: around the nearest of the points k/16 the derivatives of
Phi are (-1)^n He_n phi. The remainder after x^9 is at most 0.44 sqrt(9!)/10! 32^-10 < 2^-61,
as |He_n| phi <= 0.44 sqrt(n!) (Cramer's inequality).
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np

from varnum.balls.scalar import arb, ball, precision
from varnum.propagate.ensemble.exponential import exp
from varnum.propagate.ensemble.smooth_activations import Smooth
from varnum.propagate.forms import Floats

_STEP, _FAR, _ORDER = 16, 9, 9
_ROOT = 1 / math.sqrt(2 * math.pi)
PHI_ERROR = 2.0**-48  # of Phi: 18 roundings of at most 1 + 1/64, table, remainder, tails


def gelu_erf(x: Floats) -> Smooth:
    """f, its error, f' within SLOPE_ERROR, |f''|: as `smooth_activations`."""
    phi, density = normal(x)
    value = x * phi
    second = np.abs(density * (2 - x * x))
    error = (PHI_ERROR + 2.0**-52) * np.abs(x) + 2.0**-52 * np.abs(value)
    return Smooth(value, error, phi + x * density, second * (1 + 2.0**-20) + 2.0**-30)


def normal(x: Floats) -> tuple[Floats, Floats]:
    """Phi within PHI_ERROR, and its density, relatively within 2^-40 where it is above 2^-60."""
    inside = np.clip(x, -_FAR, _FAR)
    index = np.rint(np.where(np.isnan(x), 0.0, inside) * _STEP).astype(np.int64)
    apart = inside - index / _STEP  # exact: both are multiples of x's last place or larger
    table = _table()[index + _FAR * _STEP]  # (.., order + 1)
    phi = table[..., _ORDER]
    for n in reversed(range(_ORDER)):
        phi = phi * apart + table[..., n]
    phi = np.where(x >= _FAR, 1.0, np.where(x <= -_FAR, 0.0, phi))
    return phi, np.asarray(exp(-np.minimum(x * x / 2, 700.0))) * _ROOT


@cache
def _table() -> Floats:
    """Taylor coefficients of Phi at k/16, |k| <= 144, each rounded to nearest.

    Raises ArithmeticError where flint's precision, one for the process, was lowered meanwhile.
    """
    points = range(-_FAR * _STEP, _FAR * _STEP + 1)
    with precision(128):
        exact = [_coefficients(ball(Fraction(k, _STEP))) for k in points]
        table = np.array([[float(c.mid()) for c in row] for row in exact])
    if not all(float(c.rad()) < 2.0**-80 for row in exact for c in row):
        raise ArithmeticError("the table of GELU: balls are too wide")
    table.flags.writeable = False
    return table


def _coefficients(x: arb) -> list[arb]:
    """Phi, then (-1)^(n-1) He_(n-1)(x) phi(x)/n!."""
    density = (-x * x / 2).exp() / (2 * arb.pi()).sqrt()
    found = [(1 + (x / arb(2).sqrt()).erf()) / 2]
    before, now = arb(0), arb(1)
    for n in range(1, _ORDER + 1):
        found.append((-1) ** (n - 1) * now * density / math.factorial(n))
        before, now = now, x * now - (n - 1) * before
    return found
