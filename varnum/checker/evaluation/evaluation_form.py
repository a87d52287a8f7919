"""The certificate of an evaluation in a float format: its one allowed form and its limits."""

import json
import re
from fractions import Fraction
from typing import NamedTuple

from ..certificate import (
    MAX_BYTES,
    Malformed,
    _expect,
    _expect_keys,
    _list,
    _number,
    serialise,
)  # fmt: skip

SCHEMA = "varnum/polynomial/1"
FORMATS = {  # digits of the significand, exponents of the smallest and the largest normal numbers
    "bfloat16": (8, -126, 127), "float16": (11, -14, 15),
    "float32": (24, -126, 127), "float64": (53, -1022, 1023),
}  # fmt: skip
MAX_DEGREE, MAX_STEPS, MAX_SIZE = 32, 128, 64
BEGIN, END = b"BEGIN VARNUM CERTIFICATE", b"END VARNUM CERTIFICATE"
_HEXADECIMAL = re.compile(r"-?0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}")
_ARITY = {"add": 2, "mul": 2, "fma": 3}


class Format(NamedTuple):
    """Numbers m 2^e with |m| < 2^digits, e > least - digits, of size below 2^(most + 1)."""

    digits: int
    least: int
    most: int


class Reduction(NamedTuple):
    """nearest, floor (exp2) or cody-waite (exp), its constants, and whether it is fused."""

    kind: str
    fma: bool
    constants: list[Fraction]


class Evaluation(NamedTuple):
    """What a file holds; see docs/reference/certificate.md."""

    function: str
    relative: bool
    low: Fraction
    high: Fraction
    format_name: str
    format: Format
    coefficients: list[Fraction]
    steps: list[tuple[str, str, list[str]]]
    reduction: Reduction | None
    domain: tuple[Fraction, Fraction]
    eps: Fraction
    polynomial_eps: Fraction
    enumeration: bool
    text: dict[str, object]


def extract(data: bytes) -> bytes:
    """The certificate in a source file's comment, between its marks; other files as they are."""
    lines = data.split(b"\n")
    marks = [i for i, line in enumerate(lines) if line.endswith((BEGIN, END))]
    if len(marks) != 2 or data.lstrip().startswith(b"{"):
        return data
    first, last = marks
    prefix = len(lines[first]) - len(BEGIN)
    return b"".join(line[prefix:] + b"\n" for line in lines[first + 1 : last])


def is_evaluation(data: bytes) -> bool:
    """Whether a file, or the comment of one, says it is such a certificate."""
    return f'"schema": "{SCHEMA}"'.encode() in extract(data)


def read(data: bytes) -> Evaluation:
    """Read a certificate; Malformed (one line) unless it is exactly in the allowed form."""
    _expect(len(data) <= MAX_BYTES, "file", f"at most {MAX_BYTES} bytes")
    try:
        top = json.loads(data.decode("ascii"))
        same = isinstance(top, dict) and data == serialise(top)
    except (ValueError, RecursionError):
        raise Malformed("file: expected JSON in ASCII") from None
    _expect(same, "bytes and digest", "the canonical form of the content, unchanged")
    _expect_keys(
        top,
        "schema function error interval format coefficients operations reduction domain eps "
        "polynomial_eps by digest",
        "certificate",
    )
    _expect(top["schema"] == SCHEMA, "schema", SCHEMA)
    _expect(top["function"] in ("exp", "exp2"), "function", "exp or exp2")
    _expect(top["error"] in ("relative", "absolute"), "error", "relative or absolute")
    _expect(top["by"] in ("analysis", "enumeration"), "by", "analysis or enumeration")
    _expect(top["format"] in FORMATS, "format", ", ".join(FORMATS))
    form = Format(*FORMATS[top["format"]])
    low, high = (_number(end, "interval") for end in _list(top["interval"], 2, "interval"))
    _expect(-MAX_SIZE <= low < high <= MAX_SIZE, "interval", f"low < high within +-{MAX_SIZE}")
    texts = top["coefficients"]
    _expect(type(texts) is list and 1 <= len(texts) <= MAX_DEGREE + 1, "coefficients", "a list")
    coefficients = [_float(text, form, "coefficients") for text in texts]
    eps, own = (_number(top[key], key) for key in ("eps", "polynomial_eps"))
    _expect(eps > 0 and own > 0, "eps", "above 0")
    reduction = None
    domain = low, high
    if top["reduction"] is not None:
        reduction = _reduction(top, form)
        ends = [_float(x, form, "domain") for x in _list(top["domain"], 2, "domain")]
        domain = ends[0], ends[1]
        _expect(domain[0] <= domain[1], "domain", "low <= high")
        _expect(eps <= Fraction(1, 2), "eps", "at most 1/2 with a reduction")
    else:
        _expect(top["domain"] is None, "domain", "null without a reduction")
    _expect(top["by"] == "analysis" or sum(form[:1]) <= 11, "by", "analysis, but in 16 bits")
    steps = _steps(top["operations"], len(coefficients))
    return Evaluation(
        top["function"], top["error"] == "relative", low, high, top["format"], form,
        coefficients, steps, reduction, domain, eps, own, top["by"] == "enumeration", top,
    )  # fmt: skip


def _reduction(top: dict[str, object], form: Format) -> Reduction:
    value = _expect_keys(top["reduction"], "kind fma constants", "reduction")
    kind, fma = value["kind"], value["fma"]
    kinds = {"exp2": ("nearest", "floor"), "exp": ("cody-waite",)}[str(top["function"])]
    _expect(kind in kinds, "reduction", " or ".join(kinds))
    _expect(top["error"] == "relative", "error", "relative with a reduction")
    _expect(type(fma) is bool, "fma", "true or false")
    count = 3 if kind == "cody-waite" else 0
    given = [_float(x, form, "constants") for x in _list(value["constants"], count, "constants")]
    _expect(all(c > 0 for c in given[:2]), "constants", "log2(e) and ln 2 above 0")
    return Reduction(str(kind), fma is True, given)


def _steps(value: object, coefficients: int) -> list[tuple[str, str, list[str]]]:
    """Operations whose arguments are known; the last one's result is what is returned."""
    if type(value) is not list or len(value) > MAX_STEPS:
        raise Malformed("operations: expected a list")
    known, steps = {"r", *(f"c{k}" for k in range(coefficients))}, []
    for i, item in enumerate(value):
        fine = type(item) is list and all(type(x) is str for x in item) and len(item) >= 2
        _expect(fine and item[0] == f"t{i}", "operations", f"t{i}, an operation, its arguments")
        _expect(item[1] in _ARITY, "operations", "add, mul or fma")
        fine = len(item) == 2 + _ARITY[item[1]] and all(x in known for x in item[2:])
        _expect(fine, "operations", "arguments that are known before")
        known.add(item[0])
        steps.append((item[0], item[1], item[2:]))
    return steps


def _float(value: object, form: Format, where: str) -> Fraction:
    if type(value) is not str or _HEXADECIMAL.fullmatch(value) is None:
        raise Malformed(f"{where}: expected 0x1.8p+0")
    mantissa, exponent = value.lstrip("-").removeprefix("0x").split("p")
    whole, digits = mantissa.split(".")
    number = int(whole + digits, 16) * Fraction(2) ** (int(exponent) - 4 * len(digits))
    number = -number if value.startswith("-") else number
    _expect(holds(number, form), where, "numbers of the format")
    return number


def holds(x: Fraction, form: Format) -> bool:
    """Whether x is a number of the format."""
    top, bottom = abs(x.numerator), x.denominator
    if top == 0:
        return True
    last = (top & -top).bit_length() - bottom.bit_length()
    first = top.bit_length() - bottom.bit_length()
    return first - last < form.digits and last > form.least - form.digits and first <= form.most
