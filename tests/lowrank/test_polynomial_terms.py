"""The polynomial kernel: its sums over many chunks, and each term of its certificate."""

from __future__ import annotations

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

from varnum.balls.scalar import ball, hull
from varnum.floats.rounding import gamma
from varnum.lowrank.monomials import polynomial_kernel as polynomial
from varnum.lowrank.monomials.polynomial_kernel import (
    PolynomialKernel,
    accumulate_state,
    fit_polynomial,
    monomial_rows,
)


def kernel_of(queries, keys, coefficients, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(queries, 2)) / 2, rng.normal(size=(keys, 2)) / 2
    return PolynomialKernel(x, y, rng.uniform(0.5, 2, keys), coefficients, 0.1, 1.0)


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (5, 1100), (2100, 2300)])
@pytest.mark.parametrize("coefficients", [(0.7,), (1.0, -0.9, 0.6, 0.2)])
def test_rows_times_the_state_are_the_sum_over_all_keys(queries, keys, coefficients):
    kernel = kernel_of(queries, keys, coefficients)
    values = np.random.default_rng(1).normal(size=(keys, 3))
    assert kernel.rank == math.comb(2 + len(coefficients) - 1, 2)
    for q, k in ((slice(None), slice(None)), (slice(0, queries - 1), slice(keys // 2, None))):
        if not kernel.x[q].size:
            continue
        dots = kernel.x[q] @ kernel.y[k].T
        exact = (np.polyval(coefficients[::-1], dots) * kernel.weights[k]) @ values[k]
        found = kernel.rows(kernel.columns(values[k], k), q)
        assert np.abs(found - exact).max() < 1e-10 * keys


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_state_without_weights_counts_every_key_once(kind):
    y = np.random.default_rng(2).normal(size=(2500, 2))
    values = np.random.default_rng(3).normal(size=(2500, 2))
    exact = np.stack([np.ones(2500), *y.T, y[:, 0] ** 2, y[:, 0] * y[:, 1], y[:, 1] ** 2]) @ values
    if kind == "torch":
        torch = pytest.importorskip("torch")
        y, values = torch.from_numpy(y), torch.from_numpy(values)
        room = torch.full((6, 2600), math.nan, dtype=torch.float64)
        assert monomial_rows(y, 2, room).data_ptr() == room.data_ptr()
    else:
        room = np.full((6, 2600), math.nan)
        assert np.shares_memory(monomial_rows(y, 2, room), room)
    found = np.asarray(accumulate_state(y, values, 2))
    assert np.abs(np.sort(found, axis=0) - np.sort(exact, axis=0)).max() < 1e-10
    assert np.asarray(monomial_rows(y, 0)).tolist() == [[1.0] * 2500]


def test_nobody_changes_a_certified_kernel():
    kernel = kernel_of(3, 4, (1.0, 1.0))
    for part in (kernel.x, kernel.y, kernel.weights):
        assert not part.flags.writeable


class Low(np.ndarray):
    """Numbers whose sum comes out as small as any order of summation allows."""

    def sum(self):
        return math.fsum(self.tolist()) * (1 - gamma(len(self) - 1))


def test_the_mass_of_many_keys_pays_for_its_sum():
    n = 200_000
    weights = np.full(n, 1 / 3).view(Low)
    kernel = PolynomialKernel(np.zeros((1, 1)), np.zeros((n, 1)), weights, (1.0,), 0.1, 1.0)
    assert kernel.key_mass(slice(None)) >= n * (1 / 3)


@pytest.mark.parametrize("reach", [0.05, 0.5, 1.2])
def test_every_step_of_a_term_is_paid_for_at_low_degrees(reach):
    """m - 1 products on each side; coefficient, count, weight and fold round too."""
    tokens = np.linspace(-math.sqrt(reach), math.sqrt(reach), 5)[:, None]
    kernel = fit_polynomial(tokens, tokens, 1.0, 0.9)
    assert isinstance(kernel, PolynomialKernel)
    assert kernel.degree <= 2
    with mpmath.workdps(40):
        ends = [mpmath.mpf(float(x * y)) for x in kernel.x[[0, -1], 0] for y in kernel.y[[0], 0]]
        needed = 0
        for far in ends:
            values = [mpmath.mpf(c) * far**m for m, c in enumerate(kernel.coefficients)]
            error = abs(mpmath.fsum(values) * mpmath.exp(-far) - 1)
            lost = mpmath.fsum(gamma(2 * m + 2) * abs(v) for m, v in enumerate(values))
            needed = max(needed, error + lost * mpmath.exp(-far))
    assert needed <= kernel.certified


def test_the_certificate_takes_the_outer_end_and_sizes_without_sign(monkeypatch):
    """An error known as a wide ball, and coefficients of both signs."""
    coefficients = (1.0, -2.0, 0.5)
    found = SimpleNamespace(
        poly=SimpleNamespace(coefficients=lambda: coefficients),
        upper=SimpleNamespace(high=hull(ball("0.1"), ball("0.2"))),
        reason="",
    )
    monkeypatch.setattr(polynomial, "certify_least_degree", lambda *_: found)
    tokens = np.linspace(-1, 1, 5)[:, None]
    kernel = fit_polynomial(tokens, tokens, 1.0, 0.5)
    assert isinstance(kernel, PolynomialKernel)
    assert kernel.certified >= 0.2
    assert kernel.query_size(slice(None)) >= 1 + 2 + 0.5
