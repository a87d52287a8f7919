"""Heads to evict from: files of queries, keys and values, and a VAR run captured."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.floats.inputs import tokens
from varnum.model.backend import Backend
from varnum.model.generate import Model, Settings, generate, teacher_forced_logits

MOST_KEYS = 2**14


@dataclass(frozen=True)
class Head:
    """q (L_q, d), k (L, d), v (L, d_v) float64; logits are q.k/sigma."""

    name: str
    q: Any
    k: Any
    v: Any
    sigma: float


def read_heads(path: Path, sigma: str | None = None) -> Iterator[Head]:
    """Arrays q_NAME, k_NAME, v_NAME of an .npz, one head a name; sigma: sqrt (d), d or a number.

    Arrays `q`, `k`, `v` alone are one head. Raises InputError; nothing in the file is executed.
    """
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("not a zip file")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            arrays = {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise InputError(f"evict: {path} does not exist") from None
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise InputError(f"evict: {path}: no readable .npz ({str(error)[:100]})") from None
    if not all(name.isprintable() for name in arrays):
        raise InputError(f"evict: {path}: names of arrays hold control characters")
    names = sorted(n[1:] for n in arrays if n == "q" or n.startswith("q_"))
    if not names:
        raise InputError(f"evict: {path}: no arrays q_NAME, k_NAME, v_NAME in it")
    for name in names:
        missing = [f"{part}{name}" for part in "kv" if f"{part}{name}" not in arrays]
        if missing:
            raise InputError(f"evict: {path}: {', '.join(missing)} missing beside q{name}")
        where = name.lstrip("_") or "head"
        q, k, v = (tokens(arrays[f"{part}{name}"], f"{path}: {part}{name}") for part in "qkv")
        yield _checked(Head(where, q, k, v, _sigma(sigma, q.shape[1])))


def capture(model: Model, label: int, seed: int) -> tuple[list[Head], tuple[int, ...]]:
    """Every head of one generated image, queries already scaled, and the lengths of the scales.

    The tokens are drawn first (greedy, no guidance), then read again in one pass in float64 that
    shows each layer's q, k, v to a recording kernel.
    """
    from varnum.model.attention import exact_attention

    double = model.to(Backend("numpy", "float64"))
    labels = np.array([label], dtype=np.int64)
    scales = list(generate(double, labels, Settings(seed=seed)))
    tokens = np.concatenate([np.asarray(scale.tokens) for scale in scales], axis=1)
    found: list[Head] = []
    lengths: list[tuple[int, ...]] = []

    def record(q: Any, k: Any, v: Any, scale: Any, blocks: tuple[int, ...] | None = None) -> Any:
        if blocks is not None:
            lengths.append(blocks)
            scaled = np.asarray(q * scale)[0]
            for h in range(scaled.shape[0]):
                name = f"{len(lengths) - 1}_{h}"
                found.append(Head(name, scaled[h], np.asarray(k)[0, h], np.asarray(v)[0, h], 1.0))
        return exact_attention(q, k, v, scale, blocks)

    teacher_forced_logits(double, labels, tokens, attend=record)
    return [_checked(head) for head in found], lengths[0]


def _checked(head: Head) -> Head:
    if head.q.shape[1] != head.k.shape[1]:
        raise InputError(f"q, k of {head.name}: widths {head.q.shape[1]}, {head.k.shape[1]} differ")
    if len(head.k) != len(head.v):
        raise InputError(f"k, v of {head.name}: {len(head.k)} keys, {len(head.v)} values")
    if not (len(head.q) and 2 <= len(head.k) <= MOST_KEYS):
        raise InputError(f"{head.name}: {len(head.q)} queries, {len(head.k)} keys; at least one "
                         f"query and 2 to {MOST_KEYS} keys")  # fmt: skip
    return head


def _sigma(text: str | None, d: int) -> float:
    from varnum.balls import parse

    if text in (None, "sqrt", "4sqrt"):
        return float(np.sqrt(d)) * (4 if text == "4sqrt" else 1)
    value = float(d if text == "d" else parse(text or "", "sigma"))
    if not 1e-100 < value < 1e100:
        raise InputError(f"sigma: {text} is not allowed; sqrt, 4sqrt, d or a positive number")
    return value
