"""Every operation encloses the exact result at every choice of points in its input balls."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.balls import namespace as bp
from varnum.balls.questions import certified_digits, contains, raise_precision_until
from varnum.balls.scalar import precision

MASK = np.arange(24).reshape(2, 3, 4) % 3 == 0
TWICE = np.array([0, 2, 1, 2])

# name -> the same function of (namespace, (2, 3, 4) array, (3, 4) array); `np` on exact Fractions
# is the oracle: its min, max and where are right for exact numbers.
RATIONAL = {
    "add": lambda xp, x, y: x + y,
    "subtract": lambda xp, x, y: xp.subtract(x, y),
    "multiply": lambda xp, x, y: x * y,
    "times fraction": lambda xp, x, y: x * Fraction(1, 3) - Fraction(2, 7),
    "from the left": lambda xp, x, y: 3 - Fraction(1, 7) * x,
    "numpy operand": lambda xp, x, y: np.arange(4) + x * np.array([1, 2, 3, 4]),
    "divide": lambda xp, x, y: x / (y * y + 1),
    "divide into": lambda xp, x, y: 1 / (y - 10),
    "negative": lambda xp, x, y: xp.negative(x),
    "abs": lambda xp, x, y: xp.abs(x),
    "square": lambda xp, x, y: xp.square(x),
    **{f"power {n}": lambda xp, x, y, n=n: x**n for n in range(7)},
    "power -3": lambda xp, x, y: (y - 10) ** -3,
    "maximum": lambda xp, x, y: xp.maximum(x, y),
    "minimum": lambda xp, x, y: xp.minimum(x, y),
    "clip": lambda xp, x, y: xp.clip(x, -1, 1),
    "clip to balls": lambda xp, x, y: xp.clip(x, y - 1, y + 1),
    "where": lambda xp, x, y: xp.where(MASK, x, y),
    "sum": lambda xp, x, y: xp.sum(x),
    "sum axes": lambda xp, x, y: xp.sum(x, axis=(0, -1)),
    "sum keepdims": lambda xp, x, y: xp.sum(x, axis=1, keepdims=True),
    "mean": lambda xp, x, y: xp.mean(x, axis=-1, keepdims=True),
    "var": lambda xp, x, y: xp.var(x, axis=-1),
    "max": lambda xp, x, y: xp.max(x, axis=-1),
    "max axes": lambda xp, x, y: xp.max(x, axis=(0, 2), keepdims=True),
    "max all": lambda xp, x, y: xp.max(x),
    "min": lambda xp, x, y: xp.min(x, axis=0),
    "matmul": lambda xp, x, y: xp.matmul(x, y.T),
    "matmul batched": lambda xp, x, y: x @ xp.moveaxis(x, 1, 2),
    "matmul broadcast": lambda xp, x, y: y @ xp.moveaxis(x, 2, 1),
    "matmul vectors": lambda xp, x, y: y[0] @ y[1],
    "matrix vector": lambda xp, x, y: x @ y[0],
    "vector matrix": lambda xp, x, y: y[:, 0] @ x,
    "vector matrix 2": lambda xp, x, y: y[:, 0] @ y,
    "vecdot": lambda xp, x, y: xp.sum(x * y, axis=-1),
    "reshape": lambda xp, x, y: xp.reshape(x, (4, -1)),
    "concat": lambda xp, x, y: xp.concatenate([x[0], y]) if xp is np else xp.concat([x[0], y]),
    "stack": lambda xp, x, y: xp.stack([x[0], y], axis=1),
    "take": lambda xp, x, y: xp.take(x, TWICE, axis=2),
    "index": lambda xp, x, y: x[1, ..., None, ::-2],
    "index arrays": lambda xp, x, y: x[:, TWICE % 3, TWICE],
    "index mask": lambda xp, x, y: x[MASK],
    "broadcast": lambda xp, x, y: xp.broadcast_to(y, (5, 3, 4)),
    "expand, squeeze": lambda xp, x, y: xp.squeeze(xp.expand_dims(y, axis=1), axis=1),
    "repeat, tile": lambda xp, x, y: xp.tile(xp.repeat(y, 2, axis=1), (2, 1)),
    "flip": lambda xp, x, y: xp.flip(x, axis=0),
}


@pytest.mark.parametrize("name", RATIONAL)
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10**9), bits=st.sampled_from([12, 53, 130]))
def test_rational_operations(box, name, seed, bits):
    function, x, y = RATIONAL[name], box(seed, (2, 3, 4)), box(seed + 1, (3, 4))
    with precision(bits):
        result = function(bp, x.balls, y.balls)
    for _ in range(4):
        exact = np.asarray(function(np, x.points(), y.points()), dtype=object)
        assert result.shape == exact.shape
        assert contains(result, exact).all()


@pytest.mark.parametrize("name", RATIONAL)
def test_results_from_points_are_tight(box, name):
    function = RATIONAL[name]
    x, y = box(1, (2, 3, 4), widest=0), box(2, (3, 4), widest=0)
    with precision(128):
        result = function(bp, x.balls, y.balls)
    assert certified_digits(result, scale=1).min() >= 34  # 128 bits are 38 digits


SMOOTH = {  # name -> domain that keeps every ball inside
    "exp": (-4, 4),
    "expm1": (-4, 4),
    "tanh": (-4, 4),
    "sin": (-4, 4),
    "cos": (-4, 4),
    "sinh": (-4, 4),
    "cosh": (-4, 4),
    "log": (1, 5),
    "log1p": (0, 4),
    "sqrt": (1, 5),
}


def _mp(value):
    return mpmath.mpf(value.numerator) / value.denominator


@pytest.mark.parametrize("name", SMOOTH)
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10**9), bits=st.sampled_from([12, 53, 130]))
def test_smooth_functions_against_mpmath(box, name, seed, bits):
    x = box(seed, (5,), *SMOOTH[name])
    with precision(bits):
        result = getattr(bp, name)(x.balls)
    for _ in range(4):
        with mpmath.workdps(80):
            slack = mpmath.mpf(10) ** -70  # of mpmath's own value
            for ball, point in zip(result.entries(), x.points(), strict=True):
                value = getattr(mpmath, name)(_mp(point))
                assert abs(value - mpmath.mpf(ball.mid())) <= mpmath.mpf(ball.rad()) + slack


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_of_points_are_tight(box, name):
    with precision(128):
        result = getattr(bp, name)(box(3, (20,), *SMOOTH[name], widest=0).balls)
    assert certified_digits(result, scale=1).min() >= 34


def test_a_wrong_result_is_not_contained(box):
    """The oracle above can fail: a slightly wrong sum lies outside."""
    x = box(5, (4,), widest=0)
    total = sum(x.points())
    assert contains(bp.sum(x.balls), total)
    assert not contains(bp.sum(x.balls), total + Fraction(1, 10**9))


def test_square_of_a_ball_around_zero_is_not_negative(box):
    wide = bp.stack([box(seed, (), 0, 0, widest=1).balls for seed in range(50)])
    for result in (bp.square(wide), wide**2, wide**4):
        assert (result.bounds()[0] >= 0).all()


def test_constants_follow_the_precision():
    with precision(400):
        assert certified_digits(bp.pi) >= 115
        assert certified_digits(bp.e) >= 115
        with mpmath.workdps(130):
            assert abs(mpmath.mpf(bp.pi.item().mid()) - mpmath.pi) < mpmath.mpf(10) ** -115


@pytest.mark.parametrize(
    ("m", "k", "n"), [(0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (7, 40, 3), (62, 64, 61)]
)
def test_matrix_products_of_all_sizes(box, m, k, n):
    """Also empty, and past 60, where flint changes its algorithm."""
    x, y = box(m, (m, k)), box(n + 1, (k, n))
    result = x.balls @ y.balls
    assert result.shape == (m, n)
    exact = (x.points() @ y.points()) if k else np.full((m, n), Fraction(0))
    assert contains(result, exact).all()


def test_fractions_get_sharper_with_the_precision():
    def compute():
        third = bp.asarray([Fraction(1, 3)])
        return bp.exp(third) * bp.exp(-third) - 1 + third

    value, bits = raise_precision_until(compute, 60)
    assert bits == 256  # 60 digits need 200 bits; 64 is doubled until there are enough
    assert contains(value, Fraction(1, 3)).all()
