"""Undefined balls in every question, odd shapes in products, closed forms: small, exact cases."""

from __future__ import annotations

import threading
from fractions import Fraction

import numpy as np
import pytest
from flint import acb, arb, ctx

from varnum.balls import kernels, linear, questions, scalar
from varnum.balls import namespace as xp
from varnum.balls.array import BallArray, wrap
from varnum.balls.convert import balls_of, filled
from varnum.balls.quadrature import integral, normal_below, normal_density
from varnum.errors import InputError

NAN, UP, DOWN = arb("nan"), arb.pos_inf(), arb.neg_inf()


def raw(*balls):
    """Balls as they are, infinite points too."""
    return wrap(filled(balls, (len(balls),)))


def test_an_infinite_point_is_certain_of_nothing():
    for low, high in ((DOWN, arb(0)), (arb(0), UP), (DOWN, UP)):
        assert not questions.certainly_less(raw(low), raw(high)).any()
        assert not questions.certainly_at_most(raw(low), raw(high)).any()
        assert questions.possibly_equal(raw(low), raw(high)).all()
    assert not questions.possibly_equal(raw(arb(0)), raw(arb(1))).any()
    assert questions.certainly_at_most(raw(arb(1)), raw(arb(1))).all()
    assert not questions.certainly_less(raw(arb(1)), raw(arb(1))).any()


def test_one_undefined_entry_leaves_the_maximum_open():
    assert questions._first_maximum([arb(2), NAN]) is None
    assert questions._first_maximum([arb(2), arb(1)]) == 0
    assert questions._first_maximum([arb(2), UP]) is None
    assert questions._first_maximum([arb(1), arb(3, 2), arb(4)]) is None  # one is below, one not
    assert not kernels._hull_of_max([arb(2), NAN]).is_finite()
    with pytest.raises(ValueError, match="empty axis"):
        kernels.largest(balls_of(np.zeros((2, 0))), (1,), False)


def test_squares_are_tight_and_never_below_zero():
    found = kernels._square(arb(0, 1))
    assert found.lower() >= 0
    assert 1 <= found.upper() < 1.0001
    assert kernels._square(arb(-3)) == 9
    for wide in (NAN, UP):
        assert not kernels._square(wide).lower() >= 0 or not kernels._square(wide).is_finite()


@pytest.mark.parametrize(
    ("left", "right"),
    [((3,), (3,)), ((3,), (3, 2)), ((3,), (4, 3, 2)), ((4, 3), (3,)), ((5, 4, 3), (3,)),
     ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)),
     ((2, 1, 2, 3), (5, 3, 4)), ((0, 2), (2, 3)), ((2, 0), (0, 3)), ((0, 2, 3), (3, 1))],
)  # fmt: skip
def test_products_have_numpy_s_shapes_and_values(left, right):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, left), rng.integers(-9, 9, right)
    found = kernels.matmul(balls_of(a), balls_of(b))
    assert np.shape(found) == (a @ b).shape
    assert (np.vectorize(lambda x: int(x.mid().unique_fmpz()), otypes=[int])(found) == a @ b).all()


def test_products_without_axes_are_refused_on_both_sides():
    for a, b in ((np.array(2), np.eye(2)), (np.eye(2), np.array(2))):
        with pytest.raises(ValueError, match="at least one dimension"):
            kernels.matmul(balls_of(a), balls_of(b))


def test_zero_times_undefined_is_undefined():
    zero = balls_of(np.zeros((2, 2)))
    odd = zero.copy()
    odd[1, 0] = NAN
    left, right = kernels.matmul(odd, zero), kernels.matmul(zero, odd)
    assert [[x.is_finite() for x in row] for row in left] == [[True, True], [False, False]]
    assert [[x.is_finite() for x in row] for row in right] == [[False, True], [False, True]]


def test_normal_equations():
    assert linear.gram([[1, 2], [3, 4], [5, 6]]) == [[35, 44], [44, 56]]
    assert linear.solve([[2]], [3]) == [Fraction(3, 2)]
    assert linear.solve([[2, 0], [0, 5]], [0, 3]) == [0, Fraction(3, 5)]
    assert linear.solve([], []) == []
    assert linear.solve([[1, 1], [1, 1]], [2, 2]) == [2, 0]  # what is free is 0
    with pytest.raises(ArithmeticError, match="contradict"):
        linear.solve([[1, 1], [1, 1]], [1, 2])


def test_the_normal_law():
    assert abs(normal_density(acb(1)).real - 0.24197072451914337) < 1e-15
    assert abs(normal_below(acb(1)).real - 0.8413447460685429) < 1e-15
    assert abs(normal_below(acb(0)).real - 0.5) < 1e-15
    assert abs(integral(normal_density, -1, 2) - 0.8185946141203637) < 1e-12
    assert not integral(lambda z: 1 / z, -1, 1).is_finite()


def test_constants_by_name():
    assert float(xp.pi.item().mid()) == np.pi
    assert float(xp.e.item().mid()) == np.e
    with pytest.raises(AttributeError, match="no 'tau'"):
        _ = xp.tau


def test_numbers_of_any_kind_on_both_sides():
    third = Fraction(1, 3)
    assert scalar.certainly_less(third, "1/2")
    assert scalar.certainly_at_most("1/4", third)
    assert not scalar.certainly_less("1/3", third)


def test_wider_floats_are_named():
    with pytest.raises(InputError, match="wider than float64"):
        BallArray([np.longdouble(1)])


def test_an_open_integer_part_and_an_unbounded_ball_are_refused():
    with pytest.raises(ArithmeticError, match="integer part"):
        scalar.certain_floor(arb(2, 0.5))
    assert scalar.certain_floor(arb(2.5, 0.25)) == 2
    for bound in (scalar.lower, scalar.upper):
        with pytest.raises(ArithmeticError, match="unbounded"):
            bound(UP)


def test_precision_outside_comes_back_whatever_it_was():
    before = ctx.prec
    try:
        for outside in (70, 90):
            ctx.prec = outside
            with scalar.precision(200):
                assert ctx.prec == 200
                with scalar.precision(64):
                    assert ctx.prec == 64
                assert ctx.prec == 200
            assert ctx.prec == outside
            with pytest.raises(ValueError, match="prec"), scalar.precision(-1):
                pass
            assert ctx.prec == outside
    finally:
        ctx.prec = before


def test_the_most_demanding_thread_sets_the_precision():
    opened, done = threading.Event(), threading.Event()

    def other():
        with scalar.precision(300):
            opened.set()
            done.wait(10)

    with scalar.precision(100):
        thread = threading.Thread(target=other)
        thread.start()
        opened.wait(10)
        seen = ctx.prec
        done.set()
        thread.join()
        assert seen == 300
        assert ctx.prec == 100
