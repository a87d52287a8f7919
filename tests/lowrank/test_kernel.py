"""The pivot kernel's entrywise certificate against mpmath, on ordinary and on nasty inputs."""

import dataclasses

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.heads import correlated
from varnum.lowrank.features import attend
from varnum.lowrank.frame import Frame, bound_logit_residual
from varnum.lowrank.pivots.pivot_kernel import LowRankKernel, certify_kernel, fit_kernel
from varnum.lowrank.pivots.recompress import Turn, certify_relative, side
from varnum.lowrank.pivots.residual import (
    PivotMap,
    certify_contraction,
    contraction_bound,
    fit_pivot_map,
    gaussian,
)
from varnum.verdict import Unknown


def pair(*sizes):
    """q and k of a head."""
    return list(correlated(*sizes)[:2])


def worst_relative_error(kernel, q, k, sigma):
    """max_ij |a~_ij / (a_ij g_i) - 1| for the best row factor g_i, with a in 40 digits."""
    worst = mpmath.mpf(0)
    with mpmath.workdps(40):
        psi = [
            [mpmath.mpf(float(x)) * mpmath.mpf(float(w)) for x in row]
            for row, w in zip(kernel.psi, kernel.weights, strict=True)
        ]
        for row_q, row_phi in zip(q, kernel.phi, strict=True):
            ratios = []
            phi = [mpmath.mpf(float(x)) for x in row_phi]
            for row_k, row_psi in zip(k, psi, strict=True):
                logit = mpmath.fdot(map(float, row_q), map(float, row_k)) / sigma
                ratios.append(mpmath.fdot(phi, row_psi) / mpmath.exp(logit))
            low, high = min(ratios), max(ratios)
            worst = max(worst, (high - low) / (high + low))  # least over all row factors
    return float(worst)


NASTY = {
    "zeros": (np.zeros((6, 3)), np.zeros((5, 3))),
    "one token": (np.array([[0.3]]), np.array([[-0.7]])),
    "identical keys": (pair(4, 12, 1)[0], np.ones((9, 4)) * 0.4),
    "far key": (pair(4, 12, 2)[0] * 0.1, np.vstack([pair(4, 9, 3)[1] * 0.1, np.full((1, 4), 30)])),
    "denormals": (np.full((4, 3), 5e-324), np.full((4, 3), 1e-310)),
    "huge offset": (pair(4, 10, 4)[0], pair(4, 10, 5)[1] + 1e6),
    "tiny queries, huge keys": (pair(4, 10, 6)[0] * 1e-8, pair(4, 10, 7)[1] * 1e8),
    "duplicates": (np.repeat(pair(3, 4, 8)[0], 3, axis=0), np.repeat(pair(3, 4, 8)[1], 3, axis=0)),
    "nearly equal": (pair(3, 8, 9)[0] * 1e-6 + 1, pair(3, 8, 9)[1] * 1e-6 - 1),
    "opposite": (np.eye(5) * 3, -np.eye(5) * 3),
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("eps", [1e-1, 1e-3, 1e-6])
def test_no_violation_on_nasty_inputs(name, eps):
    q, k = NASTY[name]
    kernel = fit_kernel(q, k, 2.0, eps)
    if isinstance(kernel, Unknown):
        assert kernel.reason  # a reason, never a silent pass
        return
    assert kernel.certified <= eps
    assert worst_relative_error(kernel, q, k, 2) <= kernel.certified


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 14), st.integers(0, 10**6), st.sampled_from([0.3, 1, 3]))
def test_no_violation_on_random_heads(d, length, seed, largest):
    q, k = pair(d, length, seed, largest)
    kernel = fit_kernel(q, k, float(d) ** 0.5, 1e-2)
    if isinstance(kernel, LowRankKernel):
        assert worst_relative_error(kernel, q, k, mpmath.sqrt(d)) <= kernel.certified <= 1e-2


def test_the_rank_is_small_on_correlated_heads():
    q, k = pair(16, 680, 0)
    kernel = fit_kernel(q, k, 4.0, 1e-2)
    assert isinstance(kernel, LowRankKernel)
    assert kernel.rank <= 16  # the singular-value reference of this head is 11


def test_new_tokens_reuse_the_map_and_are_certified_anew():
    q, k = pair(8, 200, 3)
    fitted = fit_kernel(q[:150], k[:150], 8**0.5, 1e-2)
    assert isinstance(fitted, LowRankKernel)
    again = certify_kernel(fitted.frame, fitted.map, fitted.turn, q[150:], k[150:])
    assert again.certified < 0.2
    assert worst_relative_error(again, q[150:], k[150:], mpmath.sqrt(8)) <= again.certified
    far = certify_kernel(fitted.frame, fitted.map, fitted.turn, q[150:], k[150:] * 40)
    assert far.certified > 1  # tokens the map was not made for are not certified


def test_output_error_holds_and_is_not_idle():
    q, k = pair(8, 120, 5)
    v = np.random.default_rng(0).standard_normal((120, 3)) * [1, 1e-3, 1] + [0, 50, 0]
    kernel = fit_kernel(q, k, 8**0.5, 1e-1)
    out, bound = attend(kernel, v)
    exact = np.exp((q @ k.T).astype(np.longdouble) / np.sqrt(np.longdouble(8)))
    exact = (exact @ v.astype(np.longdouble)) / exact.sum(1, keepdims=True)
    error = (np.abs(out - exact) / np.ptp(v, axis=0)).max()
    assert 0 < error <= bound


def test_a_contraction_slightly_too_large_is_refused():
    points = pair(4, 30, 0)[0]
    pivots = fit_pivot_map(points, 1e-6, 30)
    assert isinstance(pivots, PivotMap)
    assert contraction_bound(pivots.matrix, pivots.points) <= 1
    assert contraction_bound(pivots.matrix * 1.0001, pivots.points) > 1
    flipped = pivots.matrix.copy()
    flipped[0, 1] *= -1
    assert contraction_bound(flipped, pivots.points) > 1
    assert isinstance(certify_contraction(flipped, pivots.points), Unknown)


def test_the_contraction_bound_is_an_upper_bound():
    points = np.array([[0.0], [1e-9], [2e-9]])  # a Gram matrix singular to float64
    with mpmath.workdps(60):
        gram = mpmath.matrix(3, 3)
        for i in range(3):
            for j in range(3):
                gap = mpmath.mpf(float(points[i, 0])) - mpmath.mpf(float(points[j, 0]))
                gram[i, j] = mpmath.exp(-(gap**2) / 2)
        for seed in range(20):
            g = np.random.default_rng(seed).standard_normal((3, 2))
            matrix = mpmath.matrix(g.tolist())
            top = max(mpmath.eigsy(matrix.T * gram * matrix, eigvals_only=True))
            assert top <= contraction_bound(g, points)


def test_mutated_kernels_are_caught():
    q, k = pair(6, 60, 2)
    kernel = fit_kernel(q, k, 6**0.5, 1e-2)
    assert isinstance(kernel, LowRankKernel)
    claimed = kernel.certified
    # features of another matrix: the residual is no longer certified
    wrong = PivotMap(kernel.map.points * 1.05, kernel.map.matrix)
    assert contraction_bound(wrong.matrix, wrong.points) > 1
    # one feature fewer: honest again, and larger
    fewer = Turn(kernel.turn.a, kernel.turn.b, kernel.turn.rank - 3)
    assert certify_kernel(kernel.frame, kernel.map, fewer, q, k).certified > claimed
    # a turn that is not biorthogonal pays for its defect
    bent = Turn(kernel.turn.a * 1.01, kernel.turn.b, kernel.turn.rank)
    assert certify_kernel(kernel.frame, kernel.map, bent, q, k).certified > claimed
    # a mutated feature violates the claim, and the oracle sees it
    broken = dataclasses.replace(
        kernel, phi=kernel.phi * np.array([1.03] + [1] * (kernel.rank - 1))
    )
    spoiled = dataclasses.replace(kernel, psi=kernel.psi + 0.01)
    assert max(worst_relative_error(b, q, k, mpmath.sqrt(6)) for b in (broken, spoiled)) > claimed


def test_the_contraction_counts_what_rounding_hides():
    """Two points 1e-9 apart: the computed product is 0, the exact one is 1."""
    points, g = np.array([[0.0], [1e-9]]), np.array([[1e9], [-1e9]])
    assert (g.T @ gaussian(points, points) @ g == 0).all()
    assert contraction_bound(g, points) >= 1


def test_the_feature_error_covers_the_computed_features():
    points = np.linspace(0, 1, 9)[:, None] * [0.3, 0.1]
    pivots = fit_pivot_map(points, 1e-14, 9)
    assert isinstance(pivots, PivotMap)
    x = points[:3] + 0.01
    error = pivots.feature_error(float(np.abs(x).max()) * 2)
    with mpmath.workdps(40):
        for row, found in zip(x.tolist(), pivots.features(x), strict=True):
            near = [
                mpmath.exp(-((row[0] - mpmath.mpf(p)) ** 2 + (row[1] - mpmath.mpf(r)) ** 2) / 2)
                for p, r in pivots.points.tolist()
            ]
            exact = [mpmath.fdot(near, map(float, column)) for column in pivots.matrix.T]
            off = mpmath.norm([a - float(b) for a, b in zip(exact, found, strict=True)])
            assert 1e-17 < off <= error


def test_a_defect_of_the_turn_is_paid_in_full():
    """Exact features of x = 1, y = -1 and a defect along both: 1 % costs e^2 % of k(x, y)."""
    x, y = np.array([[1.0]]), np.array([[-1.0]])
    pivots = fit_pivot_map(np.array([[1.0], [-1.0]]), 1e-9, 2)
    assert isinstance(pivots, PivotMap)
    error = pivots.feature_error(1.0)
    queries, keys = side(pivots, x, error), side(pivots, y, error)
    fx, fy = queries.features[0], keys.features[0]
    defect = 0.01 * np.outer(fx, fy) / np.linalg.norm(fx) / np.linalg.norm(fy)
    turn = Turn(np.eye(2), (np.eye(2) - defect).T, 2)
    phi, psi, bound = certify_relative(queries, keys, turn, error)
    off = abs(float(phi[0] @ psi[0]) * np.exp(2) - 1)
    assert 0.05 < off <= bound < 3 * off


def test_maps_that_are_not_inverse_are_a_logit_error():
    q, k = pair(3, 5, 0)
    frame = Frame(np.zeros(3), np.zeros(3), np.eye(3), np.eye(3) * 0.9, 1.0)
    x, y = frame.queries(q), frame.keys(k)
    off = np.abs(q @ k.T - x @ y.T).max()
    assert 0.01 < off <= bound_logit_residual(frame, q, k, x, y) < 5 * off


def test_what_the_frame_loses_is_in_the_kernels_certificate():
    q, k = pair(4, 12, 3)
    kernel = fit_kernel(q, k, 2.0, 1e-6)
    assert isinstance(kernel, LowRankKernel)
    frame = dataclasses.replace(kernel.frame, b=kernel.frame.b * 1.001)
    bent = certify_kernel(frame, kernel.map, kernel.turn, q, k)
    assert 1e-5 < worst_relative_error(bent, q, k, 2) <= bent.certified < 1e-2


class TwoKeys:
    """A kernel whose two entries are off by +e and -e: softmax-relative is attained."""

    rank, certified = 1, 0.02

    def columns(self, values, part):
        return np.array([[1 + self.certified, 1 - self.certified]]) @ values

    def rows(self, state, part):
        return state

    def key_mass(self, part):
        return 2.0

    def query_size(self, part):
        return 1.0


def test_the_kernels_error_is_passed_on_tightly():
    out, bound = attend(TwoKeys(), np.array([[0.0], [1.0]]))
    off = abs(float(out[0, 0]) - 0.5)
    assert off <= bound <= 1.0002 * off


def test_rounding_to_a_narrow_type_is_in_the_output_error():
    """Values around 1e4 of range 1: float32 alone costs 1e-4 of the range."""
    q, k = pair(4, 40, 9)
    v = np.random.default_rng(0).uniform(0, 1, (40, 2)) + 1e4
    kernel = fit_kernel(q, k, 2.0, 1e-4)
    assert isinstance(kernel, LowRankKernel)
    wide, without = attend(kernel, v)
    _, bound = attend(kernel, v, None, 2.0**-24)
    moved = float(np.abs(wide - wide.astype(np.float32)).max() / np.ptp(v, axis=0).min())
    assert without < 1e-4 < moved <= bound < 1e-2


def test_gaussian_is_one_on_the_diagonal_up_to_rounding():
    x = pair(5, 20, 1)[0]
    assert np.allclose(np.diag(gaussian(x, x)), 1, rtol=0, atol=1e-14)
