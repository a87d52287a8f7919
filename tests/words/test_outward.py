"""Proved numbers are printed on the safe side, whatever they are."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.balls.scalar import arb
from varnum.outward import at_least, at_most, float_down, float_up, round_down, round_up

RATIONALS = st.fractions() | st.fractions(max_denominator=3).map(lambda x: x * Fraction(10) ** 30)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(RATIONALS | FLOATS, st.integers(1, 8))
def test_text_is_on_its_side_and_near(x: Fraction | float, digits: int) -> None:
    exact, low, high = Fraction(x), Fraction(at_least(x, digits)), Fraction(at_most(x, digits))
    assert low <= exact <= high
    assert high - low <= abs(exact) * Fraction(10) ** (1 - digits)


@given(RATIONALS | FLOATS)
def test_doubles_are_neighbours(x: Fraction | float) -> None:
    low, high = float_down(x), float_up(x)
    assert low == -math.inf or Fraction(low) <= Fraction(x)
    assert high == math.inf or Fraction(high) >= Fraction(x)
    assert high == low or math.nextafter(low, math.inf) == high


@given(st.fractions() | st.decimals(allow_nan=False, allow_infinity=False, places=5).map(Fraction))
def test_doubles_of_few_digits_are_on_their_side(x: Fraction) -> None:
    """Of short decimals too, whose nearest double may be on the other one: 3/10 is above 0.3."""
    low, high = round_down(x), round_up(x)
    assert Fraction(low) <= x <= Fraction(high)
    assert high - low <= abs(x) * Fraction(22, 10**7)


def test_faces_of_numbers() -> None:
    """F9: 0.0989433 proved is 0.0990, and not 0.0989."""
    assert (at_most(0.0989433), at_most(4.714386)) == ("0.0990", "4.72")
    assert (at_most(0), at_most(1234567.0), at_most(-0.00012345)) == ("0", "1240000", "-0.000123")
    assert (at_most(99999), at_most(1.001e-20), at_most("1/3", 2)) == ("100000", "1.01e-20", "0.34")
    assert (at_most(math.inf), at_least(-math.inf)) == ("inf", "-inf")
    assert float_up(Fraction(10) ** 400) == math.inf
    assert (
        float_down(Fraction(10) ** 400) == float_up(float_down(10**400)) == 1.7976931348623157e308
    )


def test_balls_show_their_safe_end() -> None:
    third = arb(1) / 3
    assert Fraction(float_down(third)) <= Fraction(1, 3) <= Fraction(float_up(third))
    assert (at_least(third), at_most(third)) == ("0.333", "0.334")


@pytest.mark.parametrize("value", [math.inf, math.nan, Fraction(10) ** 309])
def test_an_infinite_bound_is_not_rounded(value: float) -> None:
    with pytest.raises(ArithmeticError, match=r"says nothing|no bound"):
        round_up(value)


@pytest.mark.parametrize("value", [math.nan, arb("nan"), arb(1) / 0])
def test_no_bound_is_refused(value: object) -> None:
    with pytest.raises(ArithmeticError):
        at_most(value)
    with pytest.raises(ArithmeticError):
        float_up(value)
