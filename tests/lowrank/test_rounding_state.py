"""Safety terms of the moment state, each where it is the largest: float32, cancellation, sums."""

import dataclasses
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from tests.support.oracle import softmax
from varnum.floats.rounding import TINY, UNIT, gamma
from varnum.lowrank.moments.basis import fit_basis, slack
from varnum.lowrank.moments.moment_bound import FAR, make_forms, row_errors, tail_table
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.monomials.monomial_features import monomials
from varnum.lowrank.scales import attend_scales

U32 = UNIT["float32"]


def attend(basis, parts, q, v, dtype=np.float32):
    """Output and bounds after adding the keys part by part."""
    state, start = MomentState(basis, v.shape[1]), 0
    for part in parts:
        state.add(part.astype(dtype), v[start : start + len(part)].astype(dtype))
        start += len(part)
    out = np.empty((len(q), v.shape[1]), dtype=dtype)
    return state, out, state.attend(q.astype(dtype), out)


def off_by(out, q, k, v):
    return (np.abs(out - softmax(q, k, v)) / np.ptp(v, axis=0)).max(1)


LIKE = np.zeros(1, np.float32)


def line(centre, size=1.0):
    """A basis of one coordinate along (1, 0), fitted to tokens around (centre, 0)."""
    tokens = np.array([[centre - size, 0.0], [centre + size, 0.0]])
    return fit_basis(tokens, tokens, 1.0, 1, 1, 1, LIKE)


@pytest.mark.parametrize("which", ["keys", "queries"])
@pytest.mark.parametrize(("centre", "at"), [(0.0, 100.0), (100.0, 0.0)])
def test_what_is_left_out_next_to_a_long_token(which, centre, at):
    """Squares of 1e4 cancel in float32: what is left out, 1e-2, may come out as 0.

    Long tokens have no certificate at all, so the lengths are at right angles to the other side.
    """
    wrong = hidden = 0
    for shift in np.linspace(-0.5, 0.5, 25):
        one = np.array([[at + shift, 0.02], [at + shift, -0.02]])
        other = np.array([[0.0, 1.0]])
        tokens = np.array([[centre - 1, 0.0], [centre + 1, 0.0]])
        rest = np.array([[-1.0, 0.0], [1.0, 0.0]])
        samples = (rest, tokens) if which == "keys" else (tokens, rest)
        basis = fit_basis(*samples, 1.0, 1, 1, 1, LIKE)
        v = np.array([[1.0], [0.0]])
        if which == "keys":
            k, q = one.astype(np.float32), other
        else:
            k, q = np.array([[0.0, 1.0], [0.0, -1.0]]), one[:1].astype(np.float32)
        _, out, bounds = attend(basis, [k], q, v)
        off = off_by(out, q, k, v)[0]
        wrong += not off <= bounds.error[0]
        hidden += off > 0.005
    assert wrong == 0
    assert hidden == 25


def test_lengths_of_keys_are_not_below_the_exact_ones():
    """The exact fallback needs max|k| too: in float32, also where the squares underflow."""
    for size in (1.0, 1e-25, 3e-40):
        for seed in range(40):
            rng = np.random.default_rng(seed)
            k = (rng.standard_normal((1, 24)) * size).astype(np.float32)
            sample = rng.standard_normal((30, 24))
            basis = fit_basis(sample, sample, 1.0, 2, 1, 1, LIKE)
            state = MomentState(basis, 1)
            state.add(k, np.ones((1, 1), np.float32))
            exact = sum(Fraction(x) ** 2 for x in k[0].astype(float).tolist())
            assert Fraction(state.far_key) ** 2 >= exact


@pytest.mark.parametrize("far", [np.array([[40.0, 0.0]]), np.array([[0.0, 9.0]])])
def test_the_bound_does_not_forget_earlier_keys(far):
    """One far key first, then near ones: the bound is that of all at once, whatever the order."""
    rng = np.random.default_rng(0)
    near = rng.standard_normal((50, 2)) * 0.1
    q = rng.standard_normal((4, 2)) * 0.05
    v = rng.standard_normal((51, 2))
    basis = line(0.3, 0.5)
    keys = np.vstack([far, near])
    _, _, whole = attend(basis, [keys], q, v)
    _, _, parts = attend(basis, [far, near[:20], near[20:]], q, v)
    assert np.allclose(whole.error, parts.error, rtol=1e-3)
    backwards = np.vstack([near, far])
    _, _, last = attend(basis, [near, far], q, v)
    _, _, once = attend(basis, [backwards], q, v)
    assert np.allclose(last.error, once.error, rtol=1e-3)


def test_the_values_range_is_that_of_all_keys():
    rng = np.random.default_rng(1)
    k, q = rng.standard_normal((40, 2)) * 0.1, rng.standard_normal((3, 2)) * 0.1
    v = np.concatenate([rng.random((20, 1)) + 100, rng.random((20, 1)) * 5 + 98])
    basis = line(0.0)
    *_, whole = attend(basis, [k], q, v)
    *_, parts = attend(basis, [k[:20], k[20:]], q, v)
    assert np.allclose(whole.error, parts.error, rtol=1e-3)


def test_sums_in_float32_may_lose_gamma_above_and_below():
    """8000 keys in one chunk: numerator and mass off by gamma_8000, in opposite directions."""
    n = 8000
    v = np.ones((n, 1))
    v[0] = 0
    k = np.random.default_rng(2).standard_normal((n, 2)) * 1e-4
    q = np.zeros((1, 2))
    state = MomentState(line(0.0), 1)
    state.add(k.astype(np.float32), v.astype(np.float32))
    state.states *= 1 + gamma(n, U32)
    state.grams[:, 0, :] *= 1 - gamma(n, U32)  # the denominator; rows of the moments as they are
    out = np.empty((1, 1), np.float32)
    bounds = state.attend(q.astype(np.float32), out)
    off = off_by(out, q, k, v)[0]
    assert 0.95 * 2 * gamma(n, U32) < off <= bounds.error[0]
    assert off <= bounds.rounding[0]


def test_weights_beyond_e_to_the_30_are_not_trusted():
    """Their sums may underflow, so nothing is claimed."""
    rng = np.random.default_rng(3)
    q = rng.standard_normal((20, 2)) + np.array([40.0, 0.0])
    k = rng.standard_normal((20, 2)) * [1.0, 0.01]
    basis = fit_basis(q, k, 1.0, 2, 2, 1, LIKE)
    v = rng.random((20, 1))
    _, _, near = attend(basis, [k * 0.1], q, v)
    _, _, far = attend(basis, [k], q, v)
    assert (near.error < 1).any()
    assert not (far.error < 1).any()


def float64(array):
    return np.ascontiguousarray(array, dtype=np.float64)


def test_the_tail_table_is_rounded_up_at_its_own_points():
    """Entry i is used up to B = (i + 1)/16, where it has least to spare."""
    table = tail_table()
    steps = round((len(table) - 1) / FAR)
    with mpmath.workdps(60):
        for i, entry in enumerate(table[:-1].tolist()):
            far = mpmath.mpf(i + 1) / steps
            exact = (mpmath.exp(far) - 1 - far - far**2 / 2) / far**3
            assert exact <= entry <= exact * (1 + mpmath.mpf(10) ** -11)
    assert math.isinf(table[-1])


def test_the_form_pays_for_being_evaluated_in_the_working_type():
    """One key and a query of ones: all terms have one sign, each may be gamma_{2 dim} too small."""
    size = 8
    phi = monomials(np.ones((size, 1)), 2)
    forms = make_forms(phi @ phi.T, np.ones((len(phi), 1)), size, size, 1, U32, float64)
    second, _, fourth = forms.select @ (phi[1:] * (forms.form @ phi[1:]))
    assert fourth[0] * (1 - gamma(2 * len(phi), U32)) >= size**4
    assert second[0] * (1 - gamma(2 * len(phi), U32)) >= size**2


def test_a_basis_that_is_not_orthonormal_pays_for_it():
    """delta (1 + delta) |q'||k'| of each logit (lemma 4)."""
    basis = line(0.0)
    for defect in (1e-3, 1e-2, 0.1):
        bent = dataclasses.replace(basis, defect=defect)
        assert slack(bent, U32) >= defect * (1 + defect)
    rng = np.random.default_rng(5)
    for size in (2, 5, 8):
        sample = rng.standard_normal((40, 8))
        basis = fit_basis(sample, sample, 1.0, size, 1, 1, np.zeros(1))
        assert basis.defect >= gamma(8)  # what the product that measures it may hide


def test_the_slack_covers_the_rounding_of_projections():
    """Each of d1 coordinates may be gamma_{d+4} off on either side: 2 sqrt(d1) gamma in all."""
    rng = np.random.default_rng(6)
    for size in (1, 4, 16):
        sample = rng.standard_normal((40, 32))
        basis = fit_basis(sample, sample, 1.0, size, 1, 1, LIKE)
        assert slack(basis, U32) >= 2 * math.sqrt(size) * gamma(36, U32)
        assert basis.norm_q0 >= float(np.linalg.norm(sample.mean(0).astype(np.longdouble)))
        assert basis.norm_k0 == basis.norm_q0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ratio_of_values_is_rounded_up(dtype):
    """max|v|/range(v), with room for products below the normal numbers; infinite near overflow."""
    name, info = np.dtype(dtype).name, np.finfo(dtype)
    basis = fit_basis(np.eye(2), np.eye(2), 1.0, 1, 1, 1, np.zeros(1, dtype))

    def ratio(*column):
        state = MomentState(basis, 1)
        values = np.array(column, dtype=dtype)[:, None]
        state.add(np.zeros((len(column), 2), dtype=dtype), values)
        return state.values.ratio

    for seed in range(100):
        low, high = np.sort(np.random.default_rng(seed).random(2)).astype(dtype) + dtype(3)
        exact = Fraction(float(high)) / (Fraction(float(high)) - Fraction(float(low)))
        assert Fraction(ratio(low, high)) >= exact
        assert Fraction(ratio(-high, -low)) >= exact
    least = float(info.smallest_subnormal)
    assert ratio(0.0, least) * least * UNIT[name] >= TINY[name]
    assert ratio(0.0, float(info.max) * 1e-4) == math.inf


def test_what_float64_gives_back_as_float32_is_charged_for_the_cast():
    """Values of range 1 around 3000, a target of 1e-7: the cast alone costs 1e-4."""
    rng = np.random.default_rng(7)
    q, k = rng.standard_normal((2, 30, 3)).astype(np.float32)
    v = (rng.random((30, 2)) + 3000).astype(np.float32)
    out, outcome = attend_scales(q, k, v, None, 1.0, 1e-7)
    off = off_by(out, q, k, v).max()
    assert 1e-5 < off <= outcome.certified < 1e-2


def test_large_logits_are_charged_in_float64_too():
    """Logits of 2^38 that differ by about 1: float64 is off by 1e-5, far more than the cast."""
    rng = np.random.default_rng(8)
    worst = 0.0
    for _ in range(20):
        (a, b), (x, y) = rng.integers(2**22, 2**23, (2, 2)).astype(np.float32)
        q = np.array([[a * 256, b]])
        k = np.array([[x * 256, y], [x * 256, y + 1]])
        v = np.array([[0.0], [1.0]], np.float32)
        out, outcome = attend_scales(q, k, v, None, 2.0**23, 1e-3)
        off = off_by(out, q, k.astype(np.longdouble) / 2**23, v).max()
        worst = max(worst, float(off))
        assert off <= outcome.certified < 1e-2
    assert worst > 1e-6


def test_the_denominator_is_reduced_by_its_own_rounding():
    """n sums in float32 and the features' products: E[1 + s + s^2/2], s = sum |chi kappa|."""
    rng = np.random.default_rng(4)
    kappa, chi = rng.standard_normal((2, 60)), rng.standard_normal((2, 5)) * 0.1
    phi = monomials(kappa, 2)
    forms = make_forms(phi @ phi.T, np.ones((6, 1)), 2, 2, 8192, U32, np.asarray)
    features = monomials(chi, 2)
    squares = np.vstack([(chi**2).sum(0), np.zeros(5)])
    below, far = forms.line @ features, (7.9, 0.0)
    found, slip = row_errors(forms, features, below, squares, far, 0.0, tail_table())
    exactly = dataclasses.replace(forms, rounding=0.0)
    numerator = row_errors(exactly, features, below, squares, far, 0.0, tail_table())[0] * below
    size = np.sqrt(squares[0]) * forms.spread
    lost = gamma(8192 + 3 * 6, U32) * (1 + size + size**2 / 2)
    assert (found >= numerator / (below - lost)).all()
    assert (slip >= 2 * lost / below).all()
    assert (lost < 0.5 * below).all()


def test_sums_over_many_chunks_round_too():
    """One key of weight 1, then thousands whose weight is just short of half an ulp of the sum."""
    reach = 18.45
    basis = fit_basis(
        np.array([[0.9], [1.1]]), np.array([[-reach], [reach]]), 1.0, 1, 1, 1, np.zeros(1)
    )
    state = MomentState(basis, 1)
    state.chunk = 1
    count = 4000
    state.add(np.array([[reach]]), np.array([[1.0]]))
    state.add(np.full((count, 1), -reach), np.zeros((count, 1)))
    out = np.empty((1, 1))
    bounds = state.attend(np.array([[1.0]]), out)
    exact = 1 / (1 + count * np.exp(np.longdouble(-2 * reach)))
    summed = count * 2.0**-53 / 4
    assert abs(float(out[0, 0] - exact)) >= summed  # the sum lost them all
    assert bounds.rounding[0] >= 2 * count * 2.0**-53
    assert abs(float(out[0, 0] - exact)) <= bounds.error[0]
