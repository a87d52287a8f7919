"""argmax-margin, sampling-tv, guidance: tokens are discrete, margins decide."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.proof import checking
from varnum.propagate import discrete as d
from varnum.verdict import Proved, Unknown


@pytest.fixture(scope="module")
def results():
    return {r.claim: r for r in checking.load("discrete").measure(trials=300, seed=4)}


def test_margin(results):
    assert results["argmax-margin"].violations == 0
    assert results["argmax-margin"].tightness == pytest.approx(1, abs=1e-9)
    x = np.array([[3.0, 1.0, 0.0]])
    assert d.certify_tokens(x, 0.999).tolist() == [True]
    assert d.certify_tokens(x, 1.0).tolist() == [False]  # equality: ties decide
    assert d.certify_tokens(np.array([[1.0, 1.0]]), 0.0).tolist() == [False]
    assert d.certify_tokens(x, np.array([[0.1, 2.5, 0.1]])).tolist() == [False]


def test_sampling(results):
    assert results["sampling-tv"].violations == 0
    assert results["sampling-tv"].tightness == pytest.approx(1, abs=1e-9)
    tau = d.certify_sampling_tv(Fraction(1, 100))
    assert Fraction(4999, 10**6) < tau < Fraction(5, 1000)
    assert d.certify_sampling_tv(Fraction(0)) == 0
    agreement = d.certify_agreement([Fraction(1, 100), Fraction(1, 50)], [1, 4])
    assert 1 - Fraction(45, 1000) <= agreement < 1 - Fraction(449, 10000)
    assert d.certify_agreement([Fraction(5)], [9]) == 0


def test_guidance(results):
    assert results["guidance"].violations == 0
    assert results["guidance"].tightness == pytest.approx(1, abs=1e-9)


def test_support_under_filters():
    row = np.log(np.array([0.5, 0.3, 0.15, 0.05]))
    assert isinstance(d.certify_support(row, 0.1, top_k=2), Proved)
    assert isinstance(d.certify_support(row, 0.4, top_k=2), Unknown)
    assert isinstance(d.certify_support(row, 0.01, top_p=0.9), Proved)
    assert isinstance(d.certify_support(row, 0.2, top_p=0.9), Unknown)
    assert isinstance(d.certify_support(row, 0.001, top_p=0.95), Unknown)  # mass at the threshold


def test_support_claims_hold_for_random_errors():
    rng = np.random.default_rng(0)
    proved = 0
    for _ in range(300):
        row, zeta = rng.normal(size=6) * 2, float(rng.uniform(0, 0.2))
        k, p = int(rng.integers(0, 6)), float(rng.choice([0, 0.5, 0.9]))
        if not isinstance(d.certify_support(row, zeta, k, p), Proved):
            continue
        proved += 1
        for noise in rng.choice([-zeta, zeta], (8, 6)):
            assert _kept(row, k, p) == _kept(row + noise, k, p)
    assert proved > 50


def _kept(row, k, p):
    from varnum.model.sampling import filter_logits

    out = filter_logits(row[None], k, Fraction(str(p)))
    return set(np.flatnonzero(np.isfinite(out[0])).tolist())


ROW = np.array([3.0, 1.0, 0.5])
REFUSED = [
    lambda: d.certify_support(ROW, -1), lambda: d.certify_support(ROW, 0.1, top_k=-1),
    lambda: d.certify_support(ROW, 0.1, top_k=4), lambda: d.certify_support(ROW, 0.1, top_k=1.5),
    lambda: d.certify_support(ROW, 0.1, top_p=1.5), lambda: d.certify_support(ROW, 0.1, top_p=-0.1),
    lambda: d.certify_support(ROW, float("nan")), lambda: d.certify_support(ROW, float("inf")),
    lambda: d.certify_support(ROW, 0.1, top_p=float("nan")), lambda: d.certify_support([], 0.1),
    lambda: d.certify_support([1, float("nan")], 0.1), lambda: d.certify_support([ROW], 0.1),
    lambda: d.certify_support(np.ma.masked_array(ROW, [0, 1, 0]), 0.1),
    lambda: d.certify_support(ROW.astype(complex), 0.1),
    lambda: d.certify_support([2**60 + 1, 2**60], 0), lambda: d.certify_support("abc", 0.1),
    lambda: d.certify_tokens(ROW, -1.0), lambda: d.certify_tokens(ROW, np.array([0, -1e-300, 0])),
    lambda: d.certify_tokens(ROW, float("nan")), lambda: d.certify_tokens(np.zeros((2, 0)), 0.1),
    lambda: d.certify_tokens(np.array(["a"]), 0.1), lambda: d.certify_tokens(ROW, np.zeros(2)),
    lambda: d.certify_tokens(np.array([1.0, np.inf]), 0.1), lambda: d.certify_tokens(1.0, 0.1),
    lambda: d.certify_tokens(np.array([2, 1], object), 0.1),
    lambda: d.certify_tokens(ROW.astype(np.longdouble), 0.1),
    lambda: d.certify_sampling_tv(Fraction(-1)), lambda: d.certify_sampling_tv(float("nan")),
    lambda: d.certify_agreement([Fraction(1)], [-1]),
    lambda: d.certify_agreement([Fraction(1)], []),
    lambda: d.certify_agreement([Fraction(-1)], [1]),
]  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_what_cannot_be_certified_is_refused(call):
    with pytest.raises(InputError):
        call()


def test_ends_of_the_format():
    huge = np.array([1.7e308, -1.7e308])
    assert d.certify_tokens(huge, 8e307).tolist() is True
    assert d.certify_tokens(huge, 1.75e308).tolist() is False
    tiny = np.array([2.3e-308, 0.0])
    assert d.certify_tokens(tiny, 1.2e-308).tolist() is False
    assert isinstance(d.certify_support(tiny, 1.2e-308, top_k=1), Unknown)
    assert isinstance(d.certify_support(huge, 0.1, top_k=1), Proved)
    assert d.certify_sampling_tv(Fraction(10**6)) == 1
    with np.errstate(all="raise"):
        assert isinstance(d.certify_support([-1000.0, 0.0], 0.1, top_p=0.5), Proved)
