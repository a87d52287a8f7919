"""C: float and double as they are, 16-bit formats by an exact emulation in double."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from varnum.approx.ship.emit.notation import FULL, cuts, head, hexadecimal_literal, name
from varnum.approx.ship.kernel import Kernel
from varnum.approx.ship.reduction import Reduction

Write: TypeAlias = Callable[..., str]  # (operation, a, b, c): one rounded operation

_NATIVE = """\
#if defined(__FAST_MATH__)
#error "compile without -ffast-math: the bound is for exactly these operations"
#endif
#if FLT_EVAL_METHOD != 0
#error "operations have to be rounded to their type (on x86: -msse2 -mfpmath=sse)"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif
"""

_EMULATED = """\
/* Numbers of the format are carried in double; each operation is rounded once, as in hardware. */
static double varnum_round(double v)
{{
    int e, place;
    if (!isfinite(v) || v == 0)
        return v;
    frexp(v, &e);
    place = (e - 1 < {least} ? {least} : e - 1) + 1 - {digits};
    v = ldexp(nearbyint(ldexp(v, -place)), place);
    return fabs(v) > {largest} ? copysign(INFINITY, v) : v;
}}

/* a + b, rounded to odd in double: a second rounding, to the format, is then the right one. */
static double varnum_add(double a, double b)
{{
    const double s = a + b, back = s - a, e = (a - (s - back)) + (b - back);
    union {{ double value; int64_t bits; }} u = {{ s }};
    if (isfinite(s) && e != 0 && (u.bits & 1) == 0)
        u.value = nextafter(s, e > 0 ? INFINITY : -INFINITY);
    return varnum_round(u.value);
}}
"""


def source(kernel: Kernel, certificate: str) -> str:
    """A C99 file with one function."""
    form, native = kernel.form, kernel.form.digits >= 24
    kind = "double" if form.digits == 53 else "float"
    number = hexadecimal_literal("f" if form.name == "float32" else "")
    top = head(kernel, certificate, ("/*\n", "", "*/\n"), FULL)
    includes = "#include <float.h>\n#include <math.h>\n#include <stdint.h>\n\n"
    helpers = (
        _NATIVE
        if native
        else _NATIVE
        + "\n"
        + _EMULATED.format(least=form.least, digits=form.digits, largest=number(form.largest))
    )
    carrier = kind if native else "double"
    lines = [f"    const {carrier} c{k} = {number(c)};" for k, c in
             enumerate(kernel.polynomial.coefficients)]  # fmt: skip
    write = _operation(form.name)
    body = [f"    const {carrier} {s.result} = {write(s.operation, *s.arguments)};"
            for s in kernel.how.steps]  # fmt: skip
    before, after = _reduction(kernel, carrier, write)
    signature = f"{kind} {name(kernel)}({kind} x)\n{{\n"
    return (
        f"{top}{includes}{helpers}\n{signature}"
        + "\n".join([*lines, *before, *body, *after])
        + "\n}\n"
    )


def _operation(form: str) -> Write:
    """One rounded operation as an expression."""

    def native(operation: str, a: str, b: str, c: str = "") -> str:
        fused = "fma" if form == "float64" else "fmaf"
        return {"add": f"{a} + {b}", "mul": f"{a} * {b}"}.get(operation, f"{fused}({a}, {b}, {c})")

    def emulated(operation: str, a: str, b: str, c: str = "") -> str:
        product = f"varnum_round({a} * {b})"
        fused = f"varnum_add({a} * {b}, {c})"
        return {"add": f"varnum_add({a}, {b})", "mul": product}.get(operation, fused)

    return native if form in ("float32", "float64") else emulated


def _reduction(kernel: Kernel, carrier: str, write: Write) -> tuple[list[str], list[str]]:
    """Lines before and after the polynomial."""
    how, result, form = kernel.reduction, kernel.how.result, kernel.form
    suffix = "f" if form.name == "float32" else ""
    if how is None:
        return [f"    const {carrier} r = x;"], [f"    return {result};"]
    number = hexadecimal_literal(suffix)
    low, high = cuts(form, kernel)
    before = [
        f"    if (!(x >= {number(low)}))",
        f"        return x < 0 ? 0{'.0' + suffix} : x; /* too small; not a number */",
        f"    if (x > {number(high)})",
        "        return INFINITY;",
        *_reduced(how, carrier, suffix, write),
    ]
    scaled = f"ldexp{suffix}({result}, (int)n)"
    if form.digits < 24:
        scaled = f"varnum_round({scaled})"
    return before, [f"    return {scaled};"]


def _reduced(how: Reduction, carrier: str, suffix: str, write: Write) -> list[str]:
    if how.kind != "cody-waite":
        whole = {"nearest": "rint", "floor": "floor"}[how.kind]
        return [
            f"    const {carrier} n = {whole}{suffix}(x);",
            f"    const {carrier} r = {write('add', 'x', '-n')};",
        ]
    number = hexadecimal_literal(suffix)
    scale, high, low = how.constants
    lines = [
        f"    const {carrier} log2e = {number(scale)}, high = {number(high)}, low = {number(low)};",
        f"    const {carrier} n = rint{suffix}({write('mul', 'x', 'log2e')});",
    ]
    for result, part, given in (("s", "high", "x"), ("r", "low", "s")):
        if how.fma:
            value = write("fma", "-n", part, given)
        else:
            lines.append(f"    const {carrier} {result}n = {write('mul', 'n', part)};")
            value = write("add", given, f"-{result}n")
        lines.append(f"    const {carrier} {result} = {value};")
    return lines
