"""Change the code in one place, run its tests: does any of them notice?

    python checks/mutation named                  the false versions in named.toml
    python checks/mutation all varnum/checker     every mutant of files or folders
    python checks/mutation all varnum/balls --sample 300 --seed 1 --out balls.jsonl

The checkout is not touched: `named` works on a copy of it, `all` in memory. `all` takes the tests
from --tests, or from SELECTION below. A mutant that survives has to stand in survivors.toml with
the reason why that is harmless. --out keeps the verdicts; the same command goes on where it ended.
Exit code 0: every false version was noticed, every survivor is argued; 1: not; 2: bad usage.

Why not cosmic-ray or mutmut: they start a process per mutant (seconds of imports and collection
here), replace each operator by every other one, and drop neither terms nor roundings.
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
from forked import Runner, collect, exchange, here

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
Verdicts = dict[tuple[str, str, str, int], str]
PRELOADED = ("numpy", "flint", "mpmath", "sympy", "z3", "hypothesis", "pytest", "array_api_compat")
SELECTION = {  # the first prefix that fits; quick files first
    "varnum/checker/": "tests/checker",
    "varnum/approx/supnorm.py": "tests/approx/test_supnorm_parts.py tests/approx/test_supnorm.py",
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


def run_all(o: argparse.Namespace) -> int:
    """Every mutant; survivors that are not argued are printed and counted."""
    todo = chosen_mutants(o.paths, o.sample, o.seed)
    verdicts = {}
    if o.out and o.out.exists():
        lines = [json.loads(line) for line in o.out.read_text("utf-8").splitlines()]
        verdicts = {(e["where"], e["old"], e["new"], e["nth"]): e["verdict"] for e in lines}
    print(f"{len(todo)} mutants, {sum(m.key in verdicts for m in todo)} of them done", flush=True)
    reasons = argued()
    here(ROOT)
    for tests in dict.fromkeys(o.tests or _tests_of(m) for m in todo):
        mine = [m for m in todo if m.key not in verdicts and tests == (o.tests or _tests_of(m))]
        if mine and collect(
            tests.split(), lambda runner, mine=mine: _try(runner, mine, o.out, verdicts)
        ):
            sys.exit(f"cannot collect {tests}")
    counts = Counter[str]()
    for m in todo:
        verdict = verdicts[m.key]
        if verdict == "passed":
            verdict = "argued" if m.key in reasons else "SURVIVED"
        counts[verdict] += 1
        if verdict == "SURVIVED":
            print(f"SURVIVED {m.where}:{m.line} #{m.nth}\n  - {m.old}\n  + {m.new}")
    print(", ".join(f"{n} {name}" for name, n in sorted(counts.items())))
    return int(counts["SURVIVED"] > 0)


def _tests_of(m: Mutant) -> str:
    return next(tests for prefix, tests in SELECTION.items() if m.file.startswith(prefix))


def _try(runner: Runner, todo: list[Mutant], out: Path | None, verdicts: Verdicts) -> None:
    """Run the collected tests without a change, which must pass, and with each mutant."""
    if runner.run(lambda: None, 3600) != "passed":
        sys.exit(f"the tests fail without any change: {runner.killers}")
    limit = 5 + 3 * sum(runner.seconds.values())
    for m in todo:
        verdict = runner.run(lambda m=m: exchange(m.file, m.source), limit)
        verdicts[m.key] = verdict
        if out:
            entry = {"where": m.where, "line": m.line, "old": m.old, "new": m.new, "nth": m.nth}
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**entry, "verdict": verdict}) + "\n")


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
    if o.verb == "all":
        return run_all(o)
    with tempfile.TemporaryDirectory() as folder:
        return run_named(Copy(ROOT, Path(folder)), o.only, o.limit)


if __name__ == "__main__":
    sys.exit(main())
