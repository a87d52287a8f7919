"""What is measured of one head, against exact arithmetic; a-priori bounds against runs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.audit.apriori import NormalisedHead, PlainHead, certify_logit_bound
from varnum.audit.degrees import certify_cap, certify_degree, certify_dimension
from varnum.audit.measure import certify_logits, estimate_dimension, parts_of
from varnum.audit.ranks import certify_ranks
from varnum.cost.schedule import Schedule
from varnum.outward import round_down, round_up


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.integers(1, 5))
def test_logits_enclose_the_exact_ones(seed, scale, d):
    rng = np.random.default_rng(seed)
    q, k, q0 = rng.normal(size=(5, d)), rng.normal(size=(5, d)), rng.normal(size=d)
    exact = [[[Fraction(x) for x in row] for row in m.tolist()] for m in (q, k, q0[None])]
    s, (eq, ek, (e0,)) = Fraction(scale), exact

    def logit(x, y, shift):
        return s * sum((a - c) * b for a, b, c in zip(x, y, shift, strict=True))

    for (queries, keys), found in zip(
        parts_of((1, 4)), certify_logits(q, k, scale, (1, 4), q0), strict=True
    ):
        dots = [[logit(x, y, [0] * d) for y in ek[keys]] for x in eq[queries]]
        moved = [[logit(x, y, e0) for y in ek[keys]] for x in eq[queries]]
        M = max(abs(x) for row in dots for x in row)
        spread = max(max(row) - min(row) for row in moved) / 2
        assert Fraction(found.M.low) <= M <= Fraction(found.M.high)
        assert Fraction(found.spread.low) <= spread <= Fraction(found.spread.high)
        assert found.M.high - found.M.low <= 1e-12 * (found.M.high + scale * d * 50)


@given(st.floats(-1e300, 1e300))
def test_rows_hold_bounds_rounded_outwards(x):
    assert round_down(x) <= x <= round_up(x)
    assert round_up(x) - round_down(x) <= abs(x) * 1.1e-6
    with pytest.raises(ArithmeticError):
        round_up(float("inf"))


def test_effective_dimension_of_known_spectra():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(50, 50)))[0]
    for m in (1, 3, 6):
        tokens = np.zeros((50, 6))
        tokens[:, :m] = basis[:, 1 : m + 1] - basis[:, 1 : m + 1].mean(0)
        assert estimate_dimension(tokens, tokens) == pytest.approx(m, rel=0.1)
    assert estimate_dimension(np.ones((5, 2)), np.ones((5, 2))) == 0


def test_the_cap_of_released_models():
    assert Fraction("100.0000063") < certify_logit_bound(NormalisedHead(7.0, 64))
    assert certify_logit_bound(NormalisedHead(7.0, 64)) < Fraction("100.0000065")
    assert 4 < certify_logit_bound(NormalisedHead(float(np.log(4)), 64)) < Fraction("4.00000001")


def test_plain_heads_stay_within_their_norms_and_come_near():
    rng = np.random.default_rng(1)
    d, width = 4, 16
    head = PlainHead(
        *rng.normal(size=(2, d, width)), rng.normal(size=d), *rng.normal(size=(2, width))
    )
    bound, best = float(certify_logit_bound(head)), 0.0
    for _ in range(20):
        x = rng.normal(size=(2, width))
        for _ in range(200):  # ascend over pairs of normalised tokens
            trial = x + rng.normal(size=x.shape) * 0.1
            found = [abs(_logit(head, y)) for y in (x, trial)]
            x = trial if found[1] > found[0] else x
            best = max(best, *found)
    assert best <= bound
    assert best > bound / 20


def _logit(head, pair):
    y = pair - pair.mean(1, keepdims=True)
    y = y / np.sqrt((y**2).mean(1, keepdims=True) + 1e-6) * (1 + head.scale) + head.shift
    return float((head.w_q @ y[0] + head.b_q) @ (head.w_k @ y[1]) / (4 * np.sqrt(len(head.b_q))))


def test_degrees_are_for_a_bound_no_smaller():
    eps = Fraction(1, 50)
    for text in ("0", "0.28341", "4.5171", "10.01", "400"):
        M = Fraction(text)
        found = certify_degree(M, eps)
        assert found.M >= M
        assert M * Fraction(11, 10) >= found.M
        assert found.minimal == (M < 100)
    assert Fraction("4.52") == certify_degree(Fraction("4.5171"), eps).M


def test_advice_is_where_it_turns():
    schedule, eps = Schedule((1, 2, 3, 4, 5, 6, 8, 10, 13, 16)), Fraction(200, 10001)
    assert certify_cap(schedule, 64, 64, eps) == Fraction("0.2834")
    assert certify_dimension(schedule, Fraction(4), eps) == 3
    assert certify_cap(Schedule((1,)), 1, 64, eps) is None


def test_ranks_lie_between_their_bounds():
    rng = np.random.default_rng(2)
    flat = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 8)) * 0.2
    assert certify_ranks(flat[:30], flat, 1.0, 0.02, 8, every=False).kernel is None  # cannot pay
    found = certify_ranks(flat[:30], flat, 1.0, 0.02, 8, every=True)
    assert found.kernel is not None
    assert found.lower <= found.certified < 30
    wild = rng.normal(size=(40, 8))
    found = certify_ranks(wild[:30], wild, 1.0, 0.02, 8, every=True)
    assert (found.certified, found.kernel, found.pivots) == (30, None, 0)
    assert certify_ranks(wild[:1], wild, 1.0, 0.02, 8, every=True).certified == 1


def test_kernels_beyond_float64_still_have_bounds():
    """The singular values of such a kernel do not converge; nothing but the trivial is claimed."""
    rng = np.random.default_rng(4)
    q, k = rng.normal(size=(2, 30, 4))
    found = certify_ranks(q, k, 400.0, 0.02, 4, every=True)
    assert (found.lower, found.certified, found.kernel) == (1, 30, None)
