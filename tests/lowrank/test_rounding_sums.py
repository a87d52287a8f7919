"""Rounding of sums, of the last steps and of the monomials: stub kernels as bad as allowed."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from varnum.floats.rounding import UNIT, gamma
from varnum.floats.softmax_error import exact_error
from varnum.lowrank.features import attend
from varnum.lowrank.monomials import polynomial_kernel as polynomial
from varnum.lowrank.monomials.monomial_features import multinomials
from varnum.lowrank.monomials.polynomial_kernel import (
    PolynomialKernel,
    fit_polynomial,
    monomial_rows,
)

U = UNIT["float64"]


class Stub:
    """An exact kernel with given entries (L_q, L_k); `lose` is added to the sums of a row."""

    certified = 0.0

    def __init__(self, entries, lose=None, size=1.0):
        self.entries, self.lose, self.size = np.asarray(entries, dtype=float), lose, size
        self.rank = self.entries.shape[1]

    def columns(self, values, part):
        keys = np.arange(self.rank)[part]
        state = np.zeros((self.rank, values.shape[1]))
        state[keys] = values
        return state

    def rows(self, state, part):
        answer = self.entries[part] @ state
        return answer if self.lose is None else answer + self.lose

    def key_mass(self, part):
        return float(len(np.arange(self.rank)[part]))

    def query_size(self, part):
        return self.size


def test_sums_of_many_keys_may_lose_gamma_on_both_sides_of_the_quotient():
    n = 4000
    v = np.ones((n, 1))
    v[0] = 0
    lost = gamma(2 * n) * n  # n keys, and as many features
    kernel = Stub(np.ones((1, n)), np.array([[-lost / 2, lost]]))  # values are shifted to -1/2, 1/2
    out, bound = attend(kernel, v)
    off = 1 - 1 / n - float(out[0, 0])
    assert 0.9 * gamma(2 * n) < off <= bound < 2 * off


def test_shifted_values_of_later_scales_weigh_on_narrow_early_ones():
    """The first scale's values differ by 1e-4, but are shifted to -1/2 by those that follow."""
    n = 1000
    v = np.concatenate([np.full(n - 1, 0.0), [1e-4, 1.0]])[:, None]
    lost = gamma(2 * n) * n
    kernel = Stub(np.ones((n + 1, n + 1)), np.array([[-lost / 2, -lost]]))
    out, bound = attend(kernel, v, (n, 1))
    off = abs(float(out[0, 0]) - 1e-4 / n) / 1e-4
    assert off > 5000 * gamma(2 * n)
    assert off <= bound


def test_a_row_sum_within_its_rounding_certifies_nothing():
    kernel = Stub(np.full((1, 2), 0.05), size=1e15)
    assert attend(kernel, np.array([[0.0], [1.0]]))[1] == math.inf


def test_an_output_that_is_no_number_certifies_nothing():
    kernel = Stub(np.ones((1, 2)), np.array([[math.nan, 0.0]]))
    assert attend(kernel, np.array([[0.0], [1.0]]))[1] == math.inf


def test_the_last_steps_round_values_far_from_zero():
    """Range 1 around 1e12: the quotient and the middle cost units in the last place of 1e12."""
    worst = 0.0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        entries, v = rng.integers(1, 9, (1, 3)).astype(float), rng.random((3, 1)) + 1e12
        out, bound = attend(Stub(entries), v)
        weights = [Fraction(w) for w in entries[0].tolist()]
        exact = sum(w * Fraction(x) for w, x in zip(weights, v[:, 0].tolist(), strict=True))
        off = abs(exact / sum(weights) - Fraction(float(out[0, 0])))
        worst = max(worst, float(off) / float(np.ptp(v)))
        assert off <= Fraction(bound) * Fraction(float(np.ptp(v)))
    assert worst > 2e-5  # not idle: the sums themselves lose 1e-15


def test_rounding_to_a_narrow_type_is_counted_in_full():
    """Just above 1 a result may be half a unit of float32 off, which is 2^-24; range 2^-22."""
    v = np.array([[1.0], [1 + 2.0**-22]])
    out, bound = attend(Stub([[7.0, 1.0]]), v, None, 2.0**-24)
    moved = abs(float(np.float32(out[0, 0])) - float(out[0, 0])) / 2.0**-22
    assert 0.1 < moved <= bound
    v = np.array([[0.0], [2.0**-149]])  # the least float32: half of it is rounded to 0
    out, bound = attend(Stub([[1.0, 1.0]]), v, None, 2.0**-24)
    assert out[0, 0] == 2.0**-150
    assert bound >= 0.5


@pytest.mark.parametrize(("size", "entry"), [(1e-200, 1e-200), (1e-280, 1.0), (1.0, 1e-280)])
def test_products_that_underflow_get_no_certificate(size, entry):
    kernel = Stub(np.array([[entry, 3 * entry]]), size=entry)
    assert attend(kernel, np.array([[0.0], [size]]))[1] == math.inf


def test_exact_attention_is_charged_for_each_of_its_steps():
    """Against what the model allows: logits, a quick exp, and n sums rescaled n times."""
    for unit_like in (np.zeros(1, np.float32), np.zeros(1)):
        u = UNIT[str(unit_like.dtype)]
        for d, far in ((64, 1.0), (64, 1e3), (1, 50.0)):
            logits = gamma(d + 2, u) * far + 2 * u * far
            assert exact_error(far, 1.0, 1, 0.0, d, unit_like) >= (logits + 40 * u) / 2
            assert exact_error(1.0, far, 1, 0.0, d, unit_like) >= (logits + 40 * u) / 2
        for count in (1000, 100_000):
            sums = gamma(2 * count, u)
            least = 3.0 * ((1 + sums) / (1 - sums) - 1)
            assert exact_error(0.0, 0.0, count, 3.0, 1, unit_like) >= least


def features(kernel):
    """Phi (L_q, r) of the queries and Psi (L_k, r) of the keys, as computed, weights included."""
    phi = monomial_rows(kernel.x, kernel.degree).T
    psi = monomial_rows(kernel.y, kernel.degree) * kernel.weights
    levels = np.concatenate(
        [
            np.full(math.comb(kernel.x.shape[1] + m - 1, m), c)
            for m, c in enumerate(kernel.coefficients)
        ]
    )
    return phi, (psi * (levels * multinomials(kernel.x.shape[1], kernel.degree))[:, None]).T


def off_by(kernel, tokens, rows):
    """max_ij |Phi_i.Psi_j/(g_i exp(t_i.t_j)) - 1| over rows i for the best g_i, in 40 digits."""
    worst = 0
    with mpmath.workdps(40):
        phi, psi = (
            [[mpmath.mpf(float(x)) for x in row] for row in part] for part in features(kernel)
        )
        for row in rows:
            ratios = [
                mpmath.fdot(phi[row], row_psi) / mpmath.exp(mpmath.fdot(tokens[row], token))
                for token, row_psi in zip(tokens.tolist(), psi, strict=True)
            ]
            worst = max(worst, (max(ratios) - min(ratios)) / (max(ratios) + min(ratios)))
    return worst


def grid(reach, points=61):
    return np.linspace(-math.sqrt(reach), math.sqrt(reach), points)[:, None]


@pytest.mark.parametrize(("reach", "eps"), [(1.0, 1e-2), (3.0, 1e-4), (9.0, 1e-2)])
def test_the_polynomials_error_is_attained_up_to_rounding(reach, eps):
    tokens = grid(reach)
    kernel = fit_polynomial(tokens, tokens, 1.0, eps)
    assert isinstance(kernel, PolynomialKernel)
    assert 0.4 * kernel.certified < off_by(kernel, tokens, (0, -1))
    assert off_by(kernel, tokens, (0, -1)) <= kernel.certified


@pytest.mark.parametrize("reach", [6.0, 10.0, 12.0])
def test_the_monomials_pay_for_rounding_where_they_cancel(reach):
    """At -M the terms sum to e^-M and their sizes to P_abs(M): each may be gamma_{2g} off."""
    tokens = grid(reach, 5)
    kernel = fit_polynomial(tokens, tokens, 1.0, 2e-2)
    assert isinstance(kernel, PolynomialKernel)
    with mpmath.workdps(40):
        far = mpmath.mpf(float(kernel.x[0, 0])) * float(kernel.y[-1, 0])
        assert far < -0.99 * reach
        values = [mpmath.mpf(c) * far**m for m, c in enumerate(kernel.coefficients)]
        sizes = mpmath.fsum(map(abs, values))
        error = abs(mpmath.fsum(values) * mpmath.exp(-far) - 1)
        rounding = gamma(2 * kernel.degree) * sizes * mpmath.exp(-far)
    assert error + rounding <= kernel.certified
    assert sizes <= kernel.query_size(slice(None)) <= 1.001 * sizes
    assert reach < 10 or rounding > 1e-9


def test_coordinates_left_out_by_the_monomials_are_a_logit_error():
    """Signs in the second coordinate, too small to be worth features, on top of the minimax."""
    eps = 1e-2
    worst = 0.0
    for reach in (0.5, 1.0, 2.0):
        first = np.repeat(grid(reach, 21), 2, axis=0)
        tokens = np.column_stack([first[:, 0], np.tile([0.05, -0.05], 21)])
        kernel = fit_polynomial(tokens, tokens, 1.0, eps)
        assert isinstance(kernel, PolynomialKernel)
        assert kernel.x.shape[1] == 1
        off = off_by(kernel, tokens, (0, 1, -1))
        assert off <= kernel.certified <= eps
        worst = max(worst, float(off / kernel.certified))
    assert worst > 0.9


@pytest.mark.parametrize("part", ["bound_logit_residual", "key_weights"])
def test_every_logit_error_is_passed_on_to_the_monomials(part, monkeypatch):
    tokens = grid(1.0)
    original = getattr(polynomial, part)

    def reports(*args, **options):
        found = original(*args, **options)
        return 4e-3 if isinstance(found, float) else (found[0], 4e-3)

    monkeypatch.setattr(polynomial, part, reports)
    kernel = fit_polynomial(tokens, tokens, 1.0, 1e-2)
    assert isinstance(kernel, PolynomialKernel)
    assert kernel.certified >= math.expm1(4e-3) + off_by(kernel, tokens, (0,))


def test_masses_of_the_keys_are_not_too_small():
    weights = np.random.default_rng(0).random(1000)
    kernel = PolynomialKernel(np.zeros((1, 1)), np.zeros((1000, 1)), weights, (1.0,), 0.1, 1.0)
    exact = sum((Fraction(w) for w in weights[5:].tolist()), Fraction(0))
    assert Fraction(kernel.key_mass(slice(5, None))) >= exact
