"""What a sample of m says, up to chance d': the quantiles of claims ensemble-norms and -forms.

`gauss_quantile`: c with P(chi2_m <= c m) <= d'. `cauchy_quantile`: x with P(mean sin^2 <= x) <= d'.
Both are found in floats and end with a test in balls; where that fails, they say so.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np

from varnum.balls.scalar import ball, certainly_at_most, precision
from varnum.model.backend import namespace
from varnum.tensor import DoubleTensor

LIPSCHITZ = 0.6496  # > 3 sqrt 3 / 8, of h(t) = t^2/(1 + t^2)
_SAFE = 2.0**-40
_LEAST = 1e-140  # below it squares leave float64


def gauss_quantile(samples: int, chance: Fraction) -> float:
    """c > 0 with P(chi2_m <= c m) <= chance, m even; 0 where none was found.

    y = c m/2, k = m/2: P <= y^k e^-y / (k! (1 - y/(k+1))).
    """
    if samples < 2 or samples % 2:
        raise ValueError("an even number of samples is needed")
    return _gauss(samples, chance)


@lru_cache(maxsize=256)
def _gauss(samples: int, chance: Fraction) -> float:
    k, target = samples // 2, _log(chance)

    def tail(y: float) -> float:
        return k * math.log(y) - y - math.lgamma(k + 1) - math.log1p(-y / (k + 1))

    low, high = -700.0, math.log(k / 2)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(math.exp(middle)) <= target else (low, middle)
    y = Fraction(math.exp(low)) * (1 - Fraction(1, 1 << 30))
    with precision(256):
        share = ball(y) ** k * (-ball(y)).exp() / math.factorial(k) / ball(1 - y / (k + 1))
        if not (0 < y < k and certainly_at_most(share, chance)):
            return 0.0
    return float(y / k) * (1 - _SAFE)


def cauchy_quantile(samples: int, chance: Fraction) -> float:
    """x > 0 with P(mean_s sin^2(U_s) <= x) <= chance, U uniform on the circle; 0 where none.

    Chernoff with any l > 0: x = -(log(e^(-l/2) I_0(l/2)) + log(1/chance)/m)/l.
    """
    return _cauchy(samples, chance)


@lru_cache(maxsize=256)
def _cauchy(samples: int, chance: Fraction) -> float:
    grid = np.exp(np.linspace(math.log(0.1), math.log(1e7), 4000))
    moment = np.log(np.i0(np.minimum(grid / 2, 700)) * np.exp(-np.minimum(grid / 2, 700)))
    far = grid / 2 > 700  # I_0(y) e^-y is about 1/sqrt(2 pi y)
    moment[far] = -0.5 * np.log(math.pi * grid[far])
    x = -(moment - _log(chance) / samples) / grid
    best = int(np.argmax(x))
    if not x[best] > 0:
        return 0.0
    at, found = Fraction(float(grid[best])), Fraction(float(x[best])) * (1 - Fraction(1, 1 << 20))
    with precision(128):
        half = ball(at / 2)
        value = (ball(at * found) + (-half).exp().log() + half.bessel_i(0).log()) * samples
        if not certainly_at_most(value, ball(chance).log()):
            return 0.0
    return float(found) * (1 - _SAFE)


def _log(chance: Fraction) -> float:
    return math.log(chance.numerator) - math.log(chance.denominator)


def cauchy_radius(values: DoubleTensor, loss: DoubleTensor, threshold: float) -> DoubleTensor:
    """tau per column of |values| (samples, forms): the last one tried with F(tau) <= threshold.

    F(tau) = mean h(|z|/tau) + loss, loss the charge for rounding. Infinite where none passes; all
    zero samples give 0. Claim ensemble-forms.
    """
    xp, infinity = namespace(values), float("inf")
    size = xp.abs(values)
    room = threshold - (loss + xp.zeros_like(size[0])) - _SAFE
    space = xp.where(room > 0, room, 1.0)
    squares = size * size
    # mean z^2/tau^2 >= F(tau) - loss, so this tau passes; then down, halving the logarithm
    high = xp.sqrt(xp.mean(squares, axis=0) / space) * (1 + 2.0**-20)
    positive = high > 0
    high = xp.where(positive, high, 1.0)
    low = high * 1e-9
    for _ in range(18):
        middle = xp.sqrt(low * high)
        inside = _mean(squares, middle) <= space
        high, low = xp.where(inside, middle, high), xp.where(inside, low, middle)
    passed = (_mean(squares, high) <= space) & xp.isfinite(high) & (room > 0)
    answer = xp.where(passed & positive, xp.maximum(high, _LEAST), infinity)
    return xp.where(xp.all(size == 0, axis=0) & (room > 0), 0.0, answer)


def _mean(squares: DoubleTensor, tau: DoubleTensor) -> DoubleTensor:
    return namespace(tau).mean(squares / (squares + tau * tau), axis=0)
