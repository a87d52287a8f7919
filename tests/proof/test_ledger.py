"""The ledger: every claim of the theory, and everything an entry names exists and agrees."""

from __future__ import annotations

import pytest

from varnum.proof import ledger

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


@pytest.mark.parametrize("claim", ledger.claims())
def test_entries_agree_with_what_they_name(claim):
    assert ledger.problems(ledger.claims()[claim]) == []


def test_unknown_keys_are_refused():
    with pytest.raises(TypeError, match="unknown keys"):
        ledger.read({"id": "x", "statment": "typo"})
