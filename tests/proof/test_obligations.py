"""Obligations: printed from the formulas, decided by every solver present, twins with a witness."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from varnum.errors import MissingExtra
from varnum.proof import ledger
from varnum.proof.obligations import all_obligations
from varnum.proof.solvers import Solver, installed
from varnum.verdict import Proved, Refuted, Unknown

OBLIGATIONS = {o.name: o for o in all_obligations()}


@pytest.mark.parametrize("name", OBLIGATIONS)
def test_stored_files_are_what_the_formulas_print(name):
    for file, text in OBLIGATIONS[name].texts().items():
        stored = (ledger.data_folder("proofs") / file).read_text("utf-8")
        assert stored == text, file
        assert f"(set-info :status {'sat' if file.endswith('.sat.smt2') else 'unsat'})" in text


def test_no_file_is_left_without_an_obligation():
    printed = {file for o in OBLIGATIONS.values() for file in o.texts()}
    stored = {path.name for path in ledger.data_folder("proofs").glob("*.smt2")}
    assert stored == printed


@pytest.mark.parametrize("name", OBLIGATIONS)
def test_the_twins_witness_is_a_counterexample_exactly(name):
    o = OBLIGATIONS[name]
    assert o.witness_holds()
    assert o.twin.says


def test_a_witness_that_is_none_is_refused():
    o = OBLIGATIONS["softmax-compose"]
    true_claim = replace(o.twin, conclude=o.conclude)  # the claim itself has no counterexample
    assert not replace(o, twin=true_claim).witness_holds()


@pytest.mark.parametrize("solver", ["z3", "cvc5"])
def test_every_obligation_is_decided(solver):
    if solver not in installed():
        pytest.skip(f"{solver} is not installed")
    with Solver(solver, timeout=20) as decide:
        for o in OBLIGATIONS.values():
            for file, text in o.texts().items():
                assert isinstance(decide.decide(text), Proved), (file, decide.decide(text))


HARD = """(set-info :status unsat)
(declare-const a Int)(declare-const b Int)(declare-const c Int)
(assert (= (+ (* a a a) (* b b b) (* c c c)) 114))
(check-sat)
"""


def test_the_time_limit_ends_the_child():
    with Solver("z3", timeout=1.0) as solver:
        solver.decide("(set-info :status sat)\n(check-sat)\n")
        start = time.monotonic()
        verdict = solver.decide(HARD)
        assert isinstance(verdict, Unknown)
        assert "no answer" in verdict.reason or "unknown" in verdict.reason
        assert time.monotonic() - start < 30  # ended, not waited for
        again = solver.decide("(set-info :status sat)\n(check-sat)\n")
        assert isinstance(again, Proved)  # and the next problem gets a fresh child


@pytest.mark.parametrize(
    "text",
    [
        "(check-sat)",
        "(set-info :status unsat)\n(set-info :status sat)\n(check-sat)",
        "(set-info :status unsat)\n",
        "(set-info :status unsat)\n(assert (this is no SMT-LIB\n(check-sat)",
        "",
    ],
)
def test_what_cannot_be_decided_is_unknown(text):
    with Solver("z3", timeout=5) as solver:
        assert isinstance(solver.decide(text), Unknown)


def test_a_false_obligation_is_refuted_with_a_witness():
    text = OBLIGATIONS["softmax-compose"].texts()["softmax-compose.sat.smt2"]
    with Solver("z3", timeout=10) as solver:
        verdict = solver.decide(text.replace(":status sat", ":status unsat"))
        assert isinstance(verdict, Refuted)
        assert verdict.witness["u"] == "2"


def test_a_missing_solver_is_named(monkeypatch):
    monkeypatch.setattr("varnum.proof.solvers.installed", lambda: ("z3",))
    with pytest.raises(MissingExtra, match="cvc5"), Solver("cvc5"):
        pass
