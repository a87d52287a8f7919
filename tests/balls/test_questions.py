import math
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.balls import namespace as bp
from varnum.balls.array import BallArray
from varnum.balls.questions import (
    argmax_certain,
    bounds,
    certainly_at_most,
    certainly_less,
    certified_digits,
    contains,
    estimate,
    possibly_equal,
    radius_upper,
    raise_precision_until,
)
from varnum.balls.scalar import exact_value, lower, precision, upper
from varnum.errors import InputError
from varnum.verdict import Unknown

seeds = st.integers(0, 10**9)


@given(seeds)
def test_certain_means_for_every_choice_of_points(box, seed):
    x, y = box(seed, (20,), -1, 1), box(seed + 1, (20,), -1, 1)
    less, at_most = certainly_less(x.balls, y.balls), certainly_at_most(x.balls, y.balls)
    equal = possibly_equal(x.balls, y.balls)
    ends = [(m - r, m + r) for m, r in zip(x.mid, x.rad, strict=True)]
    others = [(m - r, m + r) for m, r in zip(y.mid, y.rad, strict=True)]
    pairs = list(zip(ends, others, strict=True))
    assert less.tolist() == [a[1] < b[0] for a, b in pairs]
    assert at_most.tolist() == [a[1] <= b[0] for a, b in pairs]
    assert equal.tolist() == [a[0] <= b[1] and b[0] <= a[1] for a, b in pairs]


@settings(deadline=None)
@given(seeds)
def test_argmax_is_numpys_for_every_choice_of_points(box, seed):
    x = box(seed, (3, 4), -1, 1, widest=0.25)
    found = argmax_certain(x.balls)
    choices = [np.argmax(x.points(), axis=1) for _ in range(10)]
    if isinstance(found, Unknown):
        return
    assert all((found == choice).all() for choice in choices)


def test_argmax_is_found_where_it_is_certain():
    assert argmax_certain(BallArray([[3, 1], [arb(0, 0.5), 1]])).tolist() == [0, 1]
    assert argmax_certain(BallArray([[3, 1], [1, 4]]), axis=0).tolist() == [0, 1]
    assert argmax_certain(BallArray([1, 2, 2])).tolist() == 1  # a tie of points: the first
    assert argmax_certain(BallArray([2])).tolist() == 0


def test_argmax_is_unknown_where_it_is_not_certain():
    for row in (
        [arb(1, 0.1), 1],
        [1, arb(1, 0.1)],
        [0, arb(2, 1), arb(2, 1)],
        [arb(1, 1), arb(3, 1)],
    ):
        assert isinstance(argmax_certain(BallArray(row)), Unknown)
    verdict = argmax_certain(BallArray([[1, 0], [1, arb(1, 0.1)]]))
    assert isinstance(verdict, Unknown)
    assert "(1,)" in verdict.reason
    with pytest.raises(ValueError, match="empty"):
        argmax_certain(bp.zeros((2, 0)))


def test_contains_is_exact():
    third = BallArray(Fraction(1, 3)).item()
    edge = exact_value(third.mid()) + exact_value(third.rad())
    assert contains(BallArray(third), edge)
    assert not contains(BallArray(third), edge + Fraction(1, 2**400))
    assert contains(BallArray([0.1]), [0.1]).all()
    assert not contains(BallArray([0.1]), [Fraction(1, 10)]).any()
    assert contains(BallArray([2**60 + 1, 0.5]), [2**60 + 1, 0.5]).all()  # no detour by float64
    assert not contains(BallArray([2**60 + 1, 0.5]), [2**60, 0.5]).all()
    assert contains(BallArray([[1, 2]]), np.array([1.0, 2.0], dtype=np.float32)).all()
    with pytest.raises((TypeError, ValueError)):
        contains(BallArray(1), math.nan)


wide_exponents = st.builds(
    lambda n, e, r, f: arb(n) * arb(2) ** e + arb(0, r) * arb(2) ** f,
    st.integers(-(2**70), 2**70),
    st.integers(-1300, 1300),
    st.integers(0, 5),
    st.integers(-1300, 1300),
)


@given(wide_exponents, st.sampled_from([10, 53, 120]))
def test_floats_lie_on_their_side(ball, bits):
    with precision(bits):
        x = BallArray(ball)
        low, high = bounds(x)
        radius, middle = radius_upper(x), estimate(x)
    exact_low, exact_high = (exact_value(ball.mid()) + s * exact_value(ball.rad()) for s in (-1, 1))
    assert math.isinf(low) or Fraction(float(low)) <= exact_low
    assert math.isinf(high) or Fraction(float(high)) >= exact_high
    assert math.isinf(radius) or Fraction(float(radius)) >= exact_value(ball.rad())
    assert low <= middle <= high


def test_floats_are_close():
    x = BallArray([Fraction(1, 3), -7, arb(1, 0.25)])
    low, high = x.bounds()
    assert (high - low <= np.array([2e-16, 0, 0.5 + 1e-8])).all()
    assert x.estimate().tolist() == [1 / 3, -7, 1]
    assert x.radius_upper()[1] == 0
    assert 0.25 <= x.radius_upper()[2] <= 0.25 + 1e-8
    assert BallArray(arb(10) ** 400).bounds()[1] == math.inf
    assert BallArray(arb(10) ** 400).bounds()[0] == np.finfo(float).max
    assert 0 < BallArray(arb(10) ** -400).bounds()[1] < 1e-300


@given(wide_exponents, st.sampled_from([10, 53, 120]))
def test_certified_digits_keep_their_promise(ball, bits):
    with precision(bits):
        digits = int(certified_digits(BallArray(ball)))
    radius = exact_value(ball.rad())
    ends = [exact_value(ball.mid()) + s * radius for s in (-1, 1)]
    least = 0 if ends[0] <= 0 <= ends[1] else min(map(abs, ends))
    if radius == 0:
        assert digits == 10**9
        return
    assert digits == 0 or radius * 10**digits <= least
    if 0 < radius * 10 ** (digits + 2) <= least:  # two digits more would have been possible
        raise AssertionError("too modest")


def test_certified_digits_of_plain_cases():
    x = BallArray([0, 1, arb(1, 1e-5), arb(0, 1e-5), arb(1e-3, 1e-5), arb(1, 2)])
    assert certified_digits(x).tolist() == [10**9, 10**9, 4, 0, 1, 0]
    assert certified_digits(x, scale=1).tolist() == [10**9, 10**9, 4, 4, 4, 0]
    assert certified_digits(x, scale=Fraction(1, 10)).tolist() == [10**9, 10**9, 4, 3, 3, 0]


def test_precision_is_raised_until_the_digits_are_there():
    def cancel():  # loses about 87 digits
        return bp.exp(bp.asarray([200])) - bp.exp(bp.asarray([200]) - Fraction(1, 10**50))

    found = raise_precision_until(cancel, 15)
    assert not isinstance(found, Unknown)
    value, bits = found
    assert bits == 256
    assert certified_digits(value).min() >= 15
    # e^200 (1 - e^-h) with h = 1e-50: e^200 h up to a relative h
    low, high = lower(value[0].item()), upper(value[0].item())
    with precision(400):
        reference = (
            (arb(200).exp() * arb(10) ** -50).lower(),
            (arb(200).exp() * arb(10) ** -50).upper(),
        )
    assert low <= exact_value(reference[1])
    assert exact_value(reference[0]) * (1 - Fraction(1, 10**40)) <= high


def test_precision_that_never_suffices_is_unknown():
    third = bp.asarray([Fraction(1, 3)])  # enclosed once: no precision sharpens it
    verdict = raise_precision_until(lambda: bp.exp(third), 30, limit=512)
    assert isinstance(verdict, Unknown)
    assert verdict.reason == "16 of 30 digits certified at 512 bits"
    hidden_zero = raise_precision_until(
        lambda: bp.sqrt(bp.asarray([2])) ** 2 - 2, 1, start=64, limit=256
    )
    assert isinstance(hidden_zero, Unknown)
    assert (
        raise_precision_until(
            lambda: bp.sqrt(bp.asarray([2])) ** 2 - 2, 15, start=64, limit=256, scale=1
        )
        != hidden_zero
    )


@pytest.mark.parametrize("numbers", [(0, 64, 128), (-1, 64, 128), (5, 1, 128), (5, 256, 128)])
def test_a_precision_that_makes_no_sense_is_refused(numbers):
    """No digits asked would let an undefined result pass."""
    digits, start, limit = numbers
    with pytest.raises(InputError, match="digits >= 1"):
        raise_precision_until(lambda: bp.sqrt(BallArray(-1)), digits, start, limit)


def test_the_limit_itself_is_tried():
    found = raise_precision_until(lambda: BallArray([1]) / 3, 50, start=64, limit=180)
    assert not isinstance(found, Unknown)
    assert found[1] == 180
