"""Exact attention of rows that see ever more keys, as under a causal mask: chunks, not single rows.

Row i sees the first ends[i] keys, ends not falling. A row's bound is that of `exact_error` for the
keys that it sees and their range; what a mask hides weighs 0, exactly.
"""

from __future__ import annotations

import numpy as np

from varnum.floats.arrays import beside, empty, widened
from varnum.floats.norms import farthest
from varnum.floats.rounding import TINY, dtype_name, unit_of
from varnum.floats.softmax_error import exact_error, merged_error
from varnum.floats.values import ValueRange
from varnum.lowrank.merged import PARTS, merged_rows, on_cpu
from varnum.lowrank.softmax import _numpy_rows, fused_rows
from varnum.tensor import Doubles, Tensor, Whole

ROWS = 512  # at a time
_REACH = 2048  # keys that some rows of a chunk see and others do not, at most
_RESCALED = _REACH // 32  # blocks of a fused kernel that hold nothing a row sees, and round again
_COARSE = 32  # numbers of keys are rounded up to multiples of this for their bound
_MOST = 0.9  # with this part of the first rows done one way, all of these are no slower


def rising_rows(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, ends: Whole, size: int = 0
) -> Tensor:
    """softmax over the first ends[i] keys: q (n, d), k (L, d), v (L, d_v), ends (n,) -> (n, d_v).

    size: keys in a part where these are merged in float64 (`merged_rows`); 0: one pass.
    """
    numpy = isinstance(q, np.ndarray)
    if not (numpy or size) and np.array_equal(ends, np.arange(1, len(ends) + 1)):  # a triangle
        return fused_rows(q, k[: len(ends)], v[: len(ends)], sigma, is_causal=True)
    out = empty((len(ends), int(v.shape[1])), v)
    start = 0
    while start < len(ends):
        # what only some of them see is a part of at most `size` keys
        far = np.searchsorted(ends, ends[start] + (size or _REACH) - 1, side="right")
        stop = min(start + ROWS, int(far))
        rows, start = slice(start, stop), stop
        own = ends[rows]
        first, last = int(own[0]) - 1, int(own[-1])  # all rows see the keys up to `first`, and it
        hidden = np.arange(first, last) >= own[:, None]
        given = (q[rows], k[:last], v[:last], sigma)
        if size:
            out[rows] = merged_rows(*given, size, hidden)
        elif numpy:
            out[rows] = _numpy_rows(*given, np.exp, hidden)
        else:
            seen = np.concatenate([np.ones((len(own), first), dtype=bool), ~hidden], 1)
            out[rows] = fused_rows(*given, attn_mask=beside(seen, q))
    return out


def rising_to_target(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, target: float | Doubles, ends: Whole,
    seen: ValueRange, in_parts: bool = True,
) -> tuple[Tensor, Doubles]:  # fmt: skip
    """Exact rows (n, d_v) and the rounding bound of each (n,), in units of its range.

    In one pass, in parts, or in float64, as each row's `target`, () or (n,), needs. seen: ranges
    (n, d_v). in_parts: may keys be taken in parts? See `exact_to_target`.
    """
    count, d = len(ends), int(q.shape[1])
    k, v = k[: int(ends[-1])], v[: int(ends[-1])]
    out, bound = empty((count, int(v.shape[1])), v), np.full(count, np.inf)
    left, target = np.ones(count, dtype=bool), np.broadcast_to(target, (count,))
    far = (farthest(q) / sigma, farthest(k))
    for size in (0, *(PARTS if in_parts and _merges(q) else ())):
        if size >= int(ends[-1]) or not left.any():
            continue
        found = _bounds(far, ends, seen.ratios, d, q, size)
        now = left & ((found <= target) | (dtype_name(q) == "float64"))
        at = np.flatnonzero(now)
        if not len(at):
            continue
        if not size and len(at) > _MOST * (at[-1] + 1):
            at = np.arange(at[-1] + 1)
        some = beside(at, q)
        out[some] = rising_rows(q[some], k, v, sigma, ends[at], size)
        bound[now] = found[now]
        left &= ~now
    if left.any():
        at = np.flatnonzero(left)
        some = beside(at, q)
        out[some], bound[at] = _in_double(q[some], k, v, sigma, ends[at], seen.rows(at))
    seen.mend(out)
    return out, bound


def _in_double(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, ends: Whole, seen: ValueRange
) -> tuple[Tensor, Doubles]:
    """Rows in float64, cast back; the bound counts the cast."""
    wide_q, wide_k, wide_v = widened(q), widened(k), widened(v)
    out = rising_rows(wide_q, wide_k, wide_v, sigma, ends)
    ranges = ValueRange(seen.low.astype(np.float64), seen.high.astype(np.float64))
    ratios, lost = ranges.ratios, TINY[dtype_name(v)] / ranges.leasts
    far = (farthest(wide_q) / sigma, farthest(wide_k))  # these may overflow in float32
    bound = _bounds(far, ends, ratios, int(q.shape[1]), wide_q, 0)
    bound = (bound + 2 * unit_of(v) * ratios + lost) * (1 + 2.0**-40)
    return (out.astype(q.dtype) if isinstance(out, np.ndarray) else out.to(q.dtype)), bound


def _bounds(
    far: tuple[float, float], ends: Whole, ratios: Doubles, d: int, like: Tensor, size: int
) -> Doubles:
    """(n,): of one pass, or of parts of at most `size` keys."""
    fused = 0 if size or isinstance(like, np.ndarray) else _RESCALED
    counts = -(-ends // _COARSE) * _COARSE + fused
    pairs, place = np.unique(np.stack([counts, ratios]), axis=1, return_inverse=True)
    if size:  # one part more than the keys need
        found = [merged_error(*far, int(n) + size, size, float(r), d, like) for n, r in pairs.T]
    else:
        found = [exact_error(*far, int(n), float(r), d, like) for n, r in pairs.T]
    known = np.nan_to_num(np.array(found), nan=np.inf, posinf=np.inf)
    return np.asarray(known[place.reshape(-1)])


def _merges(q: Tensor) -> bool:
    return dtype_name(q) == "float32" and (isinstance(q, np.ndarray) or on_cpu(q))
