"""Transcendental facts, each enclosed twice: by flint's balls and by mpmath's intervals.

A function is written as F(x, T) with T = tanh(g(x)); its derivatives are polynomials in x and T
(dT/dx = (1 - T^2) g'). The supremum on [-X, X] comes from adaptive subdivision with the mean value
form; outside, 1 - T^2 <= 4 e^(-2|g|) and x^m e^(-2g) decreases as soon as m <= 2 x g'(x).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, Self, TypeAlias, TypeVar

import mpmath
import sympy as sp

from varnum.balls.scalar import arb, ball, hull, lower, precision, upper
from varnum.formulas import layers
from varnum.formulas.core import Formula

Interval: TypeAlias = "mpmath.ctx_iv.ivmpf"  # mpmath's, which ships no types
BACKENDS = ("flint", "mpmath")
_x, _T, _C = sp.symbols("x T C", real=True)  # C stands for sqrt(2/pi)
_EDGE = 8
_BITS = 80


class _Enclosing(Protocol):
    """A number that an arithmetic encloses: a ball or an interval."""

    def __add__(self, other: Self | int, /) -> Self: ...
    def __sub__(self, other: Self | int, /) -> Self: ...
    def __mul__(self, other: Self | int, /) -> Self: ...
    def __pow__(self, other: int, /) -> Self: ...
    def __neg__(self) -> Self: ...
    def __abs__(self) -> Self: ...


T = TypeVar("T", bound=_Enclosing)


class Arithmetic(Protocol[T]):
    """Outward rounded arithmetic on enclosures."""

    def context(self) -> AbstractContextManager[object]: ...  # noqa: D102
    def interval(self, left: Fraction, right: Fraction) -> T: ...  # noqa: D102
    def root_two_over_pi(self) -> T: ...  # noqa: D102
    def exp(self, value: T) -> T: ...  # noqa: D102
    def tanh(self, left: T, right: T) -> T: ...  # noqa: D102
    def tail(self, edge: sp.Expr, size: sp.Expr) -> T: ...  # noqa: D102
    def ends(self, value: T, magnitude: bool = False) -> tuple[Fraction, Fraction]: ...  # noqa: D102


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
        poly, arithmetic = self.coefficients, _arithmetic(backend)
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
    arithmetic = _arithmetic(backend)
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


def _arithmetic(backend: str) -> _Flint | _Mpmath:
    if backend not in BACKENDS:
        raise ValueError(f"backend: {backend!r}; one of {BACKENDS}")
    return _Flint() if backend == "flint" else _Mpmath()


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
    total = arithmetic.tail(fact.inner.subs(_x, _EDGE), size)
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


class _Flint:
    def context(self) -> AbstractContextManager[object]:
        return precision(_BITS)

    def interval(self, left: Fraction, right: Fraction) -> arb:
        return ball(left) if left == right else hull(left, right)

    def root_two_over_pi(self) -> arb:
        return (2 / arb.pi()).sqrt()

    def exp(self, value: arb) -> arb:
        return value.exp()

    def tanh(self, left: arb, right: arb) -> arb:
        return left.tanh().union(right.tanh())

    def tail(self, edge: sp.Expr, size: sp.Expr) -> arb:
        values = {_C: self.root_two_over_pi()}
        return 4 * (-2 * _walk(edge, values, self)).exp() * _walk(size, values, self)

    def ends(self, value: arb, magnitude: bool = False) -> tuple[Fraction, Fraction]:
        low, high = lower(value), upper(value)
        return _magnitude(low, high) if magnitude else (low, high)


class _Mpmath:
    def context(self) -> AbstractContextManager[object]:
        block: AbstractContextManager[object] = mpmath.workprec(_BITS)
        return block

    def _iv(self) -> mpmath.ctx_iv.MPIntervalContext:
        mpmath.iv.prec = _BITS
        return mpmath.iv

    def interval(self, left: Fraction, right: Fraction) -> Interval:
        iv = self._iv()
        low = iv.mpf(left.numerator) / left.denominator
        high = iv.mpf(right.numerator) / right.denominator
        return iv.mpf([low.a, high.b])

    def root_two_over_pi(self) -> Interval:
        iv = self._iv()
        unit = Fraction(1, 1 << _BITS - 4)  # pi comes rounded from about 20 more bits, unproved
        return iv.sqrt(2 / (iv.pi * self.interval(1 - unit, 1 + unit)))

    def exp(self, value: Interval) -> Interval:
        """Of both ends, by `_exp`: mpmath's own exp can miss the value by a unit."""
        low, high = self.ends(value)
        return self._iv().mpf([self._exp(low).a, self._exp(high).b])

    def _exp(self, x: Fraction) -> Interval:
        """Encloses e^x from sums, products and quotients alone, which mpmath rounds outwards.

        e^x = (e^y)^(2^halvings) with |y| <= 1/64; Taylor's terms of e^y from y^14/14! on are
        together at most 2 |y|^14/14! < 2^-118.
        """
        halvings = max(0, math.ceil(abs(x)).bit_length() + 6) if x else 0
        iv, y = self._iv(), x / (1 << halvings)
        rest = Fraction(1, 1 << 118)
        point, value = self.interval(y, y), iv.mpf(1)
        for k in range(13, 0, -1):
            value = 1 + value * point / k
        value += self.interval(-rest, rest)
        for _ in range(halvings):
            value = value * value
        return value

    def tanh(self, left: Interval, right: Interval) -> Interval:
        iv = self._iv()
        low, high = (1 - 2 / (1 + self.exp(2 * end)) for end in (left, right))
        return iv.mpf([low.a, high.b])

    def tail(self, edge: sp.Expr, size: sp.Expr) -> Interval:
        values = {_C: self.root_two_over_pi()}
        return 4 * self.exp(-2 * _walk(edge, values, self)) * _walk(size, values, self)

    def ends(self, value: Interval, magnitude: bool = False) -> tuple[Fraction, Fraction]:
        low, high = _rational(value.a), _rational(value.b)
        return _magnitude(low, high) if magnitude else (low, high)


def _rational(end: Interval) -> Fraction:
    sign, mantissa, exponent, _ = end._mpi_[0]
    if mantissa == 0 and exponent != 0:
        raise ArithmeticError("the enclosure is unbounded")
    size: Fraction = int(mantissa) * Fraction(2) ** int(exponent)
    return -size if sign else size


def _magnitude(low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Ends of |x| for x in [low, high]."""
    below = Fraction(0) if low <= 0 <= high else min(abs(low), abs(high))
    return below, max(abs(low), abs(high))
