"""Norms and spectral radii of ball matrices: on the safe side, and close where that is promised."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb

from varnum.balls.array import BallArray, wrap
from varnum.balls.convert import balls_of, filled
from varnum.balls.scalar import exact_value, precision
from varnum.balls.spectrum import (
    certainly_positive_definite,
    inverse,
    norm_at_most,
    spectral_norm,
    spectral_radius,
)


def wide(matrix, radius):
    """The matrix with every entry a ball of this radius."""
    return wrap(filled([arb(float(x), radius) for x in np.ravel(matrix)], np.shape(matrix)))


def turned(values, seed):
    """S diag(values) S^-1 for a random S, not symmetric."""
    s = np.random.default_rng(seed).normal(size=(len(values),) * 2)
    return s @ np.diag(values) @ np.linalg.inv(s)


@pytest.mark.parametrize(
    ("values", "side"),
    [([0.6, 0.3, 0.1], -1), ([0.97, 0.9, 0.1], -1), ([1.3, 0.2, 0.1], 1), ([-1.2, 0.3, 0.2], 1)],
)
def test_the_radius_is_decided_and_enclosed(values, side):
    for seed in range(6):
        low, high = spectral_radius(BallArray(turned(values, seed)))
        rho = max(abs(v) for v in values)
        assert float(low) <= rho * (1 + 1e-9)
        assert float(high) >= rho * (1 - 1e-9)
        assert (high < 1) if side < 0 else (low > 1)


def test_the_radius_of_known_matrices():
    half_turn = np.array([[0.0, -0.5], [0.5, 0.0]])  # trace 0, rho 1/2, norm 1/2
    low, high = spectral_radius(BallArray(half_turn))
    assert low == 0
    assert high == 0.5
    assert spectral_radius(BallArray(np.array([[-3.0]])), squarings=0) == (3, 3)
    nilpotent = np.array([[0.0, 4.0], [0.0, 0.0]])  # norm 4, rho 0: one squaring shows it
    assert spectral_radius(BallArray(nilpotent), squarings=0)[1] == 4
    assert spectral_radius(BallArray(nilpotent), squarings=1)[1] < 1e-15
    signs = np.array([[0.25, -0.25], [-0.25, 0.25]])  # the norm takes absolute values
    assert spectral_radius(BallArray(signs))[1] == 0.5
    swap = np.array([[0.0, -1.1], [-1.1, 0.0]])  # only the second power has a trace
    low, high = spectral_radius(BallArray(swap), squarings=1)
    assert float(low) == pytest.approx(1.1, rel=1e-12)
    assert high >= 1.1


def test_every_rounding_of_the_radius_is_outward():
    """With six bits no power and no root is exact."""
    for n in range(1, 40):
        value = n / 37.0
        with precision(6):
            low, high = spectral_radius(BallArray(np.array([[value]])), squarings=3)
        assert exact_value(low) <= Fraction(value) <= exact_value(high)


def test_the_trace_counts_n_times_and_the_root_is_taken():
    """rho = 1/2 twice and 0: |trace| = 1 <= 3 rho."""
    low, high = spectral_radius(BallArray(np.diag([0.5, 0.5, 0.0])), squarings=0)
    assert Fraction(1, 3) * (1 - Fraction(1, 10**12)) < Fraction(float(low)) < Fraction(1, 2)
    assert high == 0.5
    low, high = spectral_radius(BallArray(np.eye(2)), squarings=5)  # exactly 1: never decided
    assert low <= 1 <= high
    assert high < 1.0001


def test_the_radius_holds_for_every_matrix_inside():
    base = np.array([[0.2, 0.5], [0.1, 0.3]])
    low, high = spectral_radius(wide(base, 0.2))
    corners = np.random.default_rng(0).choice([-0.2, 0.2], (200, 2, 2))
    found = [np.abs(np.linalg.eigvals(base + c)).max() for c in corners]
    assert float(low) <= min(found)
    assert max(found) <= float(high)
    assert high > low


def test_the_bounds_are_numbers_and_what_is_unbounded_says_nothing():
    low, high = spectral_radius(wide(np.eye(2) * 0.5, 0.1))
    assert low.is_exact()
    assert high.is_exact()
    low, high = spectral_radius(wrap(filled([arb("nan")], (1, 1))))
    assert low == 0
    assert high == arb.pos_inf()
    low, high = spectral_radius(BallArray(np.array([[1.0]])), squarings=0)
    assert low == high == 1


def test_a_power_that_grows_keeps_the_better_bound():
    """Balls of a large radius get wider with each squaring, until a root was NaN."""
    first = spectral_radius(wide(np.full((3, 3), 0.2), 0.3), squarings=0)[1]
    assert spectral_radius(wide(np.full((3, 3), 0.2), 0.3), squarings=8)[1] <= first


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_positive_definite_is_said_of_nothing_else(size):
    rng = np.random.default_rng(size)
    for _ in range(20):
        turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
        values = rng.uniform(0.1, 2.0, size)
        assert certainly_positive_definite(BallArray((turn * values) @ turn.T))
        values[rng.integers(size)] = -0.05
        assert not certainly_positive_definite(BallArray((turn * values) @ turn.T))
    assert not certainly_positive_definite(BallArray(np.zeros((size, size))))


def test_only_the_lower_triangle_counts_and_its_last_row_too():
    assert certainly_positive_definite(BallArray(np.array([[2.0, 99.0], [1.0, 2.0]])))
    assert not certainly_positive_definite(BallArray(np.array([[2.0, 0.0], [3.0, 2.0]])))
    assert not certainly_positive_definite(BallArray(np.array([[4, 0, 0], [2, 2, 0], [2, 3, 2.4]])))
    assert certainly_positive_definite(BallArray(np.array([[4, 0, 0], [2, 2, 0], [2, 3, 6.0]])))
    assert not certainly_positive_definite(wide(np.eye(2), 1.01))


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 2), (3, 3)])
def test_a_norm_is_at_most_what_it_is(shape):
    rng = np.random.default_rng(0)
    for _ in range(10):
        a = rng.normal(size=shape) * 3
        norm = float(np.linalg.norm(a, 2))
        assert norm_at_most(BallArray(a), arb(norm) * 1.0001)
        assert not norm_at_most(BallArray(a), arb(norm) * 0.9999)
        found = spectral_norm(BallArray(a), norm)
        assert found.is_exact()
        assert norm * (1 - 1e-12) <= float(found) <= norm * (1 + 1e-6)


def test_the_norm_holds_for_every_matrix_inside():
    assert norm_at_most(wide(np.zeros((2, 2)), 0.5), arb(1.5))
    assert not norm_at_most(wide(np.zeros((2, 2)), 0.5), arb(0.999))
    assert not norm_at_most(wide(np.array([[1.0]]), 0.5), arb(1.4))


def test_an_estimate_below_the_norm_is_raised_a_little_and_no_further():
    a = BallArray(np.diag([3.0, 1.0]))
    exact = spectral_norm(a, 3.0)
    assert 3 <= exact <= 3 * (1 + arb(2) ** -30)
    below = spectral_norm(a, 3 * (1 - 2.0**-20))
    assert 3 <= below <= 3 * (1 + arb(2) ** -15)
    assert spectral_norm(a, 3 * (1 - 2.0**-20), steps=1) is None
    assert spectral_norm(a, 1.0) is None
    assert 0 < spectral_norm(BallArray(np.zeros((2, 2))), 0.0) < 1e-200


def test_inverses_enclose_or_are_none():
    found = inverse(BallArray(np.array([[2.0, 0.0], [1.0, 4.0]])))
    assert [float(x.mid()) for x in found.entries()] == [0.5, 0, -0.125, 0.25]
    assert inverse(BallArray(np.array([[1.0, 2.0], [2.0, 4.0]]))) is None
    assert inverse(wide(np.array([[1.0]]), 2)) is None
    odd = wrap(filled([arb(1), arb("nan"), arb(0), arb(1)], (2, 2)))
    assert inverse(odd) is None
    with pytest.raises(ValueError, match="matrix"):
        inverse(balls_of(np.zeros(3)))
