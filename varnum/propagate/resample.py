"""Claim flowar-resample, exactly: a map up to `through` by bicubic, then down by area."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from varnum.model.interpolation import Matrix, area_matrix, bicubic_matrix


@cache
def resample_matrix(side: int, through: int, after: int) -> Matrix:
    """One axis of side -> through (bicubic, a = -3/4) -> after (area), (after, side)."""
    up, down = bicubic_matrix(side, through), area_matrix(through, after)
    columns = tuple(zip(*up, strict=True))
    return tuple(
        tuple(sum((a * b for a, b in zip(row, column, strict=True) if a), Fraction(0))
              for column in columns)
        for row in down
    )  # fmt: skip


def axis_resample_growth(side: int, through: int, after: int) -> Fraction:
    """Largest row sum of |weights| of one axis: how much it can grow the maximum.

    >>> [str(axis_resample_growth(s, 16, 2 * s)) for s in (1, 2, 4, 8)]
    ['1', '2405/2048', '161/128', '41/32']
    """
    rows = resample_matrix(side, through, after)
    return max(sum((abs(w) for w in row), Fraction(0)) for row in rows)


def resample_growth(side: int, through: int, after: int) -> Fraction:
    """The same in two dimensions: the square, attained by an outer product of signs."""
    return axis_resample_growth(side, through, after) ** 2


def least_weight(side: int, through: int, after: int) -> tuple[Fraction, Fraction]:
    """(one axis, two axes): the most negative weight."""
    weights = [w for row in resample_matrix(side, through, after) for w in row]
    low, high = min(weights), max(weights)
    return low, min(low * high, low)
