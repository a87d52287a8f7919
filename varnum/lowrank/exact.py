"""Exact softmax attention for the rows that no low rank certifies, with its own rounding bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.errors import InputError
from varnum.floats.inputs import finite
from varnum.lowrank.basis import unit_of
from varnum.lowrank.geometry import row_norms
from varnum.lowrank.rounding import dtype_name, expm1_up, gamma, up

Array = npt.NDArray[Any]
_BLOCK = 2048  # queries at a time on NumPy
_FUSED_EXP_ULPS = 32  # fused kernels may use a quicker exp, of about 20 ulp
_DEPTH = {"float32": 87.0, "float64": 708.0}  # e^-this is still a normal number


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


def kernel_error(far_q: float, far_k: float, spread: float, count: int, d: int, like: Any) -> float:
    """Relative error of every weight exp(q.k/sigma), up to a factor per row, in `exact_rows`.

    spread: not below the difference of any two logits of one row. Past the normal numbers of the
    format a weight has no digits, and may be 0: then the error is infinite, nothing relative holds.
    A fused kernel rescales the weights of earlier keys, each time by another rounded exp: for
    blocks of at least 32 keys that is less than 2 `count` roundings.
    """
    unit = unit_of(like)
    zeta = 2 * exact_error(far_q, far_k, 1, 0.0, d, like)
    if not isinstance(like, np.ndarray):
        zeta += gamma(2 * count + 2 * _FUSED_EXP_ULPS, unit)
    if not spread + zeta < _DEPTH[dtype_name(like)]:
        return float("inf")
    return expm1_up(zeta)


def logit_spread(q: Array, k: Array, sigma: float) -> float:
    """Not below the difference of two logits q.k/sigma of one row, float64 (n, d), (L, d)."""
    worst = 0.0
    for start in range(0, len(q), _BLOCK):
        logits = q[start : start + _BLOCK] @ k.T
        worst = max(worst, finite(float((logits.max(1) - logits.min(1)).max())))
    far = float(row_norms(q).max()) * float(row_norms(k).max())
    return up((worst + 2 * gamma(q.shape[1] + 4) * far) / sigma)
