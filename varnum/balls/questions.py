"""What one may ask of balls: certain comparisons, float64 bounds, certified digits.

Every answer is on the safe side: an undefined or unbounded ball is never certain of anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from flint import arb

from varnum.balls import edges
from varnum.balls.array import BallArray
from varnum.balls.array import any_balls as _balls
from varnum.balls.convert import Numbers, entrywise
from varnum.balls.edges import Floats
from varnum.balls.scalar import certain_floor, exact_value, precision
from varnum.errors import InputError
from varnum.verdict import Unknown

Mask: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]


def certainly_less(a: Numbers, b: Numbers) -> Mask:
    """True only where every point of `a` is below every point of `b`."""
    return entrywise(lambda x, y: _bounded(x, y) and x < y, 2)(_balls(a), _balls(b)).astype(bool)


def certainly_at_most(a: Numbers, b: Numbers) -> Mask:
    """True only where every point of `a` is at most every point of `b`."""
    return entrywise(lambda x, y: _bounded(x, y) and x <= y, 2)(_balls(a), _balls(b)).astype(bool)


def possibly_equal(a: Numbers, b: Numbers) -> Mask:
    """False only where the balls certainly have no point in common."""
    separate = entrywise(lambda x, y: _bounded(x, y) and not x.overlaps(y), 2)
    return ~separate(_balls(a), _balls(b)).astype(bool)


def _bounded(x: arb, y: arb) -> bool:
    return bool(x.is_finite() and y.is_finite())


def argmax_certain(x: Numbers, axis: int = -1) -> Ints | Unknown:
    """Positions of the maximum along an axis, or Unknown if one is not certain.

    Position i is certain if x_i > x_j for all j < i and x_i >= x_j for all j > i, so it is the
    first maximum, as NumPy's argmax gives it, for every choice of points.
    """
    rows = np.moveaxis(_balls(x), axis, -1)
    if rows.shape[-1] == 0:
        raise ValueError("argmax_certain: the axis is empty")
    found = np.empty(rows.shape[:-1], dtype=np.int64)
    for where in np.ndindex(*found.shape):
        position = _first_maximum(rows[where].tolist())
        if position is None:
            place = f" at {where}" if where else ""
            return Unknown(f"the largest entry{place} is not certain: raise the precision")
        found[where] = position
    return found


def _first_maximum(row: list[arb]) -> int | None:
    if not all(x.is_finite() for x in row):
        return None
    lows = [x.lower() for x in row]
    best = max(range(len(row)), key=lows.__getitem__)
    winner = row[best]
    before = all(winner > x for x in row[:best])
    return best if before and all(winner >= x for x in row[best + 1 :]) else None


def contains(x: Numbers, values: object) -> Mask:
    """Whether each exact value (float, int, Fraction, arrays of them) lies in its ball.

    Decided exactly. Raises ArithmeticError for an unbounded ball, which encloses nothing useful.
    """

    def inside(ball: arb, value: int | float | Fraction) -> bool:
        return abs(exact_value(ball.mid()) - Fraction(value)) <= exact_value(ball.rad())

    numbers = np.array(values, dtype=object)  # Python numbers and Fractions: exact
    return entrywise(inside, 2)(_balls(x), numbers).astype(bool)


def estimate(x: Numbers) -> Floats:
    """Midpoints rounded to float64, radius dropped; NaN where the ball is unbounded."""
    return edges.estimate(_balls(x))


def radius_upper(x: Numbers) -> Floats:
    """Float64 not below the radius about the exact midpoint; infinity where unbounded.

    `estimate` rounds that midpoint: for an interval take `bounds`.
    """
    return edges.radius_upper(_balls(x))


def bounds(x: Numbers) -> tuple[Floats, Floats]:
    """Float64 arrays (low, high) with low <= every point <= high; infinite where unbounded."""
    return edges.bounds(_balls(x))


_EXACT = 10**9  # digits reported for a point, which has all of them


def certified_digits(x: Numbers, scale: int | Fraction = 0) -> Ints:
    """Largest D with radius <= 10^-D max(|every point|, scale), per ball; 0 where D < 0.

    With `scale` the digits count relative to it where the number is smaller.
    """
    least = BallArray(scale).item()

    def digits(ball: arb) -> int:
        if not ball.is_finite():
            return 0
        radius, size = ball.rad(), ball.abs_lower().max(least)
        if radius == 0:
            return _EXACT
        if not size > 0:
            return 0
        found = max(0, certain_floor((size / radius).log().lower()) * 10 // 23 + 1)
        while found > 0 and not radius * arb(10) ** found <= size:
            found -= 1
        return found

    return entrywise(digits)(_balls(x)).astype(np.int64)


def precisions(start: int, limit: int) -> Iterator[int]:
    """Bits to try in turn: start, 2 start, 4 start, .. and last of all `limit`."""
    bits = start
    while bits < limit:
        yield bits
        bits *= 2
    yield limit


def raise_precision_until(
    compute: Callable[[], BallArray],
    digits: int,
    start: int = 64,
    limit: int = 4096,
    scale: int | Fraction = 0,
) -> tuple[BallArray, int] | Unknown:
    """Run `compute` at `start`, 2 `start`, ... bits until every entry has `digits` digits.

    Digits count as in `certified_digits`. Returns (value, bits), or Unknown if `limit` bits do not
    suffice. `compute` must make balls of its Fractions itself, so that they are enclosed anew at
    each precision.
    """
    if digits < 1 or not 2 <= start <= limit:
        raise InputError(
            f"precision: {digits} digits from {start} to {limit} bits; "
            "allowed are digits >= 1 and 2 <= start <= limit"
        )
    for bits in precisions(start, limit):
        with precision(bits):
            value = compute()
            reached = int(certified_digits(value, scale).min(initial=_EXACT))
        if reached >= digits:
            return value, bits
    return Unknown(f"{reached} of {digits} digits certified at {bits} bits")
