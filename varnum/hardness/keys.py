"""Unit keys of signs with small products, and their largest product mu exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.errors import InputError

KINDS = ("orthonormal", "random", "code")
MAX_ROWS = 2**14
MAX_SIGNS = 2**24  # random signs, all keys together; coordinates beyond stay 0


@dataclass(frozen=True)
class Keys:
    """N unit keys: entries / sqrt(length), entries (N, D) integers whose rows have square `length`.

    mu: largest product of two different keys, exact. Orthonormal: unit vectors, length 1.
    """

    kind: str
    entries: Any
    length: int
    mu: Fraction


def make_keys(kind: str, rows: int, d_k: int | None = None, seed: int = 0) -> Keys:
    """Keys of a kind for `rows` rows; `d_k` is needed for random signs.

    code: signs of the binary code in D = ceil(log2 N) of the coordinates. Raises InputError where
    d_k is too small for the kind or two random keys are equal.
    """
    _check(kind, rows, d_k)
    check_seed(seed)
    if kind == "orthonormal":
        return Keys(kind, np.eye(rows, dtype=np.int8), 1, Fraction(0))
    if kind == "code":
        places = np.arange(code_length(rows))
        entries = (2 * (np.arange(rows)[:, None] >> places & 1) - 1).astype(np.int8)
    else:
        rng = np.random.default_rng(seed)
        size = (rows, min(d_k or 0, MAX_SIGNS // rows))
        entries = rng.choice(np.array([-1, 1], np.int8), size)
    length = entries.shape[1]
    mu = Fraction(largest_product(entries), length)
    if mu == 1:
        raise InputError(f"keys: two of {rows} random keys are equal at d_k = {length}; raise d_k")
    return Keys(kind, entries, length, mu)


def best_keys(rows: int, d_k: int, seed: int = 0) -> Keys:
    """The kind with the smallest mu that fits in d_k dimensions."""
    _check_rows(rows)
    check_seed(seed)
    found = []
    for kind in KINDS:
        try:
            found.append(make_keys(kind, rows, d_k, seed))
        except InputError:
            continue
    if not found:
        raise InputError(f"d_k: {d_k} is too small for {rows} keys; at least {code_length(rows)}")
    return min(found, key=lambda keys: keys.mu)


def code_length(rows: int) -> int:
    """ceil(log2 N), at least 1."""
    return max(1, (rows - 1).bit_length())


def largest_product(entries: Any) -> int:
    """max over i != j of <e_i, e_j>, exact in integers, a strip at a time; -D for one row."""
    rows, d = entries.shape
    best = -int(d)
    floats = entries.astype(np.float32)  # sums of at most 2^24 signs are exact
    for start in range(0, rows, 256):
        products = floats[start : start + 256] @ floats.T
        here = np.arange(len(products))
        products[here, start + here] = -d
        best = max(best, int(products.max()))
    return best


def _check(kind: str, rows: int, d_k: int | None) -> None:
    if kind not in KINDS:
        raise InputError(f"keys: no {kind!r}; known: {', '.join(KINDS)}")
    _check_rows(rows)
    if d_k is not None and not 1 <= d_k <= 2**16:
        raise InputError(f"d_k: {d_k} is not allowed; 1 to 65536")
    least = {"orthonormal": rows, "code": code_length(rows), "random": 1}[kind]
    if d_k is not None and d_k < least:
        raise InputError(f"d_k: {d_k} is too small for {rows} {kind} keys; at least {least}")
    if kind == "random" and d_k is None:
        raise InputError("d_k: random keys need a dimension")


def check_seed(seed: int) -> None:
    """Raises InputError unless the seed is a whole number from 0 on."""
    if seed < 0:
        raise InputError(f"seed: {seed} is not allowed; 0 or more")


def _check_rows(rows: int) -> None:
    if not 2 <= rows <= MAX_ROWS:
        raise InputError(f"rows: {rows} is not allowed; 2 to {MAX_ROWS}")
