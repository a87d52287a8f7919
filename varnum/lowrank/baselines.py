"""What costs nothing, on the same tokens: the mean of V, and attention of degree one.

An error target says little beside them: where the mean of V alone is within it, no attention was
needed. Both are measured against exact attention on a few rows; nothing is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from varnum.floats.arrays import to_double
from varnum.floats.guard import certified
from varnum.lowrank.problem import Problem
from varnum.tensor import Array

_GROUPS = 8  # of rows that see the same keys, at most: each costs a pass over them


@dataclass(frozen=True)
class Baselines:
    """Largest error among `rows` rows, in units of the range of each value column they see."""

    mean_v: float
    degree_one: float
    rows: int


@certified
def estimate_baselines(problem: Problem, rows: int = 64) -> Baselines:
    """Measured on about `rows` rows of the problem, evenly spread; float64."""
    q, k = problem.wide
    v = to_double(problem.v)
    chosen = np.unique(np.linspace(0, len(q) - 1, min(rows, len(q))).astype(int))
    counts = problem.view or (len(q),)
    ends = np.repeat(list(accumulate(counts)) if problem.view else [len(k)], counts)[chosen]
    seen = np.unique(ends)
    seen = seen[np.unique(np.linspace(0, len(seen) - 1, min(_GROUPS, len(seen))).astype(int))]
    middle = q.mean(0) / problem.sigma
    worst, used = np.zeros(2), 0
    for end in seen:
        own = q[chosen[ends == end]] / problem.sigma
        used += len(own)
        true = _softmax(own, k[:end]) @ v[:end]
        spread = np.ptp(v[:end], 0)
        keep = spread > 0
        for i, guess in enumerate((v[:end].mean(0), degree_one(own, k[:end], v[:end], middle))):
            off = np.abs(guess - true)[:, keep] / spread[keep]
            worst[i] = max(worst[i], float(off.max(initial=0.0)))
    return Baselines(float(worst[0]), float(worst[1]), used)


def degree_one(q: Array, k: Array, v: Array, middle: Array) -> Array:
    """Attention with e^x replaced by 1 + x about the query `middle` (d,): 1 + d features.

    q (n, d), k (L, d), v (L, d_v) -> (n, d_v); q and `middle` have the factor 1/sigma. Under
    c = softmax(middle k^T) it is mean(v) + (q - middle) cov(k, v): the denominator is 1, as keys
    are centred.
    """
    c = _softmax(middle[None], k)[0]
    k_mean, v_mean = c @ k, c @ v
    covariance = ((k - k_mean) * c[:, None]).T @ (v - v_mean)
    return np.asarray(v_mean + (q - middle) @ covariance)


def _softmax(q: Array, k: Array) -> Array:
    logits = q @ k.T
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(weights / weights.sum(1, keepdims=True))
