"""Rounding in exact rationals against NumPy's and torch's formats."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.approx.ship.formats import FORMATS, exponent, format_named
from varnum.approx.ship.twin import apply, rounded
from varnum.errors import InputError

FINITE = st.floats(-6e4, 6e4, allow_nan=False)
NUMPY = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


@given(FINITE, FINITE)
def test_whether_an_interval_holds_a_number(x: float, y: float) -> None:
    low, high = sorted((Fraction(x) / 3, Fraction(y) / 3))
    form = FORMATS["float16"]
    assert form.meets(low, high) == bool(form.numbers(low, high))
    near = Fraction(x) / 3, Fraction(x) / 3 + Fraction(1, 10**9)
    assert form.meets(*near) == bool(form.numbers(*near))


@given(FINITE, st.sampled_from(sorted(NUMPY)))
def test_round_is_numpys(x: float, name: str) -> None:
    assert float(FORMATS[name].round(Fraction(x))) == float(NUMPY[name](x))
    assert FORMATS[name].holds(FORMATS[name].round(Fraction(x)))


@given(FINITE, st.sampled_from(sorted(FORMATS)))
def test_the_twin_rounds_like_the_rationals(x: float, name: str) -> None:
    form = FORMATS[name]
    assert Fraction(float(rounded(np.array(x), form))) == form.round(Fraction(x))


SMALL = st.floats(-4, 4, width=16)


@given(SMALL, SMALL, SMALL, st.sampled_from(sorted(FORMATS)))
def test_one_rounding_per_operation(a: float, b: float, c: float, name: str) -> None:
    form = FORMATS[name]
    a, b, c = (float(form.round(Fraction(v))) for v in (a, b, c))
    exact = {"add": Fraction(a) + Fraction(b), "mul": Fraction(a) * Fraction(b)}
    exact["fma"] = exact["mul"] + Fraction(c)
    for operation, value in exact.items():
        given_ = [np.array(v) for v in ((a, b, c) if operation == "fma" else (a, b))]
        got = float(apply(operation, given_, form))
        assert Fraction(got) == form.round(value), operation


def test_double_rounding_is_avoided() -> None:
    """1 + 2^-24 + 2^-60: two roundings to nearest give 1, one gives 1 + 2^-23."""
    form = FORMATS["float32"]
    a, b = 1 + 2.0**-23, 2.0**-24
    c = 2.0**-70
    given_ = [np.array(v) for v in (b, 1 + 2.0**-23, 1.0)]
    exact = Fraction(b) * Fraction(a) + 1
    assert Fraction(float(apply("fma", given_, form))) == form.round(exact)
    given_ = [np.array(v) for v in (1.0, 2.0**-24 + 0.0, c)]
    assert form.round(1 + Fraction(2) ** -24 + Fraction(c)) == 1 + Fraction(2) ** -23
    fused = apply("fma", [np.array(2.0**-24), np.array(1 + 2.0**-23), np.array(1.0)], form)
    assert float(fused) == 1 + 2.0**-23


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_all_numbers_of_a_16_bit_format(name: str) -> None:
    form = FORMATS[name]
    numbers = form.numbers(-form.largest, form.largest)
    exponents = form.most - form.least + 2
    assert len(numbers) == len(set(numbers)) == 2 * exponents * 2 ** (form.digits - 1) - 1
    if name == "float16":
        bits = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(float)
        assert set(numbers) == set(bits[np.isfinite(bits)].tolist())


def test_names_and_exponents() -> None:
    assert [exponent(Fraction(x)) for x in (1, 3, "1/3", "-1/4")] == [0, 1, -2, -2]
    with pytest.raises(InputError, match="float8"):
        format_named("float8")
    with pytest.raises(OverflowError):
        FORMATS["float16"].round(Fraction(65520))
    assert not FORMATS["float16"].holds(Fraction(2) ** -25)
    assert FORMATS["float16"].holds(Fraction(2) ** -24)
