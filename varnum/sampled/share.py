"""How many rows of a whole may be bad, from a sample: Clopper and Pearson, rounded upward."""

from __future__ import annotations

from fractions import Fraction

from varnum.balls.scalar import arb, ball, certainly_at_most, precision

_STEPS = 1 << 30  # the bound is a multiple of 1/_STEPS


def share_above(bad: int, rows: int, chance: Fraction) -> Fraction:
    """A share p that at most `chance` of all samples put below the true one.

    `rows` draws, independent and uniform; `bad` of them had the property. Not below the largest p
    with P(Binomial(rows, p) <= bad) > chance (Clopper and Pearson 1934; claim sampled-guarantee).

    >>> float(share_above(0, 256, Fraction(1, 1000))) < 0.0267
    True
    """
    if bad >= rows:
        return Fraction(1)
    low, high = 0, _STEPS  # at `high` the sample is certainly too unlikely, or high is 1
    with precision(96):
        while high - low > 1:
            middle = (low + high) // 2
            if certainly_at_most(_at_most_bad(bad, rows, Fraction(middle, _STEPS)), chance):
                high = middle
            else:
                low = middle
    return Fraction(high, _STEPS)


def _at_most_bad(bad: int, rows: int, share: Fraction) -> arb:
    """P(Binomial(rows, share) <= bad), as a regularised incomplete beta function."""
    return ball(1 - share).beta_lower(rows - bad, bad + 1, True)
