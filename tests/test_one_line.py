"""A new verb, claim or figure is one file and one line in a table; nothing else has to know it.

A new method is tried in tests/lowrank/test_laws.py; a new model on its how-to page.
"""

from __future__ import annotations

import doctest
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from varnum.audit import fields, schema
from varnum.audit.calls.call_audit import audit_call
from varnum.audit.calls.call_task import CallTask
from varnum.audit.calls.view import view_of
from varnum.audit.task import Target
from varnum.cli import VERBS, main
from varnum.proof import claim_page, ledger
from varnum.proof.verify import verify
from varnum.verdict import Proved

PAGES = Path(__file__).parents[1] / "docs" / "how-to"


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of `varnum LINE`, in this process."""
    monkeypatch.setattr(sys, "argv", ["varnum", *line.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is the template of the how-to page, up to its first call."""
    shown = doctest.DocTestParser().get_examples((PAGES / "add-a-verb.md").read_text())
    calls = [i for i, part in enumerate(shown) if part.source.startswith("features(")]
    made = ModuleType("varnum.cli.features")
    exec("".join(part.source for part in shown[: calls[0]]), vars(made))
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.setitem(VERBS, "features", "How many features a degree needs.")
    assert run("--help", monkeypatch) == 0
    assert "\n  features" in capsys.readouterr().out
    assert run("features --help", monkeypatch) == 0
    assert "Example: varnum features" in capsys.readouterr().out
    assert run("features --d 64 --degree 4 --json", monkeypatch) == 0
    assert json.loads(capsys.readouterr().out)["features"] == 814385
    assert run("features --d 0 --degree 4", monkeypatch) == 2
    assert capsys.readouterr().err.startswith("varnum: error: --d: 0 ")


ENTRY = """+++
statement = "On [-1, 1] Taylor's polynomial of degree 0 is off by e - 1, relative."
hypotheses = []
source = "derived here"
repaired = ""
tight = "exact"
assurance = "words"
code = ["varnum.approx.closed.certify_taylor_error"]
tests = ["tests/approx/test_supnorm.py"]

[[value]]
formula = "exp.taylor_error"
at = { g = "0", M = "1" }
is = "1.718281828459"
+++
# dummy

## Why

The largest of |1 - e^x| e^-x is at -1.
"""


@pytest.fixture
def proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of proofs with one line in its order; pages are the test's."""
    (tmp_path / "order.toml").write_text('"1-exp" = ["dummy"]\n')
    real = ledger.data_folder
    here = {"proofs": tmp_path}
    monkeypatch.setattr(ledger, "data_folder", lambda name: here.get(name) or real(name))
    ledger.claims.cache_clear()
    yield tmp_path
    ledger.claims.cache_clear()


def test_a_claim(proofs: Path) -> None:
    (proofs / "dummy.md").write_text(ENTRY)
    assert ledger.problems(ledger.claims()["dummy"]) == []
    assert isinstance(verify("dummy").verdict("dummy"), Proved)
    assert "relative" in claim_page.render(ledger.claims()["dummy"])


def test_a_false_claim(proofs: Path) -> None:
    (proofs / "dummy.md").write_text(ENTRY.replace("1.718281828459", "1.718281828469"))
    assert verify("dummy").exit_code == 1


def test_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of calls, which do not have it, say None; the schema describes it."""
    mean = fields.Field(
        "mean", fields.NUMBER, fields.ESTIMATED, "mean of the logits", "mean logit",
        heads=fields.LOGITS, ranged=1,
    )  # fmt: skip
    monkeypatch.setattr(fields, "FIELDS", (*fields.FIELDS, mean))
    shown = schema.document()["properties"]["rows"]["items"]["properties"]["mean"]
    assert shown["description"] == "mean of the logits (estimated)"
    q, k, v = np.random.default_rng(0).standard_normal((3, 12, 2))
    targets = (Target.of(Fraction(1, 10)),)
    task = CallTask({}, q, k, v, 1.0, view_of(None, 12, 12, "full"), targets)
    bare = replace(task, view=None, mask=np.eye(12, dtype=bool), reason="a mask")
    for row in (*audit_call(task), *audit_call(bare)):
        assert row["mean"] is None
        assert set(row["scales"][0]) == {*fields.of("part")}
