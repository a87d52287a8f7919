"""The fixed-point block and generation in NumPy integers; knows no form, gate or lemma."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt
from typing import TypedDict

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Table = dict[int, int]
Cache = list[tuple[Ints, Ints]]


class Parts(TypedDict):
    """What a generation is made of; see `generate`."""

    sides: Sequence[int]
    width: int
    bits: int
    noise: int
    codebook: Ints
    head: Ints
    position: Ints
    up: dict[int, tuple[Ints, int]]
    down: dict[int, tuple[Ints, int]]
    map_unit: int
    norm: tuple[int, int]
    embed: Ints
    step: Callable[[Ints, Cache], Ints]


class Inside(TypedDict):
    """What a block is made of; see `block`."""

    kind: str
    g: int
    wq: Ints
    wk: Ints
    norm: tuple[int, int]
    unit: tuple[int, int]
    exp: Table
    gelu: Table


_isqrt = np.frompyfunc(isqrt, 1, 1)


def look_up(table: Table, x: Ints) -> Ints:
    """table[x] entrywise."""
    low = min(table)
    return np.asarray(np.array([table[low + i] for i in range(len(table))])[x - low])


def floor_root(a: Ints, variance: Ints, k: int, most: int) -> Ints:
    """floor(sqrt(k) a / sqrt(variance)), clipped to +-most."""
    n = k * a * a
    down = _isqrt(n // variance).astype(np.int64)
    up = np.where(n > 0, _isqrt(np.maximum(-(-n // variance) - 1, 0)).astype(np.int64) + 1, 0)
    return np.asarray(np.clip(np.where(a >= 0, down, -up), -most, most))


def normalise(x: Ints, k: int, most: int, centred: bool) -> Ints:
    """(..., C) -> (..., C)."""
    a = x.shape[-1] * x - x.sum(axis=-1, keepdims=True) if centred else x
    return floor_root(a, 1 + (a * a).sum(axis=-1, keepdims=True), k, most)


def attend(q: Ints, k: Ints, v: Ints, exp: Table) -> Ints:
    """floor(sum E v / sum E): (n, l, C), (n, L, C), (n, L, C) -> (n, l, C)."""
    E = look_up(exp, np.einsum("nic,njc->nij", q, k))
    return np.asarray(np.einsum("nij,njc->nic", E, v) // E.sum(axis=2)[:, :, None])


def qkv(y: Ints, wq: Ints, wk: Ints, unit: tuple[int, int] | None) -> tuple[Ints, Ints, Ints]:
    """Queries, keys, values of normalised tokens (n, l, C); unit: (k, B) of unit vectors."""
    q, k, v = y @ wq.T, y @ wk.T, y @ wk.T
    if unit is not None:
        q, k = normalise(q, *unit, centred=False), normalise(k, *unit, centred=False)
    return q, k, v


def block(
    x: Ints, kind: str, g: int, wq: Ints, wk: Ints, norm: tuple[int, int], unit: tuple[int, int],
    exp: Table, gelu: Table, cache: list[tuple[Ints, Ints]] | None = None,
) -> Ints:  # fmt: skip
    """x (n, l, C) after one block; cache: keys and values of earlier scales, appended to."""
    y = normalise(x, *norm, centred=kind != "rms")
    q, k, v = qkv(y, wq, wk, unit if kind == "l2" else None)
    held = [] if cache is None else cache
    held.append((k, v))
    keys, values = (np.concatenate([pair[i] for pair in held], axis=1) for i in (0, 1))
    x = (x << g) + attend(q, keys, values, exp) @ wq.T
    y = normalise(x, *norm, centred=kind != "rms")
    active = look_up(gelu, y @ wq.T)
    if kind == "rms":
        return np.asarray((x << g) + (active * (y @ wk.T)) @ wk.T)
    return np.asarray(x + active @ wk.T)


def entry_bits(x: Ints, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Bits of every entry minus its least value: (n, entries) -> (n, bits)."""
    parts = [
        x[:, e] - low >> j & 1
        for e, (low, high) in enumerate(ranges)
        for j in range((high - low).bit_length())
    ]
    return np.stack(parts, axis=1).astype(bool)


def generate(bits: npt.NDArray[np.bool_], parts: Parts) -> tuple[Ints, Ints]:
    """Tokens (n, L) and final f_hat (n, C, P, P) of every row of input bits.

    parts: sides, width, bits, codebook (V, C), head (V, C), position (L, C), noise, up and down
    (side -> (matrix, unit)), map_unit, norm (k, B), embed (C, C), step (x, cache) -> x.
    """
    sides, C, p = parts["sides"], parts["width"], parts["bits"]
    n, P = len(bits), sides[-1]
    label = bits[:, : C * p].reshape(n, C, p).astype(np.int64) @ (1 << np.arange(p))
    noise = bits[:, C * p :].astype(np.int64)
    cache: list[tuple[Ints, Ints]] = []
    f_hat = np.zeros((n, C, P, P), dtype=np.int64)
    x, start, found = label[:, None, :], 0, []
    for s, side in enumerate(sides):
        stop = start + side * side
        x = parts["step"](x + parts["position"][start:stop], cache)
        k, most = parts["norm"]
        logits = normalise(x, k, most, centred=True) @ parts["head"].T
        favoured = parts["noise"] * np.arange(len(parts["head"]))
        tokens = np.argmax(logits + noise[:, start:stop, None] * favoured, axis=2)
        found.append(tokens)
        start = stop
        code = parts["codebook"][tokens].transpose(0, 2, 1).reshape(n, C, side, side)
        up, unit = parts["up"][side]
        f_hat = f_hat + (up @ code @ up.T) * (parts["map_unit"] // unit**2)
        if s + 1 < len(sides):
            down, unit = parts["down"][sides[s + 1]]
            pooled = down @ f_hat @ down.T
            whole = parts["map_unit"] * unit**2
            maps = (2 * pooled + whole) // (2 * whole)
            x = maps.reshape(n, C, -1).transpose(0, 2, 1) @ parts["embed"].T
    return np.concatenate(found, axis=1), f_hat
