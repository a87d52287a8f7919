"""Block optimal recovery against long double; every term of the bound, dropped, is seen to fail."""

from __future__ import annotations

from dataclasses import replace
from math import factorial
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support.oracle import softmax
from varnum.errors import InputError
from varnum.lowrank.recovery import blocks, recovery_bound, recovery_state
from varnum.lowrank.recovery.blocks import Keys, block_norms
from varnum.lowrank.recovery.lens import Lens, fit_lens
from varnum.lowrank.recovery.recovery_features import features, length, rank_of, rest, squares
from varnum.lowrank.recovery.recovery_state import RecoveryState

LONG = np.longdouble


def no_sizes(keys):
    """Instead of `Keys.sizes`: nothing is rounded."""
    return np.zeros(len(keys.y)), np.zeros(len(keys.y)), 0.0


def ratios(q, k, v, sigma=1.0, block=4, tops=(), lens=None):
    """True error over its bound, (n,): above 1 is a violation."""
    lens = lens or fit_lens(q.astype(float), k.astype(float), sigma, q)
    made = RecoveryState(lens, block, tops, v.mean(0))
    made.add(k, v)
    out, error = made.attend(q)
    true = abs(out - softmax(q, k, v, sigma)) / np.ptp(v.astype(LONG), axis=0)
    return (true.max(1) / np.maximum(error, 1e-300)).astype(float)


def small(seed, dtype=np.float64):
    """A few queries, keys and values in few dimensions; some keys far out."""
    rng = np.random.default_rng(seed)
    d, n = int(rng.integers(1, 3)), int(rng.integers(2, 7))
    size = rng.choice([0.3, 1.0, 2.0])
    q, k = rng.standard_normal((6, d)) * size, rng.standard_normal((n, d)) * size
    if rng.random() < 0.5:
        k[0] *= 3
    if rng.random() < 0.3:
        k[1:] = k[1]  # all but one are the same: one vector carries the error
    v = rng.choice([-1.0, 1.0], (n, 1))
    v[0] = -v[-1]
    return q.astype(dtype), k.astype(dtype), v.astype(dtype)


def worst(cases=250, dtype=np.float64, **options):
    """Largest ratio over small problems, with blocks of one to four keys."""
    tops = ((), (1,), (2, 1), ())
    found = [
        ratios(*small(s, dtype), block=1 + s % 4, tops=tops[s // 4 % 4], **options)
        for s in range(cases)
    ]
    return float(np.nanmax([part.max() for part in found]))


def test_no_violation_and_the_bound_is_not_idle():
    assert 0.3 < worst() <= 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tops", [(), (3,), (8,), (6, 3, 2, 1)])
@pytest.mark.parametrize("size", [0.2, 1.0, 2.5])
def test_bounds_hold_on_heads(dtype, tops, size):
    rng = np.random.default_rng(3)
    q, k = (rng.standard_normal((300, 8)) * size * 0.8 ** np.arange(8) + 0.5 for _ in "qk")
    v = np.tanh(k[:, :3]) + 0.1 * rng.standard_normal((300, 3))
    q, k, v = (part.astype(dtype) for part in (q, k, v))
    found = ratios(q, k, v, 2.0, 64, tops)
    assert found.max() <= 1
    if size < 1:
        assert found.max() > 1e-2


def edit(monkeypatch, **changes):
    """Limits with some fields replaced: what a term dropped would be."""
    plain = recovery_bound.Limits.of.__func__

    def of(cls, *given):
        made = plain(cls, *given)
        values = {n: c(getattr(made, n)) for n, c in changes.items()}
        return replace(made, **values)

    monkeypatch.setattr(recovery_bound.Limits, "of", classmethod(of))


@pytest.mark.parametrize("term", ["left", "left_mass"])
def test_without_a_term_of_the_numerator_it_is_false(monkeypatch, term):
    edit(monkeypatch, **{term: lambda part: part * 0})
    assert worst() > 1


def test_a_smaller_diagonal_is_false(monkeypatch):
    monkeypatch.setattr(recovery_state, "rest", lambda high, lows: rest(high, lows) * 0.05)
    assert worst() > 1


def test_a_larger_denominator_is_false(monkeypatch):
    plain = recovery_bound.jensen
    monkeypatch.setattr(recovery_bound, "jensen", lambda *given: 8 * plain(*given))
    assert worst() > 1


def test_half_of_the_blocks_is_false(monkeypatch):
    def half(keys):
        norms, *rest = block_norms(keys)
        return norms / 4, *rest

    monkeypatch.setattr(recovery_state, "block_norms", half)
    assert worst() > 1


def test_without_the_logits_own_error_it_is_false():
    """Maps that do not undo each other: the features see logits that are 10 % too large."""
    q, k, v = (np.tile(part, (3, 1)) for part in small(3))
    lens = fit_lens(q, k, 1.0, q)
    d = q.shape[1]
    skew = replace(lens, query_map=lens.query_map * 1.1, size_a=lens.size_a * 1.1)
    honest = replace(skew, defect=lens.defect * 1.1 + 0.1001 * d**0.5)
    assert ratios(q, k, v, block=32, tops=(d,), lens=honest).max() <= 1
    cases = [small(s) for s in range(60)]
    found = []
    for q, k, v in cases:
        lens = fit_lens(q * 0.1, k, 1.0, q)
        skew = replace(lens, query_map=lens.query_map * 1.1)
        found.append(ratios(q * 0.1, k, v, block=8, tops=(2,), lens=skew).max())
    assert max(found) > 1


def test_without_the_rounding_of_sums_it_is_false(monkeypatch):
    rng = np.random.default_rng(1)
    q, k = (rng.standard_normal((1000, 2)).astype(np.float32) * 1e-4 for _ in "qk")
    v = rng.uniform(0, 1, (1000, 8)).astype(np.float32)
    assert ratios(q, k, v, block=512).max() <= 1
    edit(monkeypatch, rounding=lambda g: g * 0, last=lambda g: g * 0)
    monkeypatch.setattr(Lens, "logit_error", lambda self, far_q, *_: far_q * 0)
    monkeypatch.setattr(blocks.Keys, "sizes", no_sizes)
    assert ratios(q, k, v, block=512).max() > 1


def test_the_rounding_of_sums_is_in_every_bound(monkeypatch):
    q, k, v = small(1)
    lens = fit_lens(q, k, 1.0, q)
    edit(monkeypatch, rounding=lambda g: 1e-3, norm_mass=lambda _: 0.0)
    made = RecoveryState(lens, 4, (), v.mean(0))
    made.add(k * 1e-9, v)
    assert (made.attend(q * 1e-9)[1] > 5e-4).all()


def test_jensens_denominator_is_below_the_exact_one():
    rng = np.random.default_rng(0)
    exact, mean, slip = rng.uniform(0.9, 1.1, 500), rng.standard_normal(500) * 3, 1e-3
    along = exact * mean + rng.uniform(-slip, slip, 500)
    found = recovery_bound.jensen(SimpleNamespace(mass=(0.9, 1.1)), along, np.full(500, slip))
    assert (found <= exact * np.exp(mean)).all()
    assert np.median(found / (exact * np.exp(mean))) > 0.5
    assert (recovery_bound.jensen(SimpleNamespace(mass=(-0.1, 1.0)), along, slip) < 0).all()


def exact_norms(y, exponents, u, block, tops):
    """s_B(u) in long double, summed over blocks."""
    y, u, exponents = (part.astype(LONG) for part in (y, u, exponents))
    total = 0
    for start in range(0, len(y), block):
        part = slice(start, start + block)
        s = y[part] @ y[part].T
        left = np.exp(s) - 1 - s
        for m, n in enumerate(tops, start=2):
            left = left - (y[part, :n] @ y[part, :n].T) ** m / factorial(m)
        w = u[part] * np.exp(exponents[part])[:, None]
        total = total + np.sqrt(np.maximum((w * (left @ w)).sum(0), 0))
    return total


def keys_of(seed, dtype=np.float32, size=0.4, tops=(2,), block=32):
    rng = np.random.default_rng(seed)
    y = (rng.standard_normal((128, 6)) * size).astype(dtype)
    exponents = (-abs(rng.standard_normal(128))).astype(dtype)
    weighted = features(y, tops) * np.exp(exponents)[:, None]
    u = np.column_stack([np.ones(128), rng.standard_normal((128, 3))]).astype(dtype)
    return Keys(y, exponents, weighted, u, block, tops)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-4, 1e-2, 0.3, 1.0])
def test_block_norms_are_above_the_exact_ones(dtype, size):
    for seed in range(6):
        keys = keys_of(seed, dtype, size)
        exact = exact_norms(keys.y, keys.exponents, keys.values, 32, (2,))
        found, *_ = block_norms(keys)
        assert (found >= exact).all()
        if size >= 0.3:
            assert (found <= 1.2 * exact).all()


@pytest.mark.parametrize("sharp", [True, False])
def test_large_blocks_are_the_sum_of_their_square_parts(monkeypatch, sharp):
    monkeypatch.setattr(blocks, "SIDE", 24)
    monkeypatch.setattr(blocks, "SUM", 20)
    for seed in range(4):
        keys = replace(keys_of(seed, np.float64, block=64), sharp=sharp)
        exact = exact_norms(keys.y, keys.exponents, keys.values, 64, (2,))
        found, sizes, state_, *_ = block_norms(keys)
        assert (found >= exact).all()
        assert np.allclose(found, exact.astype(float), rtol=1e-6)
        assert np.allclose(state_, keys.weighted.T @ keys.values)
        assert (sizes >= abs(state_).max(0)).all()


def test_block_norms_without_their_rounding_are_too_small(monkeypatch):
    monkeypatch.setattr(Keys, "sizes", no_sizes)
    low = 0
    for seed in range(6):
        keys = keys_of(seed, size=0.03)
        exact = exact_norms(keys.y, keys.exponents, keys.values, 32, (2,))
        low += int((block_norms(keys)[0] < exact).sum())
    assert low > 0


def test_features_are_those_of_the_powers():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 50, 5))
    for tops in ((), (3,), (5, 5, 5, 5), (4, 3, 1)):
        exact = 1 + (x * y).sum(1)
        for m, n in enumerate(tops, start=2):
            exact = exact + (x[:, :n] * y[:, :n]).sum(1) ** m / factorial(m)
        one, other = features(x, tops), features(y, tops)
        assert one.shape[1] == rank_of(5, tops)
        assert np.allclose((one * other).sum(1), exact, rtol=1e-12, atol=1e-12)
        high, _ = squares(x, tops)
        assert (np.linalg.norm(one, axis=1) <= length(high, tops)).all()


@pytest.mark.parametrize("tops", [(), (2,), (4, 2, 2, 1)])
def test_the_diagonal_is_above_the_exact_one(tops):
    rng = np.random.default_rng(0)
    for size in (1e-6, 1e-2, 0.5, 2.0):
        x = (rng.standard_normal((200, 5)) * size).astype(np.float32)
        wide = x.astype(LONG)
        t = (wide**2).sum(1)
        exact = np.expm1(t) - t
        for m, n in enumerate(tops, start=2):
            exact = exact - (wide[:, :n] ** 2).sum(1) ** m / factorial(m)
        found = rest(*squares(x, tops))
        assert (found >= exact).all()
        assert (found <= exact * 1.01 + 1e-5 * t * t + 1e-13).all()


def test_what_overflows_certifies_nothing():
    q, k, v = small(0, np.float32)
    for factor in (1e3, 1e15, 1e25):
        lens = fit_lens(q.astype(float), k.astype(float), 1.0, q)
        made = RecoveryState(lens, 4, (), v.mean(0))
        made.add(k * np.float32(factor), v)
        _, error = made.attend(q * np.float32(factor))
        assert not np.isnan(error).any()
        assert not (error < 1).any()


def test_values_whose_squares_overflow_certify_nothing():
    q, k, v = small(0)
    made = RecoveryState(fit_lens(q, k, 1.0, q), 4, (), v.mean(0))
    made.add(k, v * 1e200)
    _, error = made.attend(q)
    assert not np.isnan(error).any()
    assert not (error < 1).any()


def test_wrong_arrays_are_refused():
    q, k, v = small(0)
    made = RecoveryState(fit_lens(q, k, 1.0, q), 4, (), v.mean(0))
    with pytest.raises(InputError, match="keys come first"):
        made.attend(q)
    for wrong in (k[:, :0], k[:0], k.astype(np.float32), k.tolist()):
        with pytest.raises(InputError):
            made.add(wrong, v)
    with pytest.raises(InputError, match="but k has"):
        made.add(k, v[:-1])
