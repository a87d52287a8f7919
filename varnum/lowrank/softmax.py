"""Exact softmax attention for the rows that no low rank certifies.

Its rounding is bounded in `varnum.floats.softmax_error`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from varnum.errors import InputError

_BLOCK = 2048  # queries at a time on NumPy


def exact_rows(q: Any, k: Any, v: Any, sigma: float) -> Any:
    """softmax(q k^T / sigma) v, (n, d), (L, d), (L, d_v) -> (n, d_v), in the dtype of q."""
    if isinstance(q, np.ndarray):
        return np.concatenate(
            [_numpy_rows(q[s : s + _BLOCK], k, v, sigma) for s in range(0, len(q), _BLOCK)]
        )
    from torch.nn.functional import scaled_dot_product_attention

    given = (q[None, None], k[None, None], v[None, None])
    try:
        return scaled_dot_product_attention(*given, scale=1 / sigma)[0, 0]
    except RuntimeError as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"torch: fused attention does not run here: {why}") from None


def _numpy_rows(q: Any, k: Any, v: Any, sigma: float) -> Any:
    logits = q @ k.T
    logits *= q.dtype.type(1 / sigma)
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    return (logits @ v) / logits.sum(1, keepdims=True)
