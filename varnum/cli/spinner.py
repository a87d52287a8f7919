"""What is being done, on a terminal's stderr: with the time left where steps are counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic

_COUNTED = re.compile(r"(\D*?)(\d+) of (\d+)")
_PATIENCE = 2.0  # seconds before a time left is worth saying


class TimeLeft:
    """Reads "layer 3 of 16" off what is said and adds how long the rest takes, at the same rate."""

    def __init__(self, show: Callable[[str], None], clock: Callable[[], float] = monotonic) -> None:
        self._show, self._clock = show, clock
        self._what, self._first, self._since = "", 0, 0.0

    def __call__(self, text: str) -> None:
        """Show it."""
        self._show(text + self._left(text))

    def _left(self, text: str) -> str:
        found = _COUNTED.match(text)
        if found is None:
            return ""
        what, step, steps = found[1] + found[3], int(found[2]), int(found[3])
        if what != self._what or step < self._first:
            self._what, self._first, self._since = what, step, self._clock()
        done, spent = step - self._first, self._clock() - self._since
        if done < 1 or spent < _PATIENCE or step > steps:
            return ""
        return f", about {duration(spent / done * (steps - step + 1))} left"


def duration(seconds: float) -> str:
    """In words as coarse as such a guess deserves.

    >>> duration(7.2), duration(400), duration(9000)
    ('7 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
