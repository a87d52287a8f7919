"""What goes wrong with raw balls in NumPy object arrays, and that ball arrays do not do it."""

from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.balls import namespace as bp
from varnum.balls.array import BallArray
from varnum.balls.questions import contains
from varnum.balls.scalar import precision

# Overlapping balls [0, 2], [0.5, 1.5], [0.9, 1.2]: which is largest depends on the points.
BALLS = [arb(1, 1), arb(1, 0.5), arb(1.05, 0.15)]
CHOICES = [  # points in them and their maximum
    ((Fraction(2), Fraction(1), Fraction(1)), Fraction(2)),
    ((Fraction(0), Fraction(3, 2), Fraction(1)), Fraction(3, 2)),
    ((Fraction(0), Fraction(1, 2), Fraction(1)), Fraction(1)),
]


def _raw(balls):
    return np.fromiter(balls, dtype=object, count=len(balls))


def _same(a, b):
    """Identical midpoints and radii."""
    pairs = zip(a.entries(), b.entries(), strict=True)
    return all(x.mid() == y.mid() and x.rad() == y.rad() for x, y in pairs)


def test_numpy_max_of_objects_depends_on_the_order_and_loses_points():
    seen = {np.max(_raw(order)).str(20) for order in permutations(BALLS)}
    assert len(seen) > 1
    lost = [
        value
        for order in permutations(BALLS)
        for _, value in CHOICES
        if not contains(BallArray(np.max(_raw(order))), value)
    ]
    assert lost


def test_max_encloses_every_choice_in_every_order():
    results = [bp.max(BallArray(_raw(order))) for order in permutations(BALLS)]
    assert all(_same(results[0], other) for other in results)
    for points, value in CHOICES:
        assert contains(BallArray(_raw(BALLS)), points).all()
        assert contains(results[0], value)


def test_numpy_clip_of_objects_returns_a_point():
    raw = np.clip(_raw([arb(1, 1)]), arb(1), arb(3))
    assert raw[0].is_exact()  # although max(x, 1) is anything in [1, 2]
    clipped = bp.clip(BallArray(_raw([arb(1, 1)])), 1, 3)
    assert contains(clipped, [1]).all()
    assert contains(clipped, [Fraction(3, 2)]).all()
    assert contains(clipped, [2]).all()


def test_numpy_where_on_a_comparison_takes_the_wrong_branch():
    x = arb(1, 1)  # may be 1.5, where max(x, 1) = 1.5
    raw = np.where(_raw([x]) > _raw([arb(1)]), _raw([x]), _raw([arb(1)]))
    assert not contains(BallArray(raw), [Fraction(3, 2)]).all()
    with pytest.raises(TypeError, match="certainly_less"):
        bp.where(BallArray([x]) > 1, BallArray([x]), 1)
    assert contains(bp.maximum(BallArray([x]), 1), [Fraction(3, 2)]).all()


def test_float_of_an_object_drops_the_radius():
    assert float(arb(1, 1)) == 1.0
    with pytest.raises(TypeError, match="bounds"):
        float(BallArray(arb(1, 1)))
    low, high = BallArray(arb(1, 1)).bounds()
    assert low <= 0
    assert high >= 2


def test_sorting_objects_returns_an_order_that_no_choice_has_to_follow():
    orders = {tuple(b.str(20) for b in np.sort(_raw(order))) for order in permutations(BALLS)}
    assert len(orders) > 1
    with pytest.raises(TypeError, match="certainly_less"):
        bp.sort(BallArray(_raw(BALLS)))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**9), bits=st.sampled_from([8, 53, 200]), rows=st.integers(1, 6))
def test_extrema_of_random_balls(box, seed, bits, rows):
    x = box(seed, (rows, 5), -1, 1, widest=1)
    shuffled = np.random.default_rng(seed).permutation(5)
    with precision(bits):
        largest, smallest = bp.max(x.balls, axis=1), bp.min(x.balls, axis=1)
        clipped = bp.clip(x.balls, Fraction(-1, 3), Fraction(1, 3))
        assert _same(largest, bp.max(x.balls[:, shuffled], axis=1))
        assert _same(smallest, bp.min(x.balls[:, shuffled], axis=1))
    for _ in range(5):
        points = x.points()
        assert contains(largest, points.max(axis=1)).all()
        assert contains(smallest, points.min(axis=1)).all()
        assert contains(clipped, np.clip(points, Fraction(-1, 3), Fraction(1, 3))).all()
