from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.balls import parse, round_decimal, to_text
from varnum.errors import InputError

rationals = st.fractions() | st.builds(
    lambda n, e: Fraction(n) * Fraction(2) ** e, st.integers(), st.integers(-300, 300)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", Fraction(1, 1000)),
        ("1/3", Fraction(1, 3)),
        ("-2.50", Fraction(-5, 2)),
        (" +.5E2 ", Fraction(50)),
        ("7.", Fraction(7)),
        ("-0/5", Fraction(0)),
        ("0.1", Fraction(1, 10)),
        (7, Fraction(7)),
        (Fraction(2, 6), Fraction(1, 3)),
    ],
)
def test_parse_reads_exactly(text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "e5", "1e", "--1", "1_000", "1,5", "0x10", "inf", "nan", "1/0", "1/2/3"),
        *("1e-3/3", "1 2", "1e2001", "1e-999999", "9" * 2001, "١", "½"),
        *(0.1, float("nan"), True, None, 1j, b"1"),
    ],
)
def test_parse_refuses_in_one_line_that_names_the_number(text):
    with pytest.raises(InputError, match=r"^eps: [^\n]*$"):
        parse(text, "eps")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_parse_agrees_with_decimal(value):
    assert parse(str(value)) == Fraction(Decimal(str(value)))


@given(rationals)
def test_text_reads_back_to_the_same_number(value):
    assert parse(to_text(value)) == value


def test_text_of_numbers_beyond_pythons_digit_limit():
    text = to_text(Fraction(-1, 2**20000))
    sign, _, digits = text.partition(".")
    assert (sign, len(digits)) == ("-0", 20000)
    low, high = digits[:-4000], digits[-4000:]
    # 5^20000 = the digits, checked modulo two coprime numbers
    for modulus in (10**9 + 7, 2**61 - 1):
        value = 0
        for chunk in (low[i : i + 1000] for i in range(0, len(low), 1000)):
            value = (value * pow(10, len(chunk), modulus) + int(chunk)) % modulus
        value = (value * pow(10, 4000, modulus) + int(high)) % modulus
        assert value == pow(5, 20000, modulus)


@given(rationals, st.integers(1, 40))
def test_rounding_is_outward_and_within_one_unit(value, digits):
    down, up = (parse(round_decimal(value, digits, up=side)) for side in (False, True))
    assert down <= value <= up
    unit = abs(value) * Fraction(10) ** (1 - digits)  # at least one unit in the last place
    assert up - down <= unit
    for text in (round_decimal(value, digits, up=False), round_decimal(value, digits, up=True)):
        mantissa = text.lstrip("-").split("e")[0].replace(".", "")
        assert len(mantissa) <= digits


@given(rationals.filter(lambda v: v != 0), st.integers(1, 20))
def test_rounding_up_mirrors_rounding_down(value, digits):
    assert parse(round_decimal(-value, digits, up=True)) == -parse(
        round_decimal(value, digits, up=False)
    )


@settings(deadline=None)
@given(st.integers(-30000, 30000))
def test_rounding_far_from_one(exponent):
    value = Fraction(2) ** exponent
    text = round_decimal(value, 3, up=False)
    mantissa, _, power = text.partition("e")
    low = Fraction(mantissa) * Fraction(10) ** int(power or 0)
    assert low <= value < low * Fraction(1011, 1000)


def test_rounding_to_no_digits_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        round_decimal(Fraction(1, 3), 0, up=True)
