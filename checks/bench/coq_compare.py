"""exp-supnorm, minimal-degree: the same polynomials by varnum's Coq files and by other provers.

1. varnum's certificates on [-M, M], upper half only, beside coq-interval's own tactic on the same
   polynomial and interval (Taylor models of several degrees with bisection: the quickest counts).
2. The exp cases of Dandelion's test suite (Becker and others, ITP 2022; HOL4): their polynomials,
   interval and eps, checked by varnum's Coq file, by coq-interval's tactic and by Sollya's supnorm.
   Gappa is asked too. Dandelion itself is not run here (HOL4 is not packaged).

Seconds are user CPU of the program, its start included, and a prover is stopped at --limit. The
libraries' loading, which dominates ours, is shown and the ratio given with and without it.
Exit code 0: ours accepted all and, without libraries, is --least times quicker at M >= 16; 1: not;
4: no Coq.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath

from varnum import checker, plan
from varnum.errors import MissingProgram
from varnum.proof.coq.compiler import compile_file, coqc, version
from varnum.proof.coq.export import coq_file
from varnum.proof.coq.library import compiled_library

CASES = (("4", "1e-3"), ("8", "1e-6"), ("16", "1e-3"), ("16", "1e-12"), ("32", "1e-3"))
TACTIC = (10, 20, 40)  # degrees of the Taylor models that are tried
DANDELION = {  # numerators over 2^exponent each, then eps; all on [0, 1], additive
    4: ([(2251860978014963, 51), (2248839599087155, 51), (1148731941443245, 51),
         (2516578118969257, 54), (5022738147898817, 56)], Fraction(61174722613, 2**51)),
    5: ([(9007189080480811, 53), (562994683590669, 49), (8990916016722869, 54),
         (6139378123833441, 55), (5015290855595641, 57), (8014953567108575, 59)],
        Fraction(1271782579, 2**50)),
    7: ([(1125899905426745, 50), (1125900085623201, 50), (9007140034442381, 54),
         (6005731712237291, 55), (1497611604427873, 55), (2461450700531187, 58),
         (166524220724989, 57), (760876843852891, 61)],
        Fraction(7379504701367032240254461165456153838783, 2**162)),
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """Whether a prover accepted, and its seconds."""

    ok: bool
    seconds: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f}" if self.ok else f"no ({self.seconds:.0f})"


def run(command: list[str], folder: str, limit: float, given: str = "") -> tuple[Ran, str]:
    """Run a program for at most `limit` seconds of CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        ["bash", "-c", f"ulimit -t {int(limit)}; exec \"$@\"", "-", *command],
        cwd=folder, input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return Ran(done.returncode == 0, spent), done.stdout + done.stderr


def by_varnum(content: dict[str, Any], library: Path) -> Ran:
    held = checker.read(checker.serialise(content))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "held.v"
        path.write_text(coq_file(held), encoding="ascii")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        answer = compile_file(path, library)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return Ran(answer.ok, spent)


def by_tactic(coefficients: list[Fraction], error: str, interval: tuple[Fraction, Fraction],
              eps: Fraction, bits: int, limit: float) -> Ran:  # fmt: skip
    """The best of some settings of coq-interval's tactic."""
    horner = "0"
    for c in reversed(coefficients):
        horner = f"({real(c)} + x * {horner})"
    what = f"{horner} * exp (- x) - 1" if error == "relative" else f"{horner} - exp x"
    goal = f"{real(interval[0])} <= x <= {real(interval[1])} -> Rabs ({what}) <= {real(eps)}"
    best = Ran(False, limit)
    for degree in TACTIC:
        options = f"i_bisect x, i_taylor x, i_degree {degree}, i_prec {bits}, i_depth 30"
        text = (
            "From Coq Require Import Reals.\nFrom Interval Require Import Tactic.\n"
            f"Open Scope R_scope.\nGoal forall x, {goal}.\n"
            f"Proof. intros x H. interval with ({options}). Qed.\n"
        )
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "goal.v").write_text(text)
            got, _ = run([coqc(), "-q", "-w", "none", "goal.v"], folder, limit)
        if got.ok and got.seconds < best.seconds:
            best = got
    return best


def real(x: Fraction) -> str:
    return f"({x.numerator} / {x.denominator})"


def upper_only(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"lower": None, "minimal": False}


def loading(library: Path, limit: float) -> tuple[float, float]:
    """Seconds to load the libraries: of an exported file, and of the tactic."""
    ours = "From Coq Require Import Reals QArith List.\nFrom Varnum Require Import Fast.\n"
    theirs = "From Coq Require Import Reals.\nFrom Interval Require Import Tactic.\n"
    spent = []
    for text in (ours, theirs):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "load.v").write_text(text)
            command = [coqc(), "-q", "-w", "none", "-R", str(library), "Varnum", "load.v"]
            spent.append(min(run(command, folder, limit)[0].seconds for _ in range(3)))
    return spent[0], spent[1]


def first(limit: float, library: Path, least: float) -> bool:
    """Upper halves beside the tactic."""
    ours, theirs = loading(library, limit)
    print(f"libraries alone: ours {ours:.2f}, the tactic's {theirs:.2f}\n")
    print("M    eps    degree  ours, both  ours, upper  tactic, upper  ratio  without libraries")
    fine = True
    for size, eps in CASES:
        content = json.loads(plan(size, eps=eps).certify())
        held = checker.read(checker.serialise(content))
        both, upper = by_varnum(content, library), by_varnum(upper_only(content), library)
        bits = int(3 * float(Fraction(size))) + held.eps.denominator.bit_length() + 40
        tactic = by_tactic([n * held.unit for n in held.numerators], "relative",
                           (held.low, held.high), held.eps, bits, limit)  # fmt: skip
        ratio = tactic.seconds / upper.seconds
        bare = (tactic.seconds - theirs) / max(upper.seconds - ours, 0.01)
        more = "" if tactic.ok else ">"
        print(f"{size:<4} {eps:<6} {held.degree:>6}  {both!s:>10}  {upper!s:>11}  {tactic!s:>13}  "
              f"{more + format(ratio, '.1f'):>5}  {more}{bare:.0f}", flush=True)  # fmt: skip
        fine &= both.ok and upper.ok and (int(size) < 16 or bare >= least)
    return fine


def dandelion(degree: int) -> dict[str, Any]:
    """Their polynomial and eps as a certificate; points from the best one below on [-1, 0]."""
    pairs, eps = DANDELION[degree]
    scale = max(e for _, e in pairs)
    numerators = [n << scale - e for n, e in pairs]
    near = eps * Fraction(369, 1000)  # a little above eps/e: the errors on [0, 1] are e times those
    below = json.loads(plan(W="1", eps=str(near), error="additive").certify())
    assert below["degree"] == degree, below["degree"]
    unit = -below["lower"]["points_exponent"]
    points = [int(n, 16) + (1 << unit) for n in below["lower"]["points"]]
    with mpmath.workprec(300):
        slope = [mpmath.mpf(k * n) / 2**scale for k, n in enumerate(numerators)][:0:-1]
        start = [mpmath.mpf(int(a, 16)) / 2 ** -below["upper"]["brackets_exponent"] + 1
                 for a, _ in below["upper"]["brackets"]]  # fmt: skip
        zeros = [
            mpmath.findroot(lambda x: mpmath.polyval(slope, x) - mpmath.exp(x), s) for s in start
        ]
        grid = [int(mpmath.nint(z * 2**80)) for z in zeros]
    brackets = [[hex(n - 64), hex(n + 64)] for n in grid]
    inside = [hex(n) for n in points]
    return {
        "schema": "varnum/certificate/1", "error": "additive", "interval": ["0", "1"],
        "eps": f"{eps.numerator}/{eps.denominator}", "degree": degree, "minimal": True,
        "upper": {"exponent": -scale, "numerators": [hex(n) for n in numerators],
                  "brackets_exponent": -80, "brackets": brackets},
        "lower": {"degree": degree - 1, "points_exponent": -unit, "points": inside},
    }  # fmt: skip


def second(limit: float, library: Path) -> bool:
    """Dandelion's exp cases."""
    print(
        "\nDandelion's exp on [0, 1]       varnum, both  varnum, upper  interval tactic  "
        "Sollya  Gappa"
    )
    fine = True
    for degree, (pairs, eps) in DANDELION.items():
        content = dandelion(degree)
        checker.check(checker.serialise(content))
        both, upper = by_varnum(content, library), by_varnum(upper_only(content), library)
        coefficients = [Fraction(n, 2**e) for n, e in pairs]
        tactic = by_tactic(coefficients, "additive", (Fraction(0), Fraction(1)), eps, 80, limit)
        sollya = by_sollya(coefficients, eps, limit)
        cells = (f"{both!s:>10}", f"{upper!s:>13}", f"{tactic!s:>15}", f"{sollya:>6}")
        name = f"degree {degree}, eps {float(eps):.5g}"
        print(f"{name:<32}", *cells, by_gappa(limit), sep="  ", flush=True)
        fine &= both.ok and upper.ok
    return fine


def by_sollya(coefficients: list[Fraction], eps: Fraction, limit: float) -> str:
    if shutil.which("sollya") is None:
        return "absent"
    poly = " + ".join(f"x^{k} * {real(c)}" for k, c in enumerate(coefficients))
    text = (
        f"p = {poly}; s = supnorm(p, exp(x), [0;1], absolute, 2^-40);\n"
        f"sup(s) <= {real(eps)};\nquit;\n"
    )
    got, said = run(["sollya"], ".", limit, text)
    return str(got) if "true" in said else f"no ({got.seconds:.0f})"


def by_gappa(limit: float) -> str:
    if shutil.which("gappa") is None:
        return "absent"
    got, said = run(["gappa"], ".", limit, "{ x in [0,1] -> exp(x) - 1 in ? }\n")
    return str(got) if got.ok else "no exp" if "syntax error" in said else "no"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=60, help="CPU seconds a prover may take")
    parser.add_argument("--least", type=float, default=10, help="how much quicker, at M >= 16")
    arguments = parser.parse_args()
    try:
        library = compiled_library()
    except MissingProgram as reason:
        print(reason, file=sys.stderr)
        return 4
    print(f"Coq {version()}; CPU seconds; 'no (60)': refused or stopped after so many\n")
    fine = first(arguments.limit, library, arguments.least)
    fine &= second(arguments.limit, library)
    print(
        "\nproved: varnum: sup error <= eps, and that no lower degree reaches eps (Coq's kernel);\n"
        "interval tactic: sup error <= eps (Coq's kernel); Dandelion: the same (HOL4), by Sturm\n"
        "sequences; Sollya: the same, no proof object; Gappa: has no exp."
    )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
