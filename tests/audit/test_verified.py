"""The kernel error that ensembles verify, beside the budget in norms."""

from __future__ import annotations

import json
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from tests.propagate.ensemble.runs import small
from tests.propagate.ensemble.test_oracle import adversary
from varnum.audit import schema, verified
from varnum.audit.page.page import page
from varnum.audit.row_check import wrong_field
from varnum.audit.summary import summarise, text
from varnum.model.backend import Backend
from varnum.model.generate import teacher_forced_logits

LABEL = "proved for this run, up to chance 1e-6"
OPTIONS = ["audit", "--random", "var-tiny", "--output-error", "1e-1", "--jobs", 1]


@pytest.fixture
def asked(monkeypatch):
    """Calls of the search, which answers 1/1024, 2/1024, ..; or None once `refuse` is set."""
    calls = SimpleNamespace(seen=[], refuse=False)

    def found(model, label, tokens, **given):
        calls.seen.append((label, tokens.shape, given["model_error"], given["chance"]))
        if calls.refuse:
            return SimpleNamespace(kernel_error=None, reason="site blocks.0 <refuses>")
        return SimpleNamespace(kernel_error=f"{len(calls.seen)}/1024", reason="")

    monkeypatch.setattr(verified, "error_of", found)
    return calls


@pytest.fixture
def shallow(tmp_path):
    (tmp_path / "one.json").write_text('{"depth": 1}')
    return [*OPTIONS, "--config", tmp_path / "one.json"]


def budgets_of(rows):
    return [row for row in rows if row["kind"] == "budget"]


def test_no_kernel_within_it_leaves_the_model_error():
    """The real search; the same adversaries see a kernel error that is a hundred times as large."""
    model, tokens = small(4, embed_dim=8)
    row = verified.whp_kernel_error(model, 1, tokens[0], Fraction(1, 1000), 1, lambda _: None)
    assert (row["kernel_error_assurance"], set(row)) == (
        LABEL, {"kernel_error", "kernel_error_assurance"},
    )  # fmt: skip
    wide, rng = model.to(Backend()), np.random.default_rng(0)
    exact = teacher_forced_logits(wide, [1], tokens)

    def worst(eps):
        kernels = [adversary(trial % 3, eps, rng) for trial in range(30)]
        moved = [teacher_forced_logits(wide, [1], tokens, kernel) for kernel in kernels]
        return max(float(np.abs(m - exact).max()) for m in moved)

    assert worst(row["kernel_error"]) <= 1e-3 < worst(100 * row["kernel_error"])


def test_once_per_run_and_the_chance_is_of_all_rows_together(varnum, shallow, asked, tmp_path):
    options = [*shallow, "--labels", "1,2", "--model-error", "1/2"]
    path, html = tmp_path / "rows.jsonl", tmp_path / "page.html"
    code, out, err = varnum(*options, "--json", "--out", path, "--html", html)
    assert (code, err) == (0, "")
    half = Fraction(1, 2 * 10**6)
    assert asked.seen == [(1, (1, 30), "0.5", half), (2, (1, 30), "0.5", half)]
    document = json.loads(out)
    assert [row["kernel_error"] for row in budgets_of(document["rows"])] == [1 / 1024, 2 / 1024]
    for row in budgets_of(document["rows"]):
        assert (row["assurance"], row["kernel_error_assurance"]) == ("estimated", LABEL)
    group = document["summary"][0]
    assert (group["kernel_error"], group["kernel_error_assurance"]) == (1 / 1024, LABEL)
    assert group["budget_eps"] < group["kernel_error"]
    assert document["assurance_of"]["kernel_error"] == "with high probability"
    assert f'0.000976 <span class="tag run">{LABEL}</span> in every layer' in html.read_text()
    shown = text([group])
    assert shown[-1] == f"kernel error 0.000976 keeps them: {LABEL}"
    assert max(map(len, shown)) <= 80
    jsonschema = pytest.importorskip("jsonschema")
    assert jsonschema.Draft202012Validator(schema.document()).is_valid(document)
    whole = path.read_bytes()  # a row that is there is not drawn again
    path.write_bytes(whole[:-1])
    assert varnum(*options, "--out", path, "--resume")[0] == 0
    assert len(asked.seen) == 3
    plain = varnum(*shallow, "--labels", "1,2", "--out", path, "--resume")
    assert "different: model_error, model_error_verified" in plain[2]


def test_refused_is_said_with_its_reason(varnum, shallow, asked):
    asked.refuse = True
    code, out, _ = varnum(*shallow, "--model-error", "1", "--json")
    rows = json.loads(out)["rows"]
    (row,) = budgets_of(rows)
    assert (code, row["kernel_error"]) == (0, None)
    assert row["kernel_error_reason"] == "site blocks.0 <refuses>"
    assert row["eps"] > 0
    groups = summarise(rows)
    assert groups[0]["kernel_error"] is None
    assert text(groups)[-1] == "kernel error verified for this run: none; --json says why"
    assert "site blocks.0 &lt;refuses&gt;" in page(rows, groups, {}, "varnum audit")
    jsonschema = pytest.importorskip("jsonschema")
    assert jsonschema.Draft202012Validator(schema.document()).is_valid(json.loads(out))
    for name in ("kernel_error", "kernel_error_assurance", "kernel_error_reason"):
        assert wrong_field({n: v for n, v in row.items() if n != name}) == name
    assert wrong_field(row | {"kernel_error": 0.1}) == "kernel_error_reason"
    assert wrong_field(row) is None


def test_without_the_option_nothing_is_drawn(varnum, shallow, asked):
    code, out, _ = varnum(*shallow, "--json")
    document = json.loads(out)
    (row,) = budgets_of(document["rows"])
    assert (code, asked.seen) == (0, [])
    assert not [name for name in (*row, *document["summary"][0]) if "kernel_error" in name]
    assert list(document["question"])[-2:] == ["model_error", "every_rank"]


def test_a_model_error_too_large_for_the_search(varnum):
    code, out, err = varnum(*OPTIONS, "--model-error", "1e6")
    assert (code, out) == (2, "")
    assert "model-error: 1e6 is not allowed; below 1000000" in err
