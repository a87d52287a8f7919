"""The coordinates in which one group of queries sees the keys: centred and balanced.

    x = fl(A^T (q - q0)),  y = fl(B^T (k - k0)),  l = fl(q0.(k - k0)/sigma) - shift, A B^T ~ I/sigma

Any floats do: the features see x.y + l of the computed numbers, and `logit_error` bounds how far
that is from the logit, up to a term per query (proofs/recovery.md, lemma 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.arrays import caster, to_numpy
from varnum.floats.guard import certified
from varnum.floats.norms import frobenius
from varnum.floats.rounding import TINY, UNIT, dtype_name, gamma, unit_of, up
from varnum.tensor import Array, Tensor

_PRIOR = 2.0
_RIDGE = 1e-3  # of the mean variance is added to every direction before balancing


@dataclass(frozen=True)
class Lens:
    """q0, k0 (d,) and maps (d, m) in the working dtype; the rest are upper bounds in float64.

    key_map has one more column, q0/sigma, for the exponents of the weights.
    """

    q0: Tensor
    k0: Tensor
    query_map: Tensor  # A
    key_map: Tensor  # (B, q0/sigma)
    shift: float  # taken from every exponent
    defect: float  # not below |A B^T - I/sigma|
    size_a: float  # not below the Frobenius norm of A
    size_b: float
    size_q0: float  # not below |q0|/sigma

    @property
    def unit(self) -> float:
        """Unit roundoff of the arithmetic."""
        return unit_of(self.query_map)

    @property
    def width(self) -> int:
        """Coordinates: all d of them."""
        return int(self.query_map.shape[1])

    def queries(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Centred queries (n, d) and their coordinates x (n, m)."""
        centred = q - self.q0
        return centred, centred @ self.query_map

    def keys(self, k: Tensor) -> tuple[Tensor, Tensor]:
        """Centred keys (n, d), and (n, m+1): coordinates y, then exponents l before the shift."""
        centred = k - self.k0
        return centred, centred @ self.key_map

    def logit_error(self, far_q: Array, far_x: Array, far_k: float, far_y: float, far_l: float
                    ) -> Array:  # fmt: skip
        """zeta (n,): |logit - row term - (x.y + l)| for keys with |k - k0|, |y|, |l| up to these.

        far_q, far_x (n,): not below |q - q0| and |x|.
        """
        unit, d = self.unit, int(self.q0.shape[0])
        some, tiny = gamma(d + 8, unit), TINY[dtype_name(self.q0)]
        lost_x = some * self.size_a * far_q
        lost_y = some * self.size_b * far_k
        zeta = far_q * (self.defect * far_k) + lost_x * far_y + (far_x + lost_x) * lost_y
        weight = gamma(d + 8, unit) * self.size_q0 * far_k + 2 * unit * far_l
        weight += 8 * d * d * tiny * (1 + far_y + float(far_x.max(initial=0.0)))
        return np.asarray((zeta + weight) * (1 + 64 * UNIT["float64"]))


@certified
def fit_lens(q: Array, k: Array, sigma: float, like: Tensor, prior: Array | None = None) -> Lens:
    """From sample tokens q, k (n, d) float64; `like` sets backend and dtype.

    prior (d, d): a covariance of queries that counts as much as _PRIOR of them.

    k0 is the mean of the keys as a query at q0 weighs them, and the maps make the covariances of x
    and y (weighted alike) equal and diagonal, the largest first: x = T^-T q', y = T k'.
    """
    d = q.shape[1]
    q0 = q.mean(0)
    exponents = k @ q0 / sigma
    weights = np.exp(exponents - exponents.max())
    weights /= weights.sum()
    k0 = weights @ k
    of_q = (q - q0).T @ (q - q0)
    of_q = of_q / len(q) if prior is None else (of_q + _PRIOR * prior) / (len(q) + _PRIOR)
    forward, back = _balance(of_q / sigma**2, k - k0, weights)
    cast = caster(like)
    a, b = cast(back.T / sigma), cast(forward.T)
    q0, k0 = (to_numpy(cast(part)).astype(np.float64) for part in (q0, k0))
    wide_a, wide_b = (to_numpy(part).astype(np.float64) for part in (a, b))
    size_a, size_b = frobenius(wide_a), frobenius(wide_b)
    defect = frobenius(wide_a @ wide_b.T - np.eye(d) / sigma)
    defect += gamma(d + 8) * (size_a * size_b + np.sqrt(d) / sigma)
    size_q0 = up(float(np.linalg.norm(q0)) / sigma, d + 8)
    key_map = cast(np.column_stack([wide_b, q0 / sigma]))
    shift = float(((k - k0) @ (q0 / sigma)).max())
    return Lens(cast(q0), cast(k0), a, key_map, shift, up(defect), size_a, size_b, size_q0)


def _balance(of_x: Array, y: Array, weights: Array) -> tuple[Array, Array]:
    """T and T^-T (d, d) with cov(T y) = cov(T^-T x) diagonal, up to a ridge; any pair will do."""
    d = len(of_x)
    identity = np.eye(d)
    with np.errstate(all="ignore"):
        of_y = (y * weights[:, None]).T @ y
        of_x = of_x + identity * (_RIDGE * np.trace(of_x) / d + 1e-200)
        of_y = of_y + identity * (_RIDGE * np.trace(of_y) / d + 1e-200)
        try:
            low = np.linalg.cholesky(of_y)
            values, turn = np.linalg.eigh(low.T @ of_x @ low)
            root = np.maximum(values[::-1], values[-1] * 1e-12) ** 0.25
            turn = turn[:, ::-1]
            back = (turn / root).T @ low.T  # T^-T
            forward = (turn * root).T @ np.linalg.inv(low)  # T
        except np.linalg.LinAlgError:
            return identity, identity
    if not (np.isfinite(back).all() and np.isfinite(forward).all()):
        return identity, identity
    return forward, back
