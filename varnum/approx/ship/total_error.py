"""The total error of an evaluation: approximation, coefficients, every rounding (evaluation-error).

On a short piece X of the interval each value of the scheme is V(r) in exact arithmetic, V a
polynomial, and v when computed, |v - V(r)| <= E. A product moves by |a| E_b + |b| E_a + E_a E_b, a
sum by E_a + E_b, and a rounding adds half a unit in the last place of the largest value there can
be; but a sum of multiples of 2^k below 2^(k + digits) is exact. So
sup |v - f| w <= sup_X |P - f| w + E w. The piece with the largest bound is halved as long as that
helps.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from varnum.approx.ship.coefficient_error import Difference
from varnum.approx.ship.formats import Format
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.scheme import Scheme
from varnum.balls.scalar import arb, arb_poly, ball, hull, precision
from varnum.verdict import Unknown

_START, _MOST, _PATIENCE = 32, 4000, 100
_GAIN = 0.997  # a hundred halvings have to win 0.3 percent


def certify_total_error(
    goal: Goal, coefficients: Sequence[Fraction], how: Scheme, form: Format
) -> arb | Unknown:
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
        self.heap: list[tuple[float, int, arb, arb, arb | None]] = []

    def add(self, a: arb, b: arb) -> None:
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

    def bound(self) -> arb | Unknown:
        """The largest bound."""
        bounds = [entry[4] for entry in self.heap if entry[4] is not None]
        if len(bounds) < len(self.heap):
            return Unknown("an overflow on the interval is not excluded")
        return max(bounds)


class _Analysis:
    """Bounds on pieces, at the precision in force."""

    def __init__(
        self, goal: Goal, coefficients: Sequence[Fraction], how: Scheme, form: Format
    ) -> None:
        self.goal, self.how, self.form = goal, how, form
        self.difference = Difference(goal, coefficients)
        self.exact: dict[str, arb_poly] = {"r": arb_poly([0, 1])}
        self.constant = {f"c{k}": abs(c) for k, c in enumerate(coefficients)}
        for k, c in enumerate(coefficients):
            self.exact[f"c{k}"] = arb_poly([ball(c)])
        for step in how.steps:
            one, two, *more = (self.exact[name] for name in step.arguments)
            value = one + two if step.operation == "add" else one * two
            self.exact[step.result] = value + more[0] if more else value
        self.slopes = {name: value.derivative() for name, value in self.exact.items()}

    def bound(self, piece: arb) -> arb | None:
        """At least sup |computed - f| w on the piece, an exact ball; None if it may overflow."""
        errors = {name: ball(0) for name in ("r", *self.constant)}
        values = {name: self._value(name, piece) for name in self.exact}  # |V|
        for step in self.how.steps:
            a, b, *c = step.arguments
            moved = errors[a] + errors[b]
            if step.operation != "add":
                first, second = values[a].upper(), values[b].upper()
                moved = first * errors[b] + second * errors[a] + errors[a] * errors[b]
                moved += sum((errors[name] for name in c), ball(0))
            largest = (values[step.result] + moved).upper()
            if not largest <= ball(self.form.largest):
                return None
            exact = self._is_exact_product(step.operation, a, b)
            if step.operation == "add":
                unit = min(self._unit(name, values[name] - errors[name]) for name in (a, b))
                exact = place(self.form, largest) <= unit
            rounding = flushed(self.form) if exact else half_place(self.form, largest)
            errors[step.result] = (moved + rounding).upper()
        weight = self.goal.weight(piece)
        return (self.difference.bound(piece) + errors[self.how.result] * weight).upper()

    def _value(self, name: str, piece: arb) -> arb:
        """|V| on the piece, enclosed."""
        middle = piece.mid()
        return abs(self.exact[name](middle) + (piece - middle) * self.slopes[name](piece))

    def _unit(self, name: str, size: arb) -> int:
        """A k such that the computed value is a multiple of 2^k; `size` encloses its size."""
        if name in self.constant:
            c = self.constant[name]
            bits = c.numerator & -c.numerator
            return bits.bit_length() - c.denominator.bit_length() if c else self.form.most
        return place(self.form, size.lower())

    def _is_exact_product(self, operation: str, a: str, b: str) -> bool:
        """A product by a power of two at least 1, or by 0."""
        constants = [self.constant[name] for name in (a, b) if name in self.constant]
        return operation == "mul" and any(
            c == 0 or (c.denominator == 1 and c.numerator & (c.numerator - 1) == 0)
            for c in constants
        )


def place(form: Format, size: arb) -> int:
    """Numbers of at least (at most) this size (an exact ball) have at least (at most) place 2^k."""
    mantissa, exponent = size.man_exp()
    top = int(mantissa).bit_length() + int(exponent) - 1 if mantissa > 0 else form.least
    return max(top, form.least) + 1 - form.digits


def half_place(form: Format, largest: arb) -> arb:
    """The most that rounding a number of at most this size (an exact ball) moves it.

    Half a place; but just above a power of two the number is no further from that than its excess.
    """
    half = ball(2) ** (place(form, largest) - 1)
    power = half * 2**form.digits
    if power > ball(form.tiny):
        half = half.min((largest - power).upper()).max(half / 2)
    return half.max(flushed(form))


def flushed(form: Format) -> arb:
    """What flushing a result below the smallest normal number to zero may cost.

    Nothing in float16, whose smallest normal number is large: there it must not happen.
    """
    return ball(0) if form.name == "float16" else ball(form.tiny)
