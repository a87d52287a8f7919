"""Start-up, side by side in one run: varnum's commands against the bare interpreter.

Run: python checks/bench/startup.py [repetitions]. Prints the ratio of medians of interleaved runs;
goals: `varnum bound` at most 1.4, `varnum --help` at most 1.6.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PAIRS = (
    (
        "varnum bound --M 4 --eps 1e-6 --d 8",
        ["-m", "varnum", "bound", "--M", "4", "--eps", "1e-6", "--d", "8"],
        "import numpy, sympy, flint, typer",
        1.4,
    ),
    ("varnum --help", ["-m", "varnum", "--help"], "import typer", 1.6),
)


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main(repetitions: int) -> int:
    worst = 0
    for name, ours, bare, goal in PAIRS:
        pairs = [(seconds(ours), seconds(["-c", bare])) for _ in range(repetitions)]
        mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = mine / theirs
        worst += ratio > goal
        print(f"{name}: {mine:.3f} s; python -c '{bare}': {theirs:.3f} s; ratio {ratio:.2f}")
    return 1 if worst else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 25))
