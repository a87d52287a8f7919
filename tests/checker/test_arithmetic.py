"""exp and polynomials between two integers: against exact rationals and flint."""

import random
from fractions import Fraction
from itertools import pairwise

import flint
import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.checker.arithmetic import derivative, evaluate, exp_bounds

rationals = st.builds(
    lambda n, d, t: Fraction(n, d) / 2**t,
    st.integers(-(10**9), 10**9),
    st.integers(1, 10**7),
    st.integers(0, 300),
).filter(lambda x: abs(x) <= 400)


@given(rationals, st.integers(1, 900))
def test_exp_lies_between_its_bounds(x: Fraction, bits: int) -> None:
    low, high = exp_bounds(x, bits)
    with flint.ctx.workprec(bits + 1300):
        exact = flint.arb(flint.fmpq(x.numerator, x.denominator)).exp() * flint.arb(2) ** bits
        assert low <= exact
        assert exact <= high
    if x <= 0:
        assert high - low <= 4  # tight as well, or proofs would fail
    else:
        assert (high - low) << bits <= high * 4


@pytest.mark.parametrize("bits", [1, 64, 300])
def test_exp_at_zero_and_at_a_point_near_the_limit(bits: int) -> None:
    low, high = exp_bounds(Fraction(0), bits)
    assert low == 1 << bits
    assert high - low <= 2
    assert exp_bounds(Fraction(-400), bits)[0] == 0


def test_exp_bounds_are_ordered_like_exp() -> None:
    bounds = [exp_bounds(Fraction(k, 7), 200) for k in range(-700, 700)]
    assert all(a[1] < b[0] for a, b in pairwise(bounds))


@given(
    st.lists(st.integers(-(2**300), 2**300), min_size=1, max_size=12),
    rationals,
    st.integers(0, 400),
)
def test_polynomial_lies_between_its_bounds(p: list[int], x: Fraction, bits: int) -> None:
    unit = Fraction(1, 1 << 77)
    exact = sum(c * x**k for k, c in enumerate(p)) * unit * 2**bits
    low, high = evaluate(p, unit, x, bits)
    assert low <= exact < high == low + 1


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=9))
def test_derivative(p: list[int]) -> None:
    assert flint.fmpz_poly(derivative(p)) == flint.fmpz_poly(p).derivative()
    assert len(derivative(p)) == len(p)


@pytest.mark.parametrize("bits", [0, 1, 2, 5, 13, 40])
def test_exp_just_beside_an_integer(bits: int) -> None:
    """2^bits e^x within 2^-200 of an integer n: one rounding in the wrong direction would show.

    Just above n the upper bound is at least n + 1, just below it the lower one at most n - 1.
    """
    rng = random.Random(bits)
    sizes = [n for n in range(2, 40) if n != 1 << bits]
    sizes += [rng.randrange(2, 1 << bits + 6) for _ in range(200)]
    with mpmath.workdps(90):
        for n in sizes:
            x = Fraction(int(mpmath.log(mpmath.mpf(n) / 2**bits) * 2**200), 1 << 200)
            assert exp_bounds(x + Fraction(2, 1 << 200), bits)[1] >= n + 1
            assert exp_bounds(x - Fraction(2, 1 << 200), bits)[0] <= n - 1


def test_exp_stays_between_where_guard_bits_are_few() -> None:
    rng = random.Random(7)
    with mpmath.workdps(60):
        for _ in range(2000):
            x, bits = Fraction(rng.randint(-(10**6), 10**6), 10**5), rng.randint(0, 12)
            exact = mpmath.exp(mpmath.mpf(x.numerator) / x.denominator) * 2**bits
            low, high = exp_bounds(x, bits)
            assert low <= exact <= high
