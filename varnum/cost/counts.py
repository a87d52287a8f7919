"""Exact operation and memory counts of one head (claims cost-exact, cost-lowrank, crossover).

Both sides in the same unit: one operation is one multiply-add, multiplication or exp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from varnum.cost.schedule import Schedule, geometric_sides
from varnum.formulas import cost as forms
from varnum.lowrank.counting import rank


@dataclass(frozen=True)
class ScaleCost:
    """Operations at one scale of side h, with N tokens and L_k up to it."""

    side: int
    tokens: int
    prefix: int
    exact: int
    lowrank: int


@dataclass(frozen=True)
class Cost:
    """Operations per head over a schedule, and numbers kept: cache (exact), state (low rank).

    cache_before_last: keys and values of all scales but the last, what generation must hold.
    """

    scales: tuple[ScaleCost, ...]
    exact: int
    lowrank: int
    cache: int
    cache_before_last: int
    state: int

    @property
    def pays(self) -> bool:
        """Fewer operations by low rank than exactly."""
        return self.lowrank < self.exact


def count(schedule: Schedule, d: int, d_v: int, r: int) -> Cost:
    """Exact counts for one head; r is the rank."""
    scales = tuple(
        ScaleCost(
            side,
            tokens,
            prefix,
            forms.exact_scale.integer(N=tokens, L_k=prefix, d=d, d_v=d_v),
            forms.lowrank_scale.integer(N=tokens, r=r, d_v=d_v),
        )
        for side, tokens, prefix in zip(
            schedule.sides, schedule.lengths, schedule.prefixes, strict=True
        )
    )
    kept = schedule.length - schedule.lengths[-1]
    return Cost(
        scales,
        sum(s.exact for s in scales),
        sum(s.lowrank for s in scales),
        forms.cache.integer(L=schedule.length, d=d, d_v=d_v),
        forms.cache.integer(L=kept, d=d, d_v=d_v) if kept else 0,
        forms.state.integer(r=r, d_v=d_v),
    )


def pays_at(n: int, alpha: int, threshold: Fraction) -> bool:
    """Does low rank cost less on the geometric pyramid up to n x n?"""
    lengths = [h * h for h in geometric_sides(n, alpha)]
    total = sum(lengths)
    return Fraction(total * total + sum(N * N for N in lengths), 2 * total) > threshold


def crossover(d: int, d_v: int, r: int, alpha: int = 2) -> int | None:
    """The first n from which on low rank costs less on the geometric pyramid, at fixed rank r.

    See `crossover_at`, at the threshold of this rank.
    """
    return crossover_at(forms.threshold.exact(r=r, d=d, d_v=d_v), alpha)


def crossover_at(threshold: Fraction, alpha: int = 2) -> int | None:
    """The first n with F > threshold on the geometric pyramid.

    F = (L + sum N_k^2 / L)/2 does not fall in n (claim crossover), so the first such n is also the
    n from which on it holds. None where n has more than about 10^4 digits.
    """
    if threshold > Fraction(10) ** 20_000:
        return None
    # without rounded sides F = n^2/(1 - alpha^-4); the search starts there and widens by doubling
    guess = max(1, math.isqrt(math.floor(threshold * (1 - Fraction(1, alpha**4)))))
    low, high, step = guess, guess, 1
    while low > 0 and pays_at(low, alpha, threshold):
        low, step = max(0, low - step), 2 * step
    step = 1
    while not pays_at(high, alpha, threshold):
        high, step = high + step, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if pays_at(middle, alpha, threshold) else (middle, high)
    return high


def largest_rank(schedule: Schedule, d: int, d_v: int) -> int:
    """The largest rank at which low rank still costs less; 0 if none."""
    exact, unit = count(schedule, d, d_v, 1).exact, count(schedule, d, d_v, 1).lowrank
    return (exact - 1) // unit


@dataclass(frozen=True)
class LargestDimension:
    """The largest d for which it pays (0: none); `open`: every d tried up to it does."""

    d: int
    open: bool


def largest_dimension(
    schedule: Schedule, degree_at: Callable[[int], int | None], limit: int = 4096
) -> LargestDimension | None:
    """The largest d <= limit (with d_v = d) for which it pays.

    degree_at(d): the degree that the target error needs at head dimension d, not falling in d; None
    ends the search with None (unknown). At degree g >= 1, C(d + g, g) (2d + 5)/(2d + 1) grows with
    d, so the first no is final; at degree 0 the rank is 1 and it falls, so the search goes on.
    """
    best = 0
    for d in range(1, limit + 1):
        degree = degree_at(d)
        if degree is None:
            return None
        if rank(d, degree) <= largest_rank(schedule, d, d):
            best = d
        elif degree >= 1:
            return LargestDimension(best, open=False)
    return LargestDimension(best, open=best == limit)
