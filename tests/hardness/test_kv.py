"""kv-capacity, kv-recompute, kv-lowrank: exhaustive, at the limit, above it, known sizes."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.scalar import ball, certainly_less, precision
from varnum.cost.schedule import Schedule, geometric
from varnum.errors import InputError
from varnum.formulas import hardness as forms
from varnum.hardness.keys import best_keys, largest_product, make_keys
from varnum.hardness.kv import cached_rows, certify_capacity, id_bits, largest_b, states
from varnum.hardness.kv_report import KvQuestion, answer, demo
from varnum.hardness.readback import (
    attend_rows,
    opposite_values,
    random_values,
    read_back,
)
from varnum.model.config import PATCHES_256, PATCHES_512

KINDS = ("orthonormal", "random", "code")


def keys_of(kind, rows, seed=0):
    return make_keys(kind, rows, 24 if kind == "random" else None, seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", range(2, 7))
@pytest.mark.parametrize("b", [1, 2])
def test_every_string_of_up_to_six_rows_reads_back(kind, rows, b):
    strings = np.array(list(itertools.product(range(2**b), repeat=rows))).T  # (N, 2^(N b))
    result = read_back(keys_of(kind, rows), strings, b)
    assert result.certain
    assert result.wrong_values == 0
    assert result.error > Fraction(249999, 10**6)


def test_a_hundred_thousand_bits_at_the_limit():
    runs = demo(100_000, 1, 64, 7)
    assert all(run["bits"] >= 100_000 for run in runs[:3])
    for run in runs[:4]:
        assert run["wrong_bits"] == 0
        assert run["proved"]
        assert run["error_over_limit"] > 0.999999999
    assert runs[4]["wrong_bits"] == 1  # 1 ppm above: the row opposite to all others
    assert not runs[4]["proved"]
    assert all(1.2 < run["first_failure_over_limit"] < 2 for run in runs[:3])


@pytest.mark.parametrize("b", [1, 3, 8])
def test_the_bound_is_false_just_above_the_limit(b):
    keys = make_keys("orthonormal", 50)
    worst = opposite_values(50, 2, b)
    assert read_back(keys, worst, b).wrong_values == 0
    assert read_back(keys, worst, b, Fraction(1001, 1000)).wrong_values == 2
    assert abs(read_back(keys, worst, b).first_failure - 1) < 1e-9


def test_reading_error_in_balls_and_a_smaller_query_fails():
    # N = 5, orthonormal, row 0 opposite to all: the exact output is tau, and more for less norm.
    capacity = certify_capacity(5, 1, 2, Fraction(0))
    with precision(200):
        for factor, within in ((Fraction(1), True), (Fraction(99, 100), False)):
            others = 4 * (ball(-capacity.query * factor)).exp()
            read = others / (1 + others)
            assert certainly_less(read, capacity.error * Fraction(1000001, 10**6)) == within


def test_float_outputs_against_balls():
    keys = make_keys("random", 9, 16, 3)
    values = random_values(9, 2, 3, 1)
    out, bound = attend_rows(keys, values, 3)
    dots = keys.entries.astype(int) @ keys.entries.T.astype(int)
    capacity = certify_capacity(9, 1, 3, keys.mu)
    with precision(200):
        rate = ball(capacity.query) / keys.length
        for i in range(9):
            weights = [(rate * int(x)).exp() for x in dots[i]]
            for c in range(2):
                exact = sum(
                    (w * int(v) for w, v in zip(weights, values[:, c], strict=True)), ball(0)
                )
                exact /= sum(weights, ball(0))
                # the float scale is the query norm rounded up: a change far below 1e-12
                assert certainly_less(abs(ball(Fraction(out[i, c])) - exact), bound + 10**-12)
                assert certainly_less(abs(exact - int(values[i, c])), Fraction(1, 4))


@pytest.mark.parametrize("rows", [2, 3, 7, 8, 9, 100])
def test_largest_products_are_exact(rows):
    for kind in KINDS:
        keys = keys_of(kind, rows)
        gram = keys.entries.astype(int) @ keys.entries.T.astype(int)
        assert (np.diag(gram) == keys.length).all()
        off = gram[~np.eye(rows, dtype=bool)]
        assert Fraction(int(off.max()), keys.length) == keys.mu
    code = make_keys("code", rows)
    assert code.mu == forms.kv_code_mu.exact(D=code.entries.shape[1])


def test_products_of_many_rows_strip_by_strip():
    entries = make_keys("random", 700, 32, 1).entries
    gram = entries.astype(int) @ entries.T.astype(int)
    np.fill_diagonal(gram, -32)
    assert largest_product(entries) == gram.max()


def test_sizes_of_released_models():
    assert cached_rows(Schedule(PATCHES_256)) == 424
    assert cached_rows(Schedule(PATCHES_512)) == 1216
    result = answer(KvQuestion(model="var-d16", bits=1, rank=100))
    assert result["recompute_bits"] == 8160 == 680 * 12
    assert result["certified_bits"] == 424 * 64
    assert result["cache_bits"] == 2 * 424 * 1024 * 16 * 16
    assert result["lowrank_numbers"] == 100 * 65
    assert result["query_within_cap"]
    for n, alpha in ((16, 2), (27, 3), (64, 4)):
        assert cached_rows(geometric(n, alpha)) == forms.kv_cached.integer(n=n, alpha=alpha)


def test_rank_floor_is_the_least():
    capacity = certify_capacity(424, 64, 8, Fraction(1, 2))
    floor = states(capacity, None, 4096, None, 16)["rank_floor"]
    assert floor * 65 * 16 >= capacity.bits > (floor - 1) * 65 * 16


def test_largest_bits_per_value_within_the_cap():
    keys = best_keys(424, 64)
    b = largest_b(424, keys.mu, Fraction(20))
    assert certify_capacity(424, 1, b, keys.mu).query <= 20
    assert certify_capacity(424, 1, b + 1, keys.mu).query > 20
    assert largest_b(424, keys.mu, Fraction(1)) == 0
    # at the released cap the query is the limit, not the number of bits that are tried
    assert certify_capacity(424, 1, largest_b(424, keys.mu, Fraction(100)) + 1, keys.mu).query > 100


def test_keys_of_many_dimensions_stay_small(monkeypatch):
    monkeypatch.setattr("varnum.hardness.keys.MAX_SIGNS", 40 * 32)
    wide = make_keys("random", 40, 2**16)
    assert wide.entries.shape == (40, 32)
    assert Fraction(largest_product(wide.entries), 32) == wide.mu
    assert make_keys("code", 40, 2**16).entries.shape == (40, 6)


def test_query_norm_uses_sigma():
    norms = {
        s: float(answer(KvQuestion(rows=40, d_k=64, sigma=s))["query_norm"])
        for s in (None, "1", "2", "d", "sqrt", "4sqrt")
    }
    assert norms[None] == norms["1"]
    for text, factor in (("2", 2), ("d", 64), ("sqrt", 8), ("4sqrt", 32)):
        assert norms[text] == pytest.approx(factor * norms["1"], rel=1e-6)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (KvQuestion(), "--model"),
        (KvQuestion(model="var-d17"), "var-d17"),
        (KvQuestion(schedule="4"), "single scale"),
        (KvQuestion(rows=1), "rows"),
        (KvQuestion(rows=10, d_k=2), "d_k"),
        (KvQuestion(rows=10, bits=0), "bits"),
        (KvQuestion(rows=10, bits=99), "bits"),
        (KvQuestion(rows=10, d_v=-3), "d_v"),
        (KvQuestion(rows=10, sigma="0"), "sigma"),
        (KvQuestion(rows=10, width=0), "width"),
        (KvQuestion(rows=10, rank=0), "rank"),
        (KvQuestion(rows=10, schedule="1,2", vocabulary=1), "vocabulary"),
    ],
)
def test_bad_questions_are_named(question, says):
    with pytest.raises(InputError, match=says):
        answer(question)


def test_bad_demo_and_values():
    for bad in ((0, 1, 64, 0), (10**9, 1, 64, 0), (100, 17, 64, 0)):
        with pytest.raises(InputError):
            demo(*bad)
    with pytest.raises(InputError, match="values"):
        read_back(make_keys("code", 4), np.full((4, 1), 2), 1)
    with pytest.raises(InputError, match="d_k"):
        make_keys("random", 4)
    with pytest.raises(InputError, match="equal"):
        make_keys("random", 100, 2)
    assert id_bits(4096) == 12
    assert id_bits(4097) == 13
