"""Formulas decided inside FlowAR, against exhaustive search; and by pairs that turn fast.

Random 3-SAT of 2 to 12 variables around the threshold, worst error injected. Exit code 1 if one
verdict is wrong, or if the version on fast pairs is never wrong.

    python checks/attack/flowar_wrap.py --formulas 300 --seed 0
"""

from __future__ import annotations

import argparse
import random
import sys
from fractions import Fraction

from varnum.hardness.cnf import Cnf
from varnum.hardness.evaluators import evaluator
from varnum.hardness.flowar_run import evaluate_flowar_wrapped
from varnum.hardness.flowar_wrap import flowar_wrap
from varnum.hardness.solve import solve_sat

ERROR = Fraction("0.1149")


def formula(rng: random.Random, names: int) -> Cnf:
    """Random clauses of at most three variables, ratio 3 to 7."""
    clauses = []
    for _ in range(round(rng.uniform(3, 7) * names)):
        some = rng.sample(range(1, names + 1), min(3, names))
        clauses.append(frozenset(rng.choice((-1, 1)) * v for v in some))
    return Cnf(names, tuple(clauses))


def satisfiable(cnf: Cnf) -> bool:
    """By all assignments."""
    names = range(1, cnf.variables + 1)
    return any(
        cnf.satisfied_by({v if code >> v - 1 & 1 else -v for v in names})
        for code in range(2**cnf.variables)
    )


def decided(cnf: Cnf, evaluate: object, error: Fraction) -> bool | None:
    """The verdict; None where a row is flagged that has no partner (a wrong evaluation)."""
    try:
        return solve_sat(cnf, error, evaluate=evaluate).satisfiable  # type: ignore[arg-type]
    except ArithmeticError:
        return None


def main() -> int:
    """Run the sweep; prints counts by number of variables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formulas", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=12, help="variables")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    right = wrong = fast_wrong = fast_tried = yes = 0
    for i in range(asked.formulas):
        names = 2 + i % (asked.most - 1)
        cnf = formula(rng, names)
        truth = satisfiable(cnf)
        yes += truth
        verdict = decided(cnf, evaluator("flowar-wrap"), ERROR)
        right, wrong = right + (verdict == truth), wrong + (verdict != truth)
        if names <= 8:
            fast = decided(
                cnf, lambda h: evaluate_flowar_wrapped(flowar_wrap(h, fast=True)), Fraction(0)
            )
            fast_tried, fast_wrong = fast_tried + 1, fast_wrong + (fast != truth)
        if verdict != truth:
            print(f"WRONG: formula {i} of {names} variables: {verdict}, not {truth}")
    print(
        f"{asked.formulas} formulas of 2 to {asked.most} variables, {yes} satisfiable: {right} "
        f"decided right, {wrong} wrong; on fast pairs {fast_wrong} of {fast_tried} wrong"
    )
    return int(wrong > 0 or fast_wrong == 0)


if __name__ == "__main__":
    sys.exit(main())
