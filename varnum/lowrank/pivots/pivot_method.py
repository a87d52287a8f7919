"""Pivots as a method: features whose kernel is certified entry by entry."""

from __future__ import annotations

from functools import partial

from varnum.lowrank.fitted import KernelFit
from varnum.lowrank.pivots.pivot_kernel import MOST_PIVOTS, certify_kernel, fit_kernel
from varnum.lowrank.problem import Problem, Promise
from varnum.verdict import Unknown

_PIVOT_SECONDS = (
    1.3e-8  # times tokens times the square of the number of pivots, measured; only time rests on it
)


class Pivots:
    """Claims kernel-residual and data-interval: kernel pivots, recompressed."""

    name = "pivots"
    claims = ("kernel-residual", "data-interval", "softmax-relative", "float-forward")
    promises: Promise = "kernel"

    def cost(self, problem: Problem) -> float:
        """O(L p (d + p)) with as many pivots p as are allowed."""
        tokens, d = int(problem.q.shape[0]) + int(problem.k.shape[0]), int(problem.q.shape[1])
        return float(tokens * MOST_PIVOTS * (d + MOST_PIVOTS))

    def fit(self, problem: Problem) -> KernelFit | Unknown:
        """The smallest rank found, with no more pivots than the problem's seconds allow."""
        q, k = problem.wide
        most = MOST_PIVOTS
        if problem.seconds is not None:
            seconds = _PIVOT_SECONDS * (len(q) + len(k))
            most = max(1, min(MOST_PIVOTS, int((problem.seconds / seconds) ** 0.5)))
        found = fit_kernel(q, k, problem.sigma, problem.kernel_error, most)
        if isinstance(found, Unknown):
            return found
        again = partial(certify_kernel, found.frame, found.map, found.turn)
        return KernelFit(problem, found, again)


PIVOTS = Pivots()
