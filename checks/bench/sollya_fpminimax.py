"""shipped-error: coefficients in float formats side by side with Sollya's `fpminimax` + `supnorm`.

Cases: exp2 on [-1/2, 1/2] and [0, 1], exp on [-1, 1] and [-4, 4]; degrees 2 to 10; bfloat16,
float32, float64; relative error. Sollya's polynomial is certified by our enclosure too, so both
errors are measured by one ruler, and the two enclosures of Sollya's polynomial have to meet.
Seconds are processor time, start-up not counted, the best of --repeats runs on both sides.
Exit code 0: never more than --worse percent above Sollya's error and faster in the sum; 1: not;
4: no Sollya.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

from varnum.approx.ship.best import Polynomial, certify_best
from varnum.approx.ship.coefficient_error import Enclosed, certify_error
from varnum.approx.ship.formats import FORMATS
from varnum.approx.ship.goal import Goal
from varnum.balls.scalar import lower, upper

INTERVALS = (
    ("exp2", Fraction(-1, 2), Fraction(1, 2)),
    ("exp2", Fraction(0), Fraction(1)),
    ("exp", Fraction(-1), Fraction(1)),
    ("exp", Fraction(-4), Fraction(4)),
)
DYADIC = re.compile(r"(-?\d+)(?:b(-?\d+))?")


def run(text: str) -> tuple[list[Fraction], float]:
    """The numbers Sollya prints, and the processor time of the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["sollya"], input=f"verbosity=0!;display=dyadic!;{text}quit;\n", capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = [DYADIC.fullmatch(line.strip()) for line in done.stdout.splitlines()]
    numbers = [Fraction(int(m[1])) * Fraction(2) ** int(m[2] or 0) for m in found if m]
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return numbers, used


def sollya(
    goal: Goal, digits: int, degree: int, repeats: int = 1
) -> tuple[list[Fraction], list[float]] | None:
    """Coefficients, then supnorm's low, high, and the seconds of both; None where it fails.

    Its own `time` counts the waiting on a busy machine, so whole processes are compared: one that
    does nothing, one that runs `fpminimax`, one that runs `supnorm` too.
    """
    f = "exp(x)" if goal.function == "exp" else "2^x"
    where = f"[{goal.low};{goal.high}]"
    find = f"p=fpminimax({f},{degree},[|{digits}...|],{where},relative);"
    show = f"for k from 0 to {degree} do print(coeff(p,k));"
    norm = f"r=supnorm(p,{f},{where},relative,2^(-20));inf(r);sup(r);"
    texts = ("", find + show, find + show + norm)
    best = [min((run(t) for _ in range(repeats)), key=lambda out: out[1]) for t in texts]
    numbers = best[2][0]
    if len(numbers) != degree + 3:
        return None
    seconds = [max(0.0, b[1] - a[1]) for a, b in itertools.pairwise(best)]
    return numbers[: degree + 1], [*(float(x) for x in numbers[degree + 1 :]), *seconds]


def ours(goal: Goal, name: str, degree: int, repeats: int) -> tuple[Polynomial, float]:
    seconds = math.inf
    for _ in range(repeats):
        start = time.process_time()
        best = certify_best(goal, [FORMATS[name]] * (degree + 1))
        seconds = min(seconds, time.process_time() - start)
    assert isinstance(best, Polynomial), (goal, name, degree, best)
    return best, seconds


def certified(goal: Goal, coefficients: Sequence[Fraction], repeats: int) -> float:
    """Seconds to certify the error of Sollya's polynomial, as `supnorm` does."""
    seconds = math.inf
    for _ in range(repeats):
        start = time.process_time()
        certify_error(goal, coefficients)
        seconds = min(seconds, time.process_time() - start)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--degrees", type=int, nargs="+", default=list(range(2, 11)))
    parser.add_argument("--formats", nargs="+", default=["bfloat16", "float32", "float64"])
    parser.add_argument("--worse", type=float, default=1.0, help="percent allowed above Sollya")
    parser.add_argument("--repeats", type=int, default=2, help="runs, the fastest counts")
    options = parser.parse_args()
    if shutil.which("sollya") is None:
        print("sollya is not installed (Debian package `sollya`)", file=sys.stderr)
        return 4
    print(
        f"{'function':>8} {'interval':>12} {'format':>9} {'degree':>6} {'ours':>11} {'Sollya':>11} "
        f"{'ours/its':>8} {'seconds':>8} {'fpminimax':>9} {'our norm':>8} {'supnorm':>8}"
    )
    worst, mine, theirs, failed, wrong, cases, better = 0.0, 0.0, 0.0, 0, 0, 0, 0
    norm, its_norm, slower = 0.0, 0.0, 0
    for (f, low, high), name, degree in product(INTERVALS, options.formats, options.degrees):
        goal = Goal(f, low, high)  # type: ignore[arg-type]
        best, seconds = ours(goal, name, degree, options.repeats)
        error = float(upper(best.error.high))
        line = f"{f:>8} {f'{low},{high}':>12} {name:>9} {degree:6d} {error:11.5g}"
        answer = sollya(goal, FORMATS[name].digits, degree, options.repeats)
        cases += 1
        if answer is None:
            failed += 1
            print(f"{line} {'fails':>11} {'':8} {seconds:8.4f}", flush=True)
            continue
        coefficients, (its_low, its_high, minimax_s, norm_s) = answer
        its = certify_error(goal, coefficients)
        assert isinstance(its, Enclosed)
        meet = lower(its.low) <= its_high and its_low <= upper(its.high)
        wrong += not meet
        ratio = error / float(upper(its.high))
        worst, better = max(worst, ratio), better + (ratio < 0.99)
        mine, theirs = mine + seconds, theirs + minimax_s + norm_s
        own = certified(goal, coefficients, options.repeats)
        norm, its_norm, slower = norm + own, its_norm + norm_s, slower + (own > norm_s)
        print(
            f"{line} {float(upper(its.high)):11.5g} {ratio:8.4f} {seconds:8.4f} {minimax_s:9.4f} "
            f"{own:8.4f} {norm_s:8.4f}{'' if meet else '  NORMS DIFFER'}",
            flush=True,
        )
    print(
        f"\n{cases} cases, Sollya fails on {failed}; worst ratio {worst:.4f}, ours more than 1 % "
        f"better on {better}; enclosures that differ {wrong}; "
        f"seconds in all {mine:.2f} against {theirs:.2f}, certifying alone {norm:.3f} against "
        f"{its_norm:.3f} (slower on {slower})"
    )
    fast = mine < theirs and norm < its_norm
    return 0 if worst <= 1 + options.worse / 100 and fast and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
