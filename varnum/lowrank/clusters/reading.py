"""A query against clusters: logits of the means, mean squares and largest deviations, bounded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.rounding import UNIT, gamma
from varnum.lowrank.clusters.moments import Moments, norm
from varnum.tensor import Array, Doubles

U = UNIT["float64"]
LOST = (
    2.0**-530
)  # its square, 2^-1060, covers what squares of differences of keys lose to underflow


@dataclass(frozen=True)
class Reading:
    """(L_q, C) each, logits q.k/sigma of clusters with n >= 1.

    centre: logit of the mean key, within `slip` beside the rounding of one product; s2 >= the mean
    square of x = logit - its mean; a >= the largest x, >= 0. size (L_q,) norms of q; far: bound of
    the means' norms.
    """

    centre: Doubles
    slip: Doubles
    s2: Doubles
    a: Doubles
    size: Doubles
    far: float

    @classmethod
    def of(cls, own: Moments, q: Array, sigma: float) -> Reading:
        """For queries (L_q, d). Sums carry gamma_(own.sums), products gamma_d: see each line."""
        d, n, inverse = q.shape[1], own.n, 1 / sigma
        size = norm(q)
        trace = np.einsum("cii->c", own.yy) * (1 + gamma(own.sums + d + 8))  # >= sum |k - m|^2
        root = np.sqrt(trace / n + LOST**2) * (1 + 8 * U)  # >= mean |k - m|
        scale = size[:, None] * root * inverse * (1 + 8 * U)
        delta = (q @ own.y.T) * inverse / n  # mean of q.(k - m)
        slip = (gamma(own.sums + 8) + gamma(d + 8)) * scale
        square = np.stack([((q @ m2) * q).sum(1) for m2 in own.yy], 1) if len(n) else delta
        square = square * (inverse * inverse) / n
        loss = (gamma(own.sums + 8) + gamma(2 * d + 16)) * scale**2 * (1 + 8 * U)
        s2 = square + loss - np.maximum(np.abs(delta) - slip, 0.0) ** 2 * (1 - 8 * U)
        s2 = np.maximum(s2, 0.0) * (1 + 8 * U) + (size[:, None] * inverse * LOST) ** 2
        ball = size[:, None] * own.reach * inverse
        edge = np.maximum(np.abs(own.low), np.abs(own.high))
        box = (np.maximum(q, 0) @ own.high.T + np.minimum(q, 0) @ own.low.T) * inverse
        box = box + gamma(2 * d + 16) * size[:, None] * norm(edge) * inverse
        a = np.minimum(ball, box) * (1 + 16 * U) - delta + slip + 4 * U * (np.abs(delta) + slip)
        a = np.minimum(a, np.sqrt((n - 1) * s2))  # of n numbers of mean 0: Samuelson
        a = np.maximum(a, 0.0) * (1 + 16 * U)
        far = float((norm(own.m) + root).max(initial=0.0)) * (1 + 8 * U)
        return cls((q @ own.m.T) * inverse + delta, slip, s2, a, size, far)
