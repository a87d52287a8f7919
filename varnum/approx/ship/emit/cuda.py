"""CUDA: intrinsics that the compiler neither fuses nor splits."""

from __future__ import annotations

from varnum.approx.ship.emit.notation import CUT, head, hexadecimal_literal, name
from varnum.approx.ship.kernel import Kernel

_TYPES = {
    "float16": ("__half", "cuda_fp16.h", "__float2half_rn({})"),
    "bfloat16": ("__nv_bfloat16", "cuda_bf16.h", "__float2bfloat16_rn({})"),
    "float32": ("float", None, "{}"),
    "float64": ("double", None, "{}"),
}
_OPERATIONS = {
    "float32": {"add": "__fadd_rn", "mul": "__fmul_rn", "fma": "__fmaf_rn"},
    "float64": {"add": "__dadd_rn", "mul": "__dmul_rn", "fma": "__fma_rn"},
    "float16": {"add": "__hadd_rn", "mul": "__hmul_rn", "fma": "__hfma"},
    "bfloat16": {"add": "__hadd_rn", "mul": "__hmul_rn", "fma": "__hfma"},
}
# y 2^n by adding n to the exponent: inside the domain the result is a normal number
_SCALE = {
    "float32": "__int_as_float(__float_as_int({y}) + (__float2int_rn(n) << 23))",
    "float64": "__longlong_as_double(__double_as_longlong({y}) + (__double2ll_rn(n) << 52))",
    "float16": "__ushort_as_half((unsigned short)(__half_as_ushort({y}) + "
    "(__half2int_rn(n) * 1024)))",
    "bfloat16": "__ushort_as_bfloat16((unsigned short)(__bfloat16_as_ushort({y}) + "
    "(__bfloat162int_rn(n) * 128)))",
}


def source(kernel: Kernel, certificate: str) -> str:
    """A CUDA header with one device function; below the domain it returns 0, above infinity."""
    form = kernel.form.name
    kind, include, make = _TYPES[form]
    call = _OPERATIONS[form]
    number = hexadecimal_literal("" if form == "float64" else "f")
    lines = [f"    const {kind} c{k} = {make.format(number(c))};"
             for k, c in enumerate(kernel.polynomial.coefficients)]  # fmt: skip
    body = [f"    const {kind} {s.result} = {call[s.operation]}({', '.join(s.arguments)});"
            for s in kernel.how.steps]  # fmt: skip
    before, after = _reduction(kernel, kind, call)
    includes = "" if include is None else f"#include <{include}>\n\n"
    return (
        head(kernel, certificate, ("/*\n", "", "*/\n"), CUT)
        + f"{includes}__device__ __forceinline__ {kind} {name(kernel)}({kind} x)\n{{\n"
        + "\n".join([*lines, *before, *body, *after]) + "\n}\n"
    )  # fmt: skip


def _reduction(kernel: Kernel, kind: str, call: dict[str, str]) -> tuple[list[str], list[str]]:
    how, form, result = kernel.reduction, kernel.form.name, kernel.how.result
    if how is None:
        return [f"    const {kind} r = x;"], [f"    return {result};"]
    number = hexadecimal_literal("" if form == "float64" else "f")
    make = _TYPES[form][2]
    native = form in ("float32", "float64")
    minus, whole = ("-{}", {"nearest": "rint", "floor": "floor"}) if native else (
        "__hneg({})", {"nearest": "hrint", "floor": "hfloor"})  # fmt: skip
    if how.kind == "cody-waite":
        before = _cody_waite(kernel, kind, call, "rint" if native else "hrint", minus)
    else:
        suffix = "f" if form == "float32" else ""
        before = [
            f"    const {kind} n = {whole[how.kind]}{suffix}(x);",
            f"    const {kind} r = {call['add']}(x, {minus.format('n')});",
        ]
    low, high = (make.format(number(x)) for x in kernel.domain)
    zero, infinity = make.format("0.0f" if form != "float64" else "0.0"), make.format("INFINITY")
    scaled = _SCALE[form].format(y=result)
    after = [
        f"    const {kind} y = {scaled};",
        f"    return x < {low} ? {zero} : x > {high} ? {infinity} : x == x ? y : x;"
        if native
        else f"    return __hlt(x, {low}) ? {zero} : __hgt(x, {high}) ? {infinity} : "
        "__hisnan(x) ? x : y;",
    ]
    return before, after


def _cody_waite(
    kernel: Kernel, kind: str, call: dict[str, str], rint: str, minus: str
) -> list[str]:
    how, form = kernel.reduction, kernel.form.name
    assert how is not None
    make, number = _TYPES[form][2], hexadecimal_literal("" if form == "float64" else "f")
    names = ("log2e", "high", "low")
    lines = [f"    const {kind} {n} = {make.format(number(c))};"
             for n, c in zip(names, how.constants, strict=True)]  # fmt: skip
    suffix = "f" if form == "float32" else ""
    lines.append(f"    const {kind} n = {rint}{suffix}({call['mul']}(x, log2e));")
    for result, part, given in (("s", "high", "x"), ("r", "low", "s")):
        if how.fma:
            value = f"{call['fma']}({minus.format('n')}, {part}, {given})"
        else:
            product = f"{call['mul']}(n, {part})"
            value = f"{call['add']}({given}, {minus.format(product)})"
        lines.append(f"    const {kind} {result} = {value};")
    return lines
