"""The bricks of every bound: formats, gamma, exp rounded up, norms, column weights, envelopes."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from varnum.floats import rounding
from varnum.floats.norms import frobenius, row_norms
from varnum.floats.rounding import TINY, UNIT, exp_relative, exp_up, expm1_up, gamma, up
from varnum.lowrank.frame import Frame, bound_logit_residual, key_weights, max_envelope

U = Fraction(1, 2**53)


@pytest.mark.parametrize("name", ["float64", "float32", "float16"])
def test_units_are_those_of_the_formats(name):
    info = np.finfo(name)
    assert UNIT[name] == float(info.eps) / 2
    assert TINY[name] == float(info.tiny)


def test_the_unit_of_bfloat16():
    torch = pytest.importorskip("torch", reason="bfloat16 is a torch type")
    info = torch.finfo(torch.bfloat16)
    assert UNIT["bfloat16"] == info.eps / 2
    assert TINY["bfloat16"] == info.tiny


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_exp_four_ulps_off_is_within_its_relative_error(kind):
    """Just above a power of two an ulp is largest: 2 u."""
    off = kind(1)
    for _ in range(4):
        off = np.nextafter(off, kind(2))
    assert float(off) - 1 <= exp_relative(float(np.finfo(kind).eps) / 2) <= (float(off) - 1) * 1.01


@pytest.mark.parametrize("unit", [UNIT["float64"], UNIT["float32"], UNIT["bfloat16"]])
def test_gamma_is_rounded_up_and_gives_up_at_one_half(unit):
    for n in [*range(1, 100), 1000, 4097, 8191]:
        product = n * Fraction(unit)
        if product >= Fraction(1, 2):
            assert gamma(n, unit) == math.inf
        else:
            exact = product / (1 - product)
            assert exact <= Fraction(gamma(n, unit)) <= exact * (1 + Fraction(1, 10**11))


def test_exponentials_are_rounded_up_and_not_far():
    for value in np.random.default_rng(0).uniform(0, 3, 300).tolist():
        with mpmath.workdps(40):
            exact = mpmath.exp(mpmath.mpf(value))
            assert exact <= exp_up(value) <= exact * (1 + mpmath.mpf(10) ** -11)
            exact -= 1
            assert exact <= expm1_up(value) <= exact * (1 + mpmath.mpf(10) ** -11)
    assert exp_up(701) == expm1_up(701) == math.inf


def test_up_covers_as_many_roundings_as_it_is_told():
    """1 + 20,000 half units: each addition is lost, the worst that a sum can do."""
    count, total = 20_000, 1.0
    for _ in range(count):
        total += 2.0**-53
    assert total == 1
    assert Fraction(up(total, count)) >= 1 + count * U
    for seed in range(50):
        parts = np.random.default_rng(seed).random(60)
        assert Fraction(up(float(sum(parts)))) >= sum(map(Fraction, parts.tolist()))


def test_norms_are_not_below_the_exact_ones():
    x = np.random.default_rng(1).standard_normal((300, 7))
    exact = [sum(Fraction(value) ** 2 for value in row) for row in x.tolist()]
    assert all(Fraction(n) ** 2 >= e for n, e in zip(row_norms(x).tolist(), exact, strict=True))
    assert all(Fraction(frobenius(row[None])) ** 2 >= e for row, e in zip(x, exact, strict=True))
    assert (row_norms(x) <= np.linalg.norm(x, axis=1) * (1 + 1e-13)).all()
    assert row_norms(np.full((1, 3), 1e-170))[0] >= 1.7e-170  # the squares are all 0


class Loose(np.ndarray):
    """A matrix whose products come out as `found`: rounding may do anything within the model."""

    found = None

    def __matmul__(self, other):
        return np.asarray(self.found)


def twisted(d, size):
    """A = I + size w z^T, its inverse transpose, and the orthogonal unit vectors w, z."""
    w = np.full(d, 1 / math.sqrt(d))
    z = w * np.where(np.arange(d) % 2, 1.0, -1.0)
    eye = np.eye(d)
    return eye + size * np.outer(w, z), eye - size * np.outer(z, w), w, z


def test_the_residual_of_logits_when_all_roundings_conspire():
    """x, y and A B^T as wrong as the standard model allows, with one sign: nothing is to spare."""
    d, size = 64, 2.0**20
    a, b, w, z = twisted(d, size)
    most = 0.99 * gamma(d) * size  # per product, times norms
    b_true = b + most * size * np.outer(z, w)  # so that I - A B^T is as large as rounding hides
    x = w + size * z - most * w
    y = z @ b_true + most * z
    loose = a.view(Loose)
    loose.found = np.eye(d)
    frame = Frame(np.zeros(d), np.zeros(d), loose, b_true, 1.0)
    fractions = [[Fraction(value) for value in row] for row in (w, z, x, y)]
    fw, fz, fx, fy = fractions
    lost = abs(dot(fw, fz) - dot(fx, fy))
    # each deviation is one that rounding may produce
    assert (np.abs(a @ b_true.T - np.eye(d)) <= gamma(d) * np.abs(a) @ np.abs(b).T).all()
    assert (np.abs(w @ a - x) <= gamma(d) * (np.abs(w) @ np.abs(a)) * 1.001).all()
    assert (np.abs(z @ b_true - y) <= gamma(d) * (np.abs(z) @ np.abs(b)) * 1.001).all()
    bound = bound_logit_residual(frame, w[None], z[None], x[None], y[None])
    assert 0.9 * bound < lost <= bound


def dot(left, right):
    return sum((one * two for one, two in zip(left, right, strict=True)), Fraction(0))


def test_the_column_terms_rounding_is_covered_where_nothing_else_is_lost():
    rng = np.random.default_rng(2)
    for _ in range(20):
        q0, k = rng.standard_normal(6) * 1e3, rng.standard_normal((9, 6))
        frame = Frame(q0, np.zeros(6), np.eye(6), np.eye(6), 1.0)
        x, y = frame.queries(q0[None]), frame.keys(k)
        bound = bound_logit_residual(frame, q0[None], k, x, y)
        exact = [dot(map(Fraction, q0.tolist()), map(Fraction, row)) for row in k.tolist()]
        found = frame.column_terms(k).tolist()
        off = max(abs(Fraction(f) - e) for f, e in zip(found, exact, strict=True))
        assert 0 < off <= bound < 200 * off


def half_spread(weights, exponents):
    """How far log w_j - e_j is from a constant, in 40 digits; less the 8u of exp itself."""
    with mpmath.workdps(40):
        off = [mpmath.log(float(w)) - e for w, e in zip(weights, exponents, strict=True)]
        return (max(off) - min(off)) / 2 - 8 * mpmath.mpf(2) ** -53


def test_the_weights_exponents_are_rounded_and_that_is_counted():
    k = np.linspace(0, 600, 80)[:, None] + 0.1
    frame = Frame(np.ones(1), np.zeros(1), np.eye(1), np.eye(1), 1.0)
    weights, slip = key_weights(frame, k, k, squares=False)
    off = half_spread(weights, [mpmath.mpf(float(t)) for t in frame.column_terms(k)])
    assert 0 < off <= slip
    _, slip = key_weights(frame, k * 2, k, squares=False)
    assert slip == math.inf  # the least weight underflows


def test_the_squares_in_the_weights_are_rounded_and_that_is_counted():
    """Long keys of nearly equal length: small exponents from large squares."""
    rng = np.random.default_rng(3)
    y = rng.standard_normal((60, 5))
    y *= (3e4 + rng.random((60, 1)) * 1e-4) / np.linalg.norm(y, axis=1, keepdims=True)
    frame = Frame(np.zeros(5), np.zeros(5), np.eye(5), np.eye(5), 1.0)
    weights, slip = key_weights(frame, y, y, squares=True)
    with mpmath.workdps(40):
        exact = [mpmath.fsum(mpmath.mpf(c) ** 2 for c in row) / 2 for row in y.tolist()]
    off = half_spread(weights, exact)
    assert 1e-9 < off <= slip < 1e-5


def test_the_envelope_is_not_below_any_pair():
    for r, s in np.random.default_rng(4).random((200, 2)):
        found = max_envelope(*(np.array([value]) for value in (1.0, r, 1.0, s)))
        assert mpmath.exp(mpmath.mpf(r) * s) <= found
    rng = np.random.default_rng(5)
    u, r, w, s = rng.random((4, 500)) * 3
    exact = (u[:, None] * w * np.exp(r[:, None] * s)).max()
    assert exact <= max_envelope(u, r, w, s) <= 2 * exact


def test_the_assumed_error_of_exp_is_the_documented_one():
    assert rounding.EXP_ULPS >= 4  # what vector libraries state
