"""How large the mean of all rows' errors may be, from a sample: a bet against every smaller one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.balls.scalar import arb, ball, certainly_less, precision

Array = npt.NDArray[np.float64]
_STEPS = 1 << 20  # the bound is a multiple of 1/_STEPS
_BETS = tuple(Fraction(1, 1 << j) for j in range(12))  # shares of the capital at stake
_CAPITAL = tuple(Fraction(1, 1 << min(j + 1, 11)) for j in range(12))  # behind each; the sum is 1


def mean_above(errors: Sequence[float], chance: Fraction) -> Fraction:
    """A number that at most `chance` of all samples put below the mean of the whole.

    `errors` in [0, 1]: draws, independent and uniform. If the mean is m, each factor of the
    capital sum_j c_j prod_i (1 + b_j (m - x_i)) is at least 0 and has expectation 1, so the
    capital reaches 1/chance in at most `chance` of all samples (Markov). It grows with m: the
    least m where it certainly has is the bound (claim sampled-guarantee).

    >>> float(mean_above([0.001] * 256, Fraction(1, 1000))) < 0.032
    True
    """
    if not all(0 <= x <= 1 for x in errors):
        raise ValueError("errors lie in [0, 1]")
    x = np.asarray(errors, dtype=float)
    low, high = 0, _STEPS
    while high - low > 1:  # in floats, to be near
        middle = (low + high) // 2
        if _estimate_capital(x, middle / _STEPS)[0] > -np.log(float(chance)):
            high = middle
        else:
            low = middle
    with precision(64):
        while high < _STEPS and not certainly_less(1 / ball(chance), _capital(errors, high)):
            high += max(1, high >> 16)
    return Fraction(min(high, _STEPS), _STEPS)


def _estimate_capital(
    x: np.ndarray[tuple[int], np.dtype[np.float64]], mean: float
) -> tuple[float, int]:
    """(logarithm of the largest part of the capital, which bet that is), in floats."""
    bets, shares = (np.array([float(p) for p in part]) for part in (_BETS, _CAPITAL))
    with np.errstate(divide="ignore"):
        parts = np.log(shares) + np.array([np.log1p(b * (mean - x)).sum() for b in bets])
    best = int(np.argmax(parts))
    return float(parts[best]), best


def _capital(errors: Sequence[float], step: int) -> arb:
    """One part of the capital, the largest; the others only add to it."""
    mean = Fraction(step, _STEPS)
    _, best = _estimate_capital(np.asarray(errors, dtype=float), float(mean))
    bet, whole = ball(_BETS[best]), ball(_CAPITAL[best])
    start = 1 + bet * ball(mean)
    for x in errors:
        whole *= start - bet * ball(x)
    return whole
