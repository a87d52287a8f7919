"""Exact softmax attention for the rows that no low rank certifies; in parts, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import widened
from varnum.floats.norms import farthest
from varnum.floats.rounding import TINY, dtype_name, unit_of
from varnum.floats.softmax_error import exact_error
from varnum.floats.values import ValueRange
from varnum.lowrank.merged import merged_rows, part_size
from varnum.tensor import Flags, Mask, Tensor

Exp: TypeAlias = Callable[[Tensor], Tensor]
_BLOCK = 2048  # queries at a time on NumPy


def exact_rows(q: Tensor, k: Tensor, v: Tensor, sigma: float, exp: Exp = np.exp) -> Tensor:
    """softmax(q k^T / sigma) v, (n, d), (L, d), (L, d_v) -> (n, d_v), in the dtype of q.

    exp: on NumPy; such as `proved_exp`, whose error `exact_error` then counts.
    """
    if isinstance(q, np.ndarray):
        parts = range(0, len(q), _BLOCK)
        return np.concatenate([_numpy_rows(q[s : s + _BLOCK], k, v, sigma, exp) for s in parts])
    return fused_rows(q, k, v, sigma)


def fused_rows(q: Tensor, k: Tensor, v: Tensor, sigma: float, **mask: bool | Flags) -> Tensor:
    """By torch's own kernel; mask: attn_mask (n, L), True where a row sees a key, or is_causal."""
    import torch

    given = (q[None, None], k[None, None], v[None, None])
    try:  # not torch.nn.functional's name, which others may have replaced by one that calls this
        return torch._C._nn.scaled_dot_product_attention(*given, scale=1 / sigma, **mask)[0, 0]
    except RuntimeError as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"torch: fused attention does not run here: {why}") from None


def _numpy_rows(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, exp: Exp, hidden: Mask | None = None
) -> Tensor:
    """hidden (n, m): which of the last m keys a row does not see."""
    logits = q @ k.T
    logits *= q.dtype.type(1 / sigma)
    if hidden is not None:
        logits[:, len(k) - hidden.shape[1] :][hidden] = -np.inf
    logits -= logits.max(1, keepdims=True)
    weights = np.exp(logits, out=logits) if exp is np.exp else exp(logits)
    return (weights @ v) / weights.sum(1, keepdims=True)


def exact_to_target(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, target: float, sizes: tuple[float, float],
    in_parts: bool = True,
) -> tuple[Tensor, float]:  # fmt: skip
    """Exact rows and their rounding bound: in one pass, in parts, or in float64, as `target` needs.

    `sizes`: largest |k| and largest max|v|/range(v). in_parts: may keys be taken in parts? What
    `kernel_error` says of single weights holds of one pass only.
    """
    far_k, ratio = sizes
    count, d, far_q = int(k.shape[0]), int(q.shape[1]), farthest(q) / sigma
    bound = exact_error(far_q, far_k, count, ratio, d, q)
    if bound <= target or "float64" in str(q.dtype):
        return exact_rows(q, k, v, sigma), bound
    parts = part_size(far_q, far_k, count, ratio, d, q, target) if in_parts else None
    if parts is not None:
        return merged_rows(q, k, v, sigma, parts[0]), parts[1]
    wide_q, wide_k, wide_v = widened(q), widened(k), widened(v)
    out = exact_rows(wide_q, wide_k, wide_v, sigma)
    far_q, far_k = farthest(wide_q) / sigma, farthest(wide_k)  # these may overflow in float32
    wide_range = ValueRange.of(wide_v)
    ratio, lost = wide_range.ratio, TINY[dtype_name(v)] / wide_range.least
    bound = exact_error(far_q, far_k, count, ratio, d, wide_q) + 2 * unit_of(v) * ratio + lost
    return (out.astype(q.dtype) if isinstance(out, np.ndarray) else out.to(q.dtype)), bound
