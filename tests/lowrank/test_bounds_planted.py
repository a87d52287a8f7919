"""Rank bounds on matrices whose rank is known: planted low rank with the largest error allowed.

Any positive matrix A is a kernel: q = log A, k = I. So a rank-r matrix R and errors |e_ij| <= eps
make A = R/(1 + e), within eps of rank r for certain; no bound may exclude r.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from varnum.errors import InputError
from varnum.lowrank.limits import (
    _excluded,
    _scaled_kernel,
    certify_rank_lower,
    estimate_rank_reference,
)


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


# --- the exclusion itself, with singular vectors that are not quite orthogonal -------------------


def bad_svd(matrix, off, rng):
    """A decomposition U S V' that is wrong by about `off` in every part, values still falling."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    left = left * (1 + off * rng.uniform(-1, 1)) + off / 8 * rng.normal(size=left.shape)
    right = right * (1 + off * rng.uniform(-1, 1)) + off / 8 * rng.normal(size=right.shape)
    values = np.sort(np.abs(values * (1 + off * rng.uniform(-1, 1, values.shape))))[::-1]
    return left, values, right


def ratios(matrix):
    """tail_F(r)/|B|_F for r = 0, 1, .."""
    values = np.linalg.svd(matrix, compute_uv=False)
    return np.sqrt(np.cumsum(values[::-1] ** 2)[::-1]) / np.linalg.norm(values)


@pytest.mark.parametrize("off", [0.0, 1e-9, 1e-4, 1e-2, 0.1])
@pytest.mark.parametrize("relative", [0.0, 1e-6, 1e-2, 0.2])
def test_an_inexact_decomposition_excludes_only_what_the_exact_one_does(off, relative):
    rng = np.random.default_rng(int(1e6 * (off + relative)))
    excluded = 0
    for case in range(120):
        rows, columns = rng.integers(2, 9, size=2)
        matrix = rng.uniform(0.5, 1.5, (rows, columns)) * rng.choice([1e-3, 1.0, 1e3])
        if case % 2:
            matrix[: min(rows, columns), : min(rows, columns)] += np.eye(min(rows, columns)) * 9
        exact = matrix / (1 + relative * rng.uniform(-1, 1, matrix.shape))
        true = ratios(exact)
        left, values, right = bad_svd(matrix, off, rng)
        if case % 3 == 0:  # all tails wrong in the same direction
            values = values * (1 + off)
        for r in range(len(values)):
            for eps in (true[r] * (1 + 1e-13), true[r] * 0.9, true[r] * 0.5):
                found = _excluded(matrix, left, values, right, relative, eps)
                assert np.all(true[:found] > eps)
                excluded += found > r
    assert excluded > 0 or off + relative > 0.1


def test_a_decomposition_of_something_else_excludes_nothing():
    """Longer vectors, larger values, another matrix: what U S V' says does not count by itself."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        matrix = np.outer(rng.uniform(1, 2, 5), rng.uniform(1, 2, 5))  # rank 1
        left, values, right = np.linalg.svd(matrix + rng.normal(size=(5, 5)))
        assert _excluded(matrix, left, values, right, 0.0, 1e-6) <= 1
        left, values, right = np.linalg.svd(matrix)
        assert _excluded(matrix, left, values + 1e-3, right, 0.0, 1e-6) <= 1
        for stretched in (1.4, 0.6):
            assert _excluded(matrix, left * stretched, values / stretched, right, 0.0, 1e-6) <= 1
            assert _excluded(matrix, left, values / stretched, right * stretched, 0.0, 1e-6) <= 1
        swapped = np.vstack([left[:, 1:].T, left[:, 1:].T[:1]]).T  # not orthogonal at all
        assert _excluded(swapped * values @ right, swapped, values, right, 0.0, 1e-6) <= 5


def test_not_orthogonal_vectors_make_less_of_their_values():
    """U with two equal columns has rank 4: the fifth value says nothing."""
    rng = np.random.default_rng(5)
    for side in (0, 1):
        u, _, v = np.linalg.svd(rng.normal(size=(5, 5)))
        values = np.full(5, 1.0)
        if side == 0:
            u[:, 4] = u[:, 3]
        else:
            v[4] = v[3]
        matrix = (u * values) @ v
        true = ratios(matrix)
        for eps in (1e-6, 0.1, true[3] * 1.01, true[1] * 1.01):
            assert np.all(true[: _excluded(matrix, u, values, v, 0.0, eps)] > eps)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 7.0])
def test_the_scaled_kernel_is_within_its_error(sigma):
    rng = np.random.default_rng(6)
    for size in (0.1, 1.0, 9.0):
        q, k = rng.normal(size=(2, 12, 4)) * size
        scaled, error = _scaled_kernel(q, k, sigma)
        if not np.isfinite(error):
            continue
        middle = np.log(scaled).max(1) + np.log(scaled).min(1)
        assert np.all(np.abs(middle) < 1e-9)
        with mpmath.workdps(40):
            for i in range(12):
                exact = [
                    mpmath.exp(
                        mpmath.fsum(
                            mpmath.mpf(a) * mpmath.mpf(b) for a, b in zip(q[i], y, strict=True)
                        )
                        / sigma
                    )
                    for y in k
                ]
                ratio = [mpmath.mpf(s) / e for s, e in zip(scaled[i], exact, strict=True)]
                # a factor per row is free: compare with the one that suits best
                spread = max(ratio) / min(ratio)
                assert spread <= ((1 + mpmath.mpf(error)) / (1 - mpmath.mpf(error)))
        far = np.sqrt((q**2).sum(1)).max() * np.sqrt((k**2).sum(1)).max() / sigma
        assert error >= 4 * 2.0**-53 * far  # every logit may have lost that much
