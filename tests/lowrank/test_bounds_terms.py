"""Rounding in the lower bound of the rank, at its worst and visible: units of 2^-26, told products.

With Hadamard matrices for U and V every sum of products has as many equal terms as there can be.
What is computed is told to the code; what it stands for is up to gamma_n away.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from varnum.floats.rounding import UNIT, gamma
from varnum.lowrank import limits as bounds
from varnum.lowrank.limits import _excluded, _scaled_kernel, certify_rank_lower

N, UNIT_HERE = 64, 2.0**-26
HALF = np.array([1, 1, 1, -1]) / 2  # bent: flat, and its image under the next one is itself
TURN = np.kron([[1, 1], [1, -1]], [[1, 1], [1, -1]]) / 2
BENT, HADAMARD = np.kron(HALF, np.kron(HALF, HALF)), np.kron(TURN, np.kron(TURN, TURN))
WORST = gamma(N, UNIT_HERE)


class Told(np.ndarray):
    """A matrix whose products come out as prepared, in this order."""

    answers: tuple[np.ndarray, ...] = ()

    def __matmul__(self, other):
        first, *Told.answers = Told.answers
        return first


def threshold(rank, matrix, left, values, right, relative=0.0):
    """The largest eps at which `rank` is excluded; U and V come out orthogonal, U S V as told."""
    low, high = 0.0, 2.0
    for _ in range(50):
        middle = (low + high) / 2
        Told.answers = [np.eye(len(values)), np.eye(len(values)), matrix]
        sides = left.view(Told), values, right.view(Told)
        if _excluded(matrix, *sides, relative, middle) > rank:
            low = middle
        else:
            high = middle
    return low


def ratio(matrix, rank):
    values = np.linalg.svd(matrix, compute_uv=False)
    return math.sqrt(sum(values[rank:] ** 2) / sum(values**2))


@pytest.fixture
def coarse(monkeypatch):
    monkeypatch.setattr(bounds, "gamma", lambda n: gamma(n, UNIT_HERE))
    monkeypatch.setattr(bounds, "_U", UNIT_HERE)


def lost(left, values, right):
    """The most that rounding takes from U S V in the direction of BENT on both sides."""
    products = gamma(N + 1, UNIT_HERE)  # the values are multiplied in before
    return products * np.sign(np.outer(BENT, BENT)) * (np.abs(left) * values @ np.abs(right))


FLAT = [1.0] * (N - 1) + [0.001]
FIRST = [1.0] + [0.002] * (N - 1)


@pytest.mark.parametrize("shape", [FLAT, FIRST], ids=["flat", "first"])
@pytest.mark.parametrize("scale", [2.0**-10, 1.0, 2.0**10])
def test_a_product_that_hides_the_smallest_value(coarse, scale, shape):
    """The computed product has less of the last value, by all that rounding may take."""
    values = np.array(shape) * scale
    left = np.sign(BENT)[:, None] * HADAMARD[:, ::-1]  # the last column is BENT
    right = left.T
    matrix = (left * values) @ right - lost(left, values, right) * (1 - 1e-9)
    found = threshold(N - 1, matrix, left, values, right)
    assert 0.9 * ratio(matrix, N - 1) < found <= ratio(matrix, N - 1)


def test_vectors_that_are_short_and_a_product_that_is_less(coarse):
    """U, V and U S V as far off as their rounding allows, in one direction."""
    short = np.eye(N) - (1 - math.sqrt(1 - N * WORST)) * np.outer(BENT, BENT)
    left, values, right = HADAMARD @ short, np.ones(N), short @ HADAMARD
    assert np.abs(left.T @ left - np.eye(N)).max() <= WORST * (1 + 1e-9)
    matrix = left @ right - lost(left, values, right) * (1 - 1e-9)
    found = threshold(N - 1, matrix, left, values, right)
    assert 0.99 * ratio(matrix, N - 1) < found <= ratio(matrix, N - 1)


@pytest.mark.parametrize("tall", [True, False])
def test_a_long_side_counts_in_the_sums_of_squares(coarse, tall):
    """One vector of 1024 equal entries, as short as the sum of its squares may hide."""
    n = 1024
    vector = np.full((n, 1), math.sqrt((1 - gamma(n, UNIT_HERE)) / n))
    left, right = (vector, np.eye(1)) if tall else (np.eye(1), vector.T)
    found = threshold(0, left @ right, left, np.ones(1), right)
    assert 0.9 < found <= 1


@pytest.mark.parametrize("relative", [0.0, 0.01])
def test_the_size_of_the_matrix_does_not_matter(coarse, relative):
    values = np.array([1.0] * (N - 1) + [0.5])
    found = [
        threshold(3, HADAMARD * values * s @ HADAMARD, HADAMARD, values * s, HADAMARD, relative)
        for s in (2.0**-20, 1.0, 2.0**20)
    ]
    assert found[0] == found[1] == found[2] > 0


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_equal_vectors_have_rank_one(n):
    """Both sides at once: neither defect may make the other one harmless."""
    one = np.ones((n, n)) / math.sqrt(n)
    for scale in (1.0, 1.5):
        assert _excluded(one * scale @ one, one, np.full(n, scale), one, 0.0, 1e-9) <= 1


@pytest.mark.parametrize("shape", [(5, 9), (9, 5)])
def test_sides_of_different_lengths(shape):
    q, k = np.eye(9)[: shape[0]] * 40, np.eye(9)[: shape[1]]
    assert certify_rank_lower(q, k, 1.0, 1e-3) == 5


@pytest.mark.parametrize("far", [0.0, 1.0, 1e3])
@pytest.mark.parametrize("d", [1, 5])
def test_entries_may_lose_every_step_of_their_logit(d, far):
    """d products and sums, a division, a difference, exp within 4 ulp; one long token is enough."""
    q, k = np.zeros((3, d)), np.zeros((4, d))
    q[1, 0], k[2, 0] = far, 1.0
    logits = math.expm1(gamma(d + 2) * far)
    assert _scaled_kernel(q, k, 1.0)[1] >= logits + 8 * UNIT["float64"]
    assert _scaled_kernel(q, k * 3, 0.5)[1] >= math.expm1(6 * gamma(d + 2) * far) or far > 1
