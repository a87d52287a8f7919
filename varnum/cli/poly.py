"""`varnum poly`: a polynomial in float formats, its total error proved, and code for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.errors import InputError
from varnum.text import aligned

if TYPE_CHECKING:
    from fractions import Fraction

    from varnum.approx.ship.formats import Format
    from varnum.approx.ship.kernel import Kernel
    from varnum.verdict import Unknown

SCHEMA = "varnum/poly/1"


def poly(
    function: Annotated[
        Literal["exp", "exp2"], typer.Option("--function", help="What is approximated.")
    ] = "exp2",
    interval: Annotated[
        str | None,
        typer.Option("--interval", help="LOW,HIGH, as decimals or fractions: -1/2,1/2."),
    ] = None,
    format: Annotated[
        str,
        typer.Option("--format", help="Of every operation: bfloat16, float16, float32, float64."),
    ] = "float32",
    degree: Annotated[int | None, typer.Option("--degree", help="Of the polynomial.")] = None,
    eps: Annotated[
        str | None,
        typer.Option("--eps", help="Total error to reach; without --degree the least such degree."),
    ] = None,
    error: Annotated[
        Literal["relative", "absolute"], typer.Option("--error", help="Which error.")
    ] = "relative",
    scheme: Annotated[
        Literal["horner", "estrin"], typer.Option("--scheme", help="Order of the operations.")
    ] = "horner",
    fma: Annotated[
        bool, typer.Option("--fma/--no-fma", help="Fused multiply-adds, or two operations each.")
    ] = True,
    reduce: Annotated[
        bool, typer.Option("--reduce", help="Every x: 2^n times the polynomial of what is left.")
    ] = False,
    formats: Annotated[
        str | None,
        typer.Option("--formats", help="Of the coefficients, constant first; default: --format."),
    ] = None,
    fix: Annotated[
        list[str] | None, typer.Option("--fix", help="K=VALUE: coefficient K is given; repeatable.")
    ] = None,
    emit: Annotated[
        Literal["c", "cuda", "triton", "python"] | None,
        typer.Option("--emit", help="Print source code, its certificate in a comment."),
    ] = None,
    certificate: Annotated[
        str | None, typer.Option("--certificate", metavar="FILE", help="Write the certificate.")
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option("--vectors", metavar="FILE", help="Write inputs with their exact results."),
    ] = None,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Best coefficients in a float format, and the error of all of it, every rounding counted.

    The total error holds for every input of the format in the interval (with --reduce: in the
    printed domain), for round to nearest and exactly the printed operations. All inputs of a 16-bit
    format are tried, and the largest error seen is the bound.

    Exit code 0: proved; 1: --eps is refuted for this degree; 3: not known.

    Examples: varnum poly --function exp2 --interval -1/2,1/2 --degree 6;
    varnum poly --reduce --degree 5 --emit c > f.c && varnum check f.c
    """
    limit(timeout)
    if emit is not None and json:
        raise InputError("--emit: prints code; leave --json out")
    from varnum.approx.ship.formats import format_named
    from varnum.balls import parse
    from varnum.verdict import Unknown

    form = format_named(format)
    wanted = None if eps is None else parse(eps, "--eps")
    if wanted is not None and wanted <= 0:
        raise InputError(f"--eps: {eps} is not allowed; above 0")
    low, high = _ends(interval, function, form, fma, reduce)
    question = _Question(
        function, low, high, error, form, scheme, fma, reduce, formats, tuple(fix or ())
    )
    with progress() as say:
        found = _find(question, degree, wanted, say)
    if isinstance(found, Unknown):
        return _unknown(found.reason, json)
    verdict, code = _reached(found, wanted)
    if code == 0 and not (emit is certificate is vectors is None):
        from varnum.cli.poly_files import write

        code = write(found, emit, certificate, vectors)
        if code or emit is not None:
            return code
    if code and emit is not None:
        print(f"varnum: {verdict}: --eps is not reached, so no code", file=sys.stderr)
        return code
    return _report(found, wanted, json)


class _Question:
    """What was asked, without the degree."""

    def __init__(
        self, function: Any, low: Fraction, high: Fraction, error: Any, form: Format,
        scheme: str, fma: bool, reduce: bool, formats: str | None, fix: tuple[str, ...],
    ) -> None:  # fmt: skip
        from varnum.approx.ship.formats import format_named
        from varnum.approx.ship.goal import Goal

        self.goal, self.form = Goal(function, low, high, error), form
        self.scheme, self.fma, self.reduce = scheme, fma, reduce
        names = None if formats is None else formats.split(",")
        self.formats = None if names is None else [format_named(n, "--formats") for n in names]
        self.fixed = dict(_fixed(text) for text in fix)

    def answer(self, degree: int) -> Kernel | Unknown:
        from varnum.approx.ship.kernel import certify_kernel

        return certify_kernel(
            self.goal, self.form, degree, formats=self.formats, fixed=self.fixed,
            scheme_name=self.scheme, fma=self.fma, reduce=self.reduce,
        )  # fmt: skip


def _ends(
    interval: str | None, function: str, form: Format, fma: bool, reduce: bool
) -> tuple[Fraction, Fraction]:
    from fractions import Fraction

    from varnum.approx.ship.kernel import default_interval
    from varnum.balls import parse

    if interval is None:
        if not reduce:
            raise InputError("--interval: missing; LOW,HIGH such as -1/2,1/2 (or give --reduce)")
        return default_interval("exp" if function == "exp" else "exp2", form, fma)
    ends = interval.split(",")
    if len(ends) != 2:
        raise InputError(f"--interval: {interval!r} is not LOW,HIGH such as -1/2,1/2")
    low, high = (Fraction(parse(end, "--interval")) for end in ends)
    return low, high


def _fixed(text: str) -> tuple[int, Fraction]:
    from varnum.balls import parse

    place, equals, value = text.partition("=")
    if not equals or not place.strip().isdecimal():
        raise InputError(f"--fix: {text!r} is not K=VALUE such as 0=1")
    return int(place), parse(value, "--fix")


def _find(
    question: _Question, degree: int | None, eps: Fraction | None, say: Any
) -> Kernel | Unknown:
    """The kernel of this degree, or of the first one whose total error is at most eps."""
    from varnum.approx.ship.best import MAX_DEGREE
    from varnum.balls.scalar import ball
    from varnum.verdict import Unknown

    if degree is not None:
        say(f"degree {degree}")
        return question.answer(degree)
    if question.formats is not None:
        return question.answer(len(question.formats) - 1)
    if eps is None:
        raise InputError("--degree or --eps: one of them is needed")
    found: Kernel | Unknown = Unknown("no degree was tried")
    for candidate in range(max(question.fixed, default=0), MAX_DEGREE + 1):
        say(f"degree {candidate}")
        last, found = found, question.answer(candidate)
        if isinstance(found, Unknown):
            continue
        if found.total_error <= ball(eps):
            return found
        stuck = not isinstance(last, Unknown) and not found.total_error < last.total_error * 0.99
        if stuck and found.polynomial.error.high < found.total_error / 4:
            break
    return Unknown(f"no degree reaches {float(eps):g} in {question.form.name}: rounding remains")


def _unknown(reason: str, json: bool) -> int:
    from varnum.cli.envelope import print_envelope

    if json:
        content = {"reason": reason}
        return print_envelope(
            SCHEMA, content, verdict="unknown", assurance="estimated", exit_code=3
        )
    print(f"varnum: unknown: {reason}", file=sys.stderr)
    return 3


def _report(kernel: Kernel, eps: Fraction | None, json: bool) -> int:
    from varnum.approx.ship.formats import inward
    from varnum.cli.envelope import print_envelope
    from varnum.outward import at_most

    verdict, code = _reached(kernel, eps)
    content = as_json(kernel)
    if code:
        content["reason"] = (
            f"no real polynomial of this degree is below {content['minimax_error'][0]}"
            if verdict == "refuted"
            else f"the total error proved for these coefficients, {content['total_error']}, is "
            "above --eps; others are not excluded"
        )
    if json:
        return print_envelope(SCHEMA, content, verdict=verdict, assurance="proved", exit_code=code)
    digits = kernel.form.digits
    rows = [
        ("coefficient", "format", "exact value"),
        *(
            (f"c{k}", form.name, text)
            for k, (form, text) in enumerate(
                zip(kernel.polynomial.formats, content["coefficients"], strict=True)
            )
        ),
    ]
    print(aligned(rows))
    low, high = content["approximation_error"]
    print(f"{kernel.goal.kind} error of the polynomial: between {low} and {high}")
    if content["minimax_error"] is not None:
        print(f"no real polynomial of degree {kernel.polynomial.degree} is below "
              f"{content['minimax_error'][0]}")  # fmt: skip
    units = f" ({at_most(kernel.total_error * 2**digits)} ulp)" * (kernel.goal.kind == "relative")
    fused = "with" if kernel.how.fma else "without"
    print(f"total error, every rounding counted: at most {content['total_error']}{units}")
    print(f"  for every {kernel.form.name} x in {inward(*kernel.domain)};")
    print(f"  {content['scheme']}, {fused} FMA; by {content['total_error_by']}")
    if code:
        print(f"{verdict}: {content['reason']}")
    return code


def _reached(kernel: Kernel, eps: Fraction | None) -> tuple[str, int]:
    """Whether the total error is at most eps, with the exit code."""
    from varnum.balls.scalar import ball

    if eps is None or kernel.total_error <= ball(eps):
        return "proved", 0
    from fractions import Fraction

    least = as_json(kernel)["minimax_error"]
    if least is not None and Fraction(least[0]) > eps:
        return "refuted", 1  # not even real coefficients reach it
    return "unknown", 3


def as_json(kernel: Kernel) -> dict[str, Any]:
    """Every field of the answer."""
    from varnum.approx.ship.formats import hexadecimal
    from varnum.balls import to_text
    from varnum.outward import at_least, at_most
    from varnum.verdict import Unknown

    found, goal, seen, how = kernel.polynomial, kernel.goal, kernel.seen, kernel.reduction
    minimax = found.minimax
    return {
        "function": goal.function,
        "interval": [to_text(goal.low), to_text(goal.high)],
        "error": goal.kind,
        "degree": found.degree,
        "format": kernel.form.name,
        "formats": [form.name for form in found.formats],
        "coefficients": [hexadecimal(c) for c in found.coefficients],
        "scheme": kernel.how.name,
        "fma": kernel.how.fma,
        "operations": [[s.result, s.operation, *s.arguments] for s in kernel.how.steps],
        "reduction": None
        if how is None
        else {"kind": how.kind, "constants": [hexadecimal(c) for c in how.constants]},
        "domain": [to_text(x) for x in kernel.domain],
        "approximation_error": [at_least(found.error.low, 6), at_most(found.error.high, 6)],
        "minimax_error": None
        if isinstance(minimax, Unknown)
        else [at_least(minimax.low, 6), at_most(minimax.high, 6)],
        "total_error": at_most(kernel.total_error, 6),
        "total_error_by": "analysis" if seen is None else "enumeration",
        "analysis": at_most(kernel.analysis, 6),
        "largest_seen": None if seen is None else at_least(seen.low, 6),
        "largest_seen_at": None if seen is None else seen.at.hex(),
        "inputs_tried": 0 if seen is None else seen.count,
    }
