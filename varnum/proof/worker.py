"""Child process that answers SMT-LIB problems: `python -m varnum.proof.worker z3|cvc5`.

One JSON line in ({"text": ...}), one JSON line out ({"result": ..., "model": {...}}). The parent
(`solvers.py`) ends the process when the time is up, so the limit holds inside C code too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TypedDict


class Answer(TypedDict, total=False):
    """What a solver says; `error` where it refused the problem."""

    result: str
    model: dict[str, str]
    error: str


def _z3() -> tuple[str, Callable[[str], Answer]]:
    import z3

    def solve(text: str) -> Answer:
        solver = z3.SolverFor("QF_NRA")
        solver.from_string(text)
        result = str(solver.check())
        model = solver.model() if result == "sat" else []
        return {"result": result, "model": {str(d.name()): str(model[d]) for d in model}}

    return str(z3.get_version_string()), solve


def _cvc5() -> tuple[str, Callable[[str], Answer]]:
    import cvc5

    def solve(text: str) -> Answer:
        manager = cvc5.TermManager()
        solver = cvc5.Solver(manager)
        symbols = cvc5.SymbolManager(manager)
        parser = cvc5.InputParser(solver, symbols)
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "obligation")
        result, model = "no check-sat", {}
        while not (command := parser.nextCommand()).isNull():
            answer = str(command.invoke(solver, symbols)).strip()
            word = answer.split()[0] if answer else ""
            if word in ("sat", "unsat", "unknown"):
                result = word
        if result == "sat":
            model = {str(t): str(solver.getValue(t)) for t in symbols.getDeclaredTerms()}
        return {"result": result, "model": model}

    return str(cvc5.__version__), solve


def main() -> None:
    """Announce the solver's version, then answer until the input ends."""
    version, solve = {"z3": _z3, "cvc5": _cvc5}[sys.argv[1]]()
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        try:
            answer = solve(json.loads(line)["text"])
        except Exception as error:  # a refused problem is an answer, never a pass
            answer = {"result": "error", "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
