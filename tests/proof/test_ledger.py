"""The ledger: every claim of the theory, and everything an entry names exists and agrees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from varnum.proof import ledger
from varnum.proof.claim_page import render

THEORY = [
    "exp-supnorm",
    "minimal-degree",
    "taylor-relative",
    "degree-closed-form",
    "degree-minimax-curve",
    "additive-degree",
    "kernel-domain",
    "monomial-rank",
    "anisotropic-rank",
    "data-interval",
    "kernel-residual",
    "rank-reference",
    "rank-lower",
    "softmax-relative",
    "softmax-logit",
    "softmax-compose",
    "linear",
    "conv",
    "phi-conv",
    "area-pool",
    "nearest",
    "residual",
    "adaln",
    "attention-lipschitz",
    "bicubic-lebesgue",
    "layernorm-range",
    "layernorm-lipschitz",
    "groupnorm",
    "gelu-lipschitz",
    "silu-lipschitz",
    "argmax-margin",
    "sampling-tv",
    "guidance",
    "float-forward",
    "paper-model",
    "var-model",
    "end-to-end",
    "norm-composition",
    "affine",
    "run-enclosure",
    "estimate_first_order",
    "cost-exact",
    "cost-lowrank",
    "crossover",
    "regime-exponent",
    "seth-head",
    "ov-head",
    "sat-to-ov",
    "ov-to-hamming",
    "var-wrap",
    "kv-capacity",
    "kv-recompute",
    "kv-lowrank",
    "tc0-depth",
    "precision-p",
    "flowar",
    "looped-fixed-points",
    "tsf-floor",
]


def test_every_claim_of_the_theory_has_an_entry():
    assert set(THEORY) <= set(ledger.claims())


def test_no_entry_is_left_open():
    assert [name for name, claim in ledger.claims().items() if claim.assurance == "open"] == []


@pytest.mark.parametrize("claim", ledger.claims())
def test_entries_agree_with_what_they_name(claim):
    assert ledger.problems(ledger.claims()[claim]) == []


def test_unknown_keys_are_refused():
    with pytest.raises(TypeError, match="unknown keys"):
        ledger.read({"id": "x", "statment": "typo"})


GOOD = ledger.claims()["guidance"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": ("varnum.nowhere",)}, "code varnum.nowhere does not exist"),
        ({"code": ("varnum.proof.ledger.nothing",)}, "does not exist"),
        ({"code": ("os.path.join",)}, "does not exist"),
        ({"code": ()}, "no code is named"),
        ({"assurance": "sure"}, "assurance 'sure'"),
        ({"tests": ("tests/proof/test_ledger.py::test_nothing",)}, "does not exist"),
    ],
)
def test_a_wrong_entry_is_seen(change, said):
    found = ledger.problems(replace(GOOD, **change))
    assert any(said in text for text in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# other\n\n## Why\n", "does not begin with"),
        ("# guidance\n\nIt is so.\n", "no section 'Why'"),
        ("# guidance\n\n## Why\n\n## How tight\n", "repeats"),
    ],
)
def test_a_page_of_another_shape_is_seen(text, said, monkeypatch):
    monkeypatch.setattr(ledger, "page", lambda _: text)
    assert any(said in found for found in ledger.problems(GOOD))


def test_a_page_without_front_matter_is_refused():
    with pytest.raises(ValueError, match="front matter"):
        ledger.split("# guidance\n")


def test_a_page_shows_everything_once():
    text = render(GOOD)
    for part in (GOOD.statement, *GOOD.hypotheses, GOOD.tight, *GOOD.code, *GOOD.tests):
        assert text.count(part) == 1, part
    assert "guidance.smt2" in text


def test_every_page_is_listed_once():
    listed = list(ledger.claims())
    pages = {path.stem for path in ledger.data_folder("proofs").glob("*.md")}
    assert len(set(listed)) == len(listed)
    assert set(listed) == pages
