"""The moment certificate: each quantity against its exact value, and the whole against softmax."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.backends import BACKENDS, placed
from tests.support.heads import correlated
from tests.support.oracle import softmax
from varnum.floats.rounding import gamma
from varnum.lowrank.moments.basis import fit_basis
from varnum.lowrank.moments.moment_bound import FAR, make_forms, row_errors, tail_table
from varnum.lowrank.moments.moment_state import MomentState


def head(d, length, seed, largest=1.0, dtype=np.float32):
    return correlated(d, length, seed, largest, dtype, values=3)


def run(q, k, v, sigma, size=3, top=2, centres=1, split=None, backend="numpy"):
    wide_q, wide_k = q[:64].astype(float), k[:64].astype(float)
    q, k, v = placed(backend, q, k, v)
    basis = fit_basis(wide_q, wide_k, sigma, size, top, centres, q)
    state = MomentState(basis, v.shape[1])
    for rows in np.array_split(np.arange(len(k)), split or 1):
        state.add(k[rows], v[rows])
    if backend == "torch":
        out = v.new_full((len(q), v.shape[1]), math.nan)  # rows may stay unwritten
        return state, out.numpy(), state.attend(q, out)
    out = np.full((len(q), v.shape[1]), math.nan, dtype=q.dtype)
    return state, out, state.attend(q, out)


def violations(out, bounds, q, k, v, sigma):
    spread = v.max(0).astype(np.longdouble) - v.min(0)
    error = (np.abs(out - softmax(q, k, v, sigma)) / np.where(spread > 0, spread, 1)).max(1)
    certified = bounds.error < 1
    return int((~(error[certified] <= bounds.error[certified])).sum()), int(certified.sum())


def test_the_tail_table_bounds_the_tail():
    table = tail_table()
    steps = (len(table) - 1) / FAR
    with mpmath.workdps(60):
        for far in [0.01, 0.0625, 0.1, 1, 2.37, 5, 7.99]:
            exact = (mpmath.exp(far) - 1 - far - mpmath.mpf(far) ** 2 / 2) / mpmath.mpf(far) ** 3
            assert exact <= table[int(far * steps)] <= exact * 1.15
    assert math.isinf(table[-1])


def features_of(x, top):
    """1, x and the products of the first coordinates, x (d1, n)."""
    products = [x[j] * x[i] for j in range(top) for i in range(j + 1)]
    return np.vstack([np.ones(x.shape[1]), x, *products])


def moments_of(forms, features):
    """E x^2, E y^2 and E a^4 as the certificate evaluates them."""
    return forms.select @ (features[1:] * (forms.form @ features[1:]))


def exact_moments(chi, kappa, weights, top):
    x, a = chi.T @ kappa, chi[:top].T @ kappa[:top]
    mean = weights / weights.sum()
    return np.array([(x**2) @ mean, ((x - a) ** 2) @ mean, (a**4) @ mean]), x, a, mean


@pytest.mark.parametrize(("size", "top"), [(1, 1), (3, 1), (3, 3), (5, 2), (6, 0)])
def test_the_forms_bound_the_moments_and_are_tight(size, top):
    rng = np.random.default_rng(size)
    kappa, chi = rng.standard_normal((size, 400)), rng.standard_normal((size, 20)) * 0.3
    weights = np.exp(rng.standard_normal(400))
    phi = features_of(kappa, top)
    gram, state = (phi * weights) @ phi.T, (phi * weights) @ rng.standard_normal((400, 2))
    forms = make_forms(gram, state, size, top, 400, 2.0**-24, float64)
    features = features_of(chi, top)
    values = moments_of(forms, features)
    exact, x, a, mean = exact_moments(chi, kappa, weights, top)
    assert (values >= exact).all()
    assert (values <= exact * 1.03 + 1e-12).all()
    assert not (values * 0.95 >= exact)[exact > 0].any()  # 5 % less would be false
    assert np.allclose(forms.line @ features, (1 + x + a**2 / 2) @ mean, rtol=1e-12)
    assert forms.spread >= math.sqrt((kappa**2).sum(0) @ mean)
    assert forms.spread <= 1.01 * math.sqrt((kappa**2).sum(0) @ mean)


def float64(array):
    return np.ascontiguousarray(array, dtype=np.float64)


def test_lemma_3_divided_by_the_denominator_is_neither_less_nor_much_more():
    """row_errors against the formula with exact moments, at an entry of the table."""
    rng = np.random.default_rng(5)
    kappa, chi = rng.standard_normal((3, 50)), rng.standard_normal((3, 7)) * 0.3
    weights, phi = np.exp(rng.standard_normal(50)), features_of(kappa, 1)
    gram = (phi * weights) @ phi.T
    forms = make_forms(gram, np.ones((5, 2)), 3, 1, 50, 2.0**-53, float64)
    features, (second, rest, fourth), x, a, mean = (
        features_of(chi, 1),
        *exact_moments(chi, kappa, weights, 1),
    )
    squares = np.vstack([(chi**2).sum(0), (chi[1:] ** 2).sum(0)])
    far = ((1.5 - 1e-12) / np.sqrt(squares[0]).max(), np.sqrt((kappa[1:] ** 2).sum(0).max()))
    worst = np.argmax(squares[0])
    below = forms.line @ features
    found, slip = row_errors(forms, features, below, squares, far, 0.0, tail_table())
    tail = (math.exp(1.5) - 1 - 1.5 - 1.5**2 / 2) / 1.5**3
    root = (fourth**0.25 + (np.sqrt(squares[1]) * far[1] * np.sqrt(rest)) ** 0.5) ** 2
    part, whole = np.sqrt(second * rest) + rest / 2, np.sqrt(second) * root * tail
    exact = (part + whole) / ((1 + x + a**2 / 2) @ mean)
    assert exact[worst] * (1 - 1e-10) <= found[worst] <= exact[worst] * (1 + 1e-10)
    assert (found <= exact * (1 + 1e-10)).all()
    p = 1 + x + a**2 / 2
    assert (found * (p @ mean) >= np.abs(p - np.exp(x)) @ mean).all()
    size = np.sqrt(squares[0]) * math.sqrt((kappa**2).sum(0) @ mean)
    least = 2 * gamma(50 + 3 * 5 + 24) * (1 + size + size**2 / 2) / below
    assert (slip >= least).all()
    assert (slip <= 1.5 * least).all()


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(0, 5),
    st.integers(1, 30),
    st.integers(0, 10**6),
    st.sampled_from([0.05, 0.5, 1.0, 2.0]),
)
def test_lemma_3_holds_in_exact_terms(size, top, count, seed, scale):
    """E|p - e^x| against its bound, no rounding involved; heavy tails and few keys included."""
    rng = np.random.default_rng(seed)
    top = min(size, top)
    kappa = rng.standard_t(3, (size, count)) * scale
    chi, weights = rng.standard_normal((size, 6)) * scale, np.exp(rng.standard_normal(count))
    phi, features = features_of(kappa, top), features_of(chi, top)
    gram = (phi * weights) @ phi.T
    forms = make_forms(gram, np.ones((len(phi), 1)), size, top, count, 2.0**-53, float64)
    squares = np.vstack([(chi**2).sum(0), (chi[top:] ** 2).sum(0)])
    far = tuple(np.sqrt((part**2).sum(0).max()) for part in (kappa, kappa[top:]))
    below = forms.line @ features
    with np.errstate(all="ignore"):
        found, _ = row_errors(forms, features, below, squares, far, 0.0, tail_table())
    _, x, a, mean = exact_moments(chi, kappa, weights, top)
    p = 1 + x + a**2 / 2
    sure = below > 0
    exact = (np.abs(p - np.exp(x)) @ mean) / (p @ mean)
    oracle = 1e-15 / (p @ mean)  # the oracle's own rounding
    assert not (found * (1 + 1e-9) + oracle < exact)[sure].any()


def test_the_diagonal_pays_for_a_gram_matrix_that_is_too_small():
    """Every entry off by gamma sqrt(G_aa G_bb), the worst that summation may do (lemma 5)."""
    rng = np.random.default_rng(6)
    kappa, weights, unit = rng.standard_normal((4, 90)), np.exp(rng.standard_normal(90)), 2.0**-24
    phi = features_of(kappa, 2)
    gram = (phi * weights) @ phi.T
    for seed in range(20):
        chi = np.random.default_rng(seed).standard_normal((4, 1))
        features = features_of(chi, 2)
        sign = np.sign(features @ features.T)
        room = gamma(98, unit) * np.sqrt(np.outer(np.diag(gram), np.diag(gram)))
        forms = make_forms(gram - sign * room, np.ones((8, 1)), 4, 2, 90, unit, float64)
        exact, *_ = exact_moments(chi, kappa, weights, 2)
        assert (moments_of(forms, features) >= exact).all()


@pytest.mark.parametrize("size", [1e-2, 1e-4])
def test_what_the_coordinates_leave_out_is_bounded_tightly(size):
    """Two keys that differ outside the coordinates only: half of tanh is lost, half is claimed."""
    along = np.array([[1.0, 0.0], [-1.0, 0.0]])
    basis = fit_basis(along, along, 1.0, 1, 1, 1, along)
    state = MomentState(basis, 1)
    state.add(np.array([[0.0, 1.0], [0.0, -1.0]]), np.array([[1.0], [0.0]]))
    out = np.empty((1, 1))
    bound = state.attend(np.array([[0.0, size]]), out).error[0]
    lost = abs(out[0, 0] - 1 / (1 + math.exp(-2 * size)))
    assert lost == pytest.approx(math.tanh(size) / 2, rel=1e-9)
    assert lost <= bound <= lost * 1.001


def test_hull_form_on_two_keys_is_nearly_tight():
    """Lemma 1 with one coordinate and two keys: the bound is within a factor 3 of the error."""
    q = np.array([[0.9], [-0.9], [0.0], [0.1]])
    k = np.array([[1.0], [-1.0]])
    v = np.array([[0.0], [1.0]])
    _, out, bounds = run(q, k, v, 1.0, 1, 1)
    error = np.abs(out - softmax(q, k, v, 1.0)).max(1).astype(float)
    assert (error <= bounds.error).all()
    assert bounds.error[:2].max() <= 5 * error[:2].max()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 8),
    st.integers(1, 60),
    st.integers(0, 10**6),
    st.sampled_from([0.1, 1.0, 2.0, 6.0]),
    st.sampled_from([1, 3]),
    st.sampled_from([np.float32, np.float64]),
)
def test_no_violation_on_random_heads(d, length, seed, largest, centres, dtype):
    q, k, v = head(d, length, seed, largest, dtype)
    _, out, bounds = run(q, k, v, d**0.5, centres=centres, split=min(length, 3))
    assert violations(out, bounds, q, k, v, d**0.5)[0] == 0


NASTY = {
    "zeros": lambda q, k, v: (q * 0, k * 0, v),
    "one far key": lambda q, k, v: (q, np.vstack([k[:-1], k[-1:] * 1000]), v),
    "one far query": lambda q, k, v: (np.vstack([q[:-1], q[-1:] * 1000]), k, v),
    "identical keys": lambda q, k, v: (q, k * 0 + k[:1], v),
    "denormals": lambda q, k, v: (q * np.float32(1e-42), k, v),
    "large offset of keys": lambda q, k, v: (q, k + np.float32(1000), v),
    "large offset of values": lambda q, k, v: (q, k, v + np.float32(1e4)),
    "constant column": lambda q, k, v: (q, k, np.column_stack([v[:, :2], v[:, 0] * 0 + 7])),
    "late spread": lambda q, k, v: (q, np.vstack([k[:64], k[64:] * 8]), v),
    "overflow": lambda q, k, v: (q * np.float32(1e30), k * np.float32(1e30), v),
    "late overflow": lambda q, k, v: (q, np.vstack([k[:64], k[64:] * np.float32(1e30)]), v),
    "overflowing sums": lambda q, k, v: (q, k, v * np.float32(1e38)),
    "tiny": lambda q, k, v: (q * np.float32(1e-20), k * np.float32(1e-20), v * np.float32(1e-30)),
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("centres", [1, 3])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_violation_on_nasty_inputs(name, centres, backend):
    with np.errstate(over="ignore"):
        q, k, v = NASTY[name](*head(6, 120, 3))
    v = np.nan_to_num(v, posinf=3e38, neginf=-3e38)
    _, out, bounds = run(q, k, v, 6**0.5, centres=centres, backend=backend)
    wrong, certified = violations(out, bounds, q, k, v, 6**0.5)
    assert wrong == 0
    if name in {"zeros", "identical keys", "denormals", "constant column", "tiny"}:
        assert certified == len(q)


def test_values_of_a_constant_column_come_out_exactly():
    q, k, v = head(4, 50, 1)
    v[:, 1] = 7
    _, out, bounds = run(q, k, v, 2.0)
    assert (out[:, 1] == 7).all()
    assert np.isfinite(bounds.error).all()


@pytest.mark.parametrize(("coordinates", "shift"), [(3, 0), (8, 30)])
def test_parts_of_the_logit_bound_cover_the_exact_logits(coordinates, shift):
    """|q.k/sigma - row term - log weight - chi.kappa| in exact arithmetic against zeta.

    Three of eight coordinates leave most of it out; with all eight, far from 0, it is rounding.
    """
    q, k, v = head(8, 90, 4)
    q, k = q + np.float32(shift), k + np.float32(shift)
    state, _, _ = run(q, k, v, 2.0, coordinates)
    basis, size = state.basis, state.basis.size
    image = basis.query_map @ q.T
    image[1:] -= basis.query_shift
    chi = image[2:]
    inside = basis.query_squares[0] @ (chi * chi)
    zeta = state._logit_errors(inside, np.einsum("ij,ij->i", q, q), image[0])
    key = basis.key_map @ k.T
    key[1:] -= basis.key_shift
    wide = [part.astype(np.longdouble) for part in (q, k, chi, key)]
    left = wide[0] @ wide[1].T / 2 - wide[2].T @ wide[3][3:] - wide[3][1]
    left -= (left.max(1, keepdims=True) + left.min(1, keepdims=True)) / 2  # best row term
    worst = np.abs(left).max(1)
    assert (worst <= zeta).all()
    assert shift or zeta.max() < 8 * worst.max()
    assert not shift or worst.max() > 1e-5  # far more than the rounding of the weights
    assert size == coordinates


def test_a_mutated_state_breaks_the_certificate():
    q, k, v = head(6, 400, 2)
    state, out, bounds = run(q, k, v, 6**0.5, 6, 6)
    assert violations(out, bounds, q, k, v, 6**0.5)[0] == 0
    state.grams[0, 1:, 1:] *= 0  # moments forgotten: the bound becomes too small to be true
    state._forms = None
    state.far_perpendicular = 0.0
    bounds = state.attend(q, out)
    slim = bounds.error - bounds.rounding
    assert violations(out, type(bounds)(slim, bounds.rounding), q, k, v, 6**0.5)[0] > 0


def test_memory_does_not_depend_on_the_number_of_keys():
    q, k, v = head(5, 300, 0)
    few, _, _ = run(q, k[:20], v[:20], 2.0)
    many, _, _ = run(q, k, v, 2.0)
    assert few.memory == many.memory
