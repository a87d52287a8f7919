"""Lower bounds of the rank: singular vectors, factors and entries that are slightly wrong."""

import math

import mpmath
import numpy as np
import pytest

from varnum.floats.rounding import UNIT
from varnum.lowrank.limits import _excluded, _scaled_kernel

MATRIX = np.diag([1.0, 0.255])  # rank 1 leaves a tail of 0.247 of the norm
TAIL = 0.255 / math.hypot(1, 0.255)


def proposed(left=1.0, values=1.0, right=1.0):
    """U, s, V of the matrix, each off by a factor."""
    return np.eye(2) * left, np.diag(MATRIX) * values, np.eye(2) * right


def test_the_threshold_is_the_tail():
    assert _excluded(MATRIX, *proposed(), 0.0, TAIL * (1 - 1e-9)) == 2
    assert _excluded(MATRIX, *proposed(), 0.0, TAIL * (1 + 1e-9)) == 1


@pytest.mark.parametrize("short", ["left", "right"])
def test_short_singular_vectors_with_long_values_prove_nothing(short):
    """0.9 U and s/0.9 have the right product, but s/0.9 are not its singular values."""
    factors = proposed(**{short: 0.9, "values": 1 / 0.9})
    assert _excluded(MATRIX, *factors, 0.0, TAIL * 1.01) == 1


def test_values_of_another_matrix_prove_nothing():
    wrong = (np.eye(2), np.array([1.0, 0.28]), np.eye(2))
    assert _excluded(MATRIX, *wrong, 0.0, TAIL * 1.01) == 1
    assert _excluded(np.diag([1.0, 0.28]), *wrong, 0.0, TAIL * 1.01) == 2


def test_entries_that_may_be_too_large_prove_less():
    """Entries 1 % too large everywhere could be an error in the tail alone."""
    relative = 0.01
    gap = relative / (1 - relative)
    eps = (TAIL - gap) * (1 - relative)
    assert _excluded(MATRIX, *proposed(), relative, eps * (1 - 1e-9)) == 2
    assert _excluded(MATRIX, *proposed(), relative, eps * (1 + 1e-9)) == 1


def test_a_rank_that_is_attained_is_never_excluded():
    """The best matrix of each rank, at its own error in the norm."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        matrix = rng.random((12, 9))
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        for rank in range(1, 9):
            eps = math.sqrt(sum(values[rank:] ** 2) / sum(values**2))
            assert _excluded(matrix, left, values, right, 0.0, eps) <= rank
            assert _excluded(matrix, left, values, right, 0.0, eps * (1 - 1e-8)) == rank + 1


def test_the_kernels_entries_pay_for_large_logits_and_for_exp():
    rng = np.random.default_rng(1)
    q = rng.standard_normal((5, 4)) * 0.1 + 50
    k = rng.standard_normal((7, 4)) * 0.1 + 50
    scaled, error = _scaled_kernel(q, k, 8.0)
    worst = 0
    logits = q @ k.T / 8
    middle = 0.5 * (logits.max(1) + logits.min(1))
    with mpmath.workdps(40):
        for i, j in np.ndindex(scaled.shape):
            logit = mpmath.fdot(q[i].tolist(), k[j].tolist()) / 8 - mpmath.mpf(float(middle[i]))
            worst = max(worst, abs(float(scaled[i, j]) / mpmath.exp(logit) - 1))
    assert 1e-14 < worst <= error
    assert _scaled_kernel(np.zeros((2, 1)), np.zeros((2, 1)), 1.0)[1] >= 8 * UNIT["float64"]
    far = np.array([[800.0], [-800.0]])
    assert _scaled_kernel(far, far, 400.0)[1] == math.inf  # e^1600 overflows
