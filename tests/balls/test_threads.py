"""flint's precision belongs to the whole process: enclosures hold whatever other threads set."""

import math
import threading
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from varnum.balls.array import BallArray
from varnum.balls.edges import float_down, float_up
from varnum.balls.scalar import current_precision, lower, precision, upper

THIRD = Fraction(1, 3)


@pytest.fixture
def storm():
    """Another thread that enters and leaves blocks of 2 to 300 bits all the time."""
    over = threading.Event()

    def run():
        while not over.is_set():
            for bits in (3, 300, 2, 53, 17):
                with precision(bits):
                    pass
                ctx.prec = bits  # somebody else's code, which asks nobody

    thread = threading.Thread(target=run)
    before = ctx.prec
    thread.start()
    yield
    over.set()
    thread.join()
    ctx.prec = before


def test_bounds_enclose_while_another_thread_changes_the_precision(storm):
    x = BallArray([THIRD, -THIRD, 1 / 3, Fraction(10**30 + 1, 7)])
    exact = [THIRD, -THIRD, Fraction(1 / 3), Fraction(10**30 + 1, 7)]
    for _ in range(400):
        low, high = (end.tolist() for end in x.bounds())
        assert all(
            Fraction(a) <= e <= Fraction(b) for a, e, b in zip(low, exact, high, strict=True)
        )
    for _ in range(100):
        product = BallArray([[THIRD, 7]]) @ BallArray([[THIRD], [THIRD]])
        assert lower(product.item()) <= THIRD * THIRD + 7 * THIRD <= upper(product.item())


@pytest.mark.parametrize("bits", [2, 3, 20, 53, 100])
def test_conversions_do_not_see_the_precision(bits):
    with precision(200):
        x = BallArray([THIRD, 1e-320, -5e-324, Fraction(10) ** 400, Fraction(1, 10**400), 0])
        point = (arb(1) / 3).mid()
        right = x.bounds(), x.radius_upper(), x.estimate()
    with ctx.workprec(bits):  # by code that shares nothing with `precision`
        seen = float_down(point), float_up(point)
    assert Fraction(seen[0]) < lower(point) < Fraction(seen[1])
    assert math.nextafter(seen[0], 1) == seen[1]
    with precision(bits):
        now = x.bounds(), x.radius_upper(), x.estimate()
    for a, b in zip(right, now, strict=True):
        np.testing.assert_array_equal(np.asarray(a)[..., 1:3], np.asarray(b)[..., 1:3])


floats = st.floats(allow_nan=False, allow_infinity=False)
dyadic = st.tuples(st.integers(-(2**200), 2**200), st.integers(-1400, 1000))


@given(st.one_of(floats.map(lambda v: Fraction(v).as_integer_ratio()), dyadic.map(
    lambda p: (Fraction(p[0]) * Fraction(2) ** p[1]).as_integer_ratio())))  # fmt: skip
def test_a_point_becomes_its_two_neighbouring_floats(pair):
    value = Fraction(*pair)
    with precision(3000):
        point = arb(value.numerator) / value.denominator
    assert point.is_exact()
    low, high = float_down(point), float_up(point)
    assert low == -math.inf or Fraction(low) <= value
    assert high == math.inf or value <= Fraction(high)
    if math.isfinite(low) and Fraction(low) != value:
        assert math.nextafter(low, math.inf) == high
    else:
        assert low == high or math.isinf(low) or math.isinf(high)


def test_the_precision_comes_back_whatever_order_threads_leave_in():
    before = current_precision()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with precision(3):
            inside.set()
            leave.wait(5)

    thread = threading.Thread(target=other)
    with precision(128):
        thread.start()
        inside.wait(5)
        assert current_precision() == 128  # the most demanding block that is open
    assert current_precision() == 3
    with precision(200):
        leave.set()
        thread.join()
        assert current_precision() == 200
    assert current_precision() == before
    with precision(128), precision(3):
        assert current_precision() == 3  # one thread: the innermost
