"""Attention again, row by row, and how far rounding can be off: derived here, from nothing shared.

A row sees keys y_1..y_n; s_j = q.y_j/sigma; v_1 is taken from every value first. With unit
roundoff u and N = |q| max|y|/sigma: a computed logit is off by (d + 9) u N, its distance from the
largest by 2 u N more, exp by 8 u relative. So weights have factors e^t, |t| <= t0 = (d + 12) u N +
9 u, which moves their mean by at most (e^t0 - 1) e^t0 <= 1.1 t0 ranges where t0 <= 1/50. The two
sums of n terms and the quotient cost (2.2 n + 12) u ranges. Assumed: IEEE arithmetic, products as
sums in any order, exp within 4 ulps, no underflow or overflow that matters (columns of range
below 1e-250 or above 1e300 are left open; sigma is at least 1e-12).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating]
Whole: TypeAlias = npt.NDArray[np.integer]
Mask: TypeAlias = npt.NDArray[np.bool_]
_ENTRIES = 1 << 22  # logits at a time
_WORST = 1 / 50  # of t0: beyond it nothing is said


class Rows(NamedTuple):
    """Attention of some rows minus v_1, how far it may be off, and the ranges: (n, d_v) each."""

    value: Array
    slip: Array  # in units of the range; infinite where nothing is known
    spread: Array
    least: Array  # the only value of a column whose range is 0


def attend(q: Array, k: Array, v: Array, divisor: np.floating, ends: Whole) -> Rows:
    """q (n, d), k (L, d), v (L, d_v) of one float type that holds them exactly; ends (n,)."""
    kind = q.dtype.type
    unit = float(np.finfo(kind).eps) / 2
    low = np.minimum.accumulate(v, 0)[ends - 1]
    high = np.maximum.accumulate(v, 0)[ends - 1]
    centred = v - v[0]
    step, parts = max(1, _ENTRIES // len(k)), []
    for start in range(0, len(q), step):
        seen = ends[start : start + step]
        keys = int(seen.max())
        logits = (q[start : start + step] @ k[:keys].T) / divisor
        logits = np.where(np.arange(keys) < seen[:, None], logits, kind(-np.inf))
        weights = np.exp(logits - logits.max(1)[:, None])
        parts.append((weights @ centred[:keys]) / weights.sum(1)[:, None])
    length = np.asarray(norms(q) * (norms(k).max() / divisor), dtype=float) * (1 + 1e-9)
    moved = (q.shape[1] + 12) * unit * length + 9 * unit + 1e-290
    slip = 1.1 * moved + (2.2 * ends + 12) * unit
    spread = high - low
    open_ = ~(moved <= _WORST)[:, None] | ~((spread > 1e-250) & (spread < 1e300))
    return Rows(np.concatenate(parts), np.where(open_, np.inf, slip[:, None]), spread, low)


def norms(x: Array) -> Array:
    """Euclidean norms of rows, without squares that underflow."""
    largest = np.abs(x).max(1)
    scaled = x / np.where(largest > 0, largest, 1)[:, None]
    return np.asarray(largest * np.sqrt((scaled * scaled).sum(1)))
