"""The checks of series and caches run, find nothing, and find claims made slightly false."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from varnum.proof.checking import judge, load
from varnum.verdict import Proved, Refuted

CLAIMS = {
    "series": {"tsf-floor", "tsf-two-heads", "tsf-escapes", "tsf-mean", "tsf-asymmetric",
               "tsf-lazy", "tsf-experiment"},
    "caches": {"merge-error", "evict-mass", "evict-identity", "evict-floor", "kv-sparse-rows",
               "kv-capacity-scale"},
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_no_violation(name: str) -> None:
    results = load(name).measure(trials=300, seed=2)
    assert isinstance(judge(results), Proved)
    assert {r.claim for r in results} == CLAIMS[name]
    for r in results:
        assert r.random > 0
        assert r.adversarial > 0
        assert r.tightness > {"tsf-experiment": 0.4, "merge-error": 0.9}.get(r.claim, 0.999), r


def test_a_floor_one_percent_larger_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("series")
    honest = module.floor

    def false(*arguments):
        found = honest(*arguments)
        return replace(found, value=found.value * 101 / 100)

    monkeypatch.setattr(module, "floor", false)
    results = {r.claim: r for r in module.measure(trials=200, seed=2)}
    assert results["tsf-floor"].violations > 0
    assert isinstance(judge(list(results.values())), Refuted)


@pytest.mark.parametrize("part", ["error", "dropped_error", "mass"])
def test_bounds_of_a_cache_a_little_smaller_are_refuted(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    module = load("caches")
    honest = module.Clusters.attend

    def false(self, q):
        found = honest(self, q)
        return replace(found, **{part: np.asarray(getattr(found, part)) * 0.99})

    monkeypatch.setattr(module.Clusters, "attend", false)
    claim = {"error": "merge-error", "dropped_error": "evict-identity", "mass": "evict-mass"}[part]
    results = [r for r in module.measure(trials=2000, seed=2) if r.claim == claim]
    assert sum(r.violations for r in results) > 0
