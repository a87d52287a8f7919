"""Numbers near the ends of the float formats: nothing certified may be false or not a number."""

import numpy as np
import pytest

import varnum as vn
from tests.support.oracle import softmax, wide
from varnum.lowrank.limits import _excluded
from varnum.lowrank.moments.basis import fit_basis
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.pivots.residual import PivotMap


def draw(dtype, seed=0, keys=9):
    rng = np.random.default_rng(seed)
    sides = [rng.standard_normal((n, 3)) for n in (5, keys)]
    return [*sides, rng.standard_normal((keys, 2))], dtype


def violations(out, bound, q, k, v, sigma):
    """Rows with a bound below 1 that are off by more, or are not numbers (extended precision)."""
    error = (np.abs(wide(out) - softmax(q, k, v, sigma)) / np.ptp(wide(v), axis=0)).max(1)
    return int(((bound < 1) & ~(error <= bound)).sum())


SIZES = {np.float32: (1e14, 1e17, 1e19, 1e21), np.float64: (1e17, 1e76, 1e80, 1e100, 1e150)}


@pytest.mark.parametrize(("dtype", "size"), [(d, s) for d, all_ in SIZES.items() for s in all_])
def test_moments_of_tiny_keys_underflow_and_say_so(dtype, size):
    (q, k, v), _ = draw(dtype)
    q, k, v = (part.astype(dtype) for part in (q * size, k / size * 0.5, v))
    basis = fit_basis(q.astype(float), k.astype(float), 1.0, 3, 2, 1, q)
    state = MomentState(basis, 2)
    state.add(k, v)
    out = np.empty((5, 2), dtype=dtype)
    assert violations(out, state.attend(q, out).error, q, k, v, 1.0) == 0


METHODS = (
    {"output_error": "1e-2"},
    {"output_error": "1e-12"},
    {"eps": "1e-2"},
    {"eps": "1e-2", "method": "monomials"},
    {"eps": "1e-2", "method": "exact"},
)
VALUES = {
    np.float32: (1e-30, 1e-38, 1e-42, 1e-44, 1e30, 1e38),
    np.float64: (1e-300, 1e-310, 1e-320, 1e279),
}


@pytest.mark.parametrize("options", METHODS, ids=str)
@pytest.mark.parametrize(("dtype", "size"), [(d, s) for d, all_ in VALUES.items() for s in all_])
def test_tiny_and_huge_values(dtype, size, options):
    (q, k, v), _ = draw(dtype, 1)
    v = np.clip(v * size, -np.finfo(dtype).max, np.finfo(dtype).max)
    q, k, v = (part.astype(dtype) for part in (q / 2, k / 2, v))
    for shift in (0, 1):
        result = vn.attention(q, k, v + dtype(shift * size), sigma=1, **options)
        bound = np.full(5, result.certificate.output_error)
        assert violations(result.output, bound, q, k, v + dtype(shift * size), 1) == 0


@pytest.mark.parametrize("options", METHODS, ids=str)
@pytest.mark.parametrize("sizes", [(0, 1e30), (1e-30, 1e30), (1e25, 1e-25), (1e-23, 1e19)])
def test_norms_whose_squares_leave_the_range(sizes, options):
    (q, k, v), _ = draw(np.float32, 2)
    q, k, v = (part.astype(np.float32) for part in (q * sizes[0], k * sizes[1], v))
    result = vn.attention(q, k, v, sigma=1, **options)
    assert result.certificate.certified_error > 0
    assert result.certificate.reached or "1e-12" in options.values()
    assert violations(result.output, np.full(5, result.certificate.output_error), q, k, v, 1) == 0


def test_keys_too_large_to_be_squared_need_exact_attention():
    """No basis can be computed from them: that is a reason, not a crash."""
    (q, k, v), _ = draw(np.float64, 3, 700)
    q = np.repeat(q, 140, 0) * 1e-154
    for options in METHODS[:3]:
        certificate = vn.attention(q, k * 1e154, v, sigma=1, **options).certificate
        assert certificate.method == "exact"
    with pytest.raises(vn.InputError, match="monomials certifies nothing"):
        vn.attention(q, k * 1e154, v, eps="1e-2", method="monomials")


def test_values_whose_sums_overflow_are_refused():
    (q, k, v), _ = draw(np.float64)
    with pytest.raises(vn.InputError, match="overflow sums; scale v"):
        vn.attention(q, k, np.sign(v) * 1e300, eps="1e-2")


def test_the_residual_covers_the_square_of_the_feature_error():
    """Computed features may be longer than the exact ones by the error: least room near 1."""
    error = 1e-3
    for exact in (1.0, 1 - error / 4, 1 - 1e-2, 0.5):
        computed = np.array([[exact + error]])
        bound = PivotMap(np.zeros((1, 1)), np.ones((1, 1))).residual(computed, error)
        assert bound[0] >= 1 - exact**2


def test_the_lower_bound_divides_by_what_the_entries_may_be_too_small():
    """Entries 20 % too small: the norm of the exact matrix is up to 1.25 times the computed one."""
    matrix = np.diag([1.0, 0.255])
    left, values, right = np.linalg.svd(matrix)
    assert _excluded(matrix, left, values, right, 0.0, 0.2) == 2
    assert _excluded(matrix, left, values, right, 0.2, 1e-12) == 1
