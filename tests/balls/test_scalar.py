from fractions import Fraction

import mpmath
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from varnum.balls import namespace, parse
from varnum.balls.scalar import (
    ball,
    certain_sign,
    certainly_at_most,
    certainly_less,
    current_precision,
    enclosure_text,
    exact_value,
    hull,
    lower,
    precision,
    upper,
)
from varnum.errors import InputError

dyadics = st.builds(
    lambda n, e: Fraction(n) * Fraction(2) ** e, st.integers(-(2**60), 2**60), st.integers(-80, 20)
)


def test_precision_is_restored_even_after_an_error():
    before = current_precision()
    with precision(200):
        assert current_precision() == 200
    with pytest.raises(ZeroDivisionError), precision(200):
        raise ZeroDivisionError
    assert current_precision() == before == ctx.prec


@given(st.fractions(), st.integers(2, 200))
def test_a_ball_encloses_its_number(value, bits):
    with precision(bits):
        made = ball(value)
        assert lower(made) <= value <= upper(made)
        assert upper(made) - lower(made) <= abs(value) * Fraction(2) ** (4 - bits)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_ints_and_floats_are_exact_at_any_precision(value):
    with precision(20):
        assert exact_value(ball(value)) == Fraction(value)


def test_decimal_strings_are_enclosed_not_rounded():
    made = ball("0.1")
    assert lower(made) < Fraction(1, 10) < upper(made)
    assert Fraction(0.1) != Fraction(1, 10)  # what a float would have said


@pytest.mark.parametrize(
    "value",
    [None, True, "inf", "nan", "abc", "1 +/- 2", 1j, float("nan"), float("-inf"), [1], b"1"],
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError):
        ball(value)


@given(dyadics, dyadics, st.fractions(0, 1))
def test_hull_encloses_everything_between(a, b, t):
    made = hull(a, b)
    point = a + t * (b - a)
    assert lower(made) <= point <= upper(made)


@given(dyadics, dyadics)
def test_comparisons_of_points_are_exact(a, b):
    with precision(100):  # the numbers have up to 60 bits
        x, y = ball(a), ball(b)
    assert certainly_less(x, y) == (a < b)
    assert certainly_at_most(x, y) == (a <= b)
    assert certain_sign(x) == (a > 0) - (a < 0)


def test_overlapping_balls_are_not_certain_of_anything():
    wide = arb(0, 1)
    assert not certainly_less(wide, 1)  # they touch
    assert certainly_at_most(arb(0, 0.5), 1)
    assert not certainly_at_most(wide, arb(0.5))
    assert not certainly_less(wide, wide)
    assert certain_sign(wide) == 0


@pytest.mark.parametrize("bad", [arb("nan"), arb(0, float("inf")), arb(-1).sqrt(), 1 / arb(0, 1)])
def test_undefined_balls_are_never_certain(bad):
    for other in (0, -(10**9), 10**9, bad):
        assert not certainly_less(bad, other)
        assert not certainly_less(other, bad)
        assert not certainly_at_most(bad, other)
        assert not certainly_at_most(other, bad)
    assert certain_sign(bad) == 0
    for question in (lower, upper, enclosure_text, exact_value):
        with pytest.raises(ArithmeticError, match="unbounded"):
            question(bad)


def test_bounds_too_far_out_are_refused_instead_of_filling_the_memory():
    with pytest.raises(ArithmeticError, match="too far out"):
        upper(arb(10**30).exp())


@given(st.integers(-40000, 40000), st.integers(1, 30))
def test_enclosure_text_encloses_exp(n, digits):
    with precision(160):
        low, high = enclosure_text(arb(n).exp(), digits)
    with mpmath.workdps(60):
        assert mpmath.mpf(low) <= mpmath.exp(n) * (1 + mpmath.mpf(10) ** -40)
        assert mpmath.mpf(high) >= mpmath.exp(n) * (1 - mpmath.mpf(10) ** -40)
        assert mpmath.mpf(high) / mpmath.mpf(low) <= 1 + mpmath.mpf(10) ** (2 - digits)


def test_enclosure_text_is_outward():
    low, high = enclosure_text(ball(Fraction(2, 3)), 5)
    assert (low, high) == ("6.6666e-1", "6.6667e-1")
    assert parse(low) < Fraction(2, 3) < parse(high)


def test_pi_at_the_precision_in_force():
    with precision(300):
        made = namespace.pi.item()
        assert upper(made) - lower(made) < Fraction(1, 2**290)
    with mpmath.workdps(80):
        assert abs(mpmath.mpf(made.mid().str(85, radius=False)) - mpmath.pi) < mpmath.mpf(10) ** -75
