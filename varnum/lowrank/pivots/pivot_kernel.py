"""A low-rank kernel with a certified entrywise relative error: pivots, then recompression.

    |Phi_i.Psi_j c_j e^(rho_i) / exp(q_i.k_j/sigma) - 1| <= certified      for all i, j

with a factor rho_i per row, which softmax ignores. Everything is float64; each rounding is counted
(proofs/kernel-residual.md, proofs/data-interval.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.guard import certified as inside_guard
from varnum.floats.inputs import freeze, positive, tokens, tolerance
from varnum.floats.norms import row_norms
from varnum.floats.rounding import UNIT, exp_relative, exp_up, up
from varnum.lowrank.frame import Frame, bound_logit_residual, fit_frame, key_weights
from varnum.lowrank.pivots.recompress import Turn, certify_relative, fit_turn, side
from varnum.lowrank.pivots.residual import PivotMap, fit_pivot_map
from varnum.tensor import Array
from varnum.verdict import Unknown

_U = UNIT["float64"]
MOST_PIVOTS = 600  # only time rests on it
_FAR = 50.0  # residuals come out at 1e-13 at best and are multiplied by up to e^far = 5e21
_TRIES = 3  # each with a threshold 16 times smaller
_SHARE = 0.995  # of eps goes to the recompression, the rest to its rounding and to the logits'


@dataclass(frozen=True)
class LowRankKernel:
    """Features of queries (L_q, r) and keys (L_k, r), key weights (L_k,), and what is certified."""

    phi: Array
    psi: Array
    weights: Array
    certified: float  # entrywise relative error of the kernel, upper bound
    pivots: int
    frame: Frame
    map: PivotMap
    turn: Turn

    def __post_init__(self) -> None:
        freeze(self.phi, self.psi, self.weights)

    @property
    def rank(self) -> int:
        """Number of features r."""
        return int(self.phi.shape[1])

    def columns(self, values: Array, part: slice) -> Array:
        """Sum over keys of c_j Psi_j values_j^T."""
        return np.asarray((self.psi[part] * self.weights[part, None]).T @ values)

    def rows(self, state: Array, part: slice) -> Array:
        """Phi_i . state per query."""
        return np.asarray(self.phi[part] @ state)

    def key_mass(self, part: slice) -> float:
        """Not below sum c_j |Psi_j|."""
        sizes = row_norms(self.psi[part]) * self.weights[part]
        return up(float(sizes.sum()), len(self.weights) + 8)

    def query_size(self, part: slice) -> Array:
        """Not below |Phi_i|."""
        return row_norms(self.phi[part])


@inside_guard
def fit_kernel(
    q: Array, k: Array, sigma: float, eps: float, most: int = MOST_PIVOTS
) -> LowRankKernel | Unknown:
    """The smallest certified rank found at entrywise relative error `eps`, or why there is none.

    q (L_q, d), k (L_k, d), widened to float64; sigma within two ulps of the exact one; 0 < eps < 1.
    Time O(L p^2) for p pivots, a small multiple of the rank, and at most `most`. InputError for
    what is not finite.
    """
    q = tokens(q, "q")
    k = tokens(k, "k", q.shape[1])
    sigma, eps = positive(sigma, "sigma"), tolerance(eps)
    frame = fit_frame(q, k, sigma)
    x, y = frame.queries(q), frame.keys(k)
    far = float(row_norms(x).max()) * float(row_norms(y).max())
    if not far < _FAR:
        why = f"norms allow logits up to {far:.3g} after centring: no low rank at eps = {eps:g}"
        return Unknown(why)
    threshold = eps / 8 * np.exp(-far)
    for _ in range(_TRIES):
        built, pivots = _attempt(frame, q, k, x, y, eps, threshold, most)
        if isinstance(built, LowRankKernel):
            return built
        if pivots >= most:
            return Unknown(f"more than {most} pivots would be needed")
        threshold /= 16
    return built


def _attempt(
    frame: Frame, q: Array, k: Array, x: Array, y: Array, eps: float, threshold: float, most: int
) -> tuple[LowRankKernel | Unknown, int]:
    """A kernel or why there is none, and how many pivots were chosen."""
    both = np.concatenate([x, y])
    pivots = fit_pivot_map(both, threshold, min(len(both), most))
    if isinstance(pivots, Unknown):
        return pivots, 0
    count = len(pivots.points)
    far_token = float(row_norms(both).max())
    error = pivots.feature_error(far_token)
    queries, keys = side(pivots, x, error), side(pivots, y, error)
    try:
        turn = fit_turn(queries, keys, eps * _SHARE)
    except np.linalg.LinAlgError as stopped:
        turn = Unknown(str(stopped))
    if isinstance(turn, Unknown):
        return Unknown(f"{count} pivots leave an error above eps = {eps:g}"), count
    kernel = certify_kernel(frame, pivots, turn, q, k)
    if kernel.certified <= eps:
        return kernel, count
    # rounding took too much: the least rank that has room for it, if all features have
    low, high = turn.rank, turn.a.shape[1]
    best = certify_kernel(frame, pivots, Turn(turn.a, turn.b, high), q, k)
    if not best.certified <= eps:
        why = f"rounding in float64 leaves {best.certified:.3g}, above eps = {eps:g}"
        return Unknown(why), count
    while high - low > 1:
        middle = (low + high) // 2
        kernel = certify_kernel(frame, pivots, Turn(turn.a, turn.b, middle), q, k)
        if kernel.certified <= eps:
            high, best = middle, kernel
        else:
            low = middle
    return best, count


@inside_guard
def certify_kernel(frame: Frame, pivots: PivotMap, turn: Turn, q: Array, k: Array) -> LowRankKernel:
    """Features of these tokens and the certified entrywise relative error (may be infinite).

    `frame`, `pivots` and `turn` may come from other tokens: nothing assumes that they fit.
    """
    q, k = (tokens(part, name, len(frame.q0)) for part, name in ((q, "q"), (k, "k")))
    x, y = frame.queries(q), frame.keys(k)
    error = pivots.feature_error(float(max(row_norms(x).max(), row_norms(y).max())))
    queries, keys = side(pivots, x, error), side(pivots, y, error)
    phi, psi, relative = certify_relative(queries, keys, turn, error)
    weights, slip = key_weights(frame, k, y, squares=True)
    zeta = bound_logit_residual(frame, q, k, x, y) + slip
    if not zeta < 1:
        relative = float("inf")
    certified = up((1 + relative) * exp_up(zeta) * (1 + exp_relative(_U)) - 1 + 8 * _U)
    if not np.isfinite(certified):
        certified = float("inf")
    return LowRankKernel(phi, psi, weights, certified, len(pivots.points), frame, pivots, turn)
