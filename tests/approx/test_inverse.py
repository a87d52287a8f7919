"""Backwards: the largest interval for a degree."""

from __future__ import annotations

from fractions import Fraction

import pytest

from varnum.approx.degree import LeastDegree, certify_least_degree
from varnum.approx.inverse import LargestInterval, certify_largest_interval, certify_reaches
from varnum.approx.target import additive, relative
from varnum.verdict import Unknown


def test_degree_zero_is_artanh() -> None:
    found = certify_largest_interval(relative, 0, Fraction(1, 100), digits=8)
    assert isinstance(found, LargestInterval)
    artanh = Fraction("0.010000333353334762")  # artanh(1/100) = x + x^3/3 + x^5/5 + ..
    assert found.size <= artanh < found.above


@pytest.mark.parametrize("make", [relative, additive])
def test_round_trip_with_the_least_degree(make: object) -> None:
    for degree in (1, 3, 6):
        found = certify_largest_interval(make, degree, Fraction(1, 1000))  # type: ignore[arg-type]
        assert isinstance(found, LargestInterval)
        inside = certify_least_degree(make(found.size), Fraction(1, 1000))  # type: ignore[operator]
        outside = certify_least_degree(make(found.above), Fraction(1, 1000))  # type: ignore[operator]
        assert isinstance(inside, LeastDegree)
        assert isinstance(outside, LeastDegree)
        assert inside.degree <= degree < outside.degree


def test_beyond_the_limit_is_unknown() -> None:
    found = certify_largest_interval(relative, 30, Fraction(1, 10), limit=Fraction(2))
    assert isinstance(found, Unknown)


def test_reaches_says_no_with_proof() -> None:
    assert certify_reaches(relative(Fraction(4)), 12, Fraction(1, 10**6)) is False
    assert certify_reaches(relative(Fraction(4)), 13, Fraction(1, 10**6)) is True
