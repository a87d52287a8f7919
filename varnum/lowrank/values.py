"""Range and size of the value columns seen so far: the unit in which output errors are stated."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from varnum.lowrank.backend import extremes, light, namespace
from varnum.lowrank.rounding import TINY, UNIT, dtype_name


class ValueRange:
    """Smallest and largest entry of each column of v, (d_v,) each; grows with `including`."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = light(low), light(high)

    @classmethod
    def of(cls, v: Any) -> ValueRange:
        """Of values (n, d_v), n >= 1."""
        return cls(*extremes(v))

    def including(self, v: Any) -> ValueRange:
        """Of these and more values (n, d_v)."""
        low, high = (light(part) for part in extremes(v))
        xp = namespace(low)
        return ValueRange(xp.minimum(self.low, low), xp.maximum(self.high, high))

    @property
    def ratio(self) -> float:
        """max over columns of max|v| / range(v), at least 1/2; constant columns do not count.

        Infinite where a sum of values could overflow; the numerator covers underflowing products.
        """
        return self._facts[0]

    @property
    def least(self) -> float:
        """The smallest range of a column that is not constant; infinite if there is none."""
        return self._facts[1]

    @cached_property
    def _facts(self) -> tuple[float, float]:
        low, high = self.low, self.high
        name, xp = dtype_name(low), namespace(low)
        with np.errstate(all="ignore"):
            spread = high - low
            biggest = xp.maximum(abs(low), abs(high)) + TINY[name] / UNIT[name]
            least = float(xp.where(spread > 0, spread, spread * 0 + float("inf")).min())
            ratio = float(xp.where(spread > 0, biggest / spread, biggest * 0 + 0.5).max())
            if not float(biggest.max()) * 2.0**70 * TINY[name] < 1:
                ratio = float("inf")  # sums of values may overflow
        return ratio * (1 + 8 * UNIT[name]), least

    def mend(self, out: Any) -> None:
        """A column whose values are all equal has that value as its exact output: write it."""
        same = self.high == self.low
        if bool(same.any()):
            light(out)[:, same] = self.low[same]
