"""How large the blocks are and how many products the features have: judged on a few sampled tokens.

Nothing rests on it: every row is certified afterwards, and rows that miss go to exact attention.
Block norms of a sample of keys, at two block sizes, tell those of any size: with s_B(u) the norm of
a sum of b vectors, (s_B/b)^2 is about mean^2 + variance/b. The rows' bounds follow for any setting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.floats.arrays import caster, empty, to_double
from varnum.floats.rounding import dtype_name
from varnum.floats.values import ValueRange
from varnum.lowrank.problem import Problem
from varnum.lowrank.recovery.bound import Limits, row_bounds
from varnum.lowrank.recovery.features import features, length, rank_of, rest, squares
from varnum.lowrank.recovery.lens import Lens, fit_lens
from varnum.lowrank.recovery.state import RecoveryState, Sums
from varnum.verdict import Unknown

Array = npt.NDArray[Any]
FITTED = 1024  # tokens that shape the lens
KEYS, QUERIES = 512, 256  # sampled to judge a setting
BLOCKS = (32, 64, 128, 256, 512, 1024)
TOPS = (0, 8, 16)
_SIZES = (64, 256)  # of blocks, tried on the sample
_ROOM = 0.9  # rows above this part of the target are counted as missing
_RATE = 5e10  # operations of products a second, float32
_PASS, _EXP = 4e-10, 1.5e-9  # seconds an entry
_ONCE = 3e-3  # seconds whatever the problem


@dataclass(frozen=True)
class Setting:
    """A lens, block size and products, the offset of the values; what they are expected to do."""

    lens: Lens
    block: int
    top: int
    v0: Any
    work: float  # expected, as a part of exact attention's, rows that miss included
    missing: float  # expected share of rows that miss the target
    median: float  # expected bound of the median row

    @property
    def reason(self) -> str:
        """In words."""
        return f"about {100 * self.missing:.2g} % of the rows may need exact attention"

    def state(self) -> RecoveryState:
        """Without keys."""
        return RecoveryState(self.lens, self.block, self.top, self.v0)


def estimate_best(
    q: Any, k: Any, v: Any, problem: Problem, least: float = 1.0
) -> Setting | Unknown:
    """The cheapest setting for these tokens, q, k (n, d), v (n, d_v), as far as samples tell.

    Unknown where none is expected to
    take less than `least` of exact attention's time.
    """
    some_q, some_k = sample(q, FITTED), sample(k, FITTED)
    lens = fit_lens(to_double(some_q), to_double(some_k), problem.sigma, q)
    v0 = _middle(v)
    asked, keys, values = sample(q, QUERIES), sample(k, KEYS), sample(v, KEYS)
    seen = ValueRange.of(values)
    slow = 2.0 if dtype_name(q) == "float64" else 1.0
    best: Setting | None = None
    for top in TOPS:
        if top > lens.width:
            break
        trial = _Trial(lens, top, v0, asked, keys, values, seen)
        for block in BLOCKS:
            base = _work(int(q.shape[0]), int(k.shape[0]), lens.width, int(v.shape[1]), block, top)
            work = base * slow / problem.exact_seconds
            if work >= (best.work if best else least):
                break
            bounds = trial.bounds(block)
            missing = float((~(bounds <= _ROOM * problem.target.error)).mean())
            if best is None or work + missing < best.work:
                median = float(np.median(bounds))
                best = Setting(lens, block, top, v0, work + missing, missing, median)
    if best is None or not best.work < least:
        said = "" if best is None else f"; {best.reason}"
        return Unknown(f"low rank does not pay here{said}")
    return best


class _Trial:
    """Sampled tokens under one lens and feature map: bounds of the sampled rows for any block."""

    def __init__(
        self, lens: Lens, top: int, v0: Any, q: Any, k: Any, v: Any, seen: ValueRange
    ) -> None:
        self.lens, self.seen, self.v0 = lens, seen, v0
        found = []
        for block in _SIZES:
            state = RecoveryState(lens, min(block, int(k.shape[0])), top, v0)
            state.add(k, v, seen)
            found.append(state.sums())
        self.sums = found[-1]
        squares_ = [np.square(part.norms / part.count) for part in found]
        inverse = [1 / block for block in _SIZES]
        slope = np.maximum(squares_[0] - squares_[1], 0) / (inverse[0] - inverse[1])
        self.variance, self.mean = slope, np.maximum(squares_[1] - slope * inverse[1], 0)
        _, self.x = lens.queries(q)
        high, low = squares(self.x, top)
        self.f = features(self.x, top) if top else None
        self.root, self.length = np.sqrt(rest(high, low)), length(high, top)

    def bounds(self, block: int) -> Array:
        """Expected, (n,)."""
        norms = self.sums.count * np.sqrt(self.mean + self.variance / block)
        sums: Sums = replace(self.sums, norms=norms)
        limits = Limits.of(sums, self.seen, self.v0, 1, caster(self.x))
        zeta = np.zeros(len(self.root))
        room = empty((len(zeta), int(self.v0.shape[0])), self.x)
        return row_bounds(limits, self.x, self.f, self.root, self.length, zeta, room)


def _work(queries: int, keys: int, width: int, values: int, block: int, top: int) -> float:
    """About the seconds in float32, passes over memory included."""
    rank = rank_of(width, top)
    per_key = 2.0 * (width * (width + 1) + rank * (values + 1))
    per_key += 2.0 * block * (width + rank + values + 1)
    per_query = 2.0 * (width * width + rank * (values + 1))
    passes = keys * (2 * rank + 3 * width + 5 * values + 3 * block)
    passes += queries * (2 * width + 6 * values + (rank if top else 0))
    products = (per_key * keys + per_query * queries) / _RATE
    return products + passes * _PASS + keys * block * _EXP + _ONCE


def _middle(v: Any) -> Any:
    """About the mean of the values (d_v,)."""
    return sample(v, FITTED).mean(0)


def sample(array: Any, most: int) -> Any:
    """At most `most` rows, evenly spread."""
    step = -(-int(array.shape[0]) // most)
    return array[::step] if step > 1 else array
