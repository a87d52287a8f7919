"""k^d fixed points at once for any activation: intervals that every coordinate keeps.

Claim loop-coordinates. If each of k disjoint intervals I_j satisfies g(c I_j + [-s, s]) + [-nu, nu]
inside I_j, s = e X + beta, X the largest |x| in any of them, then f maps each of the k^d products
of them into itself. The intervals are found by growing them; balls verify the inclusion.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from varnum.balls.scalar import arb, hull, lower, precision, upper
from varnum.loop.activations import Activation, Floats
from varnum.loop.closed_orthants import Shape
from varnum.verdict import Unknown

Interval = tuple[Fraction, Fraction]
_BITS, _ROUNDS, _REACH = 64, 400, 8.0
_GROW = Fraction(1, 2**30)  # beyond what was reached, so that the inclusion is strict


@dataclass(frozen=True)
class Coordinates:
    """Disjoint intervals, one choice of them per coordinate: len(intervals)^d boxes.

    f maps each box into itself whatever noise of at most nu comes in each loop, so each holds a
    fixed point; rate < 1: exactly one, which attracts the box (maximum norm). None: not known.
    """

    shape: Shape
    intervals: tuple[Interval, ...]
    rate: Fraction | None
    tolerance: Fraction
    noise: Fraction


def certify_coordinates(
    g: Activation, shape: Shape, nu: Fraction = Fraction(0)
) -> Coordinates | Unknown:
    """Coordinates, or Unknown where no interval keeps; every comparison is in balls.

    tolerance: e + beta with the largest beta that was verified; noise: the largest nu alike.
    """
    if shape.c <= 0:
        return Unknown("the closed forms are about W near c I with c above 0")
    with precision(_BITS):
        starts = _starts(g, shape.c)
        found = _kept(g, shape, nu, starts)
        if not found:
            return Unknown("no interval of one coordinate is mapped into itself: e or beta too big")
        widest = shape.c + shape.e
        slope = max(upper(abs(g.slope(_argument(shape, i, found)))) for i in found)
        rate = slope * widest

        def as_many(beta: Fraction, noise: Fraction) -> bool:
            other = Shape(shape.d, shape.e, beta, shape.c)
            return len(_kept(g, other, noise, starts)) == len(found)

        beta = _largest(shape.beta, lambda x: as_many(x, nu))
        noise = _largest(nu, lambda x: as_many(shape.beta, x))
    return Coordinates(shape, found, rate if rate < 1 else None, shape.e + beta, noise)


def _starts(g: Activation, c: Fraction) -> list[float]:
    """Attracting fixed points of x -> g(c x), by bisection in float64: candidates only."""
    factor = float(c)

    def gap(x: Floats) -> Floats:
        return g.estimate(factor * x) - x

    grid = np.linspace(-_REACH, _REACH, 998)  # no fixed point of a common activation on it
    with np.errstate(all="ignore"):
        values = gap(grid)
        cross = np.flatnonzero(values[:-1] * values[1:] <= 0)
        low, high = grid[cross], grid[cross + 1]
        rising = values[cross] < 0
        for _ in range(50):
            middle = (low + high) / 2
            above = (gap(middle) < 0) == rising
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        attracts = factor * np.abs(g.estimate_slope(factor * low)) < 1
    return sorted(low[attracts].tolist())


def _argument(shape: Shape, interval: Interval, every: tuple[Interval, ...]) -> arb:
    """c I + [-s, s] in balls."""
    largest = max(abs(x) for i in every for x in i)
    s = shape.e * largest + shape.beta
    return hull(shape.c * interval[0] - s, shape.c * interval[1] + s)


def _kept(g: Activation, shape: Shape, nu: Fraction, starts: list[float]) -> tuple[Interval, ...]:
    """Grown from the starts: disjoint intervals that are verified, all or none."""
    boxes = [(Fraction(p) - _GROW, Fraction(p) + _GROW) for p in starts]
    for _ in range(_ROUNDS):
        every = tuple(boxes)
        images = [_image(g, shape, box, every, nu) for box in boxes]
        if any(image is None or max(map(abs, image)) > 2 * _REACH for image in images):
            return ()
        if all(b[0] <= i[0] and i[1] <= b[1] for b, i in zip(boxes, images, strict=True) if i):
            break
        boxes = [
            (min(b[0], _coarse(i[0] - _GROW, -1)), max(b[1], _coarse(i[1] + _GROW, 1)))
            for b, i in zip(boxes, images, strict=True)
            if i
        ]
    else:
        return ()
    boxes.sort()
    apart = all(a[1] < b[0] for a, b in pairwise(boxes))
    return tuple(boxes) if apart else ()


def _coarse(x: Fraction, up: int) -> Fraction:
    """A rational of few digits on this side of x."""
    return Fraction((math.ceil if up > 0 else math.floor)(x * 2**40), 2**40)


def _image(
    g: Activation, shape: Shape, box: Interval, every: tuple[Interval, ...], nu: Fraction
) -> Interval | None:
    image = g.value(_argument(shape, box, every))
    if not image.is_finite():
        return None
    return lower(image) - nu, upper(image) + nu


def _largest(start: Fraction, holds: Callable[[Fraction], bool]) -> Fraction:
    low, high = start, start + 1
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
