"""Range and size of the value columns seen so far: the unit in which output errors are stated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from varnum.floats.arrays import beside, extremes, light, namespace, to_numpy
from varnum.floats.rounding import TINY, UNIT, dtype_name, up
from varnum.tensor import Doubles, Flags, Place, Tensor, Whole

_NEAR = 8.0  # values within this many ranges of 0 are taken as they are
_FAR = {"float32": 1e36, "float64": 1e300}  # differences of larger values might overflow


class ValueRange:
    """Smallest and largest entry of each column of v, (d_v,) each; grows with `including`.

    With a leading axis the ranges of so many rows, (n, d_v) each.
    """

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.high = light(low), light(high)

    @classmethod
    def of(cls, v: Tensor) -> ValueRange:
        """Of values (n, d_v), n >= 1."""
        return cls(*extremes(v))

    @classmethod
    def running(cls, v: Tensor, ends: Whole, before: ValueRange | None = None) -> ValueRange:
        """On the host, (n, d_v): row i of the first ends[i] >= 1 of the values, and of `before`."""
        host = to_numpy(light(v))
        low = np.minimum.accumulate(host, 0)[ends - 1]
        high = np.maximum.accumulate(host, 0)[ends - 1]
        if before is None:
            return cls(low, high)
        return cls(np.minimum(low, to_numpy(before.low)), np.maximum(high, to_numpy(before.high)))

    def rows(self, at: Place) -> ValueRange:
        """Of some rows."""
        return ValueRange(self.low[at], self.high[at])

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
        return float(self._facts[0].max())

    @property
    def least(self) -> float:
        """The smallest range of a column that is not constant; infinite if there is none."""
        return float(self._facts[1].min())

    @property
    def ratios(self) -> Doubles:
        """`ratio` of each row, (n,)."""
        return self._facts[0]

    @property
    def leasts(self) -> Doubles:
        """`least` of each row, (n,)."""
        return self._facts[1]

    @cached_property
    def _facts(self) -> tuple[Doubles, Doubles]:
        low, high = self.low, self.high
        name, xp = dtype_name(low), namespace(low)
        with np.errstate(all="ignore"):
            spread = high - low
            biggest = xp.maximum(abs(low), abs(high)) + TINY[name] / UNIT[name]
            least = _of_rows(xp.where(spread > 0, spread, spread * 0 + float("inf")), "min")
            ratio = _of_rows(xp.where(spread > 0, biggest / spread, biggest * 0 + 0.5), "max")
            sums = _of_rows(biggest, "max") * 2.0**70 * TINY[name]  # these may overflow
        return np.where(sums < 1, ratio * (1 + 8 * UNIT[name]), np.inf), least

    def mend(self, out: Tensor) -> None:
        """A column whose values are all equal has that value as its exact output: write it."""
        same = self.constant
        if not bool(same.any()):
            return
        target = light(out)
        same, low = (beside(part, target) for part in (same, self.low))
        if len(same.shape) > 1:
            target[same] = low[same]
        else:
            target[:, same] = low[same]


def _of_rows(array: Tensor, name: str) -> Doubles:
    """Smallest or largest over the columns, on the host: (d_v,) -> (), (n, d_v) -> (n,)."""
    if not isinstance(array, np.ndarray):
        array = to_numpy(getattr(array, "a" + name)(-1))
        return np.asarray(array, dtype=np.float64)
    return np.asarray(getattr(array, name)(-1), dtype=np.float64)


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
        """What subtracting c and adding it again adds to an error in units of the range."""
        return float(self.costs(seen).max())

    def costs(self, seen: ValueRange) -> Doubles:
        """The same of each row of `seen`, (n,), or () where it is of all.

        `seen`: of v - c. The difference is off by u |v - c| <= u range, the sum by u times itself
        (proofs/moment-certificate.md, lemma 8).
        """
        shift, low, high = (to_numpy(part) for part in (light(self.vector), seen.low, seen.high))
        with np.errstate(all="ignore"):
            spread = high - low
            size = abs(shift) + 2 * np.maximum(abs(low), abs(high))
            ratio = np.where(spread > 0, size / spread, spread * 0).max(-1)
        error = UNIT[dtype_name(low)] * (ratio.astype(np.float64) + 2) * 1.01
        return np.asarray(up(error), dtype=np.float64)
