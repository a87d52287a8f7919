"""Given regions: is each mapped into itself and contracted? The general theorem, for boxes.

Claim loop-regions. f sends the box D_i into D_i and |J| <= K < 1 on it in the maximum or the
Euclidean norm: exactly one fixed point in D_i, which attracts all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.scalar import ball, certainly_at_most, precision, upper
from varnum.errors import InputError
from varnum.loop import krawczyk
from varnum.loop.box_search import Box, balls_of
from varnum.loop.kantorovich import norm_of
from varnum.loop.net import Net, _numbers
from varnum.tensor import Doubles

_BITS = 64


@dataclass(frozen=True)
class Region:
    """A box; rate < 1: proved in `norm`; reason: what stopped the proof (None: proved)."""

    box: Box
    rate: Fraction | None
    norm: str | None
    reason: str | None


def boxes_of(state: Mapping[str, object], d: int, path: str) -> list[Box]:
    """Arrays `low` and `high` (k, d) of a file as boxes. Raises InputError."""
    for key in ("low", "high"):
        if key not in state:
            raise InputError(f"{path}: expected arrays low (k, {d}) and high (k, {d}); no {key}")
    low, high = (_numbers(state[key], f"{path}: {key}") for key in ("low", "high"))
    if low.ndim != 2 or low.shape != high.shape or low.shape[1] != d or not len(low):
        raise InputError(
            f"{path}: low {low.shape}, high {high.shape}; allowed is (k, {d}) for both"
        )
    if not (low < high).all():
        raise InputError(f"{path}: a region is empty; low must be below high in every entry")
    return [
        tuple((Fraction(float(a)), Fraction(float(b))) for a, b in zip(*pair, strict=True))
        for pair in zip(low, high, strict=True)
    ]


def overlapping(boxes: list[Box]) -> tuple[int, int] | None:
    """Two regions that have a point in common, or None."""
    for j, b in enumerate(boxes):
        for i, a in enumerate(boxes[:j]):
            if all(x[0] <= y[1] and y[0] <= x[1] for x, y in zip(a, b, strict=True)):
                return i, j
    return None


def certify_regions(net: Net, boxes: list[Box], nu: Fraction = Fraction(0)) -> list[Region]:
    """Each region tried; with noise of at most nu in each entry of each loop.

    Raises InputError where two regions meet: the theorem counts disjoint ones.
    """
    if (pair := overlapping(boxes)) is not None:
        raise InputError(f"regions {pair[0] + 1} and {pair[1] + 1} meet; they must be disjoint")
    with precision(_BITS):
        return [_region(net, box, nu) for box in boxes]


def _region(net: Net, box: Box, nu: Fraction) -> Region:
    X = balls_of(box)
    for (low, high), y in zip(box, krawczyk.image(net, X).entries(), strict=True):
        inside = certainly_at_most(ball(low) + ball(nu), y)
        if not (inside and certainly_at_most(y, ball(high) - ball(nu))):
            return Region(box, None, None, "it is not mapped into itself, or not provably")
    J = krawczyk.jacobian(net, X)
    rows = xp.max(xp.sum(abs(J), axis=1)).item()
    if rows < 1:
        return Region(box, upper(rows), "maximum", None)
    middle = BallArray(J.estimate())
    spread = abs(J - middle)
    total = norm_of(middle) + xp.sqrt(xp.sum(BallArray(_upper(spread)) ** 2)).item()
    if total < 1:
        return Region(box, upper(total), "Euclidean", None)
    return Region(box, None, None, "it is mapped into itself, but no contraction was proved")


def _upper(x: BallArray) -> Doubles:
    return np.maximum(x.bounds()[1], 0.0)
