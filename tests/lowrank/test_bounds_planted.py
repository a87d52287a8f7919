"""Rank bounds on matrices whose rank is known: planted low rank with the largest error allowed.

Any positive matrix A is a kernel: q = log A, k = I. So a rank-r matrix R and errors |e_ij| <= eps
make A = R/(1 + e), within eps of rank r for certain; no bound may exclude r.
"""

from __future__ import annotations

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.lowrank.bounds import certify_rank_lower, estimate_rank_reference


def planted(n, rank, eps, seed, spread=1.0):
    """(q, k) of a kernel within eps of a positive matrix of this rank; rows of any size."""
    rng = np.random.default_rng(seed)
    low = np.exp(rng.normal(size=(n, rank)) * spread) @ np.exp(rng.normal(size=(rank, n)) * spread)
    a = low / (1 + eps * rng.choice([-1.0, 1.0], (n, n)) * (1 - 1e-9))
    return np.log(a), np.eye(n)


@pytest.mark.parametrize("eps", [0.5, 0.1, 1e-3, 1e-6])
@pytest.mark.parametrize("rank", [1, 2, 5])
@pytest.mark.parametrize("n", [12, 60])
def test_a_planted_rank_is_never_excluded(n, rank, eps):
    for seed in range(4):
        q, k = planted(n, rank, eps, seed, spread=(0.2, 1.0)[seed % 2])
        assert 1 <= certify_rank_lower(q, k, 1.0, eps) <= rank
        assert 1 <= certify_rank_lower(q * 8, k, 8.0, eps) <= rank


@pytest.mark.parametrize("n", [60, 120])
@pytest.mark.parametrize("eps", [0.1, 1e-3])
def test_a_slightly_smaller_error_excludes_the_planted_rank(n, eps):
    """The largest error everywhere leaves little room: 10 % less and rank 1 is not enough."""
    q, k = planted(n, 1, eps, 3, spread=0.01)
    assert certify_rank_lower(q, k, 1.0, eps) == 1
    assert certify_rank_lower(q, k, 1.0, eps * 0.9) > 1
    assert certify_rank_lower(q, k, 1.0, eps * 0.9, rounds=1) > 1


@pytest.mark.parametrize("size", [1.0, 30.0, 150.0, 300.0])
@pytest.mark.parametrize("n", [2, 3, 5, 40])
def test_exact_rank_one_stands_however_small_the_error(size, n):
    """Logits a_i + b_j: rank 1, though rounding of the logits makes the computed kernel another."""
    rng = np.random.default_rng(n)
    for _ in range(5):
        a, b = (rng.uniform(-size, size, (n, 1)) for _ in range(2))
        one = np.ones((n, 1))
        q, k = np.hstack([a, one]), np.hstack([one, b])
        assert certify_rank_lower(q, k, 1.0, 1e-18) == 1


@pytest.mark.parametrize("size", [1.0, 20.0, 100.0])
def test_exact_rank_two_stands_however_small_the_error(size):
    """Two kinds of rows, each with factors of its own: rank 2 for any keys."""
    rng = np.random.default_rng(1)
    for n in (3, 6, 30):
        kinds = rng.normal(size=(2, 3))
        q = np.hstack([kinds[rng.integers(2, size=n)], rng.uniform(-size, size, (n, 1))])
        k = np.hstack([rng.normal(size=(n, 3)), np.ones((n, 1))])
        assert certify_rank_lower(q, k, 1.0, 1e-18) <= 2


def test_a_permutation_needs_all_of_its_rank():
    for n in (2, 5, 20):
        q = np.eye(n) * 40
        assert certify_rank_lower(q, np.eye(n), 1.0, 1e-3) == n
        assert certify_rank_lower(np.eye(n) * 40, np.eye(n)[:, ::-1], 1.0, 1e-3, rounds=1) == n


@pytest.mark.parametrize("seed", range(4))
def test_the_reference_is_the_least_truncation(seed):
    rng = np.random.default_rng(seed)
    q, k = rng.normal(size=(2, 25, 3))
    logits = q @ k.T / 1.7
    scaled = np.exp(logits - (logits.max(1, keepdims=True) + logits.min(1, keepdims=True)) / 2)
    left, values, right = np.linalg.svd(scaled)
    for eps in (0.3, 1e-2, 1e-4, 1e-7):
        errors = [
            np.abs((left[:, :r] * values[:r]) @ right[:r] / scaled - 1).max()
            for r in range(1, len(values) + 1)
        ]
        expected = 1 + int(np.argmax(np.array(errors) <= eps))
        assert estimate_rank_reference(q, k, 1.7, eps) == expected


def test_tokens_are_thinned_evenly():
    q = np.eye(9) * 40
    assert certify_rank_lower(q, q / 40, 1.0, 0.1, most=3) == 3
    assert certify_rank_lower(q, q / 40, 1.0, 0.1, most=9) == 9
    assert certify_rank_lower(q, q / 40, 1.0, 0.1, most=5) == 5
    assert estimate_rank_reference(q, q / 40, 1.0, 0.1, most=3) == 3
    with pytest.raises(InputError, match="at least 1"):
        certify_rank_lower(q, q, 1.0, 0.1, most=0)
    assert certify_rank_lower(q, q, 1.0, 0.1, most=1) == 1


def test_beyond_the_range_nothing_is_proved():
    q = np.array([[400.0], [-400.0]])
    assert certify_rank_lower(q, np.array([[1.0], [-1.0]]), 1.0, 0.1) == 1
    assert certify_rank_lower(q / 2, np.array([[1.0], [-1.0]]), 1.0, 0.1) == 2
