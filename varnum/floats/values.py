"""Range and size of the value columns seen so far: the unit in which output errors are stated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from varnum.floats.arrays import extremes, light, namespace
from varnum.floats.rounding import TINY, UNIT, dtype_name, up
from varnum.tensor import Flags, Tensor

_NEAR = 8.0  # values within this many ranges of 0 are taken as they are
_FAR = {"float32": 1e36, "float64": 1e300}  # differences of larger values might overflow


class ValueRange:
    """Smallest and largest entry of each column of v, (d_v,) each; grows with `including`."""

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.high = light(low), light(high)

    @classmethod
    def of(cls, v: Tensor) -> ValueRange:
        """Of values (n, d_v), n >= 1."""
        return cls(*extremes(v))

    def including(self, v: Tensor) -> ValueRange:
        """Of these and more values (n, d_v)."""
        low, high = (light(part) for part in extremes(v))
        xp = namespace(low)
        return ValueRange(xp.minimum(self.low, low), xp.maximum(self.high, high))

    @property
    def constant(self) -> Flags:
        """Which columns have had one value only, (d_v,)."""
        return self.high == self.low

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

    def mend(self, out: Tensor) -> None:
        """A column whose values are all equal has that value as its exact output: write it."""
        same = self.constant
        if bool(same.any()):
            light(out)[:, same] = self.low[same]


@dataclass(frozen=True)
class Offset:
    """A fixed vector c (d_v,): attention of v is c plus attention of v - c.

    Where values are far from 0 for their range, sums of v - c round far less. Each c_i is 0 or one
    of the values, so |v - c| is at most the range of any set of values with that one in it.
    """

    vector: Tensor

    @classmethod
    def of(cls, v: Tensor) -> Offset | None:
        """The first of the values (n, d_v) in the columns that need it; None where none does."""
        seen, xp = ValueRange.of(v), namespace(light(v))
        biggest = xp.maximum(abs(seen.low), abs(seen.high))
        needed = biggest > _NEAR * (seen.high - seen.low)
        needed &= biggest < _FAR[dtype_name(v)]
        if not bool(needed.any()):
            return None
        first = light(v)[0]
        vector = xp.where(needed, first, first * 0)
        return cls(vector if isinstance(v, np.ndarray) else namespace(v).as_tensor(vector))

    def cost(self, seen: ValueRange) -> float:
        """What subtracting c and adding it again adds to an error in units of the range.

        `seen`: of v - c. The difference is off by u |v - c| <= u range, the sum by u times itself
        (proofs/moment-certificate.md, lemma 8).
        """
        shift, xp = light(self.vector), namespace(seen.low)
        if xp is np and not isinstance(shift, np.ndarray):
            shift = shift.cpu().numpy()
        with np.errstate(all="ignore"):
            spread = seen.high - seen.low
            size = abs(shift) + 2 * xp.maximum(abs(seen.low), abs(seen.high))
            ratio = float(xp.where(spread > 0, size / spread, spread * 0).max())
        return up(UNIT[dtype_name(seen.low)] * (ratio + 2) * 1.01)
