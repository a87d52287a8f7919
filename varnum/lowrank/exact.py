"""Exact softmax attention for the rows that no low rank certifies, with its own rounding bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from varnum.lowrank.basis import unit_of
from varnum.lowrank.rounding import gamma, up

_BLOCK = 2048  # queries at a time on NumPy
_FUSED_EXP_ULPS = 32  # fused kernels may use a quicker exp, of about 20 ulp


def exact_rows(q: Any, k: Any, v: Any, sigma: float) -> Any:
    """softmax(q k^T / sigma) v, (n, d), (L, d), (L, d_v) -> (n, d_v), in the dtype of q."""
    if isinstance(q, np.ndarray):
        return np.concatenate(
            [_numpy_rows(q[s : s + _BLOCK], k, v, sigma) for s in range(0, len(q), _BLOCK)]
        )
    from torch.nn.functional import scaled_dot_product_attention

    return scaled_dot_product_attention(
        q[None, None], k[None, None], v[None, None], scale=1 / sigma
    )[0, 0]


def _numpy_rows(q: Any, k: Any, v: Any, sigma: float) -> Any:
    logits = q @ k.T
    logits *= q.dtype.type(1 / sigma)
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    return (logits @ v) / logits.sum(1, keepdims=True)


def exact_error(far_q: float, far_k: float, count: int, ratio: float, d: int, like: Any) -> float:
    """Output error of `exact_rows` in units of range(v) (claim float-forward, any summation order).

    far_q, far_k: largest norms; count: keys; ratio: max|v|/range(v). A fused kernel that rescales
    its running sums rounds each term at most `count` times more, which gamma_{3 count} covers. On
    CUDA the fused kernels are tested only: their accumulation is not documented.
    """
    unit = unit_of(like)
    largest = far_q * far_k
    zeta = gamma(d + 8, unit) * largest + 2 * _FUSED_EXP_ULPS * unit + 8 * unit * (1 + 2 * largest)
    sums = gamma(3 * count + 16, unit)
    return up(zeta / 2 + sums / max(1 - sums, 1e-30) * 3 * ratio + 4 * unit * ratio)
