"""What `varnum kv --sparsity` answers: bits needed and enough, claims of compressors judged."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from varnum.balls import parse, to_text
from varnum.cost.schedule import parse_schedule
from varnum.errors import InputError
from varnum.formulas import hardness as kv_forms
from varnum.hardness.caches.released import SIZES, Size, size_of
from varnum.hardness.caches.scale import (
    attention_of,
    evict_floor,
    inverse_norm,
    keys_error,
    orthonormal_error,
    own_mass,
    unit_keys,
)
from varnum.hardness.caches.sparsity import (
    Dictionary,
    check_sizes,
    last_scales_rows,
    sparse_bits,
    tokens_known_bits,
)
from varnum.hardness.kv import cached_rows
from varnum.outward import float_down

MOST_KEYS = 2048  # the inverse of the attention matrix is verified: N^3


@dataclass(frozen=True)
class SparsityQuestion:
    """Sizes by model or by hand; sparsity: nonzero values a row (atoms a row with `atoms`).

    keeps: bytes per token over all heads that a compressed cache is said to keep, for all heads.
    """

    sparsity: int
    model: str | None = None
    schedule: str | None = None
    rows: int | None = None
    d_v: int | None = None
    d_k: int | None = None
    bits: int = 8
    heads: int | None = None
    atoms: int | None = None
    atom_bits: int | None = None
    read_rows: int | None = None
    scale: str | None = None
    keeps: str | None = None
    seed: int = 0


def sparsity_answer(question: SparsityQuestion) -> dict[str, Any]:
    """One size: every figure with the side it is on; raises InputError."""
    size, schedule = _size(question)
    rows = question.rows if question.rows is not None else schedule and cached_rows(schedule)
    if rows is None:
        raise InputError("rows: say model, schedule or rows")
    d_v = question.d_v if question.d_v is not None else size.d_v if size else 64
    b = question.bits
    dense = sparse_bits(rows, d_v, d_v, b) if d_v else 0
    result: dict[str, Any] = {
        "model": question.model,
        "rows": rows,
        "d_v": d_v,
        "bits_per_value": b,
        "sparsity": question.sparsity,
        "error_allowed": to_text(kv_forms.kv_tau.exact(q=2**b - 1)),
        "bits_dense": dense,
        "bits_sparse": None,
    }
    if question.atoms is None:
        result["bits_sparse"] = sparse_bits(rows, d_v, question.sparsity, b)
    else:
        made = Dictionary(question.atoms, question.sparsity, b, d_v, question.atom_bits or b)
        result |= {
            "bits_sparse": made.known_bits(rows),
            "atoms": made.atoms,
            "atom_bits": made.b_D,
            "bits_with_dictionary": made.kept_bits(rows),
            "dictionary_pays_from": made.pays_from(),
        }
    least = result["bits_sparse"]
    result["factor"] = float_down(Fraction(dense, least)) if least else None
    result["bits_token_sparse_attention"] = dense
    if question.read_rows is not None:
        result["read_rows"] = question.read_rows
        result["bits_rows_known"] = tokens_known_bits(rows, question.read_rows, d_v, b)
    if schedule is not None and question.rows is None:
        result["last_scales_rows"] = last_scales_rows(schedule)
    if question.scale is not None:
        result["at_scale"] = _at_scale(question, rows)
    if question.atoms is not None and question.keeps is not None:
        raise InputError("keeps: not with atoms; judge it against rows of values")
    heads = question.heads if question.heads is not None else size.heads if size else 1
    if not 1 <= heads <= 10**6:
        raise InputError(f"heads: {heads} is not allowed; 1 to 1000000")
    result["heads"] = heads
    result["bytes_per_token"] = float_down(Fraction(heads * least, 8 * rows))
    if question.keeps is not None:
        result["judged"] = judge(parse(question.keeps, "keeps"), heads, rows, d_v, question)
    return result


def every_size(question: SparsityQuestion) -> list[dict[str, Any]]:
    """`sparsity_answer` for every released size."""
    for name in ("schedule", "rows", "d_v", "heads", "scale"):
        if getattr(question, name) is not None:
            raise InputError("model: all takes the sizes from the models; no others")
    return [sparsity_answer(replace(question, model=name)) for name in SIZES]


def _size(question: SparsityQuestion) -> tuple[Size | None, Any]:
    size = size_of(question.model) if question.model else None
    schedule = size.schedule if size else None
    if question.schedule:
        schedule = parse_schedule(question.schedule)
    return size, schedule


def judge(
    keeps: Fraction, heads: int, rows: int, d_v: int, question: SparsityQuestion
) -> dict[str, Any]:
    """Is `keeps` bytes per token below what must be kept?

    below: no such cache answers within `error_allowed` (proved). Otherwise this bound does not
    exclude it. bits_excluded: the least b at which rows of this sparsity no longer fit, with the
    error 1/(4 (2^b - 1)) that no cache of this size can have; None if even 64 bits fit.
    """
    if keeps < 0:
        raise InputError(f"keeps: {question.keeps} is not allowed; 0 or more bytes per token")
    has = math.floor(8 * keeps * rows)

    def needed(b: int) -> int:
        return heads * sparse_bits(rows, d_v, question.sparsity, b)

    first = bisect_left(range(1, 65), True, key=lambda b: needed(b) > has) + 1
    excluded = first if first <= 64 else None
    return {
        "keeps_bytes_per_token": to_text(keeps),
        "kept_bits": has,
        "needed_bits": needed(question.bits),
        "below": needed(question.bits) > has,
        "bits_excluded": excluded,
        "error_excluded": excluded and to_text(kv_forms.kv_tau.exact(q=2**excluded - 1)),
    }


def _at_scale(question: SparsityQuestion, rows: int) -> dict[str, Any]:
    """At head scale s: errors that force N d_v b bits; the floor of policies blind to values."""
    scale = parse(question.scale or "", "scale")
    d_k = 64 if question.d_k is None else question.d_k
    check_sizes(rows, 1, question.bits)
    given = min(str(question.scale), to_text(scale), key=len)  # 1e-300, and not its 302 digits
    found: dict[str, Any] = {"scale": given, "d_k": d_k}
    if d_k >= rows:
        found |= {
            "keys": "orthonormal",
            "error_forcing": float_down(orthonormal_error(rows, scale, question.bits)),
        }
    if rows > MOST_KEYS:
        raise InputError(f"scale: {rows} rows are too many to verify an inverse; {MOST_KEYS}")
    if not 1 <= d_k <= 4096:
        raise InputError(f"dk: {d_k} is not allowed; 1 to 4096")
    attention = attention_of(unit_keys(rows, d_k, question.seed), float(scale))
    kappa, own = inverse_norm(attention), own_mass(attention)
    return found | {
        "random_keys_kappa": None if math.isinf(kappa) else kappa,
        "random_keys_error_forcing": float_down(keys_error(kappa, question.bits)),
        "evict_floor_one_row": float_down(evict_floor(own, 1)),
        "evict_floor_half": float_down(evict_floor(own, max(1, rows // 2))),
    }
