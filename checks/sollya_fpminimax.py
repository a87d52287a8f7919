"""shipped-error: coefficients in float formats side by side with Sollya's `fpminimax` + `supnorm`.

Cases: exp2 on [-1/2, 1/2] and [0, 1], exp on [-1, 1] and [-4, 4]; degrees 2 to 10; bfloat16,
float32, float64; relative error. Sollya's polynomial is certified by our enclosure too, so both
errors are measured by one ruler, and the two enclosures of Sollya's polynomial have to meet.
Seconds are processor time of the work, start-up not counted, on both sides.
Exit code 0: never more than --worse percent above Sollya's error and faster in the sum; 1: not;
4: no Sollya.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from itertools import product

from varnum.approx.ship.best import Polynomial, certify_best
from varnum.approx.ship.error import Enclosed, certify_error
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


def sollya(goal: Goal, digits: int, degree: int) -> tuple[list[Fraction], list[float]] | None:
    """Coefficients, then supnorm's low, high, and the seconds of both; None where it fails."""
    f = "exp(x)" if goal.function == "exp" else "2^x"
    where = f"[{goal.low};{goal.high}]"
    text = (
        "verbosity=0!;display=dyadic!;"
        f"t=time({{p=fpminimax({f},{degree},[|{digits}...|],{where},relative);}});"
        f"for k from 0 to {degree} do print(coeff(p,k));"
        f"s=time({{r=supnorm(p,{f},{where},relative,2^(-20));}});"
        "inf(r);sup(r);t;s;quit;\n"
    )
    done = subprocess.run(["sollya"], input=text, capture_output=True, text=True, timeout=300)
    found = [DYADIC.fullmatch(line.strip()) for line in done.stdout.splitlines()]
    numbers = [Fraction(int(m[1])) * Fraction(2) ** int(m[2] or 0) for m in found if m]
    if len(numbers) != degree + 5:
        return None
    return numbers[: degree + 1], [float(x) for x in numbers[degree + 1 :]]


def ours(goal: Goal, name: str, degree: int, repeats: int) -> tuple[Polynomial, float]:
    seconds = math.inf
    for _ in range(repeats):
        start = time.process_time()
        best = certify_best(goal, [FORMATS[name]] * (degree + 1))
        seconds = min(seconds, time.process_time() - start)
    assert isinstance(best, Polynomial), (goal, name, degree, best)
    return best, seconds


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
        f"{'ours/its':>8} {'seconds':>8} {'fpminimax':>9} {'supnorm':>8}"
    )
    worst, mine, theirs, failed, wrong, cases, better = 0.0, 0.0, 0.0, 0, 0, 0, 0
    for (f, low, high), name, degree in product(INTERVALS, options.formats, options.degrees):
        goal = Goal(f, low, high)  # type: ignore[arg-type]
        best, seconds = ours(goal, name, degree, options.repeats)
        error = float(upper(best.error.high))
        line = f"{f:>8} {f'{low},{high}':>12} {name:>9} {degree:6d} {error:11.5g}"
        answer = sollya(goal, FORMATS[name].digits, degree)
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
        print(
            f"{line} {float(upper(its.high)):11.5g} {ratio:8.4f} {seconds:8.4f} {minimax_s:9.4f} "
            f"{norm_s:8.4f}{'' if meet else '  NORMS DIFFER'}",
            flush=True,
        )
    print(
        f"\n{cases} cases, Sollya fails on {failed}; worst ratio {worst:.4f}, ours more than 1 % "
        f"better on {better}; enclosures that differ {wrong}; "
        f"seconds in all {mine:.2f} against {theirs:.2f}"
    )
    return 0 if worst <= 1 + options.worse / 100 and mine < theirs and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
