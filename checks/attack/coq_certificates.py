"""exp-supnorm, minimal-degree: certificates that Coq accepts, of the table and random: how fast.

The 42 rows of tests/data/exp-degrees.json, random ones (M or W up to 64, eps down to 1e-12, seed in
the output), and M = 100.0000065, eps = 1e-2, the largest cap of a released model. Seconds are CPU
time of coqc in user mode, its libraries' loading included (about half a second), so that another
load on the machine counts little; what it takes to find the degree is not counted.
Exit code 0: all accepted, within the goals (20 s at M = 100, 4 s at M = 32, 1.2 s for M <= 8 and
eps >= 1e-6, relative); 1: not; 4: no Coq.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

from varnum import checker, plan
from varnum.errors import MissingProgram
from varnum.proof.coq.compiler import compile_file, version
from varnum.proof.coq.export import coq_file
from varnum.proof.coq.library import compiled_library

TABLE = Path(__file__).parents[2] / "tests" / "data" / "exp-degrees.json"


def cases(count: int, seed: int) -> list[tuple[str, str, str]]:
    """(error, M or W, eps): the table, random ones, the largest cap."""
    kinds = {"relative": "relative", "absolute": "additive", "additive": "additive"}
    rows = json.loads(TABLE.read_text())["rows"]
    found = [(kinds[row["kind"]], str(row["M"]), str(row["eps"])) for row in rows]
    draw = random.Random(seed)
    for _ in range(count):
        size = f"{64 * draw.random() ** 2:.3f}"  # more of the small ones
        found.append(
            (draw.choice(["relative", "additive"]), size, f"{10 ** draw.uniform(-12, -1):.3g}")
        )
    return [*found, ("relative", "100.0000065", "1e-2")]


def seconds() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


def goal(error: str, size: Fraction, eps: Fraction) -> float | None:
    if error == "relative" and size <= 8 and eps >= Fraction(1, 10**6):
        return 1.2
    if error == "relative" and size <= 32 and size > 16 and eps >= Fraction(1, 1000):
        return 4.0
    return 20.0 if size > 100 else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minimal", action="store_true", help="with the four axioms of the reals")
    arguments = parser.parse_args()
    try:
        library = compiled_library()
    except MissingProgram as reason:
        print(reason, file=sys.stderr)
        return 4
    print(f"Coq {version()}, seed {arguments.seed}, minimal axioms: {arguments.minimal}")
    print("error     size         eps        degree  bytes    CPU s  accepted")
    bad, total, count = 0, 0.0, 0
    for error, size, eps in cases(arguments.random, arguments.seed):
        answer = plan(**{"M" if error == "relative" else "W": size}, eps=eps, error=error)
        held = checker.read(answer.certify().encode("ascii"))
        text = coq_file(held, arguments.minimal)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "held.v"
            path.write_text(text, encoding="ascii")
            before = seconds()
            got = compile_file(path, library)
            spent = seconds() - before
        allowed = None if arguments.minimal else goal(error, Fraction(size), Fraction(eps))
        fine = (
            got.ok and (allowed is None or spent < allowed) and bool(held.points or not held.degree)
        )
        note = "" if fine else f"  MISSED (goal {allowed}) {got.message}"
        print(f"{error:<9} {size:<12} {eps:<10} {held.degree:>6}  {len(text):>6}  {spent:>6.2f}  "
              f"{got.ok}{note}", flush=True)  # fmt: skip
        bad, total, count = bad + (not fine), total + spent, count + 1
    print(f"{count} certificates, {bad} missed, {total:.0f} s of CPU in all")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
