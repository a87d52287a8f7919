"""Keep only some monomials: a certified tail over any downward-closed index set.

Claim anisotropic-rank (proofs/anisotropic-rank.md).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from heapq import heappop, heappush
from math import factorial

from varnum.balls.scalar import arb, ball
from varnum.errors import InputError

Index = tuple[int, ...]


def certify_anisotropic_tail(bounds: Sequence[Fraction], kept: Collection[Index]) -> arb:
    """Ball around exp(sum B_j) - sum over kept a of prod B_j^a_j/a_j!, an absolute kernel error.

    bounds: B_j >= max|q_j| max|k_j|/sigma, exact; kept: downward-closed indices. Its upper end,
    times e^M, bounds the relative error; the rank is len(kept). InputError for any other set.
    """
    _check(bounds, kept)
    partial = sum((_term(bounds, alpha) for alpha in kept), Fraction(0))
    return ball(sum(bounds, Fraction(0))).exp() - ball(partial)


def choose_indices(bounds: Sequence[Fraction], count: int) -> list[Index]:
    """The `count` largest terms prod B_j^a_j/a_j!: a downward-closed set where every B_j <= 1."""
    start = (0,) * len(bounds)
    heap: list[tuple[Fraction, Index]] = [(Fraction(-1), start)]
    seen = {start}
    kept: list[Index] = []
    while heap and len(kept) < count:
        _, alpha = heappop(heap)
        kept.append(alpha)
        for j in range(len(bounds)):
            above = (*alpha[:j], alpha[j] + 1, *alpha[j + 1 :])
            if above not in seen:
                seen.add(above)
                heappush(heap, (-_term(bounds, above), above))
    return kept


def _term(bounds: Sequence[Fraction], alpha: Index) -> Fraction:
    value = Fraction(1)
    for bound, power in zip(bounds, alpha, strict=True):
        value *= bound**power / factorial(power)
    return value


def _check(bounds: Sequence[Fraction], kept: Collection[Index]) -> None:
    if any(bound < 0 for bound in bounds):
        raise InputError("bounds: all B_j must be at least 0")
    inside = set(kept)
    if len(inside) != len(kept):
        raise InputError("kept: an index appears twice")
    for alpha in inside:
        for j, power in enumerate(alpha):
            if power and (*alpha[:j], power - 1, *alpha[j + 1 :]) not in inside:
                raise InputError(f"kept: {alpha} is there, but not what is below it")
