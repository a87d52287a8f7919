"""Clusters as a method: keys merged in groups, each query with the bound that their spread leaves.

Centres come from a sample of the problem's tokens; every key added later enters the sums of the
nearest one. What is kept does not grow with the keys: counts, means and second moments.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import like, spread_rows, to_double
from varnum.floats.guard import certifying
from varnum.floats.rounding import TINY, dtype_name, unit_of
from varnum.floats.turns import Turns
from varnum.floats.values import ValueRange
from varnum.lowrank.clusters.cluster_summary import LEAST_RANGE, Clusters
from varnum.lowrank.clusters.grouping import group
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem, Promise
from varnum.lowrank.recovery.by_scale import early_share
from varnum.lowrank.recovery.recovery_state import Open
from varnum.lowrank.recovery.view_attention import attend_view
from varnum.tensor import Array, Tensor, Whole
from varnum.verdict import Unknown

_COUNTS = (16, 64, 256)  # clusters that are tried, the fewest first
_KEYS, _QUERIES = 1024, 128  # sampled
_SHARE = 0.9  # of the sampled rows within the target: more clusters are not worth their time
_MISSING = 0.95  # of the sampled rows at most: fewer that are certified do not count
_FEWEST = 8  # keys a cluster
_ROOM = 0.95  # rows above this part of the target are counted as missing
_SURE = 0.7  # of exact attention's time: what is expected to take more is not worth the risk
_LOOK = 0.02  # of exact attention's time may go into one trial
_PAIR, _COORDINATE, _SQUARE = 6e-7, 4e-9, 1.5e-10  # seconds a query and cluster; times d + d_v, d^2
_KEY = 6e-8  # seconds for a key and a cluster
_TRIAL = 4e-2  # seconds for grouping the sample, and 3e-4 more a cluster


class ClusterMerge:
    """Claim merge-error; rows that miss the target are done exactly in an answer."""

    name = "clusters"
    claims = ("merge-error", "float-forward")
    promises: Promise = "output"

    def cost(self, problem: Problem) -> float:
        """Of grouping the sample: as a rule more than the other methods take to fit."""
        width = int(problem.q.shape[1]) + int(problem.v.shape[1])
        return 25.0 * 2 * _KEYS * sum(_COUNTS) * width

    def fit(self, problem: Problem) -> ClusterFit | Unknown:
        """The fewest clusters that certify nearly all sampled rows, or the most that certify any.

        Where time counts, none whose queries alone would take longer than what there is.
        """
        if problem.target.of != self.promises:
            return Unknown("clusters certify the output only")
        least = np.inf if problem.seconds is None else min(problem.beat, _SURE)
        best, said = None, ""
        with certifying(problem.q):
            for count in _COUNTS:
                work = _work(problem, count)
                if not work < least or (least < np.inf and _looking(problem, count) > _LOOK):
                    break
                if count * _FEWEST > int(problem.k.shape[0]) and said:
                    break
                found, bounds = _tried(problem, count)
                missing = float((~(bounds <= _ROOM * problem.target.error)).mean())
                said = f"the median row would have {np.median(bounds):.2g} from {count}"
                if missing <= _MISSING and work + missing < least:
                    least = work + missing if least < np.inf else least
                    best = ClusterSetting(*found, problem, missing, work + missing)
                if 1 - missing >= _SHARE:
                    break
        if best is None:
            said = said or "each query would look at every one of them"
            return Unknown(f"clusters do not pay here: {said}")
        return ClusterFit(problem, best)


CLUSTERS = ClusterMerge()


@dataclass(frozen=True)
class ClusterSetting:
    """Centres (C, d), (C, d_v) in float64, and what one unit of distance is on either side."""

    keys: Array
    values: Array
    scale: tuple[float, float]
    problem: Problem
    missing: float  # expected share of rows that miss the target
    work: float  # expected, as a part of exact attention's time

    def state(self) -> ClusterState:
        """Without keys."""
        return ClusterState(self)

    def nearest(self, k: Array, v: Array) -> Whole:
        """The centre of each row k (n, d), v (n, d_v), by the distance of `group`."""
        parts = ((k, self.keys, self.scale[0]), (v, self.values, self.scale[1]))
        far = sum((0.5 * (c * c).sum(1) - x @ c.T) / s**2 for x, c, s in parts)
        return np.asarray(np.asarray(far).argmin(1))


class ClusterState:
    """Clusters of the keys seen so far; float64 inside, the problem's backend and type outside."""

    def __init__(self, setting: ClusterSetting) -> None:
        self.setting, self.rank = setting, len(setting.keys)
        sides = list(zip(setting.keys, setting.values, strict=True))
        widths = setting.keys.shape[1], setting.values.shape[1]
        self._clusters = Clusters.between(sides, *widths, setting.problem.sigma)
        self._turns = Turns("ClusterState")
        self._range: ValueRange | None = None
        self._lost = False

    def __copy__(self) -> ClusterState:
        """A copy goes its own way."""
        return deepcopy(self)

    @property
    def values(self) -> ValueRange | None:
        """Range of the values seen so far."""
        return self._range

    def add(self, k: Tensor, v: Tensor, spread: ValueRange | None = None) -> None:
        """Keys (n, d), values (n, d_v) into the clusters; spread: of all values, where known."""
        with self._turns.one(), certifying(k):
            wide_k, wide_v = to_double(k), to_double(v)
            self._turns.change()
            try:
                self._clusters.add(wide_k, wide_v, self.setting.nearest(wide_k, wide_v))
            except InputError:  # entries that sums of squares cannot hold
                self._lost = True
            if spread is None:
                spread = ValueRange.of(v) if self._range is None else self._range.including(v)
            self._range = spread

    def attend(
        self, q: Tensor, seen: ValueRange | None = None, own: Open | None = None
    ) -> tuple[Tensor, Array]:
        """Output (n, d_v) and bound (n,), in units of the range of `seen`; see `State`."""
        if self._range is None:
            raise InputError("attend: keys come first; call add")
        v, more, mask = self.setting.problem.v, None, None
        with self._turns.one(), certifying(q):
            if seen is None:  # read in turn: another thread may have added keys
                seen = self._range if own is None else self._range.including(own.v)
            if own is not None:
                more = (to_double(own.k), to_double(own.v))
                mask = np.arange(len(more[0])) < own.ends[:, None]
            found = None
            try:
                if not self._lost:
                    found = self._clusters.attend(to_double(q), more=more, mask=mask)
            except InputError:  # logits too large for the bound: the arrays were checked before
                pass
            if found is None:
                nothing = np.full((int(q.shape[0]), int(v.shape[1])), np.nan)
                return like(nothing, v), np.full(len(nothing), np.inf)
            out = like(found.output, v)
            seen.mend(out)
            lost = abs(found.output) * unit_of(v) + TINY[dtype_name(v)]
            return out, in_ranges(found.error + (lost if dtype_name(v) != "float64" else 0.0), seen)


def in_ranges(error: Array, seen: ValueRange) -> Array:
    """(n,): the largest error (n, d_v) over the range of its column, rounded up; 0 where that is 0.

    Infinite for ranges within which squares underflow.
    """
    low, high = to_double(seen.low), to_double(seen.high)
    spread = (high - low) * (1 - 2.0**-52)
    clear = spread > LEAST_RANGE
    known = np.where(clear, error / np.where(clear, spread, 1.0) * (1 + 2.0**-50), np.inf)
    worst = np.where(spread > 0, known, 0.0).max(1)
    return np.asarray(np.nan_to_num(worst, nan=np.inf, posinf=np.inf))


class ClusterFit:
    """Clusters about centres that stay; see `Fitted`."""

    def __init__(self, problem: Problem, setting: ClusterSetting) -> None:
        self.problem, self.setting, self.work = problem, setting, setting.work
        self._state = setting.state()
        self.rank = self._state.rank

    @property
    def said(self) -> str:
        """For the reason of a choice."""
        early = early_share(self.problem)
        missing = 100 * (early + self.setting.missing * (1 - early))
        return f"{self.rank} clusters; about {missing:.2g} % of the rows may need exact attention"

    def add(self, k: Tensor, v: Tensor) -> None:
        """See `Fitted`."""
        self._state.add(k, v)

    def attend(self, q: Tensor) -> tuple[Tensor, Array]:
        """See `Fitted`; no row is done exactly."""
        return self._state.attend(q)

    @cached_property
    def _answer(self) -> Answer:
        with certifying(self.problem.q):
            return attend_view(self.problem, self.setting, None)

    def answer(self) -> Answer:
        """See `Fitted`; rows that miss the target are done exactly."""
        return self._answer


def _tried(problem: Problem, count: int) -> tuple[tuple[Array, Array, tuple[float, float]], Array]:
    """Centres of a sample in at most `count` groups, and the bounds of sampled queries over it."""
    k, v = (to_double(spread_rows(part, _KEYS)) for part in (problem.k, problem.v))
    q = to_double(spread_rows(problem.q, _QUERIES))
    labels = group(k, v, count)
    n = np.bincount(labels)[:, None]
    keys, values = (np.stack([x[labels == c].mean(0) for c in range(len(n))]) for x in (k, v))
    scale = (_deviation(k), _deviation(v))
    try:
        bounds = Clusters.of(k, v, labels, sigma=problem.sigma).attend(q).bound
    except InputError:
        bounds = np.full(len(q), np.inf)
    return (keys, values, scale), np.asarray(bounds)


def _deviation(x: Array) -> float:
    found = float(np.sqrt(np.square(x - x.mean(0)).sum(1).mean()))
    return found if 0 < found < np.inf else 1.0


def _work(problem: Problem, count: int) -> float:
    """Expected, as a part of exact attention's time."""
    d, width = int(problem.q.shape[1]), int(problem.q.shape[1]) + int(problem.v.shape[1])
    each = _PAIR + _COORDINATE * width + _SQUARE * d * d
    queries, keys = int(problem.q.shape[0]), int(problem.k.shape[0])
    return (queries * each + keys * _KEY) * count / max(problem.exact_seconds, 1e-12)


def _looking(problem: Problem, count: int) -> float:
    """What a trial takes, likewise."""
    return (_TRIAL + 3e-4 * count) / max(problem.exact_seconds, 1e-12)
