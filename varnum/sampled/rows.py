"""Errors of chosen rows of an output, between two numbers: exact rows in float64, rounding counted.

Any implementation may have made the output; what it did is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.norms import row_norms
from varnum.floats.rounding import TINY, UNIT, up
from varnum.floats.softmax_error import exact_error
from varnum.tensor import Array, Whole

_U = UNIT["float64"]
_ENTRIES = 1 << 23  # logits at a time


@dataclass(frozen=True)
class Errors:
    """Largest error over columns, in units of the range of v over the keys that a row sees.

    low <= error <= high, (n,) each; what is no number has low and high infinite.
    """

    low: Array
    high: Array


def exact_rows_seeing(q: Array, k: Array, v: Array, sigma: float, ends: Whole) -> Array:
    """softmax over keys 0 .. ends_i - 1 of each row i: float64 (n, d), (L, d), (L, d_v), (n,)."""
    step, parts = max(1, _ENTRIES // len(k)), []
    for start in range(0, len(q), step):
        part, end = slice(start, start + step), ends[start : start + step]
        keys = int(end.max())
        logits = q[part] @ k[:keys].T
        logits *= 1 / sigma
        if (end < keys).any():
            logits[np.arange(keys) >= end[:, None]] = -np.inf
        logits -= logits.max(1, keepdims=True)
        weights = np.exp(logits, out=logits)
        parts.append((weights @ v[:keys]) / weights.sum(1, keepdims=True))
    return np.concatenate(parts)


def errors_of_rows(
    output: Array, q: Array, k: Array, v: Array, sigma: float, ends: Whole
) -> Errors:
    """Of rows (n, d_v) that should be attention of q (n, d) over the first `ends` keys, float64.

    Finite arrays inside `varnum.floats.guard`. A column whose values are all equal has range 0: its
    error is 0 where the output is that value, else infinite. Claim float-forward.
    """
    true = exact_rows_seeing(q, k, v, sigma, ends)
    low, high = _seen(v, ends)
    spread = high - low
    biggest = np.maximum(abs(low), abs(high)) + TINY["float64"] / _U
    sizes = (float(row_norms(q).max()) / sigma, float(row_norms(k).max()), len(k))
    share = exact_error(*sizes, 0.0, q.shape[1], q)  # of the range, and of the largest value
    slip = (share * spread + exact_error(*sizes, 1.0, q.shape[1], q) * biggest) * (1 + 16 * _U)
    off = abs(output - true)
    still = spread == 0
    same = output == low
    with np.errstate(all="ignore"):
        most = np.where(still, np.where(same, 0.0, np.inf), (off + slip) / spread * (1 + 16 * _U))
        least = np.where(still, np.where(same, 0.0, np.inf), (off - slip) / spread)
    most[np.isnan(most)] = np.inf
    shrunk = np.nan_to_num(least, nan=0.0, posinf=np.inf, neginf=0.0).clip(0) * (1 - 16 * _U)
    return Errors(shrunk.max(1), np.array([up(float(row)) for row in most.max(1)]))


def _seen(v: Array, ends: Whole) -> tuple[Array, Array]:
    """Least and largest value of each column among the first `ends` keys, (n, d_v) each."""
    distinct, which = np.unique(ends, return_inverse=True)
    starts = np.append(0, distinct[:-1])
    part = v[: distinct[-1]]
    low = np.minimum.accumulate(np.minimum.reduceat(part, starts, axis=0), 0)
    high = np.maximum.accumulate(np.maximum.reduceat(part, starts, axis=0), 0)
    return low[which], high[which]
