"""Rigorous real numbers: flint's balls (midpoint, radius) with named, fail-closed questions.

A ball encloses a real number. `a < b` on flint's balls is already "certainly less"; the functions
here say so by name, and turn balls into exact rationals on the side that is safe.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TypeAlias

from flint import acb, arb, arb_poly, ctx, fmpq, fmpz, fmpz_poly

from varnum.balls.exact import parse, round_decimal
from varnum.errors import InputError

__all__ = [
    "Number",
    "arb",
    "arb_poly",
    "ball",
    "certain_floor",
    "certain_sign",
    "certainly_at_most",
    "certainly_less",
    "current_precision",
    "enclosure_text",
    "exact_value",
    "fmpz_poly",
    "hull",
    "lower",
    "precision",
    "real_roots",
    "upper",
]


_lock = threading.Lock()
_open: dict[int, list[list[int]]] = {}  # thread -> its open blocks, [bits] each
_outside = int(ctx.prec)  # in force where no block is open


Number: TypeAlias = int | float | Fraction | str | fmpz | fmpq | arb  # what a ball is made of


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Work with `bits` bits of mantissa inside the block; at least that where threads share flint.

    flint has one precision per process. It is the innermost block's; where several threads have
    blocks open, the most demanding one's. No enclosure rests on it: more or fewer bits make balls
    narrower or wider.
    """
    global _outside
    block, mine = [bits], threading.get_ident()
    with _lock:
        if not _open:
            _outside = int(ctx.prec)
        _open.setdefault(mine, []).append(block)
        try:
            _set_precision()
        except ValueError:  # not a number of bits
            _leave(mine, block)
            raise
    try:
        yield
    finally:
        with _lock:
            _leave(mine, block)


def _leave(thread: int, block: list[int]) -> None:
    blocks = _open[thread]
    blocks[:] = [other for other in blocks if other is not block]
    if not blocks:
        del _open[thread]
    _set_precision()


def _set_precision() -> None:
    ctx.prec = max((blocks[-1][0] for blocks in _open.values()), default=_outside)


def current_precision() -> int:
    """Bits of mantissa in force."""
    return int(ctx.prec)


def ball(value: Number) -> arb:
    """Enclose one number, or pass a ball through.

    Exact for int and float (the float's own binary value); a Fraction, "1e-3" or "1/3" is enclosed
    at the precision in force. Raises InputError for NaN, infinities, bool, None and other things.
    """
    if isinstance(value, arb):
        return value
    if isinstance(value, str):
        value = parse(value)
    if isinstance(value, Fraction):
        return arb(fmpq(value.numerator, value.denominator))
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"ball: {value} is not a real number; allowed are finite numbers")
    if isinstance(value, bool) or not isinstance(value, int | float | fmpz | fmpq):
        kind = type(value).__name__
        raise InputError(f"ball: expected int, float, Fraction, decimal string or ball, got {kind}")
    return arb(value)


def hull(low: Number, high: Number) -> arb:
    """The smallest ball that encloses both ends."""
    return ball(low).union(ball(high))


def certainly_less(a: Number, b: Number) -> bool:
    """True only if every point of `a` is below every point of `b`."""
    return bool(ball(a) < ball(b))


def certainly_at_most(a: Number, b: Number) -> bool:
    """True only if every point of `a` is at most every point of `b`."""
    return bool(ball(a) <= ball(b))


def certain_sign(a: arb) -> int:
    """-1 or +1 where the sign is certain, else 0 (which does *not* mean zero)."""
    return 1 if a > 0 else -1 if a < 0 else 0


_MAX_EXPONENT = 10**7  # a Fraction writes its exponent out: about a megabyte here


def exact_value(point: arb) -> Fraction:
    """The rational that an exact ball is; raises ArithmeticError where it cannot be written out."""
    if not (point.is_finite() and point.is_exact()):
        raise ArithmeticError("the enclosure is unbounded or no point: raise the precision")
    mantissa, exponent = point.man_exp()
    if abs(exponent) > _MAX_EXPONENT:
        raise ArithmeticError(f"a bound of about 2^{exponent} is too far out to write exactly")
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def lower(a: arb) -> Fraction:
    """A rational not above the enclosed number; raises ArithmeticError if the ball is unbounded."""
    if not a.is_finite():
        raise ArithmeticError("the enclosure is unbounded: raise the precision")
    return exact_value(a if a.is_exact() else a.lower())


def upper(a: arb) -> Fraction:
    """A rational not below the enclosed number; raises ArithmeticError if the ball is unbounded."""
    if not a.is_finite():
        raise ArithmeticError("the enclosure is unbounded: raise the precision")
    return exact_value(a if a.is_exact() else a.upper())


def certain_floor(a: arb) -> int:
    """The largest integer not above the number; ArithmeticError where the ball leaves two."""
    whole = a.floor().unique_fmpz()
    if whole is None:
        raise ArithmeticError("the enclosure leaves the integer part open: raise the precision")
    return int(whole)


def real_roots(polynomial: fmpz_poly) -> list[arb]:
    """Balls around the real zeros of an integer polynomial, in order; each holds just one.

    flint isolates the zeros of a square-free polynomial; real ones get imaginary part exactly 0.
    """
    square_free = polynomial // polynomial.gcd(polynomial.derivative())
    found = square_free.complex_roots()
    pairs: list[tuple[acb, int]] = found  # type: ignore[assignment]  # the stub lacks multiplicities
    return sorted((r.real for r, _ in pairs if r.imag.is_zero()), key=lambda r: lower(r))


def enclosure_text(a: arb, digits: int = 12) -> tuple[str, str]:
    """Decimal strings [low, high], rounded outwards, that enclose the number.

    >>> enclosure_text(arb(2).sqrt(), 6)
    ('1.41421', '1.41422')
    """
    return round_decimal(lower(a), digits, up=False), round_decimal(upper(a), digits, up=True)
