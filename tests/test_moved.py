"""Old module paths: they still serve, they warn, and nothing of ours uses them."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from varnum import _gone
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.random_weights import random_model
from varnum.model.transformer import Numbers, join_heads

ROOT = Path(__file__).parents[1]
HELPER = "from varnum._moved import moved"
SHIMS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "varnum").rglob("*.py")
    if f"{HELPER}\n\n__getattr__" in path.read_text()
}

# old path -> names that others may have taken from it
NAMES = {
    "varnum.lowrank.rounding": ["EXP_ULPS", "UNIT", "TINY", "dtype_name", "up", "gamma"],
    "varnum.lowrank.backend": ["namespace", "light", "caster", "to_numpy", "extremes"],
    "varnum.lowrank.arrays": [
        "check_inputs",
        "check_kind",
        "split_heads",
        "merge",
        "to_double",
        "detached",
    ],
    "varnum.cli.bound_text": ["FAR", "headline", "sentence", "big", "short"],
    "varnum.lowrank.values": ["ValueRange", "Offset"],
    "varnum.lowrank.exact": ["exact_rows", "exact_error", "kernel_error", "logit_spread"],
    "varnum.lowrank.kernel": ["LowRankKernel", "fit_kernel", "certify_kernel"],
    "varnum.lowrank.recompress": ["Turn", "fit_turn", "certify_relative"],
    "varnum.lowrank.polynomial": ["PolynomialKernel", "fit_polynomial", "CHUNK"],
    "varnum.lowrank.state": ["MomentState", "Bounds"],
    "varnum.lowrank.basis": ["Basis", "fit_basis", "slack", "unit_of"],
    "varnum.lowrank.policy": ["Choice", "estimate_best", "sample"],
    "varnum.lowrank.varform": ["VarAttention", "Outcome", "attend_scales", "_far"],
    "varnum.lowrank.factors": ["Kernel", "attend"],
    "varnum.lowrank.geometry": ["Frame", "fit_frame", "row_norms", "frobenius"],
    "varnum.lowrank.bounds": ["certify_rank_lower", "estimate_rank_reference", "MOST_TOKENS"],
    "varnum.lowrank.ranks": ["rank", "rank_published", "largest_degree"],
    "varnum.hardness.rounding": ["UNIT", "gamma", "softmax_head_error"],
    "varnum.audit.rows": ["RowFile", "digest_of", "digest_of_file", "key_of", "CHECK", "KEY"],
    "varnum.audit.row_fields": ["wrong_field", "Row", "HEAD", "SCALE", "BUDGET", "STEP"],
    "varnum.audit.choices": ["run_exactly", "certified_calls", "certified_kernel"],
    "varnum.audit.work": ["Crew", "Here", "processes", "cluster", "default_jobs", "one_thread"],
    "varnum.audit.report": ["page", "reproduce"],
    "varnum.audit.charts": ["heat_map", "cost_curves"],
    "varnum.audit.assurance": ["ASSURANCE", "PROVED", "RUN", "MEASURED", "ESTIMATED"],
    "varnum.audit.columns": ["HEADS", "SCALES"],
    "varnum.audit.numbers": ["above", "below", "DIGITS"],
    "varnum.approx.certificate": ["SCHEMA", "certificate"],
    "varnum.audit.budget": ["BudgetWalk"],
    "varnum.audit.head": ["audit_head"],
    "varnum.audit.output": ["Monomials", "Leading", "Output", "fit_leading", "certify_output"],
    "varnum.audit.stream": ["Layer", "run_layers", "layer_weights", "generate_tokens"],
    "varnum.hardness.report": ["KERNEL_EPS", "PROVED", "HYPOTHESES", "regime_of", "steps_of"],
    "varnum.propagate.exact": ["Ranges", "run_blocks", "certify_ranges", "largest_error"],
    "varnum.propagate.interpolation": ["axis_growth", "growth", "supremum", "schedule_growth"],
    "varnum.propagate.rounding": ["UNIT", "TINY", "Arithmetic", "linear", "layer_norm", "gelu"],
    "varnum.propagate.vqvae": ["GROUPS", "certify_reconstruction", "certify_decoder"],
}


def test_the_table_is_whole() -> None:
    assert set(NAMES) == SHIMS


@pytest.mark.parametrize("old", NAMES)
def test_an_old_path_warns_and_serves(old: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=re.escape(old)) as seen:
        module = importlib.import_module(old)
    assert len(seen) == 1
    assert all(getattr(module, name) is not None for name in NAMES[old])
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


@pytest.mark.parametrize(
    ("room", "name"), [("pivots", "PivotMap"), ("monomials", "exponents"), ("moments", "Forms")]
)
def test_a_module_that_is_a_room_now_serves_its_names(room: str, name: str) -> None:
    module = importlib.import_module(f"varnum.lowrank.{room}")
    with pytest.warns(DeprecationWarning, match=f"{room}.{name}"):
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("varnum.model.transformer", "project_qkv"),
        ("varnum.model.transformer", "mlp"),
        ("varnum.proof.obligation", "all_obligations"),
        ("varnum.proof.obligation", "write"),
    ],
)
def test_a_module_that_stayed_serves_the_names_that_left_it(old: str, name: str) -> None:
    module = importlib.import_module(old)
    with pytest.warns(DeprecationWarning, match=name):
        assert callable(getattr(module, name))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


def test_what_the_house_no_longer_uses_still_works() -> None:
    var, made = preset("var-tiny")[0], random_model(*preset("var-tiny"), seed=0)
    x = np.random.default_rng(1).normal(size=(1, 5, var.embed_dim))
    model = made.to(Backend()).var_weights
    ops = Numbers(model, var)
    heads = ops.attend(*_gone.project_qkv(model, var, 1, x), None)
    assert np.array_equal(join_heads(heads), ops.attention(ops.project(x, 1), 1))
    assert np.array_equal(_gone.mlp(model, 1, x), ops.mlp(x, 1))
    assert _gone.sample(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert _gone.detached(x) is x


def test_the_class_that_users_hold_is_the_same_by_both_paths() -> None:
    import varnum

    sys.modules.pop("varnum.lowrank.varform", None)
    with pytest.warns(DeprecationWarning, match="varnum.lowrank.stream"):
        old = importlib.import_module("varnum.lowrank.varform")
    assert old.VarAttention is varnum.VarAttention


def test_it_serves_what_was_there() -> None:
    sys.modules.pop("varnum.hardness.rounding", None)
    with pytest.warns(DeprecationWarning, match="varnum.floats.rounding"):
        old = importlib.import_module("varnum.hardness.rounding")
    assert old.UNIT * 2**53 == 1  # exact there, a table of floats where it is now
    assert old.gamma(10) == 10 * old.UNIT / (1 - 10 * old.UNIT)


@pytest.mark.parametrize("room", ["varnum", "tests", "checks", "docs"])
def test_nothing_of_ours_uses_an_old_path(room: str) -> None:
    forms = [rf"{re.escape(old)}\b" for old in sorted(SHIMS)]
    for parent, _, leaf in (old.rpartition(".") for old in sorted(SHIMS)):
        forms.append(rf"from {re.escape(parent)} import [^\n]*\b(?<! as ){leaf}\b")
    used = re.compile("|".join(forms))
    for path in (ROOT / room).rglob("*"):
        if path.suffix in {".py", ".md", ".toml"} and path != Path(__file__):
            found = used.search(path.read_text())
            assert found is None, f"{path.relative_to(ROOT)}: {found and found.group()}"
