"""Ranks from below: against constructed optima, and refusing what is not excluded."""

import numpy as np
import pytest

from tests.support.heads import along_axes as head
from varnum.lowrank.limits import certify_rank_lower, estimate_rank_reference
from varnum.lowrank.pivots.pivot_kernel import LowRankKernel, fit_kernel


@pytest.mark.parametrize("eps", [1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize("seed", range(3))
def test_the_lower_bound_is_below_every_certified_rank(eps, seed):
    q, k = head(4, 150, seed)
    lower = certify_rank_lower(q, k, 2.0, eps)
    kernel = fit_kernel(q, k, 2.0, eps)
    assert isinstance(kernel, LowRankKernel)
    assert 1 <= lower <= min(kernel.rank, estimate_rank_reference(q, k, 2.0, eps))


def test_it_finds_the_rank_of_a_diagonal_dominant_kernel():
    """Far apart tokens: the kernel is nearly a permutation, no small rank can be within 10 %."""
    q = np.eye(12) * 30
    assert certify_rank_lower(q, q, 100.0, 0.1) == 12


def test_identical_tokens_have_rank_one():
    q = np.ones((20, 3))
    assert certify_rank_lower(q, q, 1.0, 1e-6) == 1
    assert estimate_rank_reference(q, q, 1.0, 1e-6) == 1


def test_a_smaller_error_never_lowers_the_bound_and_a_rank_that_exists_is_never_excluded():
    q, k = head(3, 120, 7)
    matrix = np.exp(q @ k.T / 2)
    left, values, right = np.linalg.svd(matrix)
    for rank in (1, 2, 3, 5):
        near = (left[:, :rank] * values[:rank]) @ right[:rank]
        eps = float(np.abs(near / matrix - 1).max())
        if eps < 1:
            assert certify_rank_lower(q, k, 2.0, eps) <= rank
    bounds = [certify_rank_lower(q, k, 2.0, eps, rounds=1) for eps in (0.3, 1e-1, 1e-2, 1e-3)]
    assert bounds == sorted(bounds)


def test_overflowing_logits_exclude_nothing():
    q = np.eye(4) * 1e3
    assert certify_rank_lower(q, -q, 1.0, 0.1) == 1


@pytest.mark.parametrize("size", [8.0, 20.0, 1e3, 1e7])
def test_logits_beyond_float64_leave_nothing_proved_and_no_warning(size):
    q, k = np.random.default_rng(0).standard_normal((2, 30, 8)) * size
    assert 1 <= certify_rank_lower(q, k, 2.0, 1e-2) <= 30
    assert certify_rank_lower(q * 100, k, 2.0, 1e-2) == 1
    assert estimate_rank_reference(q * 100, k, 2.0, 1e-2) == 30
