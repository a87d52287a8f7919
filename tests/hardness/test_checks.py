"""The checks run, find nothing, and find something when the claim is made slightly false."""

import pytest

from varnum.hardness import decide
from varnum.proof.checking import judge, load
from varnum.verdict import Proved, Refuted

CLAIMS = {
    "hardness_heads": {"seth-head", "ov-head", "sat-to-ov", "ov-to-hamming", "var-wrap"},
    "hardness_kv": {"kv-capacity", "kv-lowrank", "kv-recompute"},
    "hardness_regime": {"regime-exponent"},
}


@pytest.mark.parametrize("name", CLAIMS)
def test_no_violation_and_tight(name):
    results = load(name).measure(trials=60, seed=1)
    assert isinstance(judge(results), Proved)
    assert {r.claim for r in results} == CLAIMS[name]
    for r in results:
        assert r.tightness > 0.95 or r.claimed == 0


def test_a_threshold_slightly_off_is_refuted(monkeypatch):
    monkeypatch.setattr(decide, "THRESHOLD", 0.38)
    module = load("hardness_heads")
    assert isinstance(judge(module.measure(trials=60, seed=1)), Refuted)


def test_a_rank_slightly_smaller_is_refuted(monkeypatch):
    module = load("hardness_regime")
    monkeypatch.setattr(module, "regime_exponent", lambda b, c, p: (
        load("hardness_regime").regime_exponent(b, c, p)[0] * 0.99,
    ))  # fmt: skip
    assert isinstance(judge(module.measure(trials=60, seed=1)), Refuted)
