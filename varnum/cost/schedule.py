"""Schedules: the sides h_1 <= .. <= h_K of a pyramid of square token maps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate, pairwise

from varnum.errors import InputError

_MAX_SIDE = 10**18
_MAX_SCALES = 10_000


@dataclass(frozen=True)
class Schedule:
    """Sides of the token maps, smallest first; scale k has N_k = h_k^2 tokens."""

    sides: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.sides:
            raise InputError("schedule: it is empty; give sides such as 1,2,3,4")
        if len(self.sides) > _MAX_SCALES:
            raise InputError(f"schedule: {len(self.sides)} scales; at most {_MAX_SCALES}")
        for side in self.sides:
            if not 1 <= side <= _MAX_SIDE:
                raise InputError(f"schedule: side {side} is not allowed; 1 to {_MAX_SIDE}")
        for a, b in pairwise(self.sides):
            if b < a:
                raise InputError(f"schedule: {b} after {a}; sides must not decrease")

    @property
    def lengths(self) -> tuple[int, ...]:
        """N_k, tokens of each scale."""
        return tuple(h * h for h in self.sides)

    @property
    def prefixes(self) -> tuple[int, ...]:
        """L_k, tokens up to and with each scale."""
        return tuple(accumulate(self.lengths))

    @property
    def length(self) -> int:
        """L, all tokens."""
        return sum(self.lengths)

    @property
    def n(self) -> int:
        """Side of the last map."""
        return self.sides[-1]

    def __str__(self) -> str:
        return ",".join(map(str, self.sides))


def parse_schedule(text: str) -> Schedule:
    """Read "1,2,3,4".

    >>> parse_schedule("1,2,4").length
    21
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if not all(re.fullmatch("[0-9]{1,19}", part) for part in parts):
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise InputError(f"schedule: {shown!r} is not a list of whole numbers like 1,2,3")
    return Schedule(tuple(map(int, parts)))


def geometric(n: int, alpha: int = 2) -> Schedule:
    """The paper's pyramid up to an n x n map: n, ceil(n/alpha), ceil(n/alpha^2), .., 1 reversed.

    For n a power of alpha the sides are exactly alpha^k; defined for every n >= 1, and every side
    grows with n.

    >>> geometric(16).sides, geometric(10).sides
    ((1, 2, 4, 8, 16), (1, 2, 3, 5, 10))
    """
    if not 2 <= alpha <= 10**6:
        raise InputError(f"alpha: {alpha} is not allowed; a whole number from 2 to 1000000")
    if not 1 <= n <= _MAX_SIDE:
        raise InputError(f"n: {n} is not allowed; a whole number from 1 to {_MAX_SIDE}")
    return Schedule(tuple(geometric_sides(n, alpha)))


def geometric_sides(n: int, alpha: int) -> list[int]:
    """Sides of `geometric` for any n, without its limits (crossovers can be astronomical)."""
    sides, power = [n], 1
    while sides[-1] > 1:
        power *= alpha
        sides.append(-(-n // power))
    return sides[::-1]
