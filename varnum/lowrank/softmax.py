"""Exact softmax attention for the rows that no low rank certifies.

Its rounding is bounded in `varnum.floats.softmax_error`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from varnum.errors import InputError

Exp: TypeAlias = Callable[[Any], Any]
_BLOCK = 2048  # queries at a time on NumPy


def exact_rows(q: Any, k: Any, v: Any, sigma: float, exp: Exp = np.exp) -> Any:
    """softmax(q k^T / sigma) v, (n, d), (L, d), (L, d_v) -> (n, d_v), in the dtype of q.

    exp: on NumPy; such as `proved_exp`, whose error `exact_error` then counts.
    """
    if isinstance(q, np.ndarray):
        parts = range(0, len(q), _BLOCK)
        return np.concatenate([_numpy_rows(q[s : s + _BLOCK], k, v, sigma, exp) for s in parts])
    from torch.nn.functional import scaled_dot_product_attention

    given = (q[None, None], k[None, None], v[None, None])
    try:
        return scaled_dot_product_attention(*given, scale=1 / sigma)[0, 0]
    except RuntimeError as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"torch: fused attention does not run here: {why}") from None


def _numpy_rows(q: Any, k: Any, v: Any, sigma: float, exp: Exp) -> Any:
    logits = q @ k.T
    logits *= q.dtype.type(1 / sigma)
    logits -= logits.max(1, keepdims=True)
    weights = np.exp(logits, out=logits) if exp is np.exp else exp(logits)
    return (weights @ v) / weights.sum(1, keepdims=True)
