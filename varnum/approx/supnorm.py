"""Certified two-sided sup norm of an approximation error (claim exp-supnorm).

D has at most deg P real zeros. Where it shows that many strict sign changes on disjoint brackets,
h is monotone outside the brackets: no root isolation is needed. Otherwise the roots are isolated
exactly and the same bound is taken over their enclosures. Side: low <= sup|h| <= high.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from varnum.approx.polynomial import Polynomial
from varnum.approx.target import Target, initial_points
from varnum.balls.scalar import (
    arb,
    ball,
    certain_floor,
    certain_sign,
    current_precision,
    fmpz_poly,
    hull,
    precision,
    real_roots,
)
from varnum.verdict import Unknown

Bracket = tuple[arb, arb]


@dataclass(frozen=True)
class SupNorm:
    """low <= sup|h| <= high over the target's interval, as balls whose outer ends are the bounds.

    brackets: enclosures of all critical points used; counted: True where deg P sign changes prove
    that they are all (else exact root isolation did).
    """

    low: arb
    high: arb
    brackets: tuple[Bracket, ...]
    counted: bool


def certify_supnorm(
    target: Target,
    poly: Polynomial,
    extrema: Sequence[arb] = (),
    *,
    bits: int | None = None,
    fine: int = 0,
) -> SupNorm | Unknown:
    """Enclose sup|h| of an exact polynomial; extrema are optional guesses of h's critical points.

    Without guesses those of a polynomial near the minimax are tried before roots are isolated.
    Works at `bits` (default: enough for the interval and degree); brackets are `fine` bits narrower
    than is visible. Unknown if a value is unbounded.
    """
    with precision(bits or max(current_precision(), target.bits(poly.degree, 100))):
        forms = _Forms(target, poly)
        extrema = extrema or initial_points(target, poly.degree)[1:-1]
        found = counted_brackets(forms, extrema, fine=fine) if len(extrema) == poly.degree else None
        counted = found is not None
        brackets = _isolated(forms) if found is None else found
        low, high = _range(forms, brackets, counted)
        if not (high.is_finite() and low.is_finite()):
            return Unknown("the error's enclosure is unbounded at this precision")
        return SupNorm(low, high, tuple(brackets), counted)


class _Forms:
    """P, P', P'' as ball polynomials, with the target's error functions."""

    def __init__(self, target: Target, poly: Polynomial) -> None:
        self.target, self.exact = target, poly
        self.poly = poly.balls()
        self.first = self.poly.derivative()
        self.second = self.first.derivative()

    def error(self, x: arb) -> arb:
        return self.target.error(self.poly, x)

    def slope(self, x: arb) -> arb:
        return self.target.slope(self.poly, self.first, x)

    def bend(self, x: arb) -> arb:
        return self.target.slope_derivative(self.first, self.second, x)


def counted_brackets(
    forms: _Forms, extrema: Iterable[arb], digits: int | None = None, fine: int = 0
) -> list[Bracket] | None:
    """deg P disjoint brackets inside the interval, each with a certain strict sign change of D.

    Brackets are centred at the guesses after Newton steps, with half width width/2^digits; by
    default narrow enough that they add nothing visible to the bound. None if the guesses do not
    give them all.
    """
    target = forms.target
    if digits is None:
        scale = abs(forms.error(ball(target.low))).abs_upper() + ball(2) ** -current_precision()
        condition = target.width / math.log(2) - float(scale.log() / math.log(2))
        digits = 50 + fine + max(0, int(condition / 2))
    radius = (ball(target.high - target.low) * ball(2) ** -digits).mid()
    brackets: list[Bracket] = []
    edge = ball(target.low)
    for x in extrema:
        for _ in range(digits.bit_length()):
            step = forms.slope(x) / forms.bend(x)
            if not step.is_finite():
                return None
            x = (x - step).mid()
            if abs(step) < radius:
                break
        a, b = _short(x - radius, radius), _short(x + radius, radius)
        if not (edge < a and certain_sign(forms.slope(a)) * certain_sign(forms.slope(b)) == -1):
            return None
        brackets.append((a, b))
        edge = b
    if not edge < ball(target.high) and brackets:
        return None
    return brackets


def _short(x: arb, radius: arb) -> arb:
    """x moved by less than radius/4 to a number with no more bits than that needs."""
    unit = ball(2) ** (certain_floor((radius.log() / math.log(2)).mid()) - 3)
    return ((x / unit).mid() + ball(0.5)).floor().mid() * unit


def _range(forms: _Forms, brackets: Iterable[Bracket], counted: bool) -> tuple[arb, arb]:
    """Bounds of sup|h| from the ends and the brackets.

    In a bracket |h(x) - h(a)| <= (b-a) sup|h'|, with h' = w D, w = e^-x or 1. A counted bracket
    holds a zero of D, so there |D| <= (b-a) sup|D'|, which needs no narrow bracket to be sharp.
    """
    target = forms.target
    ends = [abs(forms.error(ball(x))) for x in (target.low, target.high)]
    low = high = ends[0].max(ends[1])
    for a, b in brackets:
        whole = hull(a, b)
        at_a = abs(forms.error(a))
        steep = (b - a) * abs(forms.bend(whole)) if counted else abs(forms.slope(whole))
        high = high.max(at_a + ((b - a) * target.slope_to_error(steep, whole)).abs_upper())
        if a >= ball(target.low) and a <= ball(target.high):
            low = low.max(at_a)
    return low, high


def _isolated(forms: _Forms) -> list[Bracket]:
    """Brackets around every zero of D in the interval, for any polynomial."""
    target, integers = forms.target, forms.exact.integers()
    if target.kind == "relative":
        turning = integers.derivative() - integers
        return _roots(forms, turning) if turning.degree() > 0 else []
    first = integers.derivative()
    bends = _roots(forms, first.derivative() - first) if first.degree() > 0 else []
    return bends + _monotone_zeros(forms, bends)


def _roots(forms: _Forms, integers: fmpz_poly) -> list[Bracket]:
    """Isolated real roots of an integer polynomial that may lie in the interval, in order."""
    inside = hull(forms.target.low, forms.target.high)
    return [(r.lower(), r.upper()) for r in real_roots(integers) if r.overlaps(inside)]


def _monotone_zeros(forms: _Forms, bends: list[Bracket]) -> list[Bracket]:
    """Zeros of P' - e^x between consecutive zeros of P'' - P', where P' e^-x is monotone.

    Where the sign at an end is not certain (a zero there, as for Taylor polynomials at 0), a small
    neighbourhood of it counts as a bracket, or else the whole piece: always sound, maybe wide.
    """
    cuts = [ball(forms.target.low), *(x for ab in bends for x in ab), ball(forms.target.high)]
    zeros: list[Bracket] = []
    for a, b in zip(cuts[::2], cuts[1::2], strict=True):
        if not a < b:
            continue
        left, right = _signed(forms, a, b), _signed(forms, b, a)
        if left is None or right is None or not left < right:
            zeros.append((a, b))
            continue
        zeros += [pair for pair in ((a, left), (right, b)) if pair[0] is not pair[1]]
        if certain_sign(forms.slope(left)) != certain_sign(forms.slope(right)):
            zeros.append(_bisected(forms, left, right))
    return zeros


def _signed(forms: _Forms, a: arb, b: arb) -> arb | None:
    """`a`, or a point a little towards b, with a certain sign of D; None if none is found."""
    if certain_sign(forms.slope(a)):
        return a
    for halvings in (60, 40, 25, 15, 8):
        x = (a + (b - a) * ball(2) ** -halvings).mid()
        if certain_sign(forms.slope(x)):
            return x
    return None


def _bisected(forms: _Forms, a: arb, b: arb) -> Bracket:
    sign = certain_sign(forms.slope(a))
    for _ in range(current_precision() // 2):
        for part in (0.5, 0.4375, 0.5625):  # the zero itself has no certain sign: step beside it
            c = (a + (b - a) * part).mid()
            here = certain_sign(forms.slope(c))
            if here:
                break
        else:
            break
        a, b = (c, b) if here == sign else (a, c)
    return a, b
