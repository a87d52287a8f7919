"""A target in units of the output's own spread: the range of V is often ten times as much.

The spread of a column is the standard deviation of the *exact* output over the rows of its head. It
is not known, but it is 1-Lipschitz: std(o) >= std(o~) - max|o~ - o|. So an output error of e
ranges is at most e range/(std(o~) - e range) spreads, whatever chose e (claim output-spread).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from varnum.floats.arrays import to_double
from varnum.floats.guard import certified
from varnum.floats.rounding import TINY, UNIT, gamma, up
from varnum.lowrank.choose import Chosen, choose
from varnum.lowrank.problem import Problem, Target
from varnum.tensor import Array, Tensor
from varnum.verdict import Unknown

_U = UNIT["float64"]
_TRIES = 3
_KEPT = 0.9  # of the output error that would just be enough


@certified
def spread_error(output: Tensor, v: Tensor, error: float) -> float:
    """Error in units of the spread of each column, (L_q, d_v), from `error` in units of the range.

    v (L_k, d_v): all values of the head. Columns whose values are all equal are exact. Infinite
    where the spread is not certainly more than the error.
    """
    wide = to_double(v)
    spread = (wide.max(0) - wide.min(0)) * (1 + 4 * _U)
    moving = spread > 0
    if not moving.any():
        return 0.0
    off = (error * spread * (1 + 4 * _U))[moving]
    left = (least_std(to_double(output))[moving] - off) * (1 - 4 * _U)
    with np.errstate(all="ignore"):
        found = np.where(left > 0, off / left, np.inf)
    worst = float(np.max(found))
    return up(worst) if worst == worst else float("inf")


def least_std(output: Array) -> Array:
    """Not above the standard deviation of each column, (n, d_v) -> (d_v,)."""
    count = len(output)
    about = output - output.mean(0)
    loss = (
        gamma(count + 8) * np.abs(output).max(0) + TINY["float64"]
    )  # of the mean, and of a difference
    square = (about**2).sum(0) / count * (1 - gamma(count + 16)) - TINY["float64"]
    return np.asarray(np.sqrt(np.maximum(square, 0)) * (1 - 4 * _U) - 4 * loss)


def choose_for_spread(
    problem: Problem, method: str, target: float
) -> tuple[Chosen, float] | Unknown:
    """Attention whose error is within `target` spreads, and that error; the target is tried for.

    The output error to ask for is estimated from a few rows first, then from the output itself.
    """
    spreads = _estimate_spread(problem)
    taken = None
    for _ in range(_TRIES):
        asked = min(_KEPT * target / (1 + target) * spreads, 0.5)
        if not asked >= 1e-300:
            asked = 1e-15  # nothing is known to be enough: as exact as it gets
        found = choose(replace(problem, target=Target("output", asked)), method)
        if isinstance(found, Unknown):
            return taken or found
        error = spread_error(found.answer.output, problem.v, found.answer.output_error)
        if taken is None or error < taken[1]:
            taken = (found, error)
        if error <= target:
            break
        spreads = min(_in_ranges(to_double(found.answer.output), problem.v), 0.5 * spreads)
    return taken  # type: ignore[return-value]


def _estimate_spread(problem: Problem, rows: int = 128) -> float:
    """About the least std of a column over its range, from rows spread evenly."""
    q, k = problem.wide
    v = to_double(problem.v)
    chosen = np.unique(np.linspace(0, len(q) - 1, min(rows, len(q))).astype(int))
    logits = q[chosen] @ k.T / problem.sigma
    if problem.view is not None:
        ends = np.repeat(np.cumsum(problem.view), problem.view)[chosen]
        logits[np.arange(len(k)) >= ends[:, None]] = -np.inf
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return _in_ranges(weights @ v / weights.sum(1, keepdims=True), problem.v)


def _in_ranges(output: Array, v: Tensor) -> float:
    wide = to_double(v)
    spread = wide.max(0) - wide.min(0)
    moving = spread > 0
    with np.errstate(all="ignore"):
        return float((output.std(0)[moving] / spread[moving]).min(initial=1.0))
