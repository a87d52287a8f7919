"""Rigorous real numbers: flint's balls (midpoint, radius) with named, fail-closed questions.

A ball encloses a real number. `a < b` on flint's balls is already "certainly less"; the functions
here say so by name, and turn balls into exact rationals on the side that is safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from flint import arb, arb_poly, ctx, fmpq, fmpz_poly

from varnum.balls.exact import round_decimal

__all__ = [
    "arb",
    "arb_poly",
    "ball",
    "certain_sign",
    "certainly_at_most",
    "certainly_less",
    "current_precision",
    "enclosure_text",
    "fmpz_poly",
    "hull",
    "lower",
    "precision",
    "upper",
]


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Work with `bits` bits of mantissa inside the block."""
    with ctx.workprec(bits):
        yield


def current_precision() -> int:
    """Bits of mantissa in force."""
    return int(ctx.prec)


def ball(value: int | Fraction | str | Any) -> Any:
    """Enclose an exact number (int, Fraction, decimal string) or pass a ball through."""
    if isinstance(value, Fraction):
        return arb(fmpq(value.numerator, value.denominator))
    return arb(value)


def pi() -> Any:
    """Enclose pi at the working precision."""
    return arb.pi()


def hull(low: int | Fraction | Any, high: int | Fraction | Any) -> Any:
    """The smallest ball that encloses both ends."""
    return ball(low).union(ball(high))


def certainly_less(a: Any, b: Any) -> bool:
    """True only if every point of `a` is below every point of `b`."""
    return bool(ball(a) < ball(b))


def certainly_at_most(a: Any, b: Any) -> bool:
    """True only if every point of `a` is at most every point of `b`."""
    return bool(ball(a) <= ball(b))


def certain_sign(a: Any) -> int:
    """-1 or +1 where the sign is certain, else 0 (which does *not* mean zero)."""
    return 1 if a > 0 else -1 if a < 0 else 0


def _dyadic(exact: Any) -> Fraction:
    mantissa, exponent = exact.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def lower(a: Any) -> Fraction:
    """A rational not above the enclosed number; raises ArithmeticError if the ball is unbounded."""
    if not a.is_finite():
        raise ArithmeticError("the enclosure is unbounded: raise the precision")
    return _dyadic(a if a.is_exact() else a.lower())


def upper(a: Any) -> Fraction:
    """A rational not below the enclosed number; raises ArithmeticError if the ball is unbounded."""
    if not a.is_finite():
        raise ArithmeticError("the enclosure is unbounded: raise the precision")
    return _dyadic(a if a.is_exact() else a.upper())


def enclosure_text(a: Any, digits: int = 12) -> tuple[str, str]:
    """Decimal strings [low, high], rounded outwards, that enclose the number.

    >>> enclosure_text(arb(2).sqrt(), 6)
    ('1.41421', '1.41422')
    """
    return round_decimal(lower(a), digits, up=False), round_decimal(upper(a), digits, up=True)
