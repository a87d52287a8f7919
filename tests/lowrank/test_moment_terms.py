"""One test per term of the moment bound: each fails when its term is dropped or weakened."""

import dataclasses
import math

import numpy as np
import pytest

from tests.support.oracle import softmax
from varnum.floats.rounding import TINY, UNIT, gamma
from varnum.floats.values import ValueRange
from varnum.lowrank.moments.basis import fit_basis, lost_squares
from varnum.lowrank.moments.moment_bound import Forms, _tables, make_forms, row_errors, tail_table
from varnum.lowrank.moments.moment_state import MomentState

FLOAT32 = np.zeros(1, np.float32)


def hidden(sample, pair, one, which, sigma):
    """(true error, bound) of two keys or two queries that differ outside the one coordinate only.

    `sample` (length of queries' sample tokens, of keys' ones) sets the scale of the coordinate.
    """
    (q0, reach_q), (k0, reach_k) = sample
    sides = [np.array([[c - r, 0.0], [c + r, 0.0]]) for c, r in ((q0, reach_q), (k0, reach_k))]
    basis = fit_basis(*sides, sigma, 1, 1, 1, FLOAT32)
    pair, one = np.array(pair, np.float32), np.array(one, np.float32)
    q, k = (pair, one) if which == "queries" else (one, pair)
    v = np.arange(len(k), dtype=np.float32)[:, None]
    state = MomentState(basis, 1)
    state.add(k, v)
    out = np.empty((len(q), 1), np.float32)
    bound = state.attend(q, out).error
    return np.abs(out - softmax(q, k, v, sigma)).max(), bound.max()


FAINT = math.sqrt(1.05 * 2.0**-150) * 1e6  # its square, in units of the coordinate, is denormal


@pytest.mark.parametrize(
    ("sample", "pair", "one", "which", "sigma"),
    [
        # the squared coordinate is rounded up to 2^-149 and hides what is left out
        (((0, FAINT), (0, 1e-9)), [[FAINT, FAINT * 0.9]], [[0, 3e16], [0, -3e16]], "queries", 1.0),
        (((0, 1.0), (0, 1e6)), [[FAINT, FAINT], [FAINT, -FAINT]], [[0, 1e16]], "keys", 1.0),
        # the factor of that square overflows
        (((0, 1), (0, 1)), [[1e13, 1e13]], [[0, 3e13], [0, -3e13]], "queries", 1e27),
        # the square itself overflows, the norms do not: infinities cancel to nothing
        (((-1.3e19, 5e17), (0, 1e-9)), [[9e18, 3e18]], [[0, 1e-9], [0, -1e-9]], "queries", 1e10),
    ],
)
def test_what_is_left_out_at_the_ends_of_the_format(sample, pair, one, which, sigma):
    off, bound = hidden(sample, pair, one, which, sigma)
    assert off > 0.05
    assert not bound < off


def test_rows_that_no_centre_is_near_have_no_bound(monkeypatch):
    """Closeness may be inf - inf: such a row is nobody's, whatever the memory held before."""
    sample = np.random.default_rng(0).standard_normal((20, 2))
    state = MomentState(fit_basis(sample, sample, 1.0, 2, 1, 3, FLOAT32), 1)
    state.add(sample.astype(np.float32), np.ones((20, 1), np.float32))
    monkeypatch.setattr(np, "empty_like", np.zeros_like)
    error, slip = state._many_centres(np.float32([[0.1, np.nan], [0.1, 0]]), np.empty((2, 1)))
    assert np.isfinite(error[0])
    assert not error[1] < math.inf
    assert not slip[1] < math.inf


def test_lost_squares_grow_with_their_factors():
    sample = np.array([[1.0, 0.0], [-1.0, 0.0]])
    for sizes in ((1e-9, 1.0), (1.0, 1e-9), (1.0, 1e9), (1e9, 1.0)):
        basis = fit_basis(sample * sizes[0], sample * sizes[1], 1.0, 1, 1, 1, FLOAT32)
        factor = max(float(basis.query_squares[0, 0]), float(basis.key_squares[0, 0]))
        assert lost_squares(basis, UNIT["float32"]) >= TINY["float32"] * factor * 2.0**-24
        assert lost_squares(basis, UNIT["float32"]) >= TINY["float32"] * 2 * 4


def float64(array):
    return np.ascontiguousarray(array, dtype=np.float64)


def test_the_moments_stand_the_worst_rounding_of_their_sums():
    """One key of ones; mass too large and products off by gamma against the query (lemma 5)."""
    terms, unit, size = 4000, UNIT["float32"], 8
    room = gamma(terms + 8, unit)
    for signs in (np.ones(size), (-1.0) ** np.arange(size)):  # the second one cancels: x = 0
        gram = np.ones((size + 1, size + 1))
        gram[1:, 1:] -= room * np.outer(signs, signs)
        gram[0, 0] += room
        forms = make_forms(gram, np.ones((size + 1, 1)), size, 0, terms, unit, float64)
        assert signs @ forms.form @ signs >= signs.sum() ** 2
        assert forms.spread >= math.sqrt(size)


def test_underflow_is_added_before_the_roots():
    """Forms of nothing but zeros, and squares that vanished: `lost` alone remains (lemma 7)."""
    forms = Forms(np.ones((2, 1)), np.ones(2), np.zeros((1, 1)), np.ones((3, 1)), 1.0, 1e-9)
    lost, far, table = 1e-9, (0.01, 0.01), tail_table()
    for square in (0.0, 100.0):
        features, squares = np.array([[1.0], [square**0.5]]), np.array([[square], [square]])
        error, slip = row_errors(forms, features, np.ones(1), squares, far, lost, table)
        root = math.sqrt(4 * 2**2 * (1 + square) ** 2 * lost)
        assert error[0] >= 1.5 * root * root + root * root * table[0]
        length = math.sqrt(square + 4 * 2 * lost)
        assert slip[0] >= 1e-9 * (1 + length + length**2 / 2)


def test_the_denominator_loses_what_the_mass_rounds_too():
    """D >= D~ (1 - gamma) - gamma Ebar: the mass is a sum of its own (lemma 6)."""
    room = gamma(8192, UNIT["float32"])
    zero = np.zeros((1, 1))
    gram, select = np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones((3, 1))
    rounding = make_forms(gram, np.ones((2, 1)), 1, 0, 8192, UNIT["float32"], float64).rounding
    forms = Forms(np.ones((2, 1)), np.ones(2), zero + 1.0, select, 0.0, rounding)
    features, squares = np.ones((2, 1)), np.ones((2, 1))
    error, _ = row_errors(forms, features, np.ones(1), squares, (1.0, 1.0), 0.0, tail_table())
    exactly, _ = row_errors(
        dataclasses.replace(forms, rounding=0.0),
        features, np.ones(1), squares, (1.0, 1.0), 0.0, tail_table(),
    )  # fmt: skip
    assert error[0] >= exactly[0] / (1 - 2 * room)


def plane(dtype=np.float32, centres=1, at=0.0):
    """Three coordinates, one of them quadratic, of four; queries around `at`."""
    sample = np.random.default_rng(0).standard_normal((40, 4)) * [4, 3, 2, 1]
    return fit_basis(sample + at, sample, 1.0, 3, 1, centres, np.zeros(1, dtype))


def exact_coordinates(basis, k):
    """kappa and exponents of the keys (n, d), extended precision."""
    wide = [np.asarray(p).astype(np.longdouble) for p in (basis.key_map, basis.key_shift, k)]
    image = wide[0][1:] @ wide[2].T - wide[1]
    return image[2:], image[0]


@pytest.mark.parametrize("scale", [0.3, 1e-22])
def test_largest_lengths_are_those_of_every_key_so_far(scale):
    """Nothing is forgotten, nor below the exact value, squares that underflow included."""
    basis = plane(at=1.0)
    far = (np.random.default_rng(1).standard_normal((9, 4)) * scale).astype(np.float32)
    middle = np.asarray(basis.key_map[0], np.float32) if scale == 0.3 else 0
    if scale != 0.3:  # no offset: what is left is the key
        basis = dataclasses.replace(basis, key_shift=basis.key_shift * 0, norm_k0=0.0)
    keys = [sign * far + middle for sign in (1, -1)]
    for one in (*keys, np.vstack(keys)):
        state = MomentState(basis, 1)
        kappa, exponents = exact_coordinates(basis, one)
        state.add(one, np.ones((len(one), 1), np.float32))
        names = ("far_key", "far_perpendicular", "far_coordinate", "far_beyond", "far_weight")
        before = [getattr(state, name) for name in names]
        state.add(one[:1] * 0 + middle, np.ones((1, 1), np.float32))
        assert all(getattr(state, n) >= b for n, b in zip(names, before, strict=True))
        assert state.far_coordinate >= np.sqrt((kappa**2).sum(0)).max()
        assert state.far_beyond >= np.sqrt((kappa[1:] ** 2).sum(0)).max()
        assert state.far_weight >= np.abs(exponents).max() * (1 - 1e-4)


def test_the_logit_bound_pays_for_each_rounding():
    """Lemma 4 part by part: exp, the exponent, the centre, the projections."""
    without = dataclasses.replace(plane(at=0.5), norm_q0=0.0, norm_k0=0.0)
    state, unit = MomentState(without, 1), UNIT["float32"]
    state.add(np.zeros((1, 4), np.float32), np.ones((1, 1), np.float32))
    nothing = np.zeros(1, np.float32)
    state.far_perpendicular = 0.0

    def zeta(square=0.0, **parts):
        for name, value in parts.items():
            setattr(state, name, value)
        return float(state._logit_errors(nothing, nothing + np.float32(square), nothing)[0])

    zeta(far_weight=0.0, far_coordinate=0.0, far_centre=0.0, far_key=0.0)
    exp, exponent, difference = 8 * unit, 4 * unit, 8 * unit
    base = zeta()
    assert base >= exp + exponent + difference
    assert zeta(far_weight=20.0) - base >= 4 * unit * 20 * (1 - 1e-3)
    state.far_weight = 0.0
    assert zeta(far_centre=10.0, far_coordinate=2.0) >= base + gamma(3 + 4, unit) * 20 * 0.99
    state.far_centre = 0.0
    state.basis = basis = plane(at=0.5)
    reach = 2 * state.slack * (3 + basis.norm_q0) * (5 + basis.norm_k0) * (1 - 1e-3)
    assert zeta(9.0, far_key=5.0) >= exp + exponent + difference + reach


def test_the_bound_is_the_sum_of_its_parts(monkeypatch):
    """Error, half of zeta, rounding times max|v|/range, underflow: none may be missing."""
    state, seen, unit = MomentState(plane(), 2), {}, UNIT["float32"]
    v = np.array([[1000.0, 0.0], [1001.0, 0.25]], np.float32)  # ratio 1001, least range 1/4
    state.add(np.ones((2, 4), np.float32), v)
    parts = {"error": 0.0, "slip": 0.0, "zeta": 0.0}

    def fake(forms, features, below, squares, far, lost, table, cap):
        seen.update(far=far, lost=lost, squares=squares.copy())
        return np.full(1, parts["error"]), np.full(1, parts["slip"])

    monkeypatch.setattr("varnum.lowrank.moments.moment_state.row_errors", fake)
    monkeypatch.setattr(state, "_logit_errors", lambda *_: np.full(1, parts["zeta"]))

    def bound(**changes):
        parts.update(changes)
        found = state.attend(np.full((1, 4), 2.0, np.float32), np.empty((1, 2), np.float32))
        return float(found.error[0])

    assert bound() >= 4 * unit * 1001
    assert bound(error=0.5, zeta=0.25) >= 0.625 * (1 + 2.0**7 * unit) + 4 * unit * 1001
    assert bound(error=0.5, slip=1e-4, zeta=0.0) >= 0.5 + 1e-4 * 1.5 * 1001
    assert seen["far"][0] >= state.far_coordinate * (1 + gamma(3, unit))
    assert seen["far"][1] >= state.far_beyond * (1 + gamma(3, unit))
    state.far_weight = 10.0
    for tiny, ratio, least in ((1e-12, 0.0, 0.25), (1e-12, 1001.0, math.inf)):
        state.tiny = tiny
        state.values._facts = (np.array(ratio), np.array(least))
        longest = 1 + float(seen["squares"][0, 0])
        needed = 2 * 2 * math.exp(8) * state.features * longest * tiny * math.exp(10)
        assert bound(error=0.0, slip=0.0) >= needed * (1 / least + 2 * ratio)
        assert seen["lost"] >= tiny * math.exp(10) * (1 - 1e-12)
    assert longest > 2


def test_numbers_that_are_none_certify_nothing():
    """nan in a key or a value, in the first chunk or a later one."""
    q, k, v = (np.full((3, n), 0.1, np.float32) for n in (4, 4, 1))
    v[0] = 1
    for which in (0, 1):
        for first in (True, False):
            wrong = [k.copy(), v.copy()]
            wrong[which][1, 0] = np.nan
            state = MomentState(plane(), 1)
            for part in (wrong, (k, v)) if first else ((k, v), wrong):
                state.add(*part)
            assert not (state.attend(q, np.empty((3, 1), np.float32)).error < math.inf).any()
            assert which == 0 or state.values.ratio == math.inf
            assert which == 1 or state.far_key == state.far_coordinate == math.inf


def test_the_worst_column_sets_the_ratio():
    for v in ([[0, 1000], [1, 1001]], [[1000, 0], [1001, 1]], [[7, 1000], [7, 1001]]):
        assert ValueRange.of(np.array(v, np.float32)).ratio >= 1001


@pytest.mark.parametrize("which", ["query_squares", "key_squares"])
@pytest.mark.parametrize("factor", [0.0, 1e-40, 1e38, math.inf])
def test_factors_of_squares_that_are_not_normal_certify_nothing(which, factor):
    basis = plane()
    factors = getattr(basis, which).copy()
    factors[0, 1] = factor
    unit = UNIT["float32"]
    assert lost_squares(basis, unit) < 1e-30
    assert lost_squares(dataclasses.replace(basis, **{which: factors}), unit) == math.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("centres", [1, 3])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_the_second_bound_of_the_logits_holds_and_is_the_smaller_one(
    monkeypatch, dtype, centres, offset
):
    """Whitening keys that differ in length by coordinates inflates |chi| max|kappa|."""
    rng = np.random.default_rng(2)
    k = (rng.standard_normal((300, 24)) * 0.8 ** np.arange(24) + offset).astype(dtype)
    q = (rng.standard_normal((40, 24)) + offset).astype(dtype)
    basis = fit_basis(q.astype(float), k.astype(float), 3.0, 24, 2, centres, q)
    state, helped = MomentState(basis, 2), []
    state.add(k, rng.standard_normal((300, 2)).astype(dtype))
    kappa = (basis.key_map @ k.T)[3:] - basis.key_shift[2:]

    def see(forms, features, below, squares, far, lost, table, cap):
        x = features[1:25].astype(np.longdouble).T @ kappa
        assert (abs(x).max(1) <= cap).all()
        helped.append(float((cap / (np.sqrt(squares[0]) * far[0])).min()))
        return row_errors(forms, features, below, squares, far, lost, table, cap)

    monkeypatch.setattr("varnum.lowrank.moments.moment_state.row_errors", see)
    state.attend(q, np.empty((40, 2), dtype))
    assert len(helped) >= centres - 1
    assert centres > 1 or min(helped) < 0.9


def test_the_second_bound_of_the_logits_is_nearly_reached(monkeypatch):
    """One coordinate: it is the largest logit."""
    rng = np.random.default_rng(3)
    q, k = rng.standard_normal((2, 50, 1))
    state, seen = MomentState(fit_basis(q, k, 2.0, 1, 1, 1, q), 1), []
    state.add(k, k)

    def see(forms, features, below, squares, far, lost, table, cap):
        seen.append((cap, features[1]))
        return row_errors(forms, features, below, squares, far, lost, table, cap)

    monkeypatch.setattr("varnum.lowrank.moments.moment_state.row_errors", see)
    state.attend(q, np.empty((50, 1)))
    cap, chi = seen[0]
    kappa = (state.basis.key_map @ k.T)[3:] - state.basis.key_shift[2:]
    largest = abs(np.outer(chi, kappa[0])).max(1)
    assert (largest <= cap).all()
    assert (cap <= largest * (1 + 1e-12) + 1e-30).all()


def test_the_smaller_of_both_bounds_is_taken():
    forms = Forms(np.ones((2, 1)), np.ones(2), np.ones((1, 1)), np.ones((3, 1)), 0.0, 0.0)
    features, squares, table = np.ones((2, 1)), np.array([[9.0], [0.0]]), tail_table()
    pairs = [(1.0, 3.0), (1.0, 1.0), (1 / 3, 3.0), (1.0, np.nan), (np.nan, 1.0)]
    ask = [
        row_errors(forms, features, np.ones(1), squares, (f, 1.0), 0.0, table, np.array([c]))[0]
        for f, c in pairs
    ]
    assert ask[0] == ask[3] > ask[1] == ask[2] == ask[4]


@pytest.mark.parametrize("count", [2, 3, 6])
@pytest.mark.parametrize("square", [0.0, 3.0, 100.0])
def test_underflow_counts_every_feature_twice_and_the_query_in_fourth_power(count, square):
    """Lemma 7 to the letter: 300 f^2 (1 + |chi|^2)^2 t in each moment."""
    f = count - 1
    forms = Forms(np.ones((count, 1)), np.ones(count), np.zeros((f, f)), np.ones((3, f)), 1.0, 0.0)
    lost, far, table = 1e-12, (1e-3, 1e-3), tail_table()
    features = np.ones((count, 1))
    squares = np.array([[square], [0.0]])
    error, _ = row_errors(forms, features, np.ones(1), squares, far, lost, table)
    moment = 300 * count**2 * (1 + square) ** 2 * lost
    assert error[0] >= (1.5 + table[0]) * moment * (1 - 1e-9)


@pytest.mark.parametrize("terms", [0, 1, 30])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_diagonal_pays_for_the_sums_and_for_the_form(terms, size):
    """Lemma 5: F times both gammas, also where few keys are summed."""
    unit, count = UNIT["float32"], size + 1
    forms = make_forms(np.ones((count, count)), np.ones((count, 1)), size, 0, terms, unit, float64)
    due = 1 + count * (gamma(terms + 8, unit) + gamma(2 * count + 8, unit))
    assert (np.diagonal(forms.form) >= due).all()


def test_tables_that_every_bound_reads_cannot_be_written():
    for table in (tail_table(), *_tables(3, 2)[::2]):
        assert not table.flags.writeable


def test_torch_takes_the_same_entry_of_the_table(monkeypatch):
    """As on a device, whose tensors are not turned into arrays."""
    torch = pytest.importorskip("torch")
    parts = [np.ones((2, 1)), np.ones(2), np.ones((1, 1)), np.ones((3, 1))]
    n = 40
    arrays = [
        np.ones((2, n)), np.ones(n), np.stack([np.linspace(0, 90, n), np.zeros(n)]),
        tail_table(), np.linspace(9, 0.1, n),
    ]  # fmt: skip

    def errors(convert):
        features, below, squares, table, cap = map(convert, arrays)
        forms = Forms(*map(convert, parts), 0.0, 0.0)
        return row_errors(forms, features, below, squares, (1.0, 1.0), 0.0, table, cap)[0]

    ours = errors(lambda a: a)
    assert len(set(ours)) > 10
    monkeypatch.setattr("varnum.lowrank.moments.moment_bound.light", lambda a: a)
    assert errors(torch.tensor).numpy() == pytest.approx(ours, rel=1e-12)
