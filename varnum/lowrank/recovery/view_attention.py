"""Attention of a problem's own tokens from a state, scale by scale; missed rows run exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from varnum.floats.arrays import beside, empty, light
from varnum.floats.inputs import finite
from varnum.floats.norms import farthest
from varnum.floats.values import Offset, ValueRange
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem
from varnum.lowrank.recovery.by_scale import SMALL, TOGETHER, Way, Ways
from varnum.lowrank.recovery.recovery_settings import Setting
from varnum.lowrank.recovery.recovery_state import Open
from varnum.lowrank.rising_rows import rising_to_target
from varnum.lowrank.scales import attend_scales
from varnum.lowrank.softmax import exact_to_target
from varnum.lowrank.stream import inner, inner_rows, raised, raised_rows
from varnum.tensor import Array, Doubles, Tensor, Whole


class State(Protocol):
    """What takes keys and answers queries: `RecoveryState`, `GroupedState`, `ClusterState`."""

    @property
    def rank(self) -> int:
        """Features, or clusters."""

    def add(self, k: Tensor, v: Tensor, spread: ValueRange | None = None) -> None:
        """Keys (n, d) and values (n, d_v); spread: the range of all so far."""

    def attend(
        self, q: Tensor, seen: ValueRange | None = None, own: Open | None = None
    ) -> tuple[Tensor, Array]:
        """Output (n, d_v) and bound (n,) in units of the range of `seen`; own: keys beside."""


class Starts(Protocol):
    """What makes states, such as a `Setting`."""

    def state(self) -> State:
        """Without keys."""


def attend_view(problem: Problem, ways: Ways | Starts, offset: Offset | None) -> Answer:
    """Every row within its bound; those above the target by exact attention."""
    v = problem.v if offset is None else problem.v - offset.vector
    main: Starts = ways.main if isinstance(ways, Ways) else ways
    run = _Run(problem, main, v, offset)
    queries = int(problem.q.shape[0])
    if problem.view is None:
        run.whole(slice(0, queries), slice(0, int(problem.k.shape[0])), "shared")
    else:
        done, view = run.start(problem.view)
        for end, counts in _together(done, view):
            rows = slice(done, end)
            if len(counts) == 1:
                run.whole(rows, rows, ways.of(done) if isinstance(ways, Ways) else "shared")
            else:
                run.several(rows, np.repeat(np.cumsum(counts), counts))
            done = end
    if offset is not None:
        run.out += offset.vector
    tested = "" if isinstance(problem.q, np.ndarray) or not run.exact else (
        f"{run.exact} of {queries} rows by torch's fused kernel, whose sums are its own"
    )  # fmt: skip
    return Answer(run.out, run.worst, float("inf"), run.state.rank, run.exact, "", 0.0, tested)


def _together(start: int, view: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Where scales that are done together end, and their token counts."""
    counts: list[int] = []
    end = start
    for count in view:
        if counts and end + count - start > TOGETHER:
            yield end, tuple(counts)
            counts, start = [], end
        counts.append(count)
        end += count
    if counts:
        yield end, tuple(counts)


class _Run:
    """The output so far, the worst bound, and how many rows ran exactly."""

    def __init__(self, problem: Problem, setting: Starts, v: Tensor, offset: Offset | None) -> None:
        self.problem, self.v, self.offset = problem, v, offset
        self.state = setting.state()
        self.out = empty((int(problem.q.shape[0]), int(v.shape[1])), v)
        self.worst, self.exact = 0.0, 0
        self.seen: ValueRange | None = None

    def start(self, view: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """The scales up to the first SMALL keys exactly; how many tokens, and the other scales."""
        ends = np.cumsum(view)
        count = int((ends <= SMALL).sum())
        if not count:
            return 0, view
        end = int(ends[count - 1])
        rows = slice(0, end)
        each = ValueRange.running(self.v[rows], ends[:count])
        targets, costs = inner_rows(self.problem.target.error, self.offset, each)
        target, cost = float(targets.min()), float(costs.max())
        given = (self.problem.q[rows], self.problem.k[rows], self.v[rows], view[:count])
        self.out[rows], done = attend_scales(*given, self.problem.sigma, target, low_rank=False)
        self._learn(rows)
        self._note(done.certified, cost)
        self.exact += end
        return end, view[count:]

    def whole(self, rows: slice, keys: slice, way: Way) -> None:
        """Queries `rows` see the keys up to the end of `keys`, which are new."""
        self._learn(keys)
        q, seen = self.problem.q[rows], self._range()
        target, cost = self._inner(seen)
        if way == "exact":
            error = np.full(int(q.shape[0]), np.inf)
        elif isinstance(way, Setting):
            own = way.state()
            own.add(self.problem.k[: keys.stop], self.v[: keys.stop], seen)
            self.out[rows], error = own.attend(q)
        else:
            self.out[rows], error = self.state.attend(q)
        missed = ~(error <= target)
        kept = error[~missed]
        self._note(float(kept.max()) if len(kept) else 0.0, cost)
        self._repair(np.flatnonzero(missed) + rows.start, keys.stop, seen)
        seen.mend(self.out[rows])

    def several(self, rows: slice, ends: Whole) -> None:
        """Query i of `rows` sees the keys before `rows` and the first ends[i] of these."""
        q, k, v = (part[rows] for part in (self.problem.q, self.problem.k, self.v))
        if self.seen is None:
            error = np.full(len(ends), np.inf)
            seen = ValueRange.running(v, ends)
        else:
            seen = ValueRange.running(v, ends, self.seen)
            self.out[rows], error = self.state.attend(q, seen, Open(k, v, ends))
        target, cost = inner_rows(self.problem.target.error, self.offset, seen)
        missed = ~(error <= target)
        if missed.any():
            at = np.flatnonzero(missed)
            error[at] = self._rising(at, rows, ends[at], target[at], seen.rows(at))
        self._note(float(raised_rows(error, cost, v).max()), 0.0)
        self._learn(rows)

    def _rising(
        self, at: Whole, rows: slice, ends: Whole, target: Doubles, seen: ValueRange
    ) -> Array:
        """Rows `at` of `rows` by exact attention over the keys that each sees; their bounds."""
        index = beside(at + rows.start, self.v)
        given = (self.problem.q[index], self.problem.k, self.v, self.problem.sigma)
        self.out[index], bound = rising_to_target(*given, target, ends + rows.start, seen)
        self.exact += len(at)
        return bound

    def _learn(self, keys: slice) -> None:
        k, v = self.problem.k[keys], self.v[keys]
        self.seen = ValueRange.of(v) if self.seen is None else self.seen.including(v)
        self.state.add(k, v, self.seen)

    def _range(self) -> ValueRange:
        assert self.seen is not None
        return self.seen

    def _inner(self, seen: ValueRange) -> tuple[float, float]:
        """(target for v - c, what c itself costs)."""
        return inner(self.problem.target.error, self.offset, seen)

    def _note(self, error: float, cost: float) -> None:
        self.worst = max(self.worst, finite(float(raised(error, cost, self.v))))

    def _repair(self, at: Array, end: int, seen: ValueRange) -> None:
        """Rows `at` by exact attention over the first `end` keys."""
        if not len(at):
            return
        target, cost = self._inner(seen)
        index = beside(at, self.v)
        k, v, q = self.problem.k[:end], self.v[:end], self.problem.q[index]
        sizes = (farthest(light(k)), seen.ratio)
        self.out[index], bound = exact_to_target(q, k, v, self.problem.sigma, target, sizes)
        self._note(finite(bound), cost)
        self.exact += len(at)
