"""Attention of a problem's own tokens from a state, scale by scale; missed rows run exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from varnum.floats.arrays import empty, light, namespace
from varnum.floats.inputs import finite
from varnum.floats.norms import farthest
from varnum.floats.values import Offset, ValueRange
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem
from varnum.lowrank.recovery.by_scale import SMALL, TOGETHER, Way, Ways
from varnum.lowrank.recovery.recovery_settings import Setting
from varnum.lowrank.recovery.recovery_state import Open
from varnum.lowrank.scales import attend_scales
from varnum.lowrank.softmax import exact_to_target
from varnum.lowrank.stream import raised
from varnum.tensor import Array, Tensor, Whole


def attend_view(problem: Problem, ways: Ways | Setting, offset: Offset | None) -> Answer:
    """Every row within its bound; those above the target by exact attention."""
    v = problem.v if offset is None else problem.v - offset.vector
    ways = ways if isinstance(ways, Ways) else Ways(ways)
    run = _Run(problem, ways.main, v, offset)
    queries = int(problem.q.shape[0])
    if problem.view is None:
        run.whole(slice(0, queries), slice(0, int(problem.k.shape[0])), "shared")
    else:
        done, view = run.start(problem.view)
        for end, counts in _together(done, view):
            rows = slice(done, end)
            if len(counts) == 1:
                run.whole(rows, rows, ways.of(done))
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
    for count in view:
        if counts and sum(counts) + count > TOGETHER:
            start += sum(counts)
            yield start, tuple(counts)
            counts = []
        counts.append(count)
    if counts:
        yield start + sum(counts), tuple(counts)


class _Run:
    """The output so far, the worst bound, and how many rows ran exactly."""

    def __init__(
        self, problem: Problem, setting: Setting, v: Tensor, offset: Offset | None
    ) -> None:
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
        target, cost = self._inner(_running(self.v[rows], ends[:count], None))  # of every scale
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
            missed, error = np.ones(len(ends), dtype=bool), np.full(len(ends), np.inf)
            seen = _running(v, ends, None)
        else:
            seen = _running(v, ends, self.seen)
            self.out[rows], error = self.state.attend(q, seen, Open(k, v, ends))
            missed = np.zeros(len(ends), dtype=bool)
        for end in np.unique(ends):  # the ranges of one scale's rows are the same
            here = ends == end
            first = int(np.argmax(here))
            own = ValueRange(seen.low[first], seen.high[first])
            target, cost = self._inner(own)
            missed[here] |= ~(error[here] <= target)
            kept = error[here & ~missed]
            self._note(float(kept.max()) if len(kept) else 0.0, cost)
            at = np.flatnonzero(here & missed) + rows.start
            self._repair(at, rows.start + int(end), own)
            if len(at):
                own.mend(self.out[rows.start + first : rows.start + first + int(here.sum())])
        self._learn(rows)

    def _learn(self, keys: slice) -> None:
        k, v = self.problem.k[keys], self.v[keys]
        self.seen = ValueRange.of(v) if self.seen is None else self.seen.including(v)
        self.state.add(k, v, self.seen)

    def _range(self) -> ValueRange:
        assert self.seen is not None
        return self.seen

    def _cost(self, seen: ValueRange) -> float:
        return 0.0 if self.offset is None else self.offset.cost(seen)

    def _inner(self, seen: ValueRange) -> tuple[float, float]:
        """(target for v - c, what c itself costs)."""
        cost, target = self._cost(seen), self.problem.target.error
        return max(target - cost, target / 4), cost

    def _note(self, error: float, cost: float) -> None:
        self.worst = max(self.worst, finite(float(raised(error, cost, self.v))))

    def _repair(self, at: Array, end: int, seen: ValueRange) -> None:
        """Rows `at` by exact attention over the first `end` keys."""
        if not len(at):
            return
        target, cost = self._inner(seen)
        numpy = isinstance(self.v, np.ndarray)
        index = at if numpy else namespace(self.v).as_tensor(at, device=self.v.device)
        k, v, q = self.problem.k[:end], self.v[:end], self.problem.q[index]
        sizes = (farthest(light(k)), seen.ratio)
        self.out[index], bound = exact_to_target(q, k, v, self.problem.sigma, target, sizes)
        self._note(finite(bound), cost)
        self.exact += len(at)


def _running(v: Tensor, ends: Whole, before: ValueRange | None) -> ValueRange:
    """Ranges (n, d_v) of the first ends[i] values (m, d_v), and of those before them."""
    host = light(v)
    if not isinstance(host, np.ndarray):
        host = host.cpu().numpy()
    low = np.minimum.accumulate(host, 0)[ends - 1]
    high = np.maximum.accumulate(host, 0)[ends - 1]
    if before is None:
        return ValueRange(low, high)
    first, last = (part if isinstance(part, np.ndarray) else part.cpu().numpy()
                   for part in (before.low, before.high))  # fmt: skip
    return ValueRange(np.minimum(low, first), np.maximum(high, last))
