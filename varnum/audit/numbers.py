"""Numbers as rows hold them: rounded outwards to a few digits.

The last bits of what LAPACK computes have been seen to differ between two runs of one program (one
row of 256, in the 14th digit). A bound rounded outwards is still a bound, and hides that.
"""

from __future__ import annotations

from fractions import Fraction

from varnum.balls.exact import round_decimal

DIGITS = 7


def above(value: float | Fraction) -> float:
    """A float of few digits not below `value`: reading a decimal is monotone, so it stays above."""
    return _rounded(value, up=True)


def below(value: float | Fraction) -> float:
    """A float of few digits not above `value`."""
    return _rounded(value, up=False)


def _rounded(value: float | Fraction, up: bool) -> float:
    if value in (float("inf"), float("-inf")):
        raise ArithmeticError("an infinite bound says nothing")
    return float(round_decimal(Fraction(value), DIGITS, up=up))
