"""What one run says about one head: its logits, enclosed; its effective dimension, estimated.

All statements are about the float64 queries and keys that the attention kernel was given, and the
exact real numbers s q.k they stand for; |fl(s q.k) - s q.k| <= s gamma_{d+4} |q||k| for products
summed in any order (Higham, Accuracy and Stability, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from varnum.errors import InputError
from varnum.floats.guard import certified
from varnum.floats.inputs import positive, tokens
from varnum.floats.norms import row_norms
from varnum.floats.rounding import gamma, up
from varnum.propagate.checked import exact_floats

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Enclosed:
    """low <= the exact number <= high."""

    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """Of the logits of some queries against some keys.

    M: the largest |s q.k|. spread: the largest over queries of half the range over keys of
    s (q - q0).k, which is what a polynomial needs to cover once each row is shifted by a constant
    and the factors exp(s q0.k) of the keys have moved into the values (claim data-interval).
    """

    M: Enclosed
    spread: Enclosed


def parts_of(lengths: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """(queries, keys) of every scale: its tokens, and all tokens up to and with it."""
    for length, end in zip(lengths, accumulate(lengths), strict=True):
        yield slice(end - length, end), slice(0, end)


@certified
def certify_logits(
    q: Floats, k: Floats, scale: float, lengths: Sequence[int], q0: Floats
) -> list[Measured]:
    """M and centred spread per scale, q, k (L, d), logits scale * q.k, both sides rounded outwards.

    q0 (d,): any fixed vector; the exact numbers depend on it, their enclosures are right for it.
    All is widened to float64. Raises InputError for what is not finite or does not fit together.
    """
    q = tokens(q, "q")
    k = tokens(k, "k", q.shape[1])
    q0 = tokens(np.atleast_2d(q0), "q0", q.shape[1])[0]
    scale = positive(scale, "scale")
    if min(lengths, default=0) < 1 or not sum(lengths) == len(q) == len(k):
        raise InputError(f"lengths: {tuple(lengths)} do not fit {len(q)} queries, {len(k)} keys")
    q, k, q0 = (exact_floats(x, name) for x, name in ((q, "q"), (k, "k"), (q0, "q0")))
    if not 0 < scale < np.inf or q.shape[0] != sum(lengths):
        raise InputError(f"scale: {scale} with q {q.shape} and lengths {tuple(lengths)} do not fit")
    centred = q - q0
    found = []
    for queries, keys in parts_of(lengths):
        M = np.abs(_logits(q[queries], k[keys], scale)).max()
        moved = _logits(centred[queries], k[keys], scale)
        spread = 0.5 * (moved.max(1) - moved.min(1)).max()
        off_M = _rounding(q[queries], k[keys], scale)
        off_spread = _rounding(np.abs(q[queries]) + np.abs(q0), k[keys], scale)
        found.append(Measured(around(float(M), off_M), around(float(spread), off_spread)))
    return found


def _logits(q: Floats, k: Floats, scale: float) -> Floats:
    return np.asarray(scale * (q @ k.T))


def _rounding(q: Floats, k: Floats, scale: float) -> float:
    """Not below |computed - exact| of every logit; two steps of the d + 4 are for centring."""
    far_q, far_k = float(row_norms(q).max()), float(row_norms(k).max())
    return up(gamma(q.shape[1] + 4) * scale * far_q * far_k)


def around(value: float, off: float) -> Enclosed:
    """The number >= 0 that is within `off` of `value`."""
    low = np.nextafter(value - off, -np.inf)
    return Enclosed(max(0.0, float(low)), float(np.nextafter(value + off, np.inf)))


def estimate_dimension(q: Floats, k: Floats) -> float:
    """Participation ratio of the singular values s_i^2 of the centred logits: how many matter.

    (sum s^2)^2 / sum s^4, from the two d x d covariances: O(L d^2). An estimate, not a bound.
    """
    q, k = q - q.mean(0), k - k.mean(0)
    product = (q.T @ q) @ (k.T @ k)  # its eigenvalues are the s_i^2
    square = float(np.sum(product * product.T))
    return float(np.trace(product)) ** 2 / square if square > 0 else 0.0
