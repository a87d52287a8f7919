"""The file: its one allowed form, its digest, and the arrays it is about."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple, TypedDict

import numpy as np

from .exact_rows import Array

SCHEMA = "varnum/attention-certificate/1"
MAX_BYTES = 1 << 21
CAUSAL = "causal"  # row i sees keys 0 .. i
KINDS = ("eps", "output-error", "output-spread")
_TOP = {
    "schema", "versions", "q", "k", "v", "output", "sigma", "scales", "kind", "target", "bound",
    "output_bound", "heads", "word", "claims", "digest",
}  # fmt: skip
_HEAD = {"method", "bound", "output_bound", "rank", "rows", "rows_exact", "tested"}
_ARRAY = {"sha256", "shape", "dtype"}
_NUMBER = re.compile(r"[0-9]+/[0-9]+|[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,3})?")  # none that hangs


class Malformed(ValueError):
    """Not an attention certificate in the allowed form."""


class Disagrees(Exception):
    """What the certificate says is not so; the message says where."""


class Facts(TypedDict):
    """What the file says of an array."""

    sha256: str
    shape: list[int]
    dtype: str


class HeadText(TypedDict):
    """What it says of a head."""

    method: str
    bound: float
    output_bound: float
    rank: int
    rows: int
    rows_exact: int
    tested: int


class Text(TypedDict):
    """The file."""

    schema: str
    versions: dict[str, str]
    q: Facts
    k: Facts
    v: Facts
    output: Facts
    sigma: str
    scales: list[int] | str | None
    kind: str
    target: str
    bound: float
    output_bound: float
    heads: list[HeadText]
    word: str
    claims: list[str]
    digest: str


class Claimed(NamedTuple):
    """What a certificate claims, read."""

    text: Text
    arrays: dict[str, Mapping[str, object]]  # sha256, shape and dtype of q, k, v and the output
    sigma: Fraction | str  # a number, or sqrt, 4sqrt, d
    ends: tuple[int, ...] | str | None  # keys that end each scale, or "causal"
    bounds: tuple[Fraction, ...]  # of each head, in units of the range
    spreads: tuple[Fraction, ...] | None  # of each head, in units of the spread; None: not claimed


def is_attention(data: bytes) -> bool:
    """Does the file say that it is one?"""
    return b'"varnum/attention-certificate/' in data


def serialise(content: Mapping[str, object]) -> bytes:
    """The one byte sequence of `content`; sets the digest."""
    body = {key: value for key, value in content.items() if key != "digest"}
    digest = "sha256:" + hashlib.sha256(_plain(body)).hexdigest()
    return _plain({**body, "digest": digest})


def _plain(content: Mapping[str, object]) -> bytes:
    return (json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


def read(data: bytes) -> Claimed:
    """Read a certificate; Malformed where it is none, Disagrees where it was changed."""
    _expect(len(data) <= MAX_BYTES, "file", f"at most {MAX_BYTES} bytes")
    try:
        top = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError):
        raise Malformed("file: expected JSON in ASCII") from None
    _expect(isinstance(top, dict) and top.keys() == _TOP, "certificate", f"fields {sorted(_TOP)}")
    _expect(top["schema"] == SCHEMA, "schema", SCHEMA)
    try:
        same = data == serialise(top)
    except (ValueError, TypeError):
        same = False
    if not same:
        raise Disagrees("digest: the file was changed after it was written")
    for name in ("q", "k", "v", "output"):
        _expect(_is(top[name], _ARRAY), name, f"fields {sorted(_ARRAY)}")
    _expect(top["kind"] in KINDS, "kind", ", ".join(KINDS))
    heads = top["heads"]
    _expect(isinstance(heads, list) and len(heads) > 0, "heads", "a list of at least one")
    for head in heads:
        _expect(_is(head, _HEAD), "heads", f"fields {sorted(_HEAD)}")
    return _claims(top, heads)


def _claims(top: Text, heads: list[HeadText]) -> Claimed:
    bounds = tuple(_bound(head["output_bound"], "output_bound") for head in heads)
    own = tuple(_bound(head["bound"], "bound") for head in heads)
    target = _number(top["target"], "target")
    if _bound(top["bound"], "bound") != max(own) or max(own) > target:
        raise Disagrees("bound: not the largest of the heads', or above the target")
    if _bound(top["output_bound"], "output_bound") != max(bounds):
        raise Disagrees("output_bound: not the largest of the heads'")
    if top["kind"] == "output-error" and own != bounds:
        raise Disagrees("heads: an output error has two values")
    spreads = own if top["kind"] == "output-spread" else None
    arrays: dict[str, Mapping[str, object]] = {
        "q": top["q"], "k": top["k"], "v": top["v"], "output": top["output"],
    }  # fmt: skip
    sigma, ends = _sigma(top["sigma"]), _ends(top["scales"])
    return Claimed(top, arrays, sigma, ends, bounds, spreads)


def array_facts(array: Array) -> dict[str, object]:
    """sha256 of the numbers, row after row, least byte first; shape; dtype."""
    if array.dtype.kind != "f" or array.itemsize not in (2, 4, 8):
        raise Malformed(f"arrays: {array.dtype} is not allowed; float16, float32 or float64")
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(plain.view(np.uint8).data).hexdigest() if plain.size else ""
    name = f"float{8 * array.itemsize}"
    return {"sha256": digest, "shape": [int(n) for n in array.shape], "dtype": name}


def _sigma(text: object) -> Fraction | str:
    if text in ("sqrt", "4sqrt", "d"):
        return str(text)
    value = _number(text, "sigma")
    # beyond, q.k or q.k/sigma may leave the range of floats, which `exact_rows` does not count
    _expect(Fraction(1, 10**12) <= value <= 10**12, "sigma", "1e-12 to 1e12, sqrt, 4sqrt or d")
    return value


def _ends(scales: object) -> tuple[int, ...] | str | None:
    if scales is None:
        return None
    if scales == CAUSAL:
        return CAUSAL
    if not (isinstance(scales, list) and scales and all(type(n) is int and n > 0 for n in scales)):
        raise Malformed(f"scales: expected null, {CAUSAL}, or a list of positive token counts")
    ends, total = [], 0
    for count in scales:
        total += count
        ends.append(total)
    return tuple(ends)


def _number(text: object, name: str) -> Fraction:
    try:
        if not (isinstance(text, str) and len(text) <= 1000 and _NUMBER.fullmatch(text)):
            raise ValueError
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise Malformed(f"{name}: expected an exact number as a string") from None


def _bound(value: object, name: str) -> Fraction:
    if type(value) in (int, float) and isinstance(value, int | float) and 0 <= value <= 1e300:
        return Fraction(value)
    raise Malformed(f"{name}: expected a number that is not negative")  # nan and inf are not


def _is(part: object, names: set[str]) -> bool:
    return isinstance(part, dict) and part.keys() == names


def _expect(good: bool, name: str, allowed: str) -> None:
    if not good:
        raise Malformed(f"{name}: expected {allowed}")
