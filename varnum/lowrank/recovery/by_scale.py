"""Which scales of a view share the state of the last one, which have their own, which run exactly.

Queries of one scale lie about a centre of their own, and keys are few before the last scale, so
that taking them in again costs little. Nothing rests on it: every row is certified afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from varnum.floats.arrays import spread_rows, to_numpy
from varnum.lowrank.problem import Problem
from varnum.lowrank.recovery.recovery_settings import ROOM, Sample, Setting, estimate_best
from varnum.lowrank.recovery.trial import Trial
from varnum.tensor import Tensor
from varnum.verdict import Unknown

SMALL = 512  # while fewer keys than this are seen, exact attention is as fast
TOGETHER = 512  # scales of at most so many tokens always share
_WEIGHED, _COORDINATE = 3e-9, 4e-11  # seconds a key weighed, and a coordinate of it
_SURE = 0.6  # of exact attention's time: what is expected to take more is not worth the risk
_WORTH = 0.015  # seconds of exact attention from which a scale is worth a lens of its own
_QUERIES, _KEYS = 64, 256  # sampled to judge whether a scale can share

Way = Setting | Literal["shared", "exact"]


@dataclass(frozen=True)
class Ways:
    """The setting of the last scale, and what else the scales before it do, by their first row.

    work and missing: expected, of all rows, see `Setting`.
    """

    main: Setting
    others: Mapping[int, Way] = field(default_factory=dict)
    work: float = 1.0
    missing: float = 0.0
    early: float = 0.0  # share of rows that see few keys: these run exactly whatever is expected

    @property
    def reason(self) -> str:
        """In words."""
        share = self.early + self.missing * (1 - self.early)
        return f"about {100 * share:.2g} % of the rows may need exact attention"

    def of(self, start: int) -> Way:
        """What the scale does whose first row this is."""
        return self.others.get(start, "shared")


def estimate_ways(problem: Problem, v: Tensor, least: float) -> Ways | Unknown:
    """As `estimate_best`, scale by scale; v (L, d_v) less its offset."""
    if problem.view is None:
        found = estimate_best(problem.q, problem.k, v, problem, least)
        return found if isinstance(found, Unknown) else Ways(found, {}, found.work, found.missing)
    ends = np.cumsum(problem.view)
    starts = ends - np.array(problem.view)
    large = [(int(a), int(b)) for a, b in zip(starts, ends, strict=True)
             if b - a > TOGETHER and b > SMALL]  # fmt: skip
    if not large:
        found = estimate_best(problem.q, problem.k, v, problem, least)
        if isinstance(found, Unknown):
            return found
        work = found.work + _own(problem) / problem.exact_seconds
        if problem.seconds is not None and not work < min(least, _SURE):
            return Unknown("low rank does not pay here: rows of small scales weigh their own keys")
        return Ways(found, {}, work, found.missing, early_share(problem))
    last = _scale(problem, v, *large.pop())
    main = estimate_best(last.q, last.k, last.v, last, least)
    if isinstance(main, Unknown):
        return main
    whole, rows = problem.exact_seconds, int(problem.q.shape[0])
    spent, missed = main.work * last.exact_seconds, main.missing * int(last.q.shape[0])
    others: dict[int, Way] = {}
    small = whole - last.exact_seconds
    for start, end in large:
        part = _scale(problem, v, start, end)
        small -= part.exact_seconds
        way, cost, missing = _cheapest(part, main)
        others[start] = way
        spent += cost
        missed += missing * (end - start)
    work = (spent + max(small, 0.0)) / whole
    if problem.seconds is not None and not work < least:
        return Unknown("low rank does not pay here: too many rows of small scales miss")
    return Ways(main, others, work, missed / rows, early_share(problem))


def early_share(problem: Problem) -> float:
    """Share of the rows of a view that see at most SMALL keys."""
    if problem.view is None:
        return 0.0
    ends = np.cumsum(problem.view)
    return float(ends[ends <= SMALL].max(initial=0)) / int(problem.q.shape[0])


def _own(problem: Problem) -> float:
    """About the seconds in which rows weigh the keys of the scales done together with theirs."""
    width = int(problem.q.shape[1]) + int(problem.v.shape[1])
    return int(problem.q.shape[0]) * TOGETHER * (_WEIGHED + _COORDINATE * width)


def _scale(problem: Problem, v: Tensor, start: int, end: int) -> Problem:
    """The queries of one scale and the keys that they see."""
    q, k = problem.q[start:end], problem.k[:end]
    return replace(problem, q=q, k=k, v=v[:end], view=None)


def _cheapest(part: Problem, main: Setting) -> tuple[Way, float, float]:
    """What a scale does, the seconds that it takes, and the share of rows that it misses."""
    exact = part.exact_seconds
    missing = _missing(part, main)
    shared = (0.1 + missing) * exact  # answering from a state costs little
    best: tuple[Way, float, float] = ("shared", shared, missing)
    if exact < _WORTH:
        return best if shared < exact else ("exact", exact, 1.0)
    if missing > 0.05:
        least = np.inf if part.seconds is None else min(1.0, shared / exact)
        own = estimate_best(part.q, part.k, part.v, part, least)
        if not isinstance(own, Unknown):
            return own, own.work * exact, own.missing
    return best if shared < exact else ("exact", exact, 1.0)


def _missing(part: Problem, main: Setting) -> float:
    """Share of sampled rows that the last scale's state misses; taken for 0 where it has groups."""
    if main.first is not None:
        return 0.0
    lens = main.lenses[0]
    q, k, v = (
        to_numpy(spread_rows(side, most))
        for side, most in ((part.q, _QUERIES), (part.k, _KEYS), (part.v, _KEYS))
    )
    trial = Trial(lens, q, k, v, Sample.spread_of(part.v), to_numpy(main.v0))
    rows = trial.with_products(main.tops)
    return float((~(rows.bounds(main.block) <= ROOM * part.target.error)).mean())
