"""The sums a cluster keeps, about a fixed reference point, so that they add up.

n keys y_j = k_j - m and values z_j = v_j - w about references m, w (the means of the rows that came
first): sums of y, y y^T, z, z^2, the reach of |y|, the box of y. Adding rows in parts or at once
gives the same sums, up to rounding that is counted by the number of additions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from varnum.floats.rounding import UNIT, gamma
from varnum.tensor import Array, Doubles, Mask, Whole

U = UNIT["float64"]


@dataclass
class Moments:
    """C clusters; arrays in float64, counts whole.

    n (C,); m (C, d), w (C, d_v); y (C, d) sum of k - m; yy (C, d, d); reach (C,) largest |k - m|,
    rounded up; low, high (C, d) box of k - m; z, zz (C, d_v) sums of v - w and of its squares.
    """

    n: Doubles
    m: Doubles
    w: Doubles
    y: Doubles
    yy: Doubles
    reach: Doubles
    low: Doubles
    high: Doubles
    z: Doubles
    zz: Doubles
    additions: int = 0

    @classmethod
    def empty(cls, m: Doubles, w: Doubles) -> Moments:
        """No rows yet, about references m (C, d), w (C, d_v)."""
        (clusters, d), d_v = m.shape, w.shape[1]
        zero = np.zeros
        return cls(
            zero(clusters, dtype=np.int64), m, w, zero((clusters, d)), zero((clusters, d, d)),
            zero(clusters), zero((clusters, d)), zero((clusters, d)), zero((clusters, d_v)),
            zero((clusters, d_v)),
        )  # fmt: skip

    def add(self, k: Doubles, v: Doubles, labels: Whole) -> None:
        """More rows k (n, d), v (n, d_v) with labels 0 .. C-1."""
        for c in np.unique(labels):
            rows = labels == c
            y, z = k[rows] - self.m[c], v[rows] - self.w[c]
            if self.n[c]:
                self.low[c] = np.minimum(self.low[c], y.min(0))
                self.high[c] = np.maximum(self.high[c], y.max(0))
            else:
                self.low[c], self.high[c] = y.min(0), y.max(0)
            self.n[c] += len(y)
            self.y[c] += y.sum(0)
            self.yy[c] += y.T @ y
            self.reach[c] = max(self.reach[c], float(norm(y).max()))
            self.z[c] += z.sum(0)
            self.zz[c] += (z * z).sum(0)
        self.additions += 1

    def of_clusters(self, which: Mask) -> Moments:
        """The clusters that `which` (C,) selects."""
        names = ("n", "m", "w", "y", "yy", "reach", "low", "high", "z", "zz")
        return replace(self, **{name: getattr(self, name)[which] for name in names})

    @property
    def sums(self) -> int:
        """Roundings that an entry of a sum has gone through, at most."""
        most: int = self.n.max(initial=0)
        return int(most) + self.additions + 4

    def values(self) -> tuple[Doubles, Doubles, Doubles]:
        """(C, d_v) each: mean values, a bound of their error, the deviation rounded up."""
        n = self.n[:, None]
        mean = self.z / n
        square = self.zz / n * (1 + gamma(self.sums + 8))
        slip = gamma(self.sums + 4) * np.sqrt(square) * (1 + 8 * U)  # mean |z| <= root mean z^2
        values = self.w + mean
        spoilt = slip + 4 * U * (np.abs(self.w) + np.abs(mean))
        deviation = square - np.maximum(np.abs(mean) - slip, 0.0) ** 2 * (1 - 8 * U)
        return values, spoilt, np.sqrt(np.maximum(deviation, 0.0)) * (1 + 8 * U)


def norm(x: Array) -> Doubles:
    """Euclidean norms of rows (n, d), rounded up, one rounding of the entries counted."""
    norms: Doubles = np.sqrt((x * x).sum(1)) * (1 + (x.shape[1] + 8) * 2 * U) + 1e-150
    return norms
