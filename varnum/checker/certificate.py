"""The certificate file: its one allowed form, its limits, its digest."""

import hashlib
import json
import re
from fractions import Fraction
from typing import NamedTuple

SCHEMA = "varnum/certificate/1"
MAX_BYTES = 1 << 21
MAX_DEGREE = 400
MAX_SIZE = 2000  # largest |x| in the interval
MAX_PLACES = 1 << 14  # binary places
MAX_WORK = 1 << 45  # about the bit operations of the exact evaluations: within a minute
_NUMBER = re.compile(r"-?[0-9]{1,700}(\.[0-9]{1,700}|/[1-9][0-9]{0,699})?")
_INTEGER = re.compile(r"-?0x[0-9a-f]{1,4096}")


class Malformed(ValueError):
    """The file is not a certificate in the one allowed form, was changed, or is beyond a limit."""


class Certificate(NamedTuple):
    """What a certificate holds. P(x) = unit sum_k numerators[k] x^k, and x_i = step points[i]."""

    relative: bool  # the error is |P e^-x - 1|, otherwise |P - e^x|
    low: Fraction
    high: Fraction
    eps: Fraction
    degree: int
    numerators: list[int]  # (degree + 1,)
    unit: Fraction
    brackets: list[tuple[Fraction, Fraction]]  # (degree,), one around each zero of the derivative
    lower_degree: int | None  # None: nothing is said about lower degrees
    points: list[int]  # (lower_degree + 2,)
    step: Fraction
    minimal: bool
    bits: int  # binary places to compute with: room for a proof, soundness does not rest on it
    text: dict[str, object]  # the file itself, for the sentence to quote


def load(path: str, most: int = MAX_BYTES) -> bytes:
    """A file's bytes (`-`: standard input), cut just past `most`; OSError like `open`."""
    with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
        return file.read(most + 1)


def serialise(content: dict[str, object]) -> bytes:
    """The one byte sequence that is the certificate of `content`; sets the digest."""
    body = {key: value for key, value in content.items() if key != "digest"}
    digest = "sha256:" + hashlib.sha256(_canonical(body)).hexdigest()
    return _canonical({**body, "digest": digest})


def _canonical(content: dict[str, object]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode("ascii")


def read(data: bytes) -> Certificate:
    """Read a certificate file; Malformed (one line) unless it is exactly in the allowed form."""
    _expect(len(data) <= MAX_BYTES, "file", f"at most {MAX_BYTES} bytes")
    try:
        top = json.loads(data.decode("ascii"))
        same = isinstance(top, dict) and data == serialise(top)
    except (ValueError, RecursionError):  # not ASCII, not JSON, a huge number, nested too deeply
        raise Malformed("file: expected JSON in ASCII") from None
    _expect(same, "bytes and digest", "the canonical form of the content, unchanged")
    _expect_keys(top, "schema error interval eps degree upper lower minimal digest", "certificate")
    _expect(top["schema"] == SCHEMA, "schema", SCHEMA)
    _expect(top["error"] in ("relative", "additive"), "error", "relative or additive")
    _expect(type(top["minimal"]) is bool, "minimal", "true or false")
    low, high = (_number(end, "interval") for end in _list(top["interval"], 2, "interval"))
    _expect(-MAX_SIZE <= low <= high <= MAX_SIZE, "interval", f"low <= high within +-{MAX_SIZE}")
    eps = _number(top["eps"], "eps")
    _expect(0 < eps < 1, "eps", "a number in (0, 1)")
    degree = _integer(top["degree"], 0, MAX_DEGREE, "degree")
    upper = _expect_keys(top["upper"], "exponent numerators brackets_exponent brackets", "upper")
    numerators = _integers(upper["numerators"], degree + 1, "numerators")
    unit = _power(upper["exponent"], "exponent")
    gap = _power(upper["brackets_exponent"], "exponent")
    pairs = [_integers(p, 2, "bracket") for p in _list(upper["brackets"], degree, "brackets")]
    lower_degree, points, step = None, list[int](), Fraction(1)
    if (lower := top["lower"]) is not None:
        _expect_keys(lower, "degree points_exponent points", "lower")
        lower_degree = _integer(lower["degree"], 0, MAX_DEGREE, "lower degree")
        points = _integers(lower["points"], lower_degree + 2, "points")
        step = _power(lower["points_exponent"], "points_exponent")
    count, long = max(degree + 2, len(points)), max(c.bit_length() for c in numerators)
    places = (gap.denominator * step.denominator).bit_length() + 64
    _expect(count**2 * places * (count * places + long) <= MAX_WORK, "size", "less work to check")
    relative = top["error"] == "relative"  # then e^x matters where it is e^low as well
    bits = 2 * eps.denominator.bit_length() + relative * 2 * int(max(-low, high)) + places
    return Certificate(
        relative=relative, low=low, high=high, eps=eps, degree=degree,
        numerators=numerators, unit=unit, brackets=[(a * gap, b * gap) for a, b in pairs],
        lower_degree=lower_degree, points=points, step=step,
        minimal=top["minimal"], bits=bits, text=top,
    )  # fmt: skip


def _expect(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise Malformed(f"{where}: expected {what}")


def _expect_keys(value: object, keys: str, where: str) -> dict[str, object]:
    if type(value) is dict and set(value) == set(keys.split()):
        return value
    raise Malformed(f"{where}: expected the keys {keys}")


def _list(value: object, length: int, where: str) -> list[object]:
    if type(value) is list and len(value) == length:
        return list(value)
    raise Malformed(f"{where}: expected a list of {length}")


def _integer(value: object, low: int, high: int, where: str) -> int:
    if type(value) is int and low <= value <= high:
        return value
    raise Malformed(f"{where}: expected an integer {low}..{high}")


def _integers(value: object, length: int, where: str) -> list[int]:
    texts = [t for t in _list(value, length, where) if type(t) is str and _INTEGER.fullmatch(t)]
    _expect(len(texts) == length, where, 'strings "0x.." or "-0x.." of at most 4096 digits')
    return [int(text, 16) for text in texts]


def _power(value: object, where: str) -> Fraction:
    return Fraction(1, 1 << -_integer(value, -MAX_PLACES, 0, where))


def _number(value: object, where: str) -> Fraction:
    if type(value) is str and _NUMBER.fullmatch(value) is not None:
        return Fraction(value)
    raise Malformed(f"{where}: expected 1.5 or 3/2")
