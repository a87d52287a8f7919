"""How far e^x averages above e^(mean x): upper bounds in float64, every rounding on the safe side.

For numbers x of mean 0, mean square at most s2 and x <= a (claims evict-mass, merge-error):
mean(e^x) - 1 <= jensen_excess(a, s2), |e^x - 1| <= psi0(a)|x|, e^x - 1 - x <= psi1(a) x^2. All
increase in a and s2, so upper bounds of a and s2 go in.
"""

from __future__ import annotations

import math

import numpy as np

from varnum.floats.rounding import EXP_ULPS, UNIT, up_each
from varnum.tensor import Doubles

U = UNIT["float64"]
FAR = 350.0  # beyond, e^a squared could overflow: say nothing
_TERMS = 18  # 1/(18 + 2)! < 2^-60 on [0, 1]
_SERIES = tuple(1 / math.factorial(k + 2) for k in range(_TERMS))
_EXP = 2 * (EXP_ULPS + 2) * U  # relative error of exp and expm1


def psi1(a: Doubles) -> Doubles:
    """Not below (e^a - 1 - a)/a^2 for a >= 0 (1/2 at 0); infinite beyond 350.

    Up to 1 its power series, positive terms 1/(k+2)! a^k with the tail added; beyond, the quotient,
    whose difference loses at most a factor (e - 1)/(e - 2) < 3 of precision.
    """
    a = np.asarray(a, dtype=np.float64)
    small = np.minimum(a, 1.0)
    series = np.full_like(small, 2.0 * _SERIES[-1])  # the last term twice covers the tail
    for coefficient in reversed(_SERIES[:-1]):
        series = series * small + coefficient
    large = np.clip(a, 1.0, FAR)
    quotient = (np.expm1(large) - large) / (large * large) * (1 + 3 * _EXP + 16 * U)
    return np.where(a > FAR, np.inf, np.where(a <= 1, up_each(series), quotient))


def psi0(a: Doubles) -> Doubles:
    """Not below (e^a - 1)/a for a >= 0 (1 at 0); infinite beyond 350."""
    a = np.asarray(a, dtype=np.float64)
    safe = np.clip(a, 1e-8, FAR)  # below, 1 + a covers it: (e^a - 1)/a <= 1 + a for a <= 1
    quotient = np.expm1(safe) / safe * (1 + _EXP + 8 * U)
    return np.where(a > FAR, np.inf, np.where(a < 1e-8, 1 + 2e-8, quotient))


def jensen_excess(a: Doubles, s2: Doubles) -> Doubles:
    """Not below sup of mean(e^x) - 1 over x <= a, mean 0, mean square <= s2 (Bennett).

    (a^2 (e^(-s2/a) - 1) + s2 (e^a - 1))/(a^2 + s2), or s2 psi1(a) or e^a - 1, always valid, where
    the cancellation of the first costs more than these lose.
    """
    a, s2 = np.asarray(a, dtype=np.float64), np.asarray(s2, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        simple = np.minimum(s2 * psi1(a) * (1 + 2 * U), a * psi0(a) * (1 + 2 * U))
    wide = np.clip(a, 1e-150, FAR)
    with np.errstate(over="ignore", under="ignore"):
        low, high = wide * wide * -np.expm1(-s2 / wide), s2 * np.expm1(wide)
        slop = (low + high) * (_EXP + 16 * U)  # both terms' own errors, then the difference
        exact = np.maximum(high - low + slop, 0) / (wide * wide + s2) * (1 + 8 * U)
    usable = (a > 1e-6) & (a <= FAR)
    return np.where(s2 == 0, 0.0, np.where(usable, np.minimum(exact, simple), simple))
