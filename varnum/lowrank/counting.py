"""Ranks known before any data is seen (claim monomial-rank)."""

from __future__ import annotations

from varnum.errors import InputError
from varnum.formulas import cost as forms


def rank(d: int, degree: int) -> int:
    """C(d + g, g): one feature per monomial of degree at most g in d variables."""
    _check(d, degree)
    return forms.rank.integer(d=d, g=degree)


def rank_published(d: int, degree: int) -> int:
    """C(2(g + d), 2g), the published bound (Alman and Song 2023); never below `rank`."""
    _check(d, degree)
    return forms.rank_published.integer(d=d, g=degree)


def largest_degree(d: int, bound: int) -> int | None:
    """The largest degree whose rank is at most `bound`; None if even a constant is too much."""
    _check(d, 0)
    if bound < 1:
        return None
    low, high = 0, 1
    while rank(d, high) <= bound:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rank(d, middle) <= bound else (low, middle)
    return low


def _check(d: int, degree: int) -> None:
    if d < 1:
        raise InputError(f"d: {d} is not allowed; the head dimension is at least 1")
    if degree < 0:
        raise InputError(f"degree: {degree} is not allowed; at least 0")
