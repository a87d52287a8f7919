"""Best approximation by Remez' exchange, in arbitrary precision.

On any g + 2 points the levelled polynomial's error alternates in sign, so h has g + 1 zeros between
them and h' at least g; since D (the sign of h') has at most g zeros there are exactly g, one
between each two zeros of h. Every exchange therefore finds all extrema without scanning a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from varnum.approx.polynomial import interpolate
from varnum.approx.target import Target, initial_points
from varnum.balls.scalar import arb, arb_poly, ball, certain_sign


@dataclass(frozen=True)
class Levelled:
    """A levelled polynomial on a reference: nothing here is a guarantee yet.

    points: the g + 2 reference points; level: |lambda|; poly: P; extrema: the g interior critical
    points of h; peak: the largest |h| seen.
    """

    points: tuple[arb, ...]
    level: arb
    poly: arb_poly
    extrema: tuple[arb, ...]
    peak: arb

    @property
    def gap(self) -> float:
        """(peak - level) / level: 0 at the minimax."""
        return float((self.peak / self.level - 1).mid())


def levelled(target: Target, points: list[arb]) -> Levelled:
    """Level the error on the points and find the extrema of what comes out."""
    level, values = target.level(points)
    poly = interpolate(points[:-1], [v.mid() for v in values[:-1]])
    first, second = poly.derivative(), poly.derivative().derivative()
    extrema = [
        _critical_point(target, poly, first, second, points[i - 1 : i + 2])
        for i in range(1, len(points) - 1)
    ]
    ends = [points[0], *extrema, points[-1]]
    peak = max((abs(target.error(poly, x)).mid() for x in ends), default=ball(0))
    return Levelled(tuple(points), abs(level).mid(), poly, tuple(extrema), peak)


def _critical_point(
    target: Target, poly: arb_poly, first: arb_poly, second: arb_poly, window: list[arb]
) -> arb:
    """The zero of D that belongs to the middle of three neighbouring reference points."""
    left, x, right = window
    for _ in range(4):
        step = target.slope(poly, first, x) / target.slope_derivative(first, second, x)
        x = (x - step).mid()
        if not (step.is_finite() and left < x < right):
            break
        if abs(step) < (right - left) * 2.0**-40:
            return x
    return _bracketed(target, poly, first, window)


def _bracketed(target: Target, poly: arb_poly, first: arb_poly, window: list[arb]) -> arb:
    """Bisection: zeros of h on both sides of the middle point, then the zero of D between them."""
    left, middle, right = window
    a = _bisect(lambda t: target.error(poly, t), left, middle, 12)
    b = _bisect(lambda t: target.error(poly, t), middle, right, 12)
    return _bisect(lambda t: target.slope(poly, first, t), a, b, 40)


def _bisect(function: Callable[[arb], arb], a: arb, b: arb, steps: int) -> arb:
    sign = certain_sign(function(a))
    for _ in range(steps):
        c = ((a + b) / 2).mid()
        a, b = (c, b) if certain_sign(function(c)) == sign else (a, c)
    return ((a + b) / 2).mid()


def remez(target: Target, degree: int, tolerance: float = 1e-6, iterations: int = 40) -> Levelled:
    """Exchange until the peak is within `tolerance` (relative) of the level, or give the best seen.

    Works at the precision in force. The result is a candidate; `supnorm` and `level` certify it.
    """
    state = levelled(target, initial_points(target, degree))
    best = state
    for _ in range(iterations):
        if state.gap < tolerance:
            break
        ends = (state.points[0], state.points[-1])
        state = levelled(target, [ends[0], *state.extrema, ends[1]])
        best = min(best, state, key=lambda s: s.gap)
    return best
