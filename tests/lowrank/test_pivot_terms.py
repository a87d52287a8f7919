"""The rounding terms of the pivot kernel against the model of rounding, step by step."""

from __future__ import annotations

import math

import numpy as np
import pytest

from varnum.floats.rounding import UNIT, gamma
from varnum.lowrank.pivots.residual import (
    PivotMap,
    choose_pivots,
    contraction_bound,
    fit_pivot_map,
    gaussian_error,
)

U = UNIT["float64"]


@pytest.mark.parametrize("d", [1, 2, 3, 64])
@pytest.mark.parametrize("exponent", [1e-9, 1e-3, 0.4])
def test_the_exponent_loses_every_step_and_the_error_is_relative_to_the_computed_value(d, exponent):
    """d products and sums in each of three parts, two differences; computed = (1 - t) exact."""
    far = math.sqrt(exponent / gamma(d + 4)) / 2
    lost = math.expm1(gamma(d + 2) * (2 * far) ** 2 / 2)
    assert gaussian_error(far, far, d) >= lost / (1 - lost)


def test_the_farthest_point_counts():
    """One of the pivots is far, the others are at 0; likewise in the contraction."""
    points = np.array([[0.0], [1e3]])
    t = gaussian_error(1e3, 1e3, 1)
    matrix = np.array([[0.0], [0.1]])
    assert PivotMap(points, matrix).feature_error(1e3) >= t * 0.1
    assert contraction_bound(matrix, points) >= 0.01 * (1 + t)


def test_features_lose_their_sums_and_exp_at_once():
    p = 4000
    norm = 0.1 * math.sqrt(2 * p)
    least = (gamma(p) + 8 * U) * math.sqrt(p) * norm
    assert PivotMap(np.zeros((p, 1)), np.full((p, 2), 0.1)).feature_error(0.0) >= least


def test_the_contraction_loses_both_products_and_exp_at_once():
    p, size = 60, 1e3
    alternating = np.where(np.arange(p) % 2, size, -size)[:, None]
    least = (gamma(2 * p) + 8 * U) * (p * size) ** 2
    assert contraction_bound(alternating, np.zeros((p, 1))) >= least


def test_the_contraction_is_that_of_the_longest_column():
    far = np.array([[0.0], [50.0]])
    assert contraction_bound(np.diag([2.0, 0.1]), far) >= 4
    assert contraction_bound(np.diag([0.1, 2.0]), far) >= 4


TOKENS = [np.random.default_rng(0).normal(size=(60, 2)) * 0.1, np.linspace(-1, 1, 60)[:, None]]


@pytest.mark.parametrize("tokens", TOKENS, ids=["plane", "line"])
def test_a_choice_that_cannot_be_certified_loses_its_last_quarter(tokens):
    first = len(choose_pivots(tokens, 0.0, 60))
    found = fit_pivot_map(tokens, 0.0, 60)
    assert found is not None
    assert 0.7 * first <= len(found.points) <= 0.75 * first
    assert contraction_bound(found.matrix, found.points) <= 1
