"""Exact operation and memory counts of one head (claims cost-exact, cost-lowrank, crossover).

Both sides in the same unit: one operation is one multiply-add, multiplication or exp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from varnum.cost.schedule import Schedule, geometric_sides
from varnum.formulas import cost as forms
from varnum.lowrank.ranks import rank


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


def crossover(d: int, d_v: int, r: int, alpha: int = 2) -> int:
    """The first n from which on low rank costs less on the geometric pyramid, at fixed rank r.

    (L + sum N_k^2 / L)/2 grows with every N_k (its derivative is at least (1 - sum N^2/L^2)/2 >= 0)
    and every N_k with n, so the first such n is also the n from which on it always pays.
    """
    threshold = forms.threshold.exact(r=r, d=d, d_v=d_v)
    high = 1
    while not pays_at(high, alpha, threshold):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if pays_at(middle, alpha, threshold) else (middle, high)
    return high


def largest_rank(schedule: Schedule, d: int, d_v: int) -> int:
    """The largest rank at which low rank still costs less; 0 if none."""
    exact, unit = count(schedule, d, d_v, 1).exact, count(schedule, d, d_v, 1).lowrank
    return (exact - 1) // unit


def largest_dimension(
    schedule: Schedule, degree_at: Callable[[int], int | None], limit: int = 4096
) -> int | None:
    """The largest d <= limit (with d_v = d) up to which it pays, from d = 1 on; 0 if it never does.

    degree_at(d): a degree that reaches the target error at head dimension d, not falling in d;
    None stops the scan with None (unknown). The rank then grows with d, so the first no is final.
    """
    for d in range(1, limit + 1):
        degree = degree_at(d)
        if degree is None:
            return None
        if rank(d, degree) > largest_rank(schedule, d, d):
            return d - 1
    return limit
