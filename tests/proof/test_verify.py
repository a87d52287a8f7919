"""verify: what counts as a pass, and what never does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from varnum.errors import InputError, MissingExtra
from varnum.proof import ledger
from varnum.proof import verify as module
from varnum.proof.verify import Item, Report, verify
from varnum.verdict import Proved, Refuted, Unknown


@pytest.fixture(scope="module")
def report():
    return verify("softmax-compose", trials=50)


def test_one_claim(report):
    kinds = {item.kind for item in report.items}
    assert kinds == {"ledger", "obligation", "twin", "value", "ball", "check"}
    assert report.exit_code == 0
    assert isinstance(report.verdict("softmax-compose"), Proved)
    (check,) = [i for i in report.items if i.kind == "check"]
    assert check.measured / check.claimed == pytest.approx(1, abs=1e-6)


def test_the_whole_ledger():
    found = verify(checks=False)
    assert [i for i in found.items if not isinstance(i.verdict, Proved)] == []
    assert {i.claim for i in found.items} == set(ledger.claims())
    assert {i.kind for i in found.items} == {"ledger", "obligation", "twin", "value", "ball"}


def test_json(report):
    found = json.loads(json.dumps(report.to_dict()))
    (claim,) = found["claims"]
    assert claim["verdict"] == "Proved"
    assert claim["assurance"] == "coq"
    witnesses = [i["detail"] for i in claim["items"] if i["kind"] == "twin"]
    assert witnesses
    assert all("witness" in w for w in witnesses)


def test_progress_names_each_claim():
    seen = []
    verify("nearest", checks=False, progress=seen.append)
    assert seen == ["nearest"]


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="claim:"):
        verify("no-such-claim")
    with pytest.raises(InputError, match="require:"):
        verify("nearest", require=["yices"])


def test_a_required_solver_that_is_missing(monkeypatch):
    monkeypatch.setattr(module, "installed", lambda: ("z3",))
    with pytest.raises(MissingExtra, match="cvc5"):
        verify("nearest", require=["cvc5"])
    report = verify("linear", checks=False)
    assert report.absent == ("cvc5",)
    assert all("cvc5" not in i.name for i in report.items)


def test_without_any_solver_obligations_are_unknown(monkeypatch):
    monkeypatch.setattr(module, "installed", lambda: ())
    report = verify("linear", checks=False)
    assert report.exit_code == 3
    assert isinstance(report.verdict("linear"), Unknown)


def test_a_check_that_cannot_run_is_unknown(monkeypatch):
    def missing(name):
        raise ImportError("torch is not installed")

    monkeypatch.setattr(module.checking, "load", missing)
    report = verify("nearest")
    assert report.exit_code == 3
    assert isinstance(report.verdict("nearest"), Unknown)


def test_the_worst_item_decides():
    good, unknown = Item("x", "check", "a", Proved("")), Item("x", "check", "b", Unknown("?"))
    bad = Item("x", "check", "c", Refuted(None))
    assert Report((good, unknown), {}, ()).exit_code == 3
    assert Report((good, unknown, bad), {}, ()).exit_code == 1
    assert isinstance(Report((unknown, bad, good), {}, ()).verdict("x"), Refuted)
    assert Report((), {}, ()).exit_code == 3
    only_ledger = Report((Item("x", "ledger", "x", Proved("")),), {}, ())
    assert isinstance(only_ledger.verdict("x"), Unknown)
    assert only_ledger.exit_code == 3  # nothing ran


def test_works_from_package_data(tmp_path, monkeypatch):
    """proofs/ and checks/ are found inside the package first, as in an installed wheel."""
    package = tmp_path / "varnum"
    for name in ("proofs", "checks"):
        (package / "_data" / name).mkdir(parents=True)
    monkeypatch.setattr(ledger.resources, "files", lambda _: package)
    assert ledger.data_folder("proofs") == package / "_data" / "proofs"
    (package / "_data" / "proofs").rmdir()
    with pytest.raises(FileNotFoundError, match="proofs"):
        ledger.data_folder("proofs")


def test_the_module_of_the_verb_loads_nothing_heavy():
    code = (
        "import sys, varnum.cli.verify\n"
        "assert not {'numpy', 'sympy', 'flint', 'z3', 'cvc5', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr


def test_value_pins_decide_exactly():
    claim = ledger.claims()["softmax-relative"]
    right = claim.values[0]
    assert isinstance(module._value_item(claim, right).verdict, Proved)
    for wrong in ("1/4", "0.333", "33334/100003"):
        verdict = module._value_item(claim, replace(right, is_=wrong)).verdict
        assert isinstance(verdict, Proved) == (wrong == "0.333")
