"""kv-sparse-rows, kv-dictionary, kv-structured, kv-capacity-scale: against brute force."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.cost.schedule import Schedule
from varnum.errors import InputError
from varnum.formulas import caches as forms
from varnum.hardness.caches import scale as at
from varnum.hardness.caches.released import SIZES, size_of
from varnum.hardness.caches.sparsity import (
    Dictionary,
    last_scales_rows,
    log2_ceiling,
    sparse_bits,
    tokens_known_bits,
)
from varnum.hardness.caches.sparsity_answer import SparsityQuestion, every_size, sparsity_answer


@pytest.mark.parametrize(
    ("rows", "d_v", "b"), [(1, 1, 1), (2, 3, 1), (3, 2, 2), (2, 4, 2), (5, 2, 1), (2, 2, 3)]
)
def test_bits_equal_brute_force(rows: int, d_v: int, b: int) -> None:
    for a in range(d_v + 1):
        row = [r for r in itertools.product(range(2**b), repeat=d_v) if np.count_nonzero(r) <= a]
        tables = sum(1 for _ in itertools.product(row, repeat=rows))
        bits = sparse_bits(rows, d_v, a, b)
        assert 2**bits >= tables  # enough to number them
        assert bits == 0 or 2 ** (bits - 1) < tables  # one fewer is not
    assert sparse_bits(rows, d_v, d_v, b) == rows * d_v * b


def test_published_sizes() -> None:
    found = [sparse_bits(424, 64, a, 8) for a in (4, 8, 16, 32, 48, 64)]
    assert sparse_bits(424, 64, 99, 8) == 217_088  # at most 99 of 64: dense
    assert found == [21_733, 40_704, 74_924, 134_194, 183_398, 217_088]


def test_floats_lose_the_last_bit() -> None:
    """False version: N log2 of the count in float64."""
    rows, count = 2**21, 2**40 - 1  # rows log2 count = 40 rows - 2.75e-6
    assert log2_ceiling(count, rows) == 40 * rows
    rows, count = 2**30, 2**60 + 1
    assert math.ceil(rows * math.log2(count)) == 60 * rows
    assert log2_ceiling(count, rows) == 60 * rows + 1


@given(st.integers(1, 10**6), st.integers(1, 40))
def test_log2_ceiling_is_the_integer(count: int, times: int) -> None:
    bits = log2_ceiling(count, times)
    assert 2**bits >= count**times
    assert bits == 0 or 2 ** (bits - 1) < count**times


def test_balls_decide_where_the_integer_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    import varnum.hardness.caches.sparsity as module

    exact = [log2_ceiling(n, 1000) for n in range(2, 60)]
    monkeypatch.setattr(module, "MAX_EXACT", 0)
    assert [log2_ceiling(n, 1000) for n in range(2, 60)] == exact


def test_half_sparse_does_not_save_half() -> None:
    """False version: the factor d_v/a instead of the entropy."""
    assert 64 / 32 > 217_088 / sparse_bits(424, 64, 32, 8) > 1.61


def test_unknown_token_sparsity_saves_nothing_known_does() -> None:
    """False version: attention that reads a of N rows needs only a/N of the bits."""
    assert tokens_known_bits(424, 212, 64, 8) < 424 * 64 * 8
    result = sparsity_answer(SparsityQuestion(64, rows=424, d_v=64, read_rows=212))
    assert result["bits_token_sparse_attention"] == 424 * 64 * 8
    # two rows, attention on one of them: all 4 tables of bits are told apart by the queries
    tables = list(itertools.product((0, 1), repeat=2))
    P = np.array([[0.999, 0.001], [0.001, 0.999]])
    answers = {tuple(np.rint(P @ np.array(t)).astype(int)) for t in tables}
    assert len(answers) == 4


def test_dictionary() -> None:
    made = Dictionary(512, 4, 8, 64, 8)
    assert made.pays_from() == 585
    assert made.kept_bits(584) >= 584 * 512 > made.known_bits(584)
    assert made.kept_bits(585) < 585 * 512
    assert Dictionary(4, 1, 1, 3, 1).pays_from() is None  # log2 4 + 1 = 3: exactly a dense row
    assert float(Fraction(424 * 512, made.kept_bits(424))) == pytest.approx(0.751, abs=1e-3)
    assert float(Fraction(1216 * 512, made.kept_bits(1216))) == pytest.approx(1.835, abs=1e-3)
    assert Dictionary(512, 60, 8, 64, 8).pays_from() is None
    with pytest.raises(InputError, match="sparsity"):
        Dictionary(4, 5, 8, 64, 8)


@given(st.integers(2, 12), st.integers(1, 3), st.integers(1, 4), st.integers(4, 9))
def test_dictionary_pays_from_is_the_first(m: int, a: int, b: int, d: int) -> None:
    made = Dictionary(m, min(a, m), b, d, b)
    first = made.pays_from()
    if first is not None:
        assert made.kept_bits(first) < first * d * b
        assert first == 1 or made.kept_bits(first - 1) >= (first - 1) * d * b


def test_structured() -> None:
    rows = last_scales_rows(Schedule((1, 2, 3, 4, 6, 9, 13, 18, 24, 32)))
    assert rows[:4] == [576, 900, 1069, 1150]
    assert rows[-1] == 1216


@pytest.mark.parametrize("rows", [2, 3, 4])
@pytest.mark.parametrize("b", [1, 2])
@pytest.mark.parametrize("E", [Fraction(3, 2), Fraction(3), Fraction(40)])
def test_separation_of_value_tables_is_exact(rows: int, b: int, E: Fraction) -> None:
    """Brute force over differences of tables: the limit is attained, kappa's is smaller."""
    q = 2**b - 1
    least = min(
        max(abs((E - 1) * D[i] + sum(D)) for i in range(rows))
        for D in itertools.product(range(-q, q + 1), repeat=rows)
        if any(D)
    ) / ((E + rows - 1) * q)
    limit = forms.scale_error.exact(E=E, N=rows, q=q)
    assert least == 2 * limit
    kappa = forms.scale_kappa.exact(E=E, N=rows)
    P = [[(E if i == j else 1) / (E + rows - 1) for j in range(rows)] for i in range(rows)]
    inverse = np.linalg.inv(np.array(P, dtype=float))
    assert np.abs(inverse).sum(1).max() == pytest.approx(float(kappa))
    weaker = forms.kappa_error.exact(q=q, p=kappa)
    assert weaker < limit if rows > 2 else weaker <= limit  # false: kappa's limit is the problem's


def test_published_limits_at_scale() -> None:
    limits = [float(at.orthonormal_error(424, Fraction(s), 1)) for s in (2, 4, 8)]
    assert limits == pytest.approx([0.0074, 0.056, 0.44], rel=0.01)
    masses = [float(at.orthonormal_mass(424, Fraction(s))) / 2 for s in (2, 4, 8, 30)]
    assert masses == pytest.approx([0.0086, 0.057, 0.44, 0.50], rel=0.01)


@pytest.mark.parametrize("s", [0.5, 2.0, 6.0])
def test_given_keys_are_enclosed(s: float) -> None:
    keys = at.unit_keys(12, 5, seed=3)
    attention = at.attention_of(keys, s)
    kappa, own = at.inverse_norm(attention), at.own_mass(attention)
    import mpmath

    with mpmath.workdps(50):
        K = mpmath.matrix(keys.tolist())
        P = (mpmath.mpf(s) * K * K.T).apply(mpmath.exp)
        for i in range(12):
            total = sum(P[i, j] for j in range(12))
            for j in range(12):
                P[i, j] /= total
        inverse = P**-1
        true = max(sum(abs(inverse[i, j]) for j in range(12)) for i in range(12))
        assert true <= kappa <= 1.0001 * true
        for j in range(12):
            assert P[j, j] * (1 - 1e-9) <= own[j] <= P[j, j]


def test_an_unverified_inverse_says_nothing() -> None:
    for apart in (0.0, 1e-8, 1e-9):  # equal keys: P is singular; nearly so: its inverse is noise
        keys = np.array([[1.0, 0.0], [1.0, apart], [0.0, 1.0]])
        assert math.isinf(at.inverse_norm(at.attention_of(keys, 2.0)))
    assert at.keys_error(math.inf, 1) == 0


def test_a_policy_blind_to_values_errs_by_half_the_mass() -> None:
    """Two caches that differ in the dropped value: the mean of the two answers is the best one."""
    keys = at.unit_keys(9, 4, seed=1)
    attention = at.attention_of(keys, 3.0)
    own = at.own_mass(attention)
    dropped = np.argsort(own)[:3]
    worst = max(float(attention.P[j, j]) / 2 for j in dropped)
    floor = at.evict_floor(own, 3)
    assert floor <= worst <= floor * (1 + 1e-9)
    with pytest.raises(InputError, match="dropped"):
        at.evict_floor(own, 0)


def test_every_released_size_and_claims_of_compressors() -> None:
    rows = every_size(SparsityQuestion(8, model="all", keeps="1000"))
    assert [r["model"] for r in rows] == list(SIZES)
    assert size_of("infinity-2b").schedule.length == 10521
    for r in rows:
        claim = r["judged"]
        assert claim["below"] == (claim["kept_bits"] < claim["needed_bits"])
        assert claim["needed_bits"] == r["heads"] * r["bits_sparse"]
        assert claim["kept_bits"] == 8 * 1000 * r["rows"]
    exact = Fraction(size_of("var-d16").heads * 64, 1)  # b = 8: one byte a value
    at_limit = sparsity_answer(SparsityQuestion(64, model="var-d16", keeps=str(exact)))
    assert not at_limit["judged"]["below"]
    assert at_limit["judged"]["bits_excluded"] == 9
    just_below = sparsity_answer(SparsityQuestion(64, model="var-d16", keeps=str(exact - 1)))
    assert just_below["judged"]["below"]


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (SparsityQuestion(-1, rows=4), "sparsity: -1"),
        (SparsityQuestion(1), "model, schedule or rows"),
        (SparsityQuestion(1, rows=0), "rows: 0"),
        (SparsityQuestion(1, rows=4, scale="0"), "scale: 0"),
        (SparsityQuestion(1, rows=4, scale="701"), "scale: 701"),
        (SparsityQuestion(1, rows=9999, scale="2"), "too many"),
        (SparsityQuestion(1, rows=4, keeps="-1"), "keeps"),
        (SparsityQuestion(1, rows=4, keeps="1", atoms=3), "not with atoms"),
        (SparsityQuestion(1, model="var-d99"), "known: var-d16"),
        (SparsityQuestion(1, rows=4, read_rows=5), "read_rows: 5"),
        (SparsityQuestion(1, rows=4, heads=0), "heads: 0"),
    ],
)
def test_bad_questions(question: SparsityQuestion, says: str) -> None:
    with pytest.raises(InputError, match=says):
        sparsity_answer(question)
