"""The same commands in two checkouts, alternating: processor time of this one over the other's.

    git worktree add --detach ../before 202906b
    OMP_NUM_THREADS=1 python checks/bench/side_by_side.py ../before --repeats 5

Prints the ratio of medians (start-up of Python included), and both in seconds. Above 1: this
checkout is slower. Commands are those that both versions know.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).parents[2]


def commands(folder: Path) -> dict[str, list[str]]:
    """By what they do; q, k, v in `folder`."""
    rng = np.random.default_rng(0)
    for name in "qkv":
        np.save(folder / f"{name}.npy", 0.3 * rng.standard_normal((2, 2048, 32)))
    heads = [part for name in "qkv" for part in (f"--{name}", str(folder / f"{name}.npy"))]
    return {
        "bound M = 8": ["bound", "--M", "8", "--eps", "1e-6", "--d", "16"],
        "bound of a model": ["bound", "--model", "var-d16", "--eps", "1e-2"],
        "certify": ["certify", "--M", "30", "--eps", "1e-6"],
        "attention, kernel": ["attention", *heads, "--eps", "1e-2", "--no-bounds"],
        "attention, exact": ["attention", *heads, "--output-error", "1e-9", "--no-bounds"],
        "attention, auto": ["attention", *heads, "--output-error", "1e-2", "--no-bounds"],
        "run": ["run", "--random", "var-tiny"],
        "run in balls": ["run", "--random", "var-tiny", "--backend", "balls"],
        "audit": ["audit", "--random", "var-tiny", "--jobs", "1"],
        "regime": ["regime"],
        "help of kv": ["kv", "--help"],
        "verify a claim": ["verify", "--claim", "minimal-degree"],
    }


def seconds(where: Path, arguments: list[str], folder: Path) -> tuple[float, int]:
    """Processor time of one run and its exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(where.resolve())}
    command = [sys.executable, "-m", "varnum", *arguments]
    done = subprocess.run(command, capture_output=True, cwd=folder, env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{'command':20} {'ratio':>6} {'here s':>8} {'other s':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, arguments in commands(folder).items():
            times: dict[Path, list[float]] = {HERE: [], options.other: []}
            for _ in range(options.repeats):
                for where, spent in times.items():
                    found, code = seconds(where, arguments, folder)
                    spent.append(found)
                    if code not in (0, 3):
                        print(f"{what}: exit code {code} in {where.name}")
            here, other = (median(spent) for spent in times.values())
            print(f"{what:20} {here / other:6.2f} {here:8.2f} {other:8.2f}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
