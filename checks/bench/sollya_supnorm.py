"""exp-supnorm, minimal-degree: certified sup norms and degrees side by side with Sollya.

Same exact polynomials (minimax, degrees 10 to 80), same machine, one run: Sollya's `supnorm` timed
by its own `time` (start-up and parsing not counted), `certify_supnorm` by this process's clock.
Sollya is asked for a relative width of 2^-40 and repeats inside one process; the best time counts
on both sides. Ours has to be at least as narrow, and the enclosures have to meet.

Three ways to the critical points, the last two from the polynomial alone: `given` by the exchange
that made it (as `certify_least_degree` does), `found` by Newton steps from generic points (timed
with the rest), `isolated` exactly, which needs no nearness to the minimax.
Exit code 0: every ratio of `given` and `found` reaches --least and all degrees agree; 1: not; 4: no
Sollya.
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from varnum.approx.degree import LeastDegree, certify_least_degree, round_polynomial
from varnum.approx.polynomial import Polynomial
from varnum.approx.remez import remez
from varnum.approx.supnorm import SupNorm, certify_supnorm
from varnum.approx.target import Target, additive, initial_points, relative
from varnum.balls.scalar import lower, precision, upper

DYADIC = re.compile(r"(-?\d+)(?:b(-?\d+))?")


@dataclass(frozen=True)
class Enclosure:
    """low <= sup norm <= high, and the seconds it took."""

    low: Fraction
    high: Fraction
    seconds: float

    @property
    def width(self) -> float:
        return float(self.high / self.low - 1)


class Stopped(Exception):
    """Sollya gave no answer in the time allowed."""


def sollya(code: str, limit: float) -> list[Fraction]:
    """Run Sollya and read the numbers it prints, exactly."""
    text = f"verbosity=0!;display=dyadic!;{code}quit;\n"
    try:
        done = subprocess.run(["sollya"], input=text, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Stopped(f"> {limit:g}") from None
    found = [DYADIC.fullmatch(line.strip()) for line in done.stdout.splitlines()]
    return [Fraction(int(m[1])) * Fraction(2) ** int(m[2] or 0) for m in found if m]


def sollya_supnorm(
    target: Target, poly: Polynomial, bits: int, repeats: int, limit: float
) -> Enclosure:
    """Sollya's answer; `bits` of working precision (below about that it does not finish)."""
    longest = max(n.bit_length() for n in poly.numerators) + 16
    terms = "+".join(f"({n})*2^({poly.exponent})*x^{k}" for k, n in enumerate(poly.numerators))
    kind = "relative" if target.kind == "relative" else "absolute"
    call = f"supnorm(p,exp(x),[{target.low};{target.high}],{kind},2^(-40))"
    best = f"t=time({{r={call};}});" + f"s=time({{r={call};}});if(s<t)then{{t=s;}};" * (repeats - 1)
    out = sollya(
        f"prec={longest}!;p=horner({terms});prec={bits}!;{best}inf(r);sup(r);t;", limit * repeats
    )
    if len(out) != 3:
        raise Stopped("no answer")
    return Enclosure(out[0], out[1], float(out[2]))


def varnum_supnorm(
    target: Target, poly: Polynomial, bits: int, way: Callable[[], Any]
) -> Enclosure:
    """Ours, with the guesses that `way` makes: the best of the runs that fit in 0.3 s."""

    def run() -> Any:
        with precision(bits):
            guesses = way()
        return certify_supnorm(target, poly, guesses, bits=bits)

    seconds, result = timed(run)
    if not isinstance(result, SupNorm):
        raise ArithmeticError(result.reason)
    return Enclosure(lower(result.low), upper(result.high), seconds)


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    times, result = [], None
    while len(times) < 3 or sum(times) < 0.3:
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


def minimax(target: Target, degree: int) -> tuple[Polynomial, tuple[Any, ...], int]:
    """Exact near-minimax polynomial, its critical points, and bits enough to work with it."""
    half = target.width / 2
    lost = math.log2(math.factorial(degree + 1)) + degree - (degree + 1) * math.log2(half)
    error_bits = int(max(lost, 0)) + 80  # E is about half^(g+1) / (2^g (g+1)!), or larger
    with precision(target.bits(degree, error_bits)):
        state = remez(target, degree, 2.0**-10)
    return round_polynomial(target, state, degree), state.extrema, target.bits(degree, error_bits)


def compare_supnorms(degrees: list[int], repeats: int, limit: float) -> list[float]:
    """Print one line per polynomial; the ratios that count (nan where something is wrong)."""
    print(
        f"{'':41} seconds{'':25} times as fast as Sollya\n"
        f"{'error':>8} {'interval':>14} {'degree':>6} {'sup norm':>10} "
        f"{'Sollya':>7} {'given':>7} {'found':>7} {'isolated':>8} "
        f"{'given':>7} {'found':>7} {'isolated':>8}  relative widths"
    )
    ratios = []
    for degree in degrees:
        half = [Fraction(1), Fraction(degree, 8), Fraction(degree, 3)]
        for target in (*map(relative, half), additive(Fraction(degree))):
            ratios += _row(target, degree, repeats, limit)
    return ratios


def _row(target: Target, degree: int, repeats: int, limit: float) -> list[float]:
    poly, extrema, bits = minimax(target, degree)
    ways: list[Callable[[], Any]] = [
        lambda: extrema,
        lambda: initial_points(target, degree)[1:-1],
        lambda: (),
    ]
    ours = [varnum_supnorm(target, poly, bits, way) for way in ways]
    print(
        f"{target.kind:>8} {_interval(target):>14} {degree:6d} {float(ours[0].high):10.3e} ",
        end="",
        flush=True,
    )
    seconds = f"{ours[0].seconds:7.4f} {ours[1].seconds:7.4f} {ours[2].seconds:8.4f}"
    try:
        theirs = sollya_supnorm(target, poly, bits, repeats, limit)
    except Stopped as reason:
        print(f"{reason!s:>7} {seconds}  (nothing to compare with)", flush=True)
        return [math.nan]
    ratios = [theirs.seconds / e.seconds for e in ours]
    wrong = "" if all(_meet(e, theirs) for e in ours) else "  WRONG: do not meet"
    wrong += "  WRONG: wider" if max(e.width for e in ours) > theirs.width else ""
    print(
        f"{theirs.seconds:7.3f} {seconds} {ratios[0]:7.1f} {ratios[1]:7.1f} {ratios[2]:8.1f}  "
        f"{max(e.width for e in ours):.0e} {theirs.width:.0e}{wrong}",
        flush=True,
    )
    return [math.nan] if wrong else ratios[:2]


def _meet(a: Enclosure, b: Enclosure) -> bool:
    return max(a.low, b.low) <= min(a.high, b.high)


def _interval(target: Target) -> str:
    return f"[{float(target.low):.4g},{float(target.high):.4g}]"


def compare_degrees(limit: float) -> int:
    """Least degrees against `guessdegree`; how many disagree or found no answer."""
    print(
        f"\n{'error':>8} {'interval':>12} {'eps':>6} {'proved':>7} {'seconds':>8} "
        f"{'guessdegree':>12} {'seconds':>8}"
    )
    wrong = 0
    for target in (
        relative(Fraction(1)),
        relative(Fraction(4)),
        relative(Fraction(12)),
        additive(Fraction(8)),
    ):
        for k in (2, 4, 6, 9, 12):
            wrong += not _degree_row(target, k, limit)
    return wrong


def _degree_row(target: Target, k: int, limit: float) -> bool:
    eps = Fraction(1, 10**k)
    seconds, least = timed(lambda: certify_least_degree(target, eps, guess=8))
    assert isinstance(least, LeastDegree)
    ends = f"[{target.low};{target.high}],{eps}"
    call = (
        f"guessdegree(1,{ends},exp(-x))"
        if target.kind == "relative"
        else f"guessdegree(exp(x),{ends})"
    )
    start = (
        f"{target.kind:>8} {_interval(target):>12} {f'1e-{k}':>6} {least.degree:7d} {seconds:8.4f}"
    )
    try:
        low, high, theirs = sollya(f"t=time({{r={call};}});inf(r);sup(r);t;", limit)
    except Stopped as reason:
        print(f"{start} {reason!s:>12}", flush=True)
        return False
    agree = low <= least.degree <= high
    guessed = f"{low}" if low == high else f"{low}..{high}"
    print(f"{start} {guessed:>12} {float(theirs):8.4f}{'' if agree else '  WRONG'}", flush=True)
    return agree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--degrees", type=int, nargs="+", default=list(range(10, 81, 10)))
    parser.add_argument("--repeats", type=int, default=2, help="runs of Sollya per line")
    parser.add_argument("--limit", type=float, default=60, help="seconds per run of Sollya")
    parser.add_argument("--least", type=float, default=10, help="the ratio to reach")
    options = parser.parse_args()
    if shutil.which("sollya") is None:
        print(
            "sollya is not installed (Debian package `sollya`): nothing was compared",
            file=sys.stderr,
        )
        return 4
    ratios = compare_supnorms(options.degrees, options.repeats, options.limit)
    wrong = compare_degrees(options.limit)
    reached = all(ratio >= options.least for ratio in ratios)  # nan counts as not reached
    failed = sum(map(math.isnan, ratios))
    slowest = min((r for r in ratios if r == r), default=math.nan)
    print(f"\nleast ratio {slowest:.1f}; not compared {failed}; degrees not confirmed {wrong}")
    return 0 if reached and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
