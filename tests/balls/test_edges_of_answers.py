"""Numbers at the ends: longest texts, one digit, powers of ten, balls without bounds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.exact import parse, round_decimal, to_text
from varnum.balls.questions import (
    argmax_certain,
    certainly_at_most,
    certainly_less,
    possibly_equal,
)
from varnum.balls.scalar import arb, hull
from varnum.errors import InputError
from varnum.verdict import Unknown


def test_the_longest_texts_are_read():
    assert parse("1" * 2000) == int("1" * 2000)
    assert parse("1e2000") == 10**2000
    assert parse("1e-2000") == Fraction(1, 10**2000)
    for text in ("1e2001", "1" * 2001, "1/" + "3" * 1999):
        with pytest.raises(InputError):
            parse(text)


def test_what_is_refused_is_shown_short():
    with pytest.raises(InputError, match="is a float"):
        parse(0.1)
    with pytest.raises(InputError, match=r"'x{37}\.\.\.'"):
        parse("x" * 300)
    with pytest.raises(InputError, match=r"'x{40}'"):
        parse("x" * 40)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1/5", "0.2"), ("1/125", "0.008"), ("-1/250", "-0.004"), ("0", "0"), ("7/6", "7/6")],
)
def test_fives_below_the_line_are_places(value, text):
    assert to_text(Fraction(value)) == text


@pytest.mark.parametrize(
    ("value", "digits", "up", "text"),
    [
        (7, 1, True, "7"), (20, 2, True, "2.0e1"), (30, 3, False, "3.00e1"),
        (1000, 3, False, "1.00e3"), (999, 2, True, "1.0e3"), (9999, 1, True, "1e4"),
        (Fraction(1, 1000), 2, False, "1.0e-3"), (Fraction(999, 1000), 2, True, "1.0"),
    ],
)  # fmt: skip
def test_a_carry_and_a_power_of_ten(value, digits, up, text):
    assert round_decimal(Fraction(value), digits, up=up) == text


@pytest.mark.parametrize("far", [arb.pos_inf(), arb.neg_inf(), arb.nan()])
def test_nothing_is_certain_of_a_ball_without_bounds(far):
    for pair in ((arb(1), far), (far, arb(1)), (far, far)):
        assert not certainly_less(*pair)
        assert not certainly_at_most(*pair)
        assert possibly_equal(*pair)
    for row in ([arb(1), far], [far, arb(1)], [arb(1), arb(0), far]):
        assert isinstance(argmax_certain(np.array(row, dtype=object)), Unknown)


def test_the_largest_ball_may_be_wide():
    row = np.array([arb(0), hull("0.5", "1"), arb("0.25")], dtype=object)
    assert argmax_certain(row) == 1
    assert argmax_certain(row[:2]) == 1
