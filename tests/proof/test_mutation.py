"""Corrupt each obligation, each ledger entry and each formula in turn: something must notice.

Kept in the suite on purpose: it is what makes the other tests of this folder worth their name.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import fields, replace
from shutil import copytree

import pytest
import sympy as sp

from varnum import formulas
from varnum.formulas.core import Formula
from varnum.proof import ledger
from varnum.proof import verify as module
from varnum.proof.obligations import all_obligations
from varnum.proof.solvers import Solver
from varnum.verdict import Proved

OBLIGATIONS = {o.name: o for o in all_obligations()}
FORMULAS = {
    f"{info.name}.{name}": value
    for info in pkgutil.iter_modules(formulas.__path__)
    for name, value in vars(importlib.import_module(f"varnum.formulas.{info.name}")).items()
    if isinstance(value, Formula)
}


@pytest.fixture(scope="module")
def z3():
    with Solver("z3", timeout=20) as solver:
        yield solver


@pytest.fixture
def proofs(tmp_path, monkeypatch):
    """A copy of proofs/ that may be corrupted."""
    real = ledger.data_folder
    folder = tmp_path / "proofs"
    copytree(real("proofs"), folder)
    monkeypatch.setattr(ledger, "data_folder", lambda n: folder if n == "proofs" else real(n))
    return folder


def _not_proved(items):
    return [item for item in items if not isinstance(item.verdict, Proved)]


@pytest.mark.parametrize("name", OBLIGATIONS)
def test_a_corrupted_obligation_file_is_noticed(name, proofs, z3):
    o = OBLIGATIONS[name]
    claim = ledger.claims()[o.claim]
    assert not _not_proved(module._obligation_items(claim, o, [z3]))
    for file, text in o.texts().items():
        numbers = list(re.finditer(r"\d+\.0", text))
        corrupted = [
            text.replace(":status unsat", ":status SAT").replace(":status sat", ":status unsat"),
            text.replace("(assert", "; (assert", 1),
            text + "(assert false)\n",
            "",
        ]
        if numbers:
            last = numbers[-1]
            corrupted.append(text[: last.start()] + "7.5" + text[last.end() :])
        for bad in corrupted:
            assert bad != text
            (proofs / file).write_text(bad, "utf-8")
            assert _not_proved(module._obligation_items(claim, o, [z3])), file
        (proofs / file).unlink()
        assert _not_proved(module._obligation_items(claim, o, [z3])), file
        (proofs / file).write_text(text, "utf-8")


@pytest.mark.parametrize("name", OBLIGATIONS)
def test_a_stronger_conclusion_is_refuted_by_the_solver(name, z3):
    """The twin's conclusion in place of the claim's, without the witness: no solver proves it."""
    o = OBLIGATIONS[name]
    stronger = replace(o, conclude=o.twin.conclude).texts()[f"{name}.smt2"]
    assert not isinstance(z3.decide(stronger), Proved)


def _corruptions(claim):
    """One changed entry per field that says something."""
    for field in fields(ledger.Claim):
        value = getattr(claim, field.name)
        if field.name in ("id", "section"):
            continue
        if field.name == "assurance":
            others = [a for a in ledger.ASSURANCES if a != value]
            yield field.name, replace(claim, assurance="proved")
            if value in ("solver", "coq"):
                yield from ((field.name, replace(claim, assurance=a)) for a in others)
        elif isinstance(value, str) and value:
            yield field.name, replace(claim, **{field.name: value.replace("a", "o", 1) + "!"})
        elif field.name == "hypotheses" and value:
            yield field.name, replace(claim, hypotheses=(*value, "the moon is full"))
        elif field.name in ("code", "obligations", "checks", "tests", "coq", "coq_parts") and value:
            yield field.name, replace(claim, **{field.name: (*value[:-1], value[-1] + "x")})
        elif field.name == "values":
            for i, pin in enumerate(value):
                bad = replace(pin, is_="987/1000")
                yield field.name, replace(claim, values=(*value[:i], bad, *value[i + 1 :]))
        elif field.name == "balls":
            for i, fact in enumerate(value):
                bad = replace(fact, low="5", high="6")
                yield field.name, replace(claim, balls=(*value[:i], bad, *value[i + 1 :]))


def _noticed(claim):
    if ledger.problems(claim):
        return True
    items = [module._value_item(claim, v) for v in claim.values]
    items += [i for b in claim.balls for i in module._ball_items(claim, b)]
    return bool(_not_proved(items))


CLAIMED = [n for n, c in ledger.claims().items() if c.assurance not in ("definition", "open")]


@pytest.mark.parametrize("name", CLAIMED)
def test_a_corrupted_ledger_entry_is_noticed(name):
    """Whatever an entry names; its sentences stand once, so there is nothing to compare them to."""
    claim = ledger.claims()[name]
    assert not ledger.problems(claim)
    alone = ("statement", "hypotheses", "source", "repaired", "tight")
    tried = [(field, bad) for field, bad in _corruptions(claim) if field not in alone]
    assert len({field for field, _ in tried}) >= 3
    for field, bad in tried:
        assert _noticed(bad), (field, bad)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_corrupted_formula_is_noticed(name, monkeypatch):
    good = FORMULAS[name]
    pins = [(c, v) for c in ledger.claims().values() for v in c.values if v.formula == name]
    assert pins
    for bad in (
        good.expr * sp.Rational(101, 100),
        good.expr + sp.Rational(1, 1000),
        -good.expr,
        sp.Integer(0),
    ):
        wrong = replace(good, expr=bad)
        monkeypatch.setattr(ledger, "formula", lambda n, wrong=wrong: wrong)
        assert _not_proved([module._value_item(c, v) for c, v in pins])


def test_a_corrupted_printer_is_noticed(monkeypatch):
    """If a relation is printed the wrong way round, the stored files no longer match."""
    from varnum.proof import obligation

    real = obligation.to_smt
    monkeypatch.setattr(obligation, "to_smt", lambda e: real(e).replace("<=", "<"))
    o = OBLIGATIONS["softmax-compose"]
    assert _not_proved(module._obligation_items(ledger.claims()[o.claim], o, []))
