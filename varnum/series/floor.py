"""Claim tsf-floor: the least error of any one head, exactly, by sorting.

A head with value weight v reaches every output in v [low, high] and no other, so no queries, keys
or positions bring its squared error below F(v) = sum dist(y, v [low, high])^2. On v >= 0 F is
convex and quadratic between the breakpoints y/low and y/high: a sweep over the sorted breakpoints
with whole coefficients finds its minimum exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

SIGNS = {"any": (1, -1), "+": (1,), "-": (-1,)}


@dataclass(frozen=True)
class Floor:
    """min over v of sum dist(y, v [low, high])^2, and a v that attains it; both exact."""

    value: Fraction
    v: Fraction


def floor(
    low: Sequence[int], high: Sequence[int], targets: Sequence[int], signs: str = "any"
) -> Floor:
    """The least F(v) over v >= 0 ("+"), v <= 0 ("-") or both ("any"); low <= high entrywise.

    No single head of that sign has a smaller sum of squared errors on these windows, whatever its
    queries, keys and positions. A lower bound: an oracle picks the output window by window.

    >>> floor([1, 1], [2, 3], [4, -1])
    Floor(value=Fraction(36, 5), v=Fraction(7, 5))
    """
    found = []
    for sign in SIGNS[signs]:
        if sign > 0:
            half = _half_line(low, high, targets)
        else:
            half = _half_line([-x for x in high], [-x for x in low], targets)
        found.append(Floor(half.value, sign * half.v))
    return min(found, key=lambda f: f.value)


def _half_line(low: Sequence[int], high: Sequence[int], targets: Sequence[int]) -> Floor:
    """Minimum over v >= 0 of sum (y - v high)_+^2 + (v low - y)_+^2.

    Each summand is a hinge (y - v end)_+^2 with breakpoint v = y/end. The sweep keeps A, B, C of
    the active sum A v^2 - 2 B v + C and stops at the first breakpoint with slope >= 0.
    """
    A = B = C = 0
    events: list[tuple[int, int, int, int]] = []  # v = p/q; end, y
    hinges = [*zip(high, targets, strict=True)]
    hinges += [(-a, -y) for a, y in zip(low, targets, strict=True)]
    for end, y in hinges:
        if y > 0 or (y == 0 and end < 0):  # active from v = 0 on
            A, B, C = A + end * end, B + y * end, C + y * y
        if y * end > 0:  # a positive hinge is left there, a negative one entered
            events.append((abs(y), abs(end), end, y))
    left = Fraction(0)
    for p, q, end, y in _sorted(events):
        if A * p >= B * q:
            break
        sign = -1 if y > 0 else 1
        A, B, C = A + sign * end * end, B + sign * y * end, C + sign * y * y
        left = Fraction(p, q)
    v = max(left, Fraction(B, A)) if A else left
    return Floor(A * v * v - 2 * B * v + C, v)


def _sorted(events: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """By v = p/q, exactly: different fractions differ by 1/(q q') at least, so whole keys do."""
    shift = 2 * max((q.bit_length() for _, q, _, _ in events), default=0)
    return sorted(events, key=lambda e: (e[0] << shift) // e[1])
