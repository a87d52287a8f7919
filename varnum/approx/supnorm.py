"""Certified two-sided sup norm of an approximation error (claim exp-supnorm).

D has at most deg P real zeros. Where it shows that many strict sign changes on disjoint brackets,
h is monotone outside the brackets: no root isolation is needed. Otherwise the roots are isolated
exactly and the same bound is taken over their enclosures. Side: low <= sup|h| <= high.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from varnum.approx.polynomial import Polynomial
from varnum.approx.target import Target
from varnum.balls.scalar import ball, certain_sign, current_precision, hull, lower, precision
from varnum.verdict import Unknown

Bracket = tuple[Any, Any]


@dataclass(frozen=True)
class SupNorm:
    """low <= sup|h| <= high over the target's interval, as balls whose outer ends are the bounds.

    brackets: enclosures of all critical points used; counted: True where deg P sign changes prove
    that they are all (else exact root isolation did).
    """

    low: Any
    high: Any
    brackets: tuple[Bracket, ...]
    counted: bool


def certify_supnorm(
    target: Target, poly: Polynomial, extrema: Sequence[Any] = (), *, bits: int | None = None
) -> SupNorm | Unknown:
    """Enclose sup|h| of an exact polynomial; extrema are optional guesses of h's critical points.

    Works at `bits` (default: enough for the interval and degree). Unknown if signs stay uncertain.
    """
    with precision(bits or max(current_precision(), target.bits(poly.degree, 100))):
        forms = _Forms(target, poly)
        found = counted_brackets(forms, extrema) if len(extrema) == poly.degree else None
        counted = found is not None
        brackets = _isolated(forms) if found is None else found
        if isinstance(brackets, Unknown):
            return brackets
        low, high = _range(forms, brackets)
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

    def error(self, x: Any) -> Any:
        return self.target.error(self.poly, x)

    def slope(self, x: Any) -> Any:
        return self.target.slope(self.poly, self.first, x)

    def bend(self, x: Any) -> Any:
        return self.target.slope_derivative(self.first, self.second, x)


def counted_brackets(
    forms: _Forms, extrema: Iterable[Any], digits: int | None = None
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
        digits = 50 + max(0, int(condition / 2))
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
        a, b = (x - radius).mid(), (x + radius).mid()
        if not (edge < a and certain_sign(forms.slope(a)) * certain_sign(forms.slope(b)) == -1):
            return None
        brackets.append((a, b))
        edge = b
    if not edge < ball(target.high) and brackets:
        return None
    return brackets


def _range(forms: _Forms, brackets: Iterable[Bracket]) -> tuple[Any, Any]:
    """Bounds of sup|h| from the ends and the brackets.

    In a bracket |h(x) - h(a)| <= (b-a)^2 sup|D'| w: D vanishes inside, so |D| <= (b-a) sup|D'|
    there, and h' = w D with w = e^-x or 1.
    """
    ends = [abs(forms.error(ball(x))) for x in (forms.target.low, forms.target.high)]
    low = high = ends[0].max(ends[1])
    for a, b in brackets:
        whole = hull(a, b)
        at_a = abs(forms.error(a))
        reach = (b - a) ** 2 * forms.target.slope_to_error(abs(forms.bend(whole)), whole)
        high = high.max(at_a + reach.abs_upper())
        if a >= ball(forms.target.low) and a <= ball(forms.target.high):
            low = low.max(at_a)
    return low, high


def _isolated(forms: _Forms) -> list[Bracket] | Unknown:
    """Brackets around every zero of D in the interval, for any polynomial."""
    target, integers = forms.target, forms.exact.integers()
    if target.kind == "relative":
        turning = integers.derivative() - integers
        return _roots(forms, turning) if turning.degree() > 0 else []
    first = integers.derivative()
    bends = _roots(forms, first.derivative() - first) if first.degree() > 0 else []
    zeros = _monotone_zeros(forms, bends)
    return zeros if isinstance(zeros, Unknown) else bends + zeros


def _roots(forms: _Forms, integers: Any) -> list[Bracket]:
    """Isolated real roots of an integer polynomial that may lie in the interval, in order."""
    inside = hull(forms.target.low, forms.target.high)
    square_free = integers // integers.gcd(integers.derivative())
    # flint isolates each root of a square-free polynomial; real ones get imaginary part exactly 0
    roots = [r.real for r, _ in square_free.complex_roots() if r.imag.is_zero()]
    roots = [r for r in roots if r.overlaps(inside)]
    return sorted(((r.lower(), r.upper()) for r in roots), key=lambda ab: lower(ab[0]))


def _monotone_zeros(forms: _Forms, bends: list[Bracket]) -> list[Bracket] | Unknown:
    """Zeros of P' - e^x between consecutive zeros of P'' - P', where P' e^-x is monotone."""
    cuts = [ball(forms.target.low), *(x for ab in bends for x in ab), ball(forms.target.high)]
    zeros: list[Bracket] = []
    for a, b in zip(cuts[::2], cuts[1::2], strict=True):
        if not a < b:
            continue
        sign = certain_sign(forms.slope(a))
        if sign * certain_sign(forms.slope(b)) == 0:
            return Unknown("the sign of P' - e^x at a bend is not certain at this precision")
        if sign == certain_sign(forms.slope(b)):
            continue
        for _ in range(current_precision() // 2):
            c = ((a + b) / 2).mid()
            s = certain_sign(forms.slope(c))
            if s == 0:
                break
            a, b = (c, b) if s == sign else (a, c)
        zeros.append((a, b))
    return zeros
