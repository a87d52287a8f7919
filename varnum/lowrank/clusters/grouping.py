"""Which rows go together: a seeded k-means on keys and values. Any grouping is certified."""

from __future__ import annotations

import numpy as np

from varnum.tensor import Array, Doubles, Whole

_ROUNDS = 25


def group(k: Array, v: Array, clusters: int, *, weight: float = 1.0, seed: int = 0) -> Whole:
    """Labels 0 .. C-1 (n,) of rows k (n, d), v (n, d_v) in at most C groups, none empty.

    Distance: |k - k'|^2 over the mean square of the keys about their mean, plus weight times the
    same of the values. Deterministic for a seed.
    """
    n = len(k)
    if clusters >= n:
        return np.arange(n)
    points = np.concatenate([_scaled(k), np.sqrt(weight) * _scaled(v)], axis=1)
    centres = _spread(points, clusters, np.random.default_rng(seed))
    labels = np.full(n, -1)
    for _ in range(_ROUNDS):
        nearest = _distances(points, centres).argmin(1)
        if (nearest == labels).all():
            break
        labels = nearest
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, points)
        counts = np.bincount(labels, minlength=len(centres))
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return np.unique(labels, return_inverse=True)[1]


def _scaled(given: Array) -> Doubles:
    x = np.asarray(given, dtype=np.float64)
    centred = x - x.mean(0)
    size = np.sqrt((centred * centred).sum(1).mean())
    scaled: Doubles = centred / size if size > 0 else centred
    return scaled


def _spread(points: Doubles, clusters: int, rng: np.random.Generator) -> Doubles:
    """k-means++ starts: each next one at random with chance proportional to its distance."""
    chosen = [int(rng.integers(len(points)))]
    nearest = _distances(points, points[chosen])[:, 0]
    while len(chosen) < clusters and nearest.sum() > 0:
        chosen.append(int(rng.choice(len(points), p=nearest / nearest.sum())))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1:]])[:, 0])
    return points[chosen]


def _distances(points: Doubles, centres: Doubles) -> Doubles:
    """(n, C) squared distances, never negative."""
    cross = (points * points).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)
    squares: Doubles = np.maximum(cross, 0)
    return squares
