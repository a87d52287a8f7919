"""The checks of the first two sections run, find nothing, and find a claim made slightly false."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from varnum.proof.checking import judge, load
from varnum.verdict import Proved, Refuted

CLAIMS = {
    "polynomial": {"exp-supnorm", "minimal-degree", "kernel-domain"},
    "rank": {
        "monomial-rank",
        "anisotropic-rank",
        "data-interval",
        "kernel-residual",
        "rank-lower",
        "moment-certificate",
        "recovery",
    },
}
TIGHT = CLAIMS["polynomial"] | {"monomial-rank", "anisotropic-rank"}  # attained; the rest is not


@pytest.mark.parametrize("name", CLAIMS)
def test_no_violation(name: str) -> None:
    results = load(name).measure(trials=100, seed=1)
    assert isinstance(judge(results), Proved)
    assert {r.claim for r in results} == CLAIMS[name]
    for r in results:
        assert r.tightness > (0.999 if r.claim in TIGHT else 0.005), r
        assert r.random > 0
        assert r.adversarial > 0


def test_a_sup_norm_one_percent_smaller_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("polynomial")
    honest = module.certify_supnorm

    def false(*arguments):
        norm = honest(*arguments)
        return replace(norm, high=norm.high * 99 / 100)

    monkeypatch.setattr(module, "certify_supnorm", false)
    results = {r.claim: r for r in module.measure(trials=40, seed=1)}
    assert all(r.violations for r in results.values())  # each claim sees it at its own points
    assert isinstance(judge(list(results.values())), Refuted)


def test_a_polynomial_certified_on_the_narrow_interval_is_refuted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kernel-domain, the repair: the polynomial of 0.95 of the interval fails beyond it."""
    module = load("polynomial")
    exchange, certify = module.remez, module.certify_supnorm

    def narrow(target):
        return module.relative(target.high * Fraction(95, 100))

    monkeypatch.setattr(module, "remez", lambda t, *rest: exchange(narrow(t), *rest))
    monkeypatch.setattr(module, "certify_supnorm", lambda t, *rest: certify(narrow(t), *rest))
    results = {r.claim: r for r in module.measure(trials=40, seed=1)}
    assert results["kernel-domain"].violations > 0


FALSE = {  # what is claimed, times this, breaks: just below 1 where attained
    "monomial-rank": 0.99,
    "anisotropic-rank": 0.99,
    "data-interval": 0.005,
    "kernel-residual": 0.3,
    "rank-lower": 0.7,
    "moment-certificate": 0.01,
    "recovery": 0.8,
}


@pytest.mark.parametrize(("claim", "factor"), FALSE.items())
def test_a_smaller_bound_is_refuted(
    monkeypatch: pytest.MonkeyPatch, claim: str, factor: float
) -> None:
    module = load("rank")
    what, honest = module.CLAIMS[claim]

    def false(*arguments):
        measured, claimed = honest(*arguments)
        return measured, factor * claimed

    monkeypatch.setattr(module, "CLAIMS", {claim: (what, false)})
    assert isinstance(judge(module.measure(trials=100, seed=1)), Refuted)
