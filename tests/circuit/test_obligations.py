"""The lemmas' obligations: with a hypothesis weakened, the solver finds a counterexample."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy as sp

from varnum.proof.circuit_obligations import LEMMAS, B, a, b, hi, m, q
from varnum.proof.solvers import Solver
from varnum.verdict import Proved, Refuted

BY_NAME = {o.name: o for o in LEMMAS}
WEAKER = {
    "no rest below b": (
        "threshold-ratio-beyond",
        sp.Le(a, (q + 1) * b - 1),
        sp.Le(a, (q + 1) * b),
    ),
    "a divisor below 0": ("threshold-ratio-reached", sp.Ge(b, 1), sp.Ge(b, -1)),
    "a quotient rounded up": ("threshold-ratio-reached", sp.Ge(a, q * b), sp.Ge(a, (q - 1) * b)),
    "B = hi - m": ("threshold-and-off", sp.Ge(B, hi - m + 1), sp.Ge(B, hi - m)),
}


@pytest.mark.parametrize("what", WEAKER)
def test_a_weaker_hypothesis_is_not_enough(what: str) -> None:
    name, strong, weak = WEAKER[what]
    honest = BY_NAME[name]
    assert strong in honest.assume
    changed = replace(honest, assume=tuple(weak if r == strong else r for r in honest.assume))
    with Solver("z3", timeout=20) as solver:
        assert isinstance(solver.decide(honest.texts()[f"{name}.smt2"]), Proved)
        assert isinstance(solver.decide(changed.texts()[f"{name}.smt2"]), Refuted)
