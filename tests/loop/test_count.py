"""The exact count: known numbers, a second method, and what happens when a step is left out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.balls.array import BallArray
from varnum.balls.scalar import precision
from varnum.errors import InputError
from varnum.loop import krawczyk
from varnum.loop.box_search import balls_of
from varnum.loop.count import certify_count
from varnum.loop.net import net
from varnum.loop.sturm import fixed_points_of_the_plane, real_roots

F = Fraction
# the 2-bit flip-flop of checks/bench/loop_flipflop_train.py, two decimals
FLIPFLOP = (
    [[-0.72, -0.24, -0.25, 0.91], [-0.6, 0.01, 0.08, -1.26],
     [-0.63, 0.64, 1.41, 1.09], [0.26, -0.82, 0.1, 0.45]],
    [-0.18, 0.02, -0.06, 0.04],
)  # fmt: skip


def counted(found):
    return len(found.points), found.labelled("attracting"), found.labelled("unknown")


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("box", [None, (F(-2), F(2))])
def test_the_product_system_has_3_to_the_d(d, box):
    found = certify_count(net(np.eye(d), np.zeros(d), "cubic"), box)
    assert found.complete
    assert counted(found) == (3**d, 2**d, 0)


@pytest.mark.parametrize(("s", "expected"), [(0.1923, (9, 4, 0)), (0.1926, (7, 3, 0))])
def test_two_points_vanish_at_the_threshold(s, expected):
    """Taking 0.1926 for the threshold would promise 9."""
    f = net([[1, -0.05], [0, 1]], [-(s - 0.05), 0], "cubic")
    found = certify_count(f)
    assert found.complete
    assert counted(found) == expected
    assert fixed_points_of_the_plane(f) == expected[0]


def test_the_flip_flop_has_exactly_nine():
    f = net(*FLIPFLOP, "tanh")
    found = certify_count(f)
    assert found.complete
    assert counted(found) == (9, 4, 0)
    for point in found.points:
        assert np.abs(f.estimate(np.array(point.estimate)) - point.estimate).max() < 1e-12


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_sturm_agrees_on_random_cubics_of_the_plane(seed):
    rng = np.random.default_rng(seed)
    f = net(rng.normal(size=(2, 2)) * 1.5, rng.normal(size=2) * 0.3, "cubic")
    found = certify_count(f)
    if found.complete:
        assert len(found.points) == fixed_points_of_the_plane(f)


def test_sturm_counts():
    assert real_roots([F(-1), F(0), F(1)]) == 2
    assert real_roots([F(1), F(0), F(1)]) == 0
    assert real_roots([F(0), F(0), F(0), F(1)]) == 1  # a triple root is one
    assert fixed_points_of_the_plane(net(np.eye(2), np.zeros(2), "cubic")) is None


def test_pieces_give_the_same_answer():
    f = net(*FLIPFLOP, "tanh")
    one, many = certify_count(f), certify_count(f, pieces=7)
    assert counted(one) == counted(many)


def test_a_root_on_the_face_of_the_asked_box_is_unknown():
    f = net([[1.0]], [0.0], "cubic")
    found = certify_count(f, (F(-1), F(2)))
    assert not found.complete
    assert "face" in found.reason
    assert certify_count(f, (F(-2), F("0.99"))).points != found.points


def test_a_smaller_box_counts_what_is_in_it():
    f = net([[2.0]], [0.0], "tanh")
    assert len(certify_count(f, (F("-0.5"), F("0.5"))).points) == 1
    assert len(certify_count(f).points) == 3  # not 1: a smaller box is not all of R^d


@pytest.mark.parametrize(
    ("weights", "bias", "name"),
    [([[1.0]], [0.0], "tanh"), ([[1.0]], [0.0], "relu"), (np.eye(2), [0.0, 0.0], "relu")],
)
def test_neutral_and_many_fixed_points_are_unknown(weights, bias, name):
    """Tanh with w = 1 has a triple fixed point, ReLU a half-line: neither is ever counted."""
    found = certify_count(net(weights, bias, name), (F(-3), F("3.1")))
    assert not found.complete
    assert found.reason


def test_a_neutral_eigenvalue_is_labelled_unknown():
    """(3u - u^3)/2 at w = 4/3 ... slope of a simple fixed point at exactly -1 is no label."""
    f = net([[-1.0]], [0.0], "tanh")
    found = certify_count(f)
    assert found.complete
    assert counted(found) == (1, 0, 1)


def test_without_inflation_the_root_at_one_is_missed():
    """False version: Krawczyk on the boxes of the bisection alone; the root is on their face."""
    f = net([[1.0]], [0.0], "cubic")
    with precision(64):
        for k in range(1, 25):
            X = balls_of(((F(1), 1 + F(1, 2**k)),))
            N = krawczyk.operator(f, X)
            assert krawczyk.meet(X, N) is not None
            assert not krawczyk.inside(N, X)
        assert krawczyk.isolate(f, X) is not None


def test_boxes_are_not_roots_and_a_tolerance_merges_two():
    """Counting boxes would count a root twice; at 0.1923 two roots are 0.02 apart."""
    f = net([[1, -0.05], [0, 1]], [-(0.1923 - 0.05), 0], "cubic")
    whole = certify_count(f)
    assert whole.boxes > len(whole.points)
    points = np.array([p.estimate for p in whole.points])
    gaps = [np.abs(a - b).max() for i, a in enumerate(points) for b in points[:i]]
    assert min(gaps) < 0.05


def test_a_point_jacobian_in_place_of_the_enclosure_would_prove_too_much():
    """One fixed point 'proved' in a box that holds three."""
    f = net([[2.0]], [0.0], "tanh")
    with precision(64):
        X = balls_of(((F(-1), F(1)),))
        m = BallArray(np.zeros(1))
        point = krawczyk.jacobian(f, m) - np.eye(1)
        C = BallArray(1 / point.estimate())
        false = m - C @ (krawczyk.image(f, m) - m) + (np.eye(1) - C @ point) @ (X - m)
        assert krawczyk.inside(false, X)
        assert not krawczyk.inside(krawczyk.operator(f, X), X)


def test_enclosures_far_below_a_double_hold_the_root():
    """The midpoint must not be rounded to a double: it would leave the box."""
    f = net([[2.0]], [0.0], "tanh")
    with precision(200):
        (thin,) = krawczyk.tighten(f, balls_of(((F("0.9575"), F("0.9576")),)), 12).entries()
        assert float(thin.rad()) < 1e-50
    with precision(400):  # tanh(2 x) - x falls there: its signs at the ends bracket the root
        gaps = [(2 * x).tanh() - x for x in (thin.lower(), thin.upper())]
        assert gaps[0] > 0 > gaps[1]


def test_a_kink_gets_no_label():
    found = certify_count(net([[-0.5]], [0.0], "relu"), (F(-3), F("3.1")))
    assert found.complete
    assert counted(found) == (1, 0, 1)


def test_a_constant_map_has_one():
    found = certify_count(net(np.zeros((2, 2)), [0.5, 0.0], "tanh"))
    assert found.complete
    assert counted(found) == (1, 1, 0)


def test_wide_first_enclosures_are_tightened_and_labelled():
    found = certify_count(net([[2.0]], [0.0], "cubic"))
    assert counted(found) == (3, 0, 0)
    assert found.labelled("not attracting") == 3
    assert max(float(b - a) for p in found.points for a, b in p.box) < 1e-15


def test_limits_end_the_search():
    found = certify_count(net(np.eye(3), np.zeros(3), "cubic"), limit=10)
    assert not found.complete
    assert "10 boxes" in found.reason


def test_unbounded_ranges_need_a_box():
    with pytest.raises(InputError, match="--box"):
        certify_count(net([[2.0]], [0.0], "silu"))
    with pytest.raises(InputError, match="--box"):
        certify_count(net([[0.0]], [0.0], "cubic"))
    assert len(certify_count(net([[3.0]], [0.0], "silu"), (F(-4), F(4))).points) == 2
