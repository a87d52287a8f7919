"""Lower bounds in the ledger: files as printed, solvers agree, false versions are seen."""

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp
import z3

from varnum.formulas import hardness as forms
from varnum.proof import ledger
from varnum.proof.hardness_obligations import HARDNESS

CLAIMS = (
    "regime-exponent", "seth-head", "ov-head", "sat-to-ov", "ov-to-hamming", "var-wrap",
    "kv-capacity", "kv-recompute", "kv-lowrank",
)  # fmt: skip
by_name = {o.name: o for o in HARDNESS}


def z3_says(text):
    solver = z3.Solver()
    solver.set("timeout", 20_000)
    solver.from_string(text)
    return str(solver.check())


@pytest.mark.parametrize("obligation", HARDNESS, ids=lambda o: o.name)
def test_obligation_is_unsat_its_twin_sat_and_the_files_are_as_printed(obligation):
    proof, twin = obligation.texts().items()
    assert (z3_says(proof[1]), z3_says(twin[1])) == ("unsat", "sat")
    assert obligation.witness_holds()
    for name, text in (proof, twin):
        assert (ledger.data_folder("proofs") / name).read_text("utf-8") == text


@pytest.mark.parametrize("obligation", HARDNESS, ids=lambda o: o.name)
def test_hypotheses_do_not_contradict_each_other(obligation):
    twin = obligation.texts()[f"{obligation.name}.sat.smt2"]
    before, _, _ = twin.partition("; the conclusion, negated")
    assert z3_says(before + "(check-sat)") == "sat"


@pytest.mark.parametrize("claim", CLAIMS)
def test_ledger_entries_are_consistent(claim):
    entry = ledger.claims()[claim]
    assert ledger.problems(entry) == []
    assert ledger.problems(replace(entry, tight="very"))
    assert ledger.problems(replace(entry, tests=("tests/hardness/test_head.py::test_absent",)))


def _mutate(name, **changes):
    return next(iter(replace(by_name[name], **changes).texts().values()))


def test_slightly_false_obligations_are_not_proved():
    far = by_name["seth-head-far"]
    weaker = tuple(r for r in far.assume if r != sp.Le(3 * forms.n * forms.w, 1))
    assert z3_says(_mutate("seth-head-far", assume=weaker)) == "sat"
    close = sp.Le(Fraction(298, 100).limit_denominator() * forms.n * forms.w, 1)
    assert z3_says(_mutate("seth-head-far", assume=(*weaker, close))) == "sat"
    for name in ("var-wrap-far", "kv-capacity-weight", "seth-head-decide-far"):
        assert z3_says(_mutate(name, conclude=by_name[name].twin.conclude)) == "sat"
