"""Attention of a problem's own tokens from a state, scale by scale; missed rows run exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.floats.arrays import empty, light
from varnum.floats.inputs import finite
from varnum.floats.norms import farthest
from varnum.floats.values import Offset, ValueRange
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem
from varnum.lowrank.recovery.settings import Setting
from varnum.lowrank.softmax import exact_to_target
from varnum.lowrank.stream import raised

Array = npt.NDArray[Any]
SMALL = 512  # while fewer keys than this are seen, exact attention is as fast


def attend_view(problem: Problem, setting: Setting, offset: Offset | None) -> Answer:
    """Every row within its bound; those above the target by exact attention."""
    v = problem.v if offset is None else problem.v - offset.vector
    run = _Run(problem, setting, v, offset)
    queries, keys = int(problem.q.shape[0]), int(problem.k.shape[0])
    end = 0
    for count in problem.view or (None,):
        start, end = (0, keys) if count is None else (end, end + count)
        run.scale(slice(0, queries) if count is None else slice(start, end), slice(start, end))
    if offset is not None:
        run.out += offset.vector
    tested = "" if isinstance(problem.q, np.ndarray) or not run.exact else (
        f"{run.exact} of {queries} rows by torch's fused kernel, whose sums are its own"
    )  # fmt: skip
    return Answer(run.out, run.worst, float("inf"), run.state.rank, run.exact, "", 0.0, tested)


class _Run:
    """The output so far, the worst bound, and how many rows ran exactly."""

    def __init__(self, problem: Problem, setting: Setting, v: Any, offset: Offset | None) -> None:
        self.problem, self.v, self.offset = problem, v, offset
        self.state = setting.state()
        self.out = empty((int(problem.q.shape[0]), int(v.shape[1])), v)
        self.worst, self.exact = 0.0, 0
        self.seen: ValueRange | None = None
        self.far_k = 0.0

    def scale(self, rows: slice, keys: slice) -> None:
        """Queries `rows` see the keys up to the end of `keys`, which are new."""
        k, v, q = self.problem.k[keys], self.v[keys], self.problem.q[rows]
        self.seen = ValueRange.of(v) if self.seen is None else self.seen.including(v)
        self.state.add(k, v, self.seen)
        cost = 0.0 if self.offset is None else self.offset.cost(self.seen)
        target = max(self.problem.target.error - cost, self.problem.target.error / 4)
        if keys.stop <= SMALL:
            missed: Any = np.ones(int(q.shape[0]), dtype=bool)
        else:
            self.out[rows], error = self.state.attend(q)
            missed = ~(error <= target)
            kept = error[~missed]
            self._note(float(kept.max()) if len(kept) else 0.0, cost)
        self._repair(rows, np.flatnonzero(missed), keys.stop, target, cost)
        self.seen.mend(self.out[rows])

    def _note(self, error: float, cost: float) -> None:
        self.worst = max(self.worst, finite(float(raised(error, cost, self.v))))

    def _repair(self, rows: slice, missed: Array, end: int, target: float, cost: float) -> None:
        if not len(missed):
            return
        assert self.seen is not None
        at = missed + rows.start
        index = at if isinstance(self.v, np.ndarray) else _index(at, self.v)
        k, v, q = self.problem.k[:end], self.v[:end], self.problem.q[index]
        sizes = (farthest(light(k)), self.seen.ratio)
        self.out[index], bound = exact_to_target(q, k, v, self.problem.sigma, target, sizes)
        self._note(finite(bound), cost)
        self.exact += len(at)


def _index(at: Array, like: Any) -> Any:
    import torch

    return torch.as_tensor(at, device=like.device)
