"""Every input of a 16-bit format: the largest true error, by trying all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from varnum.approx.ship.goal import Goal
from varnum.balls.scalar import arb, ball, precision

_BITS = 80


@dataclass(frozen=True)
class Seen:
    """The largest error over `count` inputs lies in [low, high] (exact balls); `at`: where."""

    low: arb
    high: arb
    at: float
    count: int


def certify_all(goal: Goal, inputs: Iterable[float], outputs: Iterable[float]) -> Seen:
    """Enclose the largest |output - f(x)|, over f(x) for relative error, over these pairs.

    An output that is no number counts as an infinite error.
    """
    worst, low, at, count = ball(0), ball(0), 0.0, 0
    with precision(_BITS):
        for x, y in zip(inputs, outputs, strict=True):
            count += 1
            if not np.isfinite(y):
                return Seen(ball(1) / 0, ball(1) / 0, x, count)
            error = abs((ball(y) - goal.value(x)) * goal.weight(x))
            high = error.upper()
            if high > worst:
                worst, low, at = high, error.lower(), x
    return Seen(low, worst, at, count)
