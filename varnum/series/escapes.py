"""Claims tsf-two-heads, tsf-escapes: heads that the floor of one head does not bind.

Two heads of opposite sign reach [V+ low - V- high, V+ high - V- low]: with V+ and V- large, every
number on a window that is not constant. Differential attention v (p1 - lambda p2).x reaches v
[low - lambda high, high - lambda low].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.errors import InputError
from varnum.series.floor import Floor, floor
from varnum.series.windows import Windows


@dataclass(frozen=True)
class Head:
    """A position-only head: value weight v, attention p (T,) with p > 0 and sum 1."""

    v: Fraction
    p: tuple[Fraction, ...]


def two_heads(w: Sequence[Fraction]) -> tuple[Head, Head]:
    """Heads of opposite sign with v+ p+.x + v- p-.x = w.x for every x, exactly.

    w = (w+ + c 1) - (w- + c 1) with c > 0 keeps every weight positive, as a softmax needs.
    """
    c = max((abs(x) for x in w), default=Fraction(0)) or Fraction(1)
    parts = [[max(x, Fraction(0)) + c for x in w], [max(-x, Fraction(0)) + c for x in w]]
    plus, minus = ((sum(part, Fraction(0)), part) for part in parts)
    return (
        Head(plus[0], tuple(x / plus[0] for x in plus[1])),
        Head(-minus[0], tuple(x / minus[0] for x in minus[1])),
    )


def two_heads_floor(windows: Windows) -> Floor:
    """The least error of an oracle that picks two outputs of opposite sign, window by window.

    0 on windows that are not constant; on a constant one the reach is the one value (V+ - V-) x, so
    what remains is the best multiple u of x there; Floor.v is this u.
    """
    flat = [
        (x, y)
        for x, high, y in zip(windows.low, windows.high, windows.targets, strict=True)
        if x == high
    ]
    squares = sum(x * x for x, _ in flat)
    u = Fraction(sum(x * y for x, y in flat), squares) if squares else Fraction(0)
    return Floor(sum(((y - u * x) ** 2 for x, y in flat), Fraction(0)), u)


def differential_floor(windows: Windows, lam: Fraction) -> Floor:
    """The floor of one differential head of either sign at this lambda >= 0."""
    if lam < 0:
        raise InputError(f"heads: diff:{lam} is not allowed; lambda is 0 or more")
    p, q = lam.numerator, lam.denominator  # everything times q; v is the weight over q
    low = [q * a - p * b for a, b in zip(windows.low, windows.high, strict=True)]
    high = [q * b - p * a for a, b in zip(windows.low, windows.high, strict=True)]
    found = floor(low, high, windows.targets)
    return Floor(found.value, found.v * q)


def takes_both_signs(windows: Windows, lam: Fraction) -> Fraction:
    """Share of windows on which differential attention takes both signs, whatever v != 0.

    On a window of positive values: exactly where low/high < lambda < high/low.
    """
    both = sum(
        a - lam * b < 0 < b - lam * a for a, b in zip(windows.low, windows.high, strict=True)
    )
    return Fraction(both, windows.count)
