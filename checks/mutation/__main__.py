"""Change the code in one place, run its tests: does any of them notice?

    python checks/mutation named                  the false versions in named.toml
    python checks/mutation all varnum/checker     every mutant of files or folders
    python checks/mutation all varnum/balls --sample 300 --seed 1 --out balls.jsonl

Works on a copy of the project; the checkout is not touched. `all` takes the tests from --tests, or
from SELECTION below, quick ones first. A mutant that survives has to stand in survivors.toml with
the reason why that is harmless. --out keeps the verdicts; the same command goes on where it ended.
Exit code 0: every false version was noticed, every survivor is argued; 1: not; 2: bad usage.

Why not cosmic-ray or mutmut: they start a process per mutant (1.5 s of imports here: numpy, sympy,
flint), replace each operator by every other one, and drop neither terms nor roundings.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from copies import Copy
from edits import Mutant, mutants

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PRELOADED = ("numpy", "flint", "mpmath", "sympy", "z3", "hypothesis", "pytest", "array_api_compat")
SELECTION = {  # the first prefix that fits; quick files first
    "varnum/checker/": "tests/checker",
    "varnum/approx/supnorm.py": "tests/approx/test_supnorm.py tests/approx tests/checker",
    "varnum/balls/": "tests/balls",
    "varnum/lowrank/": "tests/lowrank",
    "varnum/propagate/": "tests/propagate",
}


@dataclass(frozen=True)
class Named:
    """A false version: `old` stands exactly once in `file`; `tests` pass without it, fail with."""

    name: str
    file: str
    old: str
    new: str
    tests: str


def named() -> list[Named]:
    """The entries of named.toml."""
    return [Named(**entry) for entry in tomllib.loads((HERE / "named.toml").read_text())["mutant"]]


def argued() -> dict[tuple[str, str, str, int], str]:
    """The survivors that may survive, and why."""
    entries = tomllib.loads((HERE / "survivors.toml").read_text()).get("survivor", [])
    return {(e["where"], e["old"], e["new"], e.get("nth", 0)): e["why"] for e in entries}


def run_named(copy: Copy, only: str, limit: float) -> int:
    """Every false version must be noticed, and the tests must pass without it."""
    chosen = [m for m in named() if only in m.name]
    fine: dict[str, str] = {}
    missed = 0 if chosen else 1
    for m in chosen:
        tests = m.tests.split()
        if m.tests not in fine:
            fine[m.tests] = copy.run(tests, limit, keep_bytecode=True)
        source = (ROOT / m.file).read_text("utf-8")
        changed = source.replace(m.old, m.new)
        found = "not applied"
        if source.count(m.old) == 1 and changed != source:
            found = copy.verdict(m.file, changed, tests, limit)
        noticed = fine[m.tests] == "passed" and found == "failed"
        missed += not noticed
        print(f"{'noticed' if noticed else 'MISSED ':8} {m.name}", end="")
        print("" if noticed else f": {found}; without the change: {fine[m.tests]}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} false versions noticed")
    return int(missed > 0)


def chosen_mutants(paths: list[str], sample: int | None, seed: int) -> list[Mutant]:
    """All mutants of the files, or a random sample of them, in the order of the files."""
    files: list[str] = []
    for path in paths:
        whole = ROOT / path
        found = sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]
        files += [p.relative_to(ROOT).as_posix() for p in found]
    everything = [m for file in files for m in mutants(ROOT, file)]
    if sample is None or sample >= len(everything):
        return everything
    picked = random.Random(seed).sample(range(len(everything)), sample)
    return [everything[i] for i in sorted(picked)]


def run_all(copy: Copy, o: argparse.Namespace) -> int:
    """Every mutant; survivors that are not argued are printed and counted."""
    todo = chosen_mutants(o.paths, o.sample, o.seed)
    known = {}
    if o.out and o.out.exists():
        lines = [json.loads(line) for line in o.out.read_text("utf-8").splitlines()]
        known = {(e["where"], e["old"], e["new"], e["nth"]): e["verdict"] for e in lines}
    print(f"{len(todo)} mutants, {sum(m.key in known for m in todo)} of them done", flush=True)
    baseline: dict[str, float] = {}
    reasons, counts = argued(), Counter[str]()
    for m in todo:
        tests = o.tests or next(t for p, t in SELECTION.items() if m.file.startswith(p))
        if m.key in known:
            verdict = known[m.key]
        else:
            if tests not in baseline:
                if copy.run(tests.split(), 3600, keep_bytecode=True) != "passed":
                    sys.exit(f"the tests fail without any change: {tests}")
                baseline[tests] = copy.seconds
            verdict = copy.verdict(m.file, m.source, tests.split(), 10 + 2 * baseline[tests])
            if o.out:
                entry = {"where": m.where, "line": m.line, "old": m.old, "new": m.new, "nth": m.nth}
                with o.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({**entry, "verdict": verdict}) + "\n")
        if verdict == "passed":
            verdict = "argued" if m.key in reasons else "SURVIVED"
        counts[verdict] += 1
        if verdict == "SURVIVED":
            print(f"SURVIVED {m.where}:{m.line} #{m.nth}\n  - {m.old}\n  + {m.new}", flush=True)
    print(", ".join(f"{n} {name}" for name, n in sorted(counts.items())))
    return int(counts["SURVIVED"] > 0)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("named", help="the false versions in named.toml")
    one.add_argument("--only", default="", help="names that contain this")
    one.add_argument(
        "--limit", type=float, default=600, help="processor seconds for the tests of one"
    )
    many = verbs.add_parser("all", help="every mutant of files or folders")
    many.add_argument("paths", nargs="+")
    many.add_argument("--tests", help="what to run instead of the usual selection")
    many.add_argument("--sample", type=int, help="so many random ones")
    many.add_argument("--seed", type=int, default=0)
    many.add_argument("--out", type=Path, help="a file (JSON lines) that keeps the verdicts")
    o = parser.parse_args(argv)
    for name in PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(ROOT, Path(folder))
        return run_named(copy, o.only, o.limit) if o.verb == "named" else run_all(copy, o)


if __name__ == "__main__":
    sys.exit(main())
