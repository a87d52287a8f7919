"""A proof obligation: hypotheses and a conclusion as sympy relations, printed to SMT-LIB.

`X.smt2` asserts the hypotheses and the negated conclusion: `unsat` is the proof. `X.sat.smt2` is
its sharpness twin: the same hypotheses, a slightly stronger conclusion negated, and a witness; it
must be `sat`. The witness is also checked here in exact rationals, without any solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import sympy as sp

from varnum._moved import moved_names
from varnum.formulas.core import to_exact, to_smt

if not TYPE_CHECKING:  # all_obligations and write of 0.1.0
    __getattr__ = moved_names(__name__, "varnum.proof.obligations")

Relation: TypeAlias = "sp.Rel | sp.And"
_SPELL = {sp.Le: "<=", sp.Lt: "<", sp.Ge: ">=", sp.Gt: ">", sp.Eq: "="}


@dataclass(frozen=True)
class Twin:
    """A slightly false version: a conclusion that fails at `witness` (exact rationals)."""

    conclude: Relation
    witness: Mapping[str, Fraction | int]
    says: str


@dataclass(frozen=True)
class Obligation:
    """Hypotheses `assume` and the relation `conclude`, over real symbols.

    `name` is the file stem under proofs/, `claim` the id in the ledger, `says` one line of meaning.
    """

    name: str
    claim: str
    says: str
    assume: tuple[Relation, ...]
    conclude: Relation
    twin: Twin
    logic: str = "QF_NRA"

    def texts(self) -> dict[str, str]:
        """File name -> SMT-LIB text of the obligation and of its twin."""
        header = f"{self.claim}: {self.says}"
        refuted = _script(header, self.logic, "unsat", self.assume, self.conclude, {})
        twin = _script(
            f"twin of {self.name}: {self.twin.says}",
            self.logic,
            "sat",
            self.assume,
            self.twin.conclude,
            self.twin.witness,
        )
        return {f"{self.name}.smt2": refuted, f"{self.name}.sat.smt2": twin}

    def witness_holds(self) -> bool:
        """Exactly: every hypothesis holds at the witness and the twin's conclusion fails there."""
        values = {name: Fraction(value) for name, value in self.twin.witness.items()}
        return all(_holds(r, values) for r in self.assume) and not _holds(
            self.twin.conclude, values
        )


def _holds(relation: Relation, values: dict[str, Fraction]) -> bool:
    if isinstance(relation, sp.And):
        return all(_holds(part, values) for part in relation.args)
    left, right = (to_exact(side, values) for side in relation.args)
    match _SPELL[relation.func]:
        case "<=":
            return left <= right
        case "<":
            return left < right
        case ">=":
            return left >= right
        case ">":
            return left > right
        case _:
            return left == right


def _script(
    header: str,
    logic: str,
    status: str,
    assume: tuple[Relation, ...],
    conclude: Relation,
    witness: Mapping[str, Fraction | int],
) -> str:
    symbols = sorted({str(s) for r in (*assume, conclude) for s in r.free_symbols})
    lines = [f"; {header}", "; printed from varnum's formulas; do not edit by hand"]
    lines += ["(set-option :produce-models true)", f"(set-logic {logic})"]
    lines += [f"(set-info :status {status})"]
    lines += [f"(declare-const {name} Real)" for name in symbols]
    lines += [f"(assert {to_smt(relation)})" for relation in assume]
    if witness:
        lines.append("; the witness")
        lines += [
            f"(assert (= {name} {to_smt(sp.Rational(*Fraction(value).as_integer_ratio()))}))"
            for name, value in sorted(witness.items())
        ]
    lines += ["; the conclusion, negated", f"(assert (not {to_smt(conclude)}))", "(check-sat)"]
    if status == "sat":
        lines.append("(get-model)")
    return "\n".join(lines) + "\n"
