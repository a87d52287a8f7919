"""The residual of a pivot map is never below 1 - |f|^2 of the exact features, term by term."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from varnum.lowrank.pivots.residual import PivotMap, fit_pivot_map, gaussian, gaussian_error

MAP = PivotMap(np.zeros((1, 1)), np.eye(1))


@pytest.mark.parametrize("error", [1e-9, 1e-6, 0.1, 0.3])
@pytest.mark.parametrize("m", [1, 3, 16])
def test_features_that_are_too_long_by_their_error(error, m):
    """The worst case: computed = exact (1 + error/|exact|): 1 - |f|^2 is larger than it looks."""
    exact = [Fraction(1, 4 * m)] * m
    size = np.sqrt(float(sum(x * x for x in exact)))
    computed = np.array([[float(x) * (1 + error / size * (1 - 1e-6)) for x in exact]])
    moved = sum((Fraction(float(c)) - x) ** 2 for c, x in zip(computed[0], exact, strict=True))
    assert moved <= Fraction(error) ** 2
    residual = Fraction(float(MAP.residual(computed, error)[0]))
    assert residual >= 1 - sum(x * x for x in exact)


def test_the_rounding_of_the_squares_is_covered():
    """No feature error at all: what is left is the sum of squares and 1 - it, in float64."""
    rng = np.random.default_rng(0)
    below = 0
    for m in (1, 2, 3, 10, 100, 1000):
        for _ in range(50):
            f = rng.normal(size=(1, m))
            f /= np.linalg.norm(f) * rng.uniform(1, 3)
            exact = 1 - sum(Fraction(float(x)) ** 2 for x in f[0])
            assert Fraction(float(MAP.residual(f, 0.0)[0])) >= exact
            below += Fraction(float(1 - np.square(f).sum())) < exact
    assert below > 50  # without the term some are too small


def test_a_residual_is_not_negative():
    assert MAP.residual(np.array([[2.0]]), 0.0) == 0


@pytest.mark.parametrize("size", [0.1, 0.6, 1.5])
def test_a_fitted_map_covers_the_exact_residual(size):
    """End to end at 60 digits: feature error and residual, on tokens and on strangers."""
    rng = np.random.default_rng(1)
    tokens = rng.normal(size=(40, 3)) * size
    found = fit_pivot_map(tokens, 1e-9, 30)
    far = float(np.sqrt((tokens**2).sum(1)).max()) * (1 + 1e-12)
    error = found.feature_error(far)
    computed = found.features(tokens)
    residual = found.residual(computed, error)
    with mpmath.workdps(60):
        g = mpmath.matrix(found.matrix.tolist())
        for i in range(0, len(tokens), 7):
            column = mpmath.matrix([_gaussian(p, tokens[i]) for p in found.points])
            f = g.T * column
            off = mpmath.norm(f - mpmath.matrix(computed[i].tolist()))
            assert off <= error
            assert 1 - mpmath.norm(f) ** 2 <= residual[i]


def _gaussian(x, y):
    return mpmath.exp(
        -mpmath.fsum((mpmath.mpf(a) - mpmath.mpf(b)) ** 2 for a, b in zip(x, y, strict=True)) / 2
    )


@pytest.mark.parametrize("size", [0.1, 1.0, 4.0])
def test_the_kernel_itself_is_within_its_error(size):
    rng = np.random.default_rng(2)
    x, p = rng.normal(size=(30, 5)) * size, rng.normal(size=(6, 5)) * size
    far = [float(np.sqrt((a**2).sum(1)).max()) * (1 + 1e-12) for a in (x, p)]
    t, computed = gaussian_error(*far, 5), gaussian(x, p)
    with mpmath.workdps(40):
        for i in range(len(x)):
            for j in range(len(p)):
                exact = _gaussian(x[i], p[j])
                assert abs(mpmath.mpf(computed[i, j]) - exact) <= t * computed[i, j] + 2.0**-1022
