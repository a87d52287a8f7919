"""The certified error of given coefficients, from both sides (claim shipped-error).

P - f is written around the middle of the interval, q = P - (Taylor polynomial of f): what cancels,
cancels exactly, once, and the remainder of Taylor's series is at most R. g = q w, w = 1/f or 1, is
h up to R w. Where g' is certain to have no zero, |g| is largest at an end; elsewhere
|g| <= |g(c)| + r |g'|, and pieces are halved until that is within the tolerance of a value seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.approx.ship.goal import Goal
from varnum.balls.scalar import (
    arb,
    arb_poly,
    ball,
    certain_sign,
    current_precision,
    hull,
    precision,
)
from varnum.verdict import Unknown

TOLERANCE = 2.0**-20
_MAX_BITS = 4096
_MAX_PIECES = 20_000


@dataclass(frozen=True)
class Enclosed:
    """low <= sup |h| <= high on the goal's interval; exact balls."""

    low: arb
    high: arb


def certify_error(
    goal: Goal, coefficients: Sequence[Fraction], tolerance: float = TOLERANCE
) -> Enclosed | Unknown:
    """Enclose sup |h| of P(x) = sum_k coefficients[k] x^k to a relative width near `tolerance`."""
    bits = 96
    while bits <= _MAX_BITS:
        with precision(bits):
            found = Difference(goal, coefficients).enclose(tolerance)
            if found.high <= found.low * (1 + 4 * tolerance):
                return found
        bits *= 2
    return Unknown(f"the error is not enclosed to {tolerance:g} at {_MAX_BITS} bits")


class Difference:
    """g = q w around the middle, t = x - middle, at the precision in force."""

    def __init__(self, goal: Goal, coefficients: Sequence[Fraction]) -> None:
        self.goal, self.rate = goal, goal.rate()
        self.middle = ball((goal.low + goal.high) / 2).mid()
        self.ends = [ball(x) - self.middle for x in (goal.low, goal.high)]
        self.degree = len(coefficients)
        shifted = arb_poly([ball(c) for c in coefficients])(arb_poly([self.middle, 1]))
        taylor, self.rest = self._taylor()
        self.q = shifted - taylor
        first = self.q.derivative()
        relative = goal.kind == "relative"
        self.slope = first - arb_poly([self.rate]) * self.q if relative else first
        self.bend = self.slope.derivative()

    def _taylor(self) -> tuple[arb_poly, arb]:
        """Taylor's polynomial of f around the middle, and a bound of R w on the interval."""
        size = self.rate * abs(self.ends[0]).max(abs(self.ends[1])).upper()
        scale = self.goal.value(self.middle)
        terms, k, left = [scale], 0, size.exp()  # left: (kappa H)^k e^(kappa H) / k!
        small = ball(2) ** -current_precision()
        while not left * (k + 1) < small:
            k += 1
            left = left * size / k
            terms.append(terms[-1] * self.rate / k)
        terms.pop()  # `left` bounds what was left out, from the k-th term on
        weight = self.goal.weight(self.goal.low)  # the largest: 1/f falls, 1 does not move
        return arb_poly(terms), (left * scale * weight).upper()

    def weight(self, t: arb) -> arb:
        """w at the point middle + t."""
        return self.goal.weight(self.middle + t)

    def size(self, t: arb) -> arb:
        """|g(t)|, enclosed."""
        return abs(self.q(t) * self.weight(t))

    def bound(self, piece: arb) -> arb:
        """sup |h| on a piece of the interval, from its middle: at least that, an exact ball."""
        t = piece - self.middle
        c = t.mid()
        steep = self.slope(c) + (t - c) * self.bend(t)
        return (self.size(c) + t.rad() * abs(steep) * self.weight(t) + self.rest).upper()

    def enclose(self, tolerance: float) -> Enclosed:
        """Both bounds; wider than asked where the precision does not reach."""
        count = 4 * (self.degree + 1)
        start, end = self.ends[0].lower(), self.ends[1].upper()
        cuts = [start + ((end - start) * k / count).mid() for k in range(1, count)]
        cuts = [start, *(t.mid() for t in cuts), end]
        sizes = [self.size(t) for t in (*self.ends, *cuts[1:-1])]  # the ends as balls around them
        low = max(x.lower() for x in sizes)
        high = max(x.upper() for x in (*sizes, self.size(start), self.size(end)))
        pieces = list(itertools.pairwise(cuts))
        seen = 0
        while pieces:
            a, b = pieces.pop()
            seen += 1
            whole = hull(a, b)
            c = whole.mid()
            steep = self.slope(c) + (whole - c) * self.bend(whole)
            if certain_sign(steep):
                continue  # monotone: the ends have been seen
            here = self.size(c)
            low, high = max(low, here.lower()), max(high, here.upper())
            bound = (here + whole.rad() * abs(steep) * self.weight(whole)).upper()
            if bound <= low * (1 + tolerance) or seen > _MAX_PIECES:
                high = max(high, bound)
            else:
                pieces += [(a, c), (c, b)]
        return Enclosed(max(ball(0), (low - self.rest).lower()), (high + self.rest).upper())
