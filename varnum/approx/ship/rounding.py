"""The total error of an evaluation: approximation, coefficients, every rounding (evaluation-error).

On a short piece X of the interval each value of the scheme is V(r) in exact arithmetic, V a
polynomial, and v when computed, |v - V(r)| <= E. A product moves by |a| E_b + |b| E_a + E_a E_b, a
sum by E_a + E_b, and a rounding adds half a unit in the last place of the largest value there can
be. So sup |v - f| w <= sup_X |P - f| w + E w. The piece with the largest bound is halved as long as
that helps.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from varnum.approx.ship.error import Difference
from varnum.approx.ship.formats import Format
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.scheme import Scheme
from varnum.balls.scalar import arb_poly, ball, hull, precision
from varnum.verdict import Unknown

_START, _MOST, _PATIENCE = 32, 4000, 100
_GAIN = 0.997  # a hundred halvings have to win 0.3 percent


def certify_total_error(
    goal: Goal, coefficients: Sequence[Fraction], how: Scheme, form: Format
) -> Any | Unknown:
    """An exact ball not below |computed(r) - f(r)|, times 1/f(r) for relative error.

    For every number r of the format in the interval, round to nearest, ties in any way; results
    below the smallest normal number kept or flushed to zero (float16: kept). Unknown where an
    overflow is not excluded.
    """
    with precision(96 + 2 * form.digits):
        analysis = _Analysis(goal, coefficients, how, form)
        low, high = ball(goal.low).lower(), ball(goal.high).upper()
        cuts = [low, *((low + (high - low) * k / _START).mid() for k in range(1, _START)), high]
        pieces = _Pieces(analysis)
        for a, b in itertools.pairwise(cuts):
            pieces.add(a, b)
        before = math.inf
        for count in range(1, _MOST):
            pieces.split()
            if count % _PATIENCE == 0:
                if not pieces.worst < before * _GAIN:
                    break
                before = pieces.worst
        return pieces.bound()


class _Pieces:
    """Pieces of the interval, the one with the largest bound first."""

    def __init__(self, analysis: _Analysis) -> None:
        self.analysis, self.order = analysis, itertools.count()
        self.heap: list[tuple[float, int, Any, Any, Any]] = []

    def add(self, a: Any, b: Any) -> None:
        """Take a piece in."""
        bound = self.analysis.bound(hull(a, b))
        key = -math.inf if bound is None else -float(bound)
        heapq.heappush(self.heap, (key, next(self.order), a, b, bound))

    def split(self) -> None:
        """Halve the worst piece."""
        _, _, a, b, _ = heapq.heappop(self.heap)
        middle = ((a + b) / 2).mid()
        self.add(a, middle)
        self.add(middle, b)

    @property
    def worst(self) -> float:
        """About the largest bound."""
        return -self.heap[0][0]

    def bound(self) -> Any | Unknown:
        """The largest bound."""
        bounds = [entry[4] for entry in self.heap]
        if any(bound is None for bound in bounds):
            return Unknown("an overflow on the interval is not excluded")
        return max(bounds)


class _Analysis:
    """Bounds on pieces, at the precision in force."""

    def __init__(
        self, goal: Goal, coefficients: Sequence[Fraction], how: Scheme, form: Format
    ) -> None:
        self.goal, self.how, self.form = goal, how, form
        self.difference = Difference(goal, coefficients)
        self.exact: dict[str, Any] = {"r": arb_poly([0, 1])}
        self.constant = {f"c{k}": abs(c) for k, c in enumerate(coefficients)}
        for k, c in enumerate(coefficients):
            self.exact[f"c{k}"] = arb_poly([ball(c)])
        for step in how.steps:
            one, two, *more = (self.exact[name] for name in step.arguments)
            value = one + two if step.operation == "add" else one * two
            self.exact[step.result] = value + more[0] if more else value
        self.slopes = {name: value.derivative() for name, value in self.exact.items()}

    def bound(self, piece: Any) -> Any | None:
        """At least sup |computed - f| w on the piece, an exact ball; None if it may overflow."""
        middle = piece.mid()
        offset = piece - middle
        sizes: dict[str, Any] = {}
        errors = {name: ball(0) for name in ("r", *self.constant)}

        def size(name: str) -> Any:
            """max |V| on the piece."""
            if name not in sizes:
                value = self.exact[name](middle) + offset * self.slopes[name](piece)
                sizes[name] = abs(value).upper()
            return sizes[name]

        for step in self.how.steps:
            a, b, *c = step.arguments
            if step.operation == "add":
                moved = errors[a] + errors[b]
            else:
                moved = size(a) * errors[b] + size(b) * errors[a] + errors[a] * errors[b]
                moved += sum((errors[name] for name in c), ball(0))
            if self._is_exact(step.operation, a, b):
                rounding = ball(0)
            else:
                largest = (size(step.result) + moved).upper()
                if not largest <= ball(self.form.largest):
                    return None
                rounding = half_place(self.form, largest)
            errors[step.result] = (moved + rounding).upper()
        weight = self.goal.weight(piece)
        return (self.difference.bound(piece) + errors[self.how.result] * weight).upper()

    def _is_exact(self, operation: str, a: str, b: str) -> bool:
        """A product by a power of two at least 1, or by 0."""
        constants = [self.constant[name] for name in (a, b) if name in self.constant]
        return operation == "mul" and any(
            c == 0 or (c.denominator == 1 and c.numerator & (c.numerator - 1) == 0)
            for c in constants
        )


def half_place(form: Format, largest: Any) -> Any:
    """The most that rounding a number of at most this size (an exact ball) moves it.

    A result below the smallest normal number may also be flushed to zero, but in float16, whose
    smallest normal number is large.
    """
    mantissa, exponent = largest.man_exp()
    top = int(mantissa).bit_length() + int(exponent) - 1 if mantissa else form.least
    half = ball(2) ** (max(top, form.least) - form.digits)
    return half if form.name == "float16" else half.max(ball(form.tiny))
