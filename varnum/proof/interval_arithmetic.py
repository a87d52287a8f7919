"""Two arithmetics that share nothing and enclose alike: flint's balls and mpmath's intervals."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Protocol, Self, TypeAlias, TypeVar

import mpmath

from varnum.balls.scalar import arb, ball, hull, lower, precision, upper

Interval: TypeAlias = "mpmath.ctx_iv.ivmpf"  # mpmath's, which ships no types
BACKENDS = ("flint", "mpmath")
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
    def ends(self, value: T, magnitude: bool = False) -> tuple[Fraction, Fraction]: ...  # noqa: D102


def arithmetic_of(backend: str) -> _Flint | _Mpmath:
    """The arithmetic of that name."""
    if backend not in BACKENDS:
        raise ValueError(f"backend: {backend!r}; one of {BACKENDS}")
    return _Flint() if backend == "flint" else _Mpmath()


class _Flint:
    """flint's balls."""

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

    def ends(self, value: arb, magnitude: bool = False) -> tuple[Fraction, Fraction]:
        low, high = lower(value), upper(value)
        return _magnitude(low, high) if magnitude else (low, high)


class _Mpmath:
    """mpmath's intervals, where they round outwards."""

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
