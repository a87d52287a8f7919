"""evaluation-error: total error bounds side by side with Gappa's.

The same coefficients, operations and bound of the polynomial's own error (relative, in float32 and
float64, no range reduction) are given to Gappa, which bounds the computed value's relative distance
from f, bisecting the interval into 256 parts. Seconds are processor time of one run on both sides.
Seen: the largest error of 2^20 random inputs.
Exit code 0: every bound is above what is seen, and ours at most --worse percent above Gappa's (it
is up to 55 above where no FMA is used); 1: not; 4: no Gappa.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np

from varnum.approx.ship.best import Polynomial, certify_best
from varnum.approx.ship.formats import FORMATS, hexadecimal
from varnum.approx.ship.goal import Function, Goal
from varnum.approx.ship.scheme import Scheme, scheme
from varnum.approx.ship.total_error import certify_total_error
from varnum.approx.ship.twin import evaluate, rounded
from varnum.balls.scalar import upper

CASES: tuple[tuple[Function, str, str, str, int], ...] = (
    ("exp2", "-1/2", "1/2", "float32", 4), ("exp2", "-1/2", "1/2", "float32", 6),
    ("exp2", "0", "1", "float32", 6), ("exp", "-1", "1", "float32", 8),
    ("exp2", "-1/2", "1/2", "float64", 11),
)  # fmt: skip
ROUND = {"float32": "ieee_32", "float64": "ieee_64"}
NUMBER = re.compile(r"T -/ F in \[[^{]*\{([^,}]*)[^\]]*?, [^{]*\{([^,}]*)")


def script(best: Polynomial, how: Scheme, form: str) -> str:
    """Gappa's input: T as computed, M in exact arithmetic."""
    lines = [f"@fl = float<{ROUND[form]}, ne>;", "r = fl(free);"]
    lines += [f"c{k} = {hexadecimal(c)};" for k, c in enumerate(best.coefficients)]
    for computed in (True, False):
        names = {} if computed else {s.result: s.result.replace("t", "m") for s in how.steps}
        for s in how.steps:
            a, b, *c = (names.get(x, x) for x in s.arguments)
            value = f"{a} + {b}" if s.operation == "add" else f"{a} * {b}"
            value = f"{value} + {c[0]}" if c else value
            lines.append(
                f"{names.get(s.result, s.result)} = {f'fl({value})' if computed else value};"
            )
    last = how.result
    lines += [f"T = {last};", f"M = {last.replace('t', 'm')};"]
    own, goal = hexadecimal_up(best), best.goal
    low, high = hexadecimal(goal.low), hexadecimal(goal.high)
    lines.append(f"{{ r in [{low}, {high}] -> M -/ F in [-{own}, {own}] -> T -/ F in ? }}")
    return "\n".join([*lines, "$ r in 256;"]) + "\n"


def hexadecimal_up(best: Polynomial) -> str:
    return float(np.nextafter(float(upper(best.error.high)), 1)).hex()


def gappa(text: str) -> tuple[float, float]:
    """(bound, seconds); nan where Gappa finds none."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(["gappa"], input=text, capture_output=True, text=True, timeout=600)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start
    found = NUMBER.search(done.stdout + done.stderr)
    if found is None:
        return float("nan"), seconds
    return max(abs(float(x)) for x in found.groups()), seconds


def main() -> int:
    if shutil.which("gappa") is None:
        print("gappa is not installed (Debian package `gappa`): nothing compared", file=sys.stderr)
        return 4
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, nargs="+", help="numbers of polynomials, from 0")
    parser.add_argument("--worse", type=float, default=60, help="percent allowed above Gappa")
    options = parser.parse_args()
    chosen = options.cases
    rng, worse = np.random.default_rng(0), False
    print(f"{'case':<40} {'seen':>10} {'ours':>10} {'Gappa':>10} {'ours s':>7} {'Gappa s':>7}")
    for function, low, high, name, degree in (
        CASES if chosen is None else [CASES[i] for i in chosen]
    ):
        goal, form = Goal(function, Fraction(low), Fraction(high)), FORMATS[name]
        best = certify_best(goal, [form] * (degree + 1))
        assert isinstance(best, Polynomial)
        x = rounded(rng.uniform(float(goal.low), float(goal.high), 2**20), form)
        f = np.exp2(np.longdouble(x)) if function == "exp2" else np.exp(np.longdouble(x))
        for kind, fma in (("horner", True), ("horner", False), ("estrin", True), ("estrin", False)):
            how = scheme(kind, degree, fma)
            start = time.process_time()
            ours = float(upper(certify_total_error(goal, best.coefficients, how, form)))
            seconds = time.process_time() - start
            theirs, its = gappa(script(best, how, name))
            seen = float(np.abs(evaluate(how, best.coefficients, x, form) / f - 1).max())
            worse |= not (seen <= ours and not ours > (1 + options.worse / 100) * theirs)
            what = f"{function} [{low}, {high}] {name} {degree} {kind}{' fma' * fma}"
            print(f"{what:<40} {seen:10.4g} {ours:10.4g} {theirs:10.4g} {seconds:7.3f} {its:7.3f}",
                  flush=True)  # fmt: skip
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
