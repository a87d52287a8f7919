"""Transcendental facts, each enclosed twice: by flint's balls and by mpmath's intervals.

A function is written as F(x, T) with T = tanh(g(x)); its derivatives are polynomials in x and T
(dT/dx = (1 - T^2) g'). The supremum on [-X, X] comes from adaptive subdivision with the mean value
form; outside, 1 - T^2 <= 4 e^(-2|g|) and x^m e^(-2g) decreases as soon as m <= 2 x g'(x).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from varnum.formulas import layers
from varnum.formulas.core import Formula
from varnum.proof.interval_arithmetic import BACKENDS, Arithmetic, T, arithmetic_of

__all__ = ["BACKENDS", "Arithmetic", "ExpError", "Fact", "enclose_sup", "facts"]
_x, _T, _C = sp.symbols("x T C", real=True)  # C stands for sqrt(2/pi)
_EDGE = 8


@dataclass(frozen=True)
class Fact:
    """sup over the reals of |d^order F/dx^order|, F(x, tanh(inner)); `inner` is odd, increasing."""

    name: str
    value: sp.Expr
    inner: sp.Expr
    order: int

    def enclose(self, backend: str, tolerance: Fraction) -> tuple[Fraction, Fraction]:
        """Rational [low, high] that contains the supremum, high - low about `tolerance`."""
        return enclose_sup(self, backend, tolerance)

    def derivatives(self) -> tuple[sp.Expr, sp.Expr]:
        """Polynomials in x and T: the derivative asked for and the one after it."""
        slope = sp.diff(self.inner, _x)
        current = self.value
        for _ in range(self.order):
            current = sp.diff(current, _x) + sp.diff(current, _T) * (1 - _T**2) * slope
        after = sp.diff(current, _x) + sp.diff(current, _T) * (1 - _T**2) * slope
        return _factored(current), _factored(after)


def _factored(expr: sp.Expr) -> sp.Expr:
    """Limit + (1 - T^2) * rest, which stays tight where T is near 1."""
    rest, limit = sp.div(sp.Poly(sp.expand(expr), _T), sp.Poly(1 - _T**2, _T))
    return limit.as_expr() + (1 - _T**2) * sp.horner(rest.as_expr(), wrt=_x)


def _split(formula: Formula) -> tuple[sp.Expr, sp.Expr]:
    """F(x, T) and the argument of tanh, read off the closed form the model is described by."""
    (tanh,) = formula.expr.atoms(sp.tanh)
    value = formula.expr.subs(tanh, _T).subs(layers.x, _x)
    return value, sp.expand(tanh.args[0].subs(sp.sqrt(2 / sp.pi), _C).subs(layers.x, _x))


@dataclass(frozen=True)
class ExpError:
    """sup over [-M, M] of |P(x) e^-x - 1|; coefficients of P, constant term first."""

    coefficients: tuple[Fraction, ...]
    M: Fraction

    def enclose(self, backend: str, tolerance: Fraction) -> tuple[Fraction, Fraction]:
        """Rational [low, high] around the supremum; h' = (P' - P) e^-x in the mean value form."""
        poly, arithmetic = self.coefficients, arithmetic_of(backend)
        slope = [
            (k + 1) * (poly[k + 1] if k + 1 < len(poly) else 0) - c for k, c in enumerate(poly)
        ]

        def bound(left: Fraction, right: Fraction) -> tuple[Fraction, Fraction]:
            middle = (left + right) / 2
            point, whole = arithmetic.interval(middle, middle), arithmetic.interval(left, right)
            value = _horner(poly, point, arithmetic) * arithmetic.exp(-point) - 1
            steep = _horner(slope, whole, arithmetic) * arithmetic.exp(-whole)
            low, high = arithmetic.ends(value, magnitude=True)
            return low, high + arithmetic.ends(steep, magnitude=True)[1] * (right - left) / 2

        with arithmetic.context():
            ends = [
                arithmetic.ends(
                    _horner(poly, arithmetic.interval(x, x), arithmetic)
                    * arithmetic.exp(-arithmetic.interval(x, x))
                    - 1,
                    magnitude=True,
                )
                for x in (-self.M, self.M)
            ]
            low, high = _branch_and_bound(bound, tolerance, self.M)
            return max(low, *(e[0] for e in ends)), high


def _horner(coefficients: Sequence[Fraction], x: T, arithmetic: Arithmetic[T]) -> T:
    value = arithmetic.interval(Fraction(0), Fraction(0))
    for c in reversed(coefficients):
        value = value * x + arithmetic.interval(Fraction(c), Fraction(c))
    return value


def _taylor(degree: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(1, math.factorial(k)) for k in range(degree + 1))


def facts() -> dict[str, Fact | ExpError]:
    """name -> fact: GELU (tanh form) and SiLU to the third derivative, tanh, Taylor's error."""
    found: dict[str, Fact | ExpError] = {"taylor-4": ExpError(_taylor(4), Fraction(1))}
    for name, formula in (("gelu", layers.gelu), ("silu", layers.silu)):
        value, inner = _split(formula)
        for order in (1, 2, 3):
            found[f"{name}-{order}"] = Fact(f"{name}-{order}", value, inner, order)
    found["tanh-1"] = Fact("tanh-1", _T, _x, 1)
    return found


def enclose_sup(fact: Fact, backend: str, tolerance: Fraction) -> tuple[Fraction, Fraction]:
    """Rational [low, high] that contains the supremum, high - low <= tolerance."""
    first, second = fact.derivatives()
    arithmetic = arithmetic_of(backend)
    with arithmetic.context():

        def bound(left: Fraction, right: Fraction) -> tuple[Fraction, Fraction]:
            """(|F| at the middle from below, |F| on the interval from above)."""
            middle = (left + right) / 2
            at_middle = _range(arithmetic, fact.inner, first, middle, middle)
            slope = arithmetic.ends(
                _range(arithmetic, fact.inner, second, left, right), magnitude=True
            )[1]
            low, high = arithmetic.ends(at_middle, magnitude=True)
            return low, high + slope * (right - left) / 2

        low, high = _branch_and_bound(bound, tolerance, Fraction(_EDGE))
        return low, max(high, _tail(arithmetic, fact, first))


def _branch_and_bound(
    bound: Callable[[Fraction, Fraction], tuple[Fraction, Fraction]],
    tolerance: Fraction,
    edge: Fraction,
) -> tuple[Fraction, Fraction]:
    best = Fraction(0)
    queue: list[tuple[Fraction, Fraction, Fraction]] = []
    for i in range(-32, 32):
        left, right = edge * i / 32, edge * (i + 1) / 32
        low, high = bound(left, right)
        best = max(best, low)
        heapq.heappush(queue, (-high, left, right))
    for _ in range(20_000):
        high, left, right = queue[0]
        if -high - best <= tolerance:
            return best, -high
        heapq.heappop(queue)
        middle = (left + right) / 2
        for a, b in ((left, middle), (middle, right)):
            low, top = bound(a, b)
            best = max(best, low)
            heapq.heappush(queue, (-top, a, b))
    raise ArithmeticError("subdivision did not reach the tolerance")


def _tail(arithmetic: Arithmetic[T], fact: Fact, first: sp.Expr) -> Fraction:
    """Upper bound of |F| for |x| >= X: the limit plus 4 e^(-2 g(X)) sum |coefficient| X^m."""
    rest, limit = sp.div(sp.Poly(sp.expand(first), _T), sp.Poly(1 - _T**2, _T))
    terms = sp.Poly(rest.as_expr(), _x, _T).terms()
    slope = _range(
        arithmetic, fact.inner, sp.diff(fact.inner, _x), Fraction(_EDGE), Fraction(_EDGE)
    )
    degree = max((powers[0] for powers, _ in terms), default=0)
    if degree > 2 * _EDGE * arithmetic.ends(slope)[0]:
        raise ArithmeticError("the tail estimate needs a larger edge")
    size = sum(sp.Abs(coefficient) * _EDGE ** powers[0] for powers, coefficient in terms)
    values = {_C: arithmetic.root_two_over_pi()}
    decay = arithmetic.exp(_walk(fact.inner.subs(_x, _EDGE), values, arithmetic) * -2)
    total = decay * 4 * _walk(size, values, arithmetic)
    at_limit = [abs(limit.as_expr().subs(_T, sign)) for sign in (1, -1)]
    if not all(value.is_Rational for value in at_limit):
        raise ArithmeticError("the limit is not a number")
    end: Fraction = arithmetic.ends(total)[1]
    return max(Fraction(int(v.p), int(v.q)) for v in at_limit) + end


def _range(
    arithmetic: Arithmetic[T], inner: sp.Expr, expr: sp.Expr, left: Fraction, right: Fraction
) -> T:
    values = {_x: arithmetic.interval(left, right), _C: arithmetic.root_two_over_pi()}
    values[_T] = arithmetic.tanh(
        *(
            _walk(inner, {_x: arithmetic.interval(end, end), _C: values[_C]}, arithmetic)
            for end in (left, right)
        )
    )
    return _walk(expr, values, arithmetic)


def _walk(expr: sp.Expr, values: dict[sp.Symbol, T], arithmetic: Arithmetic[T]) -> T:
    if expr.is_Symbol:
        return values[expr]
    if expr.is_Rational:
        number = Fraction(int(expr.p), int(expr.q))
        return arithmetic.interval(number, number)
    if expr.func is sp.Abs:
        return _walk(expr.args[0], values, arithmetic).__abs__()  # abs() loses the kind
    if expr.is_Pow and expr.args[1].is_Integer:
        return _walk(expr.args[0], values, arithmetic) ** int(expr.args[1])
    parts = [_walk(part, values, arithmetic) for part in expr.args]
    if not (expr.is_Add or expr.is_Mul):
        raise TypeError(f"no interval evaluation for {expr.func}")
    total = parts[0]
    for part in parts[1:]:
        total = total + part if expr.is_Add else total * part
    return total
