"""Each rounding term of the pivot kernel where it is the largest, up to the limit of the model."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from varnum.floats.rounding import UNIT, gamma
from varnum.lowrank.pivots import pivot_kernel as kernel_module
from varnum.lowrank.pivots.pivot_kernel import LowRankKernel, certify_kernel, fit_kernel
from varnum.lowrank.pivots.recompress import Sides, Turn, certify_relative
from varnum.lowrank.pivots.residual import (
    PivotMap,
    certify_contraction,
    contraction_bound,
    fit_pivot_map,
    gaussian,
    gaussian_error,
)

U = UNIT["float64"]


def exact_gaussian(x, p):
    with mpmath.workdps(50):
        gap = mpmath.fsum((mpmath.mpf(a) - mpmath.mpf(b)) ** 2 for a, b in zip(x, p, strict=True))
        return mpmath.exp(-gap / 2)


@pytest.mark.parametrize("far", [1e-3, 1.0, 1e2, 1e4])
def test_kernel_values_of_distant_tokens(far):
    """The exponent is a small difference of large numbers."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((1, 3)) * far
    x = points + rng.standard_normal((60, 3)) * min(far, 1.0)
    reach = [float(np.linalg.norm(side, axis=1).max()) for side in (x, points)]
    error = gaussian_error(*reach, 3)
    for row, found in zip(x.tolist(), gaussian(x, points)[:, 0].tolist(), strict=True):
        assert abs(exact_gaussian(row, points[0].tolist()) - found) <= error * found


def test_kernel_values_pay_for_exp_and_for_the_whole_exponent():
    """The exponent may be off by gamma_{d+3} (|x| + |p|)^2/2, exp by 4 ulp, which is 8 u."""
    assert gaussian_error(0.0, 0.0, 1) >= 8 * U
    for far_x, far_p in [(1e3, 1e3), (1e4, 10.0), (10.0, 1e6)]:
        assert gaussian_error(far_x, far_p, 8) >= math.expm1(gamma(11) * (far_x + far_p) ** 2 / 2)
    assert gaussian_error(1e8, 1e8, 2) == math.inf


def test_feature_errors_cover_the_kernel_values_and_the_product():
    """Both attained where all values are near 1 and all entries of the matrix have one sign."""
    pivots = PivotMap(np.full((1000, 1), 0.0), np.full((1000, 2), 0.1))
    norm = 0.1 * math.sqrt(2000)
    assert pivots.feature_error(0.0) >= gamma(1000) * math.sqrt(1000) * norm
    far = PivotMap(np.full((9, 1), 1e3), np.full((9, 2), 0.1))
    least = gaussian_error(1e3, 1e3, 1) * 3 * 0.1 * math.sqrt(18)
    assert far.feature_error(1e3) >= least


def test_the_residual_covers_the_sum_of_squares():
    features = np.zeros((1, 1000))
    features[0, 0] = 1  # as computed; the sum may be gamma_1000 too large
    assert PivotMap(np.zeros((1, 1)), np.ones((1, 1))).residual(features, 0.0)[0] >= gamma(1000)


def test_the_contraction_counts_the_rounding_of_distant_points():
    """The computed kernel of two points far from 0 is less than the exact one."""
    under = 0
    for seed in range(40):
        points = np.random.default_rng(seed).standard_normal((1, 2)) * 1e4 + [[0, 0], [0.01, 0]]
        matrix = np.ones((2, 1)) / math.sqrt(2)
        exact = 1 + exact_gaussian(points[0].tolist(), points[1].tolist())
        under += exact > float((matrix.T @ gaussian(points, points) @ matrix)[0, 0]) + 1e-10
        assert exact <= contraction_bound(matrix, points)
    assert under > 5


def test_the_contraction_counts_the_rounding_of_its_products():
    """Equal points: only the sums round. With cancellation, and in the sum of a row."""
    p, size = 60, 1e3
    points = np.zeros((p, 1))
    alternating = np.where(np.arange(p) % 2, size, -size)[:, None]
    assert contraction_bound(alternating, points) >= gamma(2 * p) * (p * size) ** 2
    square = np.full((400, 400), 1 / 400)
    exact = (square.sum(0) ** 2).sum()  # of rank one: its norm
    assert contraction_bound(square, np.zeros((400, 1))) >= exact * (1 + gamma(800) + gamma(399))


def test_a_contraction_is_only_handed_out_if_it_is_one():
    points = np.random.default_rng(0).standard_normal((12, 3))
    pivots = fit_pivot_map(points, 1e-6, 12)
    assert isinstance(pivots, PivotMap)
    bound = contraction_bound(pivots.matrix, pivots.points)
    again = certify_contraction(pivots.matrix * math.sqrt(1.00005 / bound), pivots.points)
    assert isinstance(again, PivotMap)
    assert contraction_bound(again.matrix, again.points) <= 1
    assert contraction_bound(pivots.matrix * math.nan, pivots.points) == math.inf


class Loose(np.ndarray):
    """A matrix whose products come out as prepared: rounding may do anything within the model."""

    products = ()

    def __matmul__(self, other):
        for right, found in self.products:
            if right.shape == other.shape and (right == np.asarray(other)).all():
                return found
        raise AssertionError("a product that was not prepared")


def loose(array, *products):
    array = array.view(Loose)
    array.products = products
    return array


M, SIZE = 64, 2.0**28
W = np.full(M, 1 / math.sqrt(M))
Z = np.where(np.arange(M) < M // 2, W, -W)
A, B = np.eye(M) + SIZE * np.outer(W, Z), np.eye(M) - SIZE * np.outer(Z, W)  # A B^T = I
MOST = 0.95 * gamma(M)  # what a product of length M may lose, relative to |left| |right|


def allowed(left, right, found):
    """May rounding make `found` of this product?"""
    lost = np.abs(np.asarray(left) @ np.asarray(right) - found)
    return bool((lost <= gamma(M) * (np.abs(left) @ np.abs(right))).all())


@pytest.mark.parametrize("error", [0.0, 0.5])
def test_the_turns_products_when_all_roundings_conspire(error):
    """All m columns kept: A B^T, and the features of both sides, with errors that add up."""
    length = 1 + error
    b = B + MOST * SIZE**2 * np.outer(Z, W)  # rounding hides that A B^T is not I
    f, g = length * W, length * Z
    phi = f @ A - MOST * SIZE * length * W  # psi is nearly -size w
    psi = g @ b + MOST * SIZE * length * Z  # phi is nearly size z
    assert allowed(A, b.T, np.eye(M))
    assert allowed(f, A, phi)
    assert allowed(g, b, psi)
    none, nothing = np.zeros((M, 0)), np.zeros((1, 0))
    q, k = loose(f[None], (A, phi[None]), (none, nothing)), loose(g[None], (b, psi[None]))
    k.products += ((none, nothing),)
    queries, keys = (Sides(part, np.zeros(1), np.zeros(1)) for part in (q, k))
    *found, bound = certify_relative(queries, keys, Turn(loose(A, (b.T, np.eye(M))), b, M), error)
    lost = abs(product(found[0][0], found[1][0]) - product(f, g))
    assert 0.85 * bound < lost <= bound


@pytest.mark.parametrize("swapped", [False, True])
def test_what_rounding_hides_in_the_dropped_features(swapped):
    """Half of the columns dropped; there one side is computed as 0, and the other is large."""
    half, size = M // 2, 2.0**24
    a, b = np.eye(M) + size * np.outer(W, Z), np.eye(M) - size * np.outer(Z, W)
    hidden = MOST * size**2
    a = a - hidden * np.outer(Z, Z)  # rounding hides that A B^T is not I
    tilt = (MOST * size - 1 + hidden) / (size - 1)
    f, g = Z * math.sqrt(1 - tilt**2) + tilt * W, Z
    phi, psi = f @ a[:, :half] + MOST * size * W[:half], g @ b[:, :half]
    gone = np.zeros((1, half))
    assert allowed(f, a[:, half:], gone[0])
    assert allowed(f, a[:, :half], phi)
    assert allowed(a, b.T, np.eye(M))
    narrow = loose(f[None], (a[:, :half], phi[None]), (a[:, half:], gone))
    wide = loose(g[None], (b[:, :half], psi[None]), (b[:, half:], g[None] @ b[:, half:]))
    sides = [Sides(part, np.zeros(1), np.zeros(1)) for part in (narrow, wide)]
    turns = [loose(a, (b.T, np.eye(M))), loose(b, (a.T, np.eye(M)))]
    if swapped:
        sides, turns = sides[::-1], turns[::-1]
    *found, bound = certify_relative(*sides, Turn(turns[0], turns[1].view(np.ndarray), half), 0.0)
    lost = abs(product(found[0][0], found[1][0]) - product(f, g))
    assert 0.85 * bound < lost <= bound


def product(left, right):
    pairs = zip(np.asarray(left).tolist(), np.asarray(right).tolist(), strict=True)
    return sum((Fraction(one) * Fraction(two) for one, two in pairs), Fraction(0))


def test_an_error_of_the_features_enters_twice_and_in_second_order():
    """f = 1 computed as 1 + e on both sides: the product is off by 2 e + e^2."""
    for error in (1e-3, 0.1, 0.4):
        features = np.array([[1 + error]])
        sides = Sides(features, np.zeros(1), np.zeros(1))
        phi, psi, bound = certify_relative(sides, sides, Turn(np.eye(1), np.eye(1), 1), error)
        assert product(phi[0], psi[0]) - 1 <= bound <= 2 * error * (1 + error) + 1e-11


def test_a_defect_of_the_turn_meets_features_that_are_too_long():
    """A B^T = 1/2 and computed features 1 + e: half of (1 + e)^2 is missing on top."""
    error = 0.3
    sides = Sides(np.array([[1 + error]]), np.zeros(1), np.zeros(1))
    half = Turn(np.eye(1), np.eye(1) / 2, 1)
    *_, bound = certify_relative(sides, sides, half, error)
    assert bound >= 0.5 * (1 + error) ** 2 + 2 * error + error**2


def test_relative_errors_grow_with_the_distance_of_query_and_key():
    """Residuals alone: sqrt(R R') exp(|x - y|^2/2) where x and y are opposite."""
    for far_q, far_k in [(1.0, 2.0), (2.0, 1.0), (0.0, 2.5), (2.5, 0.0)]:
        queries = Sides(np.zeros((1, 1)), np.array([1e-6]), np.array([far_q]))
        keys = Sides(np.zeros((1, 1)), np.array([4e-6]), np.array([far_k]))
        *_, bound = certify_relative(queries, keys, Turn(np.eye(1), np.eye(1), 1), 1e-5)
        grown = math.exp((far_q + far_k) ** 2 / 2)
        assert bound >= (2e-6 + 2e-5) * grown
        assert bound <= (2e-6 + 2e-5) * grown * 1.001 + 1e-12


@pytest.mark.parametrize("part", ["bound_logit_residual", "key_weights"])
def test_every_logit_error_is_passed_on_to_the_kernel(part, monkeypatch):
    """A logit error of 0.3, whoever reports it, costs a factor e^0.3."""
    rng = np.random.default_rng(1)
    q, k = rng.standard_normal((2, 20, 2)) * 0.3
    kernel = fit_kernel(q, k, 1.0, 1e-4)
    assert isinstance(kernel, LowRankKernel)
    original = getattr(kernel_module, part)

    def reports(*args, **options):
        found = original(*args, **options)
        return 0.3 if isinstance(found, float) else (found[0], 0.3)

    monkeypatch.setattr(kernel_module, part, reports)
    again = certify_kernel(kernel.frame, kernel.map, kernel.turn, q, k)
    assert again.certified >= math.expm1(0.3)


def test_sizes_of_features_for_the_rounding_of_sums():
    rng = np.random.default_rng(2)
    q, k = rng.standard_normal((2, 30, 3)) * 0.3
    kernel = fit_kernel(q, k, 1.0, 1e-4)
    assert isinstance(kernel, LowRankKernel)
    part = slice(3, 25)
    norms = np.linalg.norm(kernel.psi[part].astype(np.longdouble), axis=1)
    assert kernel.key_mass(part) >= float((norms * kernel.weights[part]).sum()) * (1 - 1e-15)
    sizes = np.linalg.norm(kernel.phi[part].astype(np.longdouble), axis=1)
    assert (kernel.query_size(part) >= sizes).all()
