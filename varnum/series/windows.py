"""Windows of a series in whole numbers: tokens, target, smallest and largest token of each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.errors import InputError

NORMALISE = ("none", "train", "window")


@dataclass(frozen=True)
class Windows:
    """N windows of T tokens, everything times the positive whole number `scale`.

    tokens (N, T), targets (N,); low, high (N,) least and largest token. With a skip the target is
    the increment y - x_T, without it y. `steps` (N,) holds (x_T, y) as the series has them.
    """

    tokens: list[list[int]]
    targets: list[int]
    low: list[int]
    high: list[int]
    steps: list[tuple[int, int]]
    scale: int

    @property
    def count(self) -> int:
        """N."""
        return len(self.targets)

    @property
    def constant(self) -> int:
        """How many windows hold one value T times."""
        return sum(a == b for a, b in zip(self.low, self.high, strict=True))

    @property
    def unit(self) -> int:
        """The sum of squared targets, what errors are divided by."""
        return sum(y * y for y in self.targets)

    def sign_inconsistent(self) -> Fraction:
        """Share of steps with x_T and y of strictly opposite signs, in the series' own values."""
        return Fraction(sum(x * y < 0 for x, y in self.steps), self.count)


def make_windows(
    series: Sequence[Fraction], T: int, *, skip: bool, normalise: str = "none"
) -> Windows:
    """All windows of T values and the value after each.

    normalise: "train" removes the mean of the whole series given, "window" each window's mean, from
    tokens and target alike (a scale would change no ratio of errors, so none is applied). Raises
    InputError.
    """
    if T < 1:
        raise InputError(f"window: {T} is not allowed; at least 1")
    if len(series) <= T:
        raise InputError(f"window: {T} needs more than {T} values; here are {len(series)}")
    if normalise not in NORMALISE:
        raise InputError(f"normalise: no {normalise!r}; allowed are {', '.join(NORMALISE)}")
    scale = math.lcm(*{x.denominator for x in series})
    whole = [x.numerator * (scale // x.denominator) for x in series]
    raw = whole
    if normalise == "train":
        total = sum(whole)
        whole, scale = [x * len(series) - total for x in whole], scale * len(series)
    tokens = [whole[i : i + T] for i in range(len(whole) - T)]
    after = whole[T:]
    low, high = _sliding(whole, T, min), _sliding(whole, T, max)
    if normalise == "window":
        sums, scale = [sum(row) for row in tokens], scale * T
        tokens = [[T * x - s for x in row] for row, s in zip(tokens, sums, strict=True)]
        after = [T * y - s for y, s in zip(after, sums, strict=True)]
        low = [T * x - s for x, s in zip(low, sums, strict=True)]
        high = [T * x - s for x, s in zip(high, sums, strict=True)]
    targets = [y - row[-1] for y, row in zip(after, tokens, strict=True)] if skip else after
    steps = [(raw[i - 1], raw[i]) for i in range(T, len(raw))]
    return Windows(tokens, targets, low, high, steps, scale)


def _sliding(values: list[int], T: int, best: Callable[[int, int], int]) -> list[int]:
    """best of each window but the last, in one pass."""
    queue: deque[int] = deque()
    found = []
    for i, x in enumerate(values[:-1]):
        while queue and best(values[queue[-1]], x) == x:
            queue.pop()
        queue.append(i)
        if queue[0] <= i - T:
            queue.popleft()
        if i >= T - 1:
            found.append(values[queue[0]])
    return found


def first_part(series: Sequence[Fraction], which: str) -> Sequence[Fraction]:
    """`all`, or the first floor(share n) values for `first:0.7`; raises InputError."""
    from varnum.balls import parse

    if which == "all":
        return series
    word, _, share = which.partition(":")
    if word != "first" or not share:
        raise InputError(f"windows: {which!r} is not allowed; all, or first:0.7")
    part = parse(share, "windows")
    if not 0 < part <= 1:
        raise InputError(f"windows: first:{share} is not allowed; above 0, at most 1")
    return series[: math.floor(part * len(series))]
