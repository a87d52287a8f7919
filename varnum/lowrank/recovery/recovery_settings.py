"""How many groups, how large blocks, how many products: judged on a few sampled tokens.

Nothing rests on it: every row is certified afterwards, and rows that miss go to exact attention.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import thread_time

import numpy as np

from varnum.floats.arrays import extremes, spread_rows, to_double, to_numpy
from varnum.floats.rounding import dtype_name
from varnum.lowrank.problem import Problem
from varnum.lowrank.recovery.blocks import SIDE
from varnum.lowrank.recovery.groups import GroupedState, centres_of, nearest
from varnum.lowrank.recovery.lens import Lens, fit_lens
from varnum.lowrank.recovery.recovery_features import Tops, rank_of, within
from varnum.lowrank.recovery.recovery_state import RecoveryState
from varnum.lowrank.recovery.trial import Trial
from varnum.tensor import Array, Tensor, Whole
from varnum.verdict import Unknown

FITTED = 1024  # tokens that shape the lens
KEYS, QUERIES = 512, 256  # sampled to judge a setting
BLOCKS = (16, 32, 64, 128, 256, 512, 1024, 2048)
TOPS: tuple[Tops, ...] = (
    (), (8,), (8, 4), (16,), (12, 6, 4), (16, 6), (24, 6), (32, 8), (48, 12),
)  # fmt: skip
GROUPS = (4, 16, 64)
_TRIED = 4  # groups whose trials stand for all
_LONG = 0.3  # seconds of exact attention from which groups are tried
_PATIENT = 2.0  # seconds that certifying all rows is worth where there is no limit
_SHARE = 0.05  # of exact attention's time may go into looking
_SURE = 0.7  # of exact attention's time: what is expected to take more is not worth the risk
_FAR, _FARTHER = 2.5, 20.0  # times the target: a median bound that is given up, while it falls
ROOM = 0.9  # rows above this part of the target are counted as missing
_RATE = 5e10  # operations of products a second, float32
_PASS, _EXP = 4e-10, 1.5e-9  # seconds an entry
_ONCE = 3e-3  # seconds whatever the problem
_SHARP = 5e-3  # targets below it need E - F F^T entry by entry


@dataclass(frozen=True)
class Setting:
    """Lenses, block size and products, the offset of the values; what they are expected to do."""

    lenses: tuple[Lens, ...]
    block: int
    tops: Tops
    v0: Tensor
    work: float = 1.0  # expected, as a part of exact attention's, rows that miss included
    missing: float = 0.0  # expected share of rows that miss the target
    median: float = 0.0  # expected bound of the median row
    sharp: bool = True
    centres: Array = field(default_factory=lambda: np.zeros((1, 1)))
    first: Lens | None = None  # in whose coordinates the centres are
    grouping: Grouping | None = None  # whose lenses are still to be made

    @property
    def reason(self) -> str:
        """In words."""
        return f"about {100 * self.missing:.2g} % of the rows may need exact attention"

    def state(self) -> RecoveryState | GroupedState:
        """Without keys."""
        made = [
            RecoveryState(lens, self.block, self.tops, self.v0, self.sharp) for lens in self.lenses
        ]
        return made[0] if self.first is None else GroupedState(self.first, self.centres, made)


class Sample:
    """A few tokens of a problem, on the host and in float64."""

    def __init__(self, q: Tensor, k: Tensor, v: Tensor, sigma: float, most: int = FITTED) -> None:
        self.q, self.k, values = (
            spread_rows(q, most),
            spread_rows(k, FITTED),
            spread_rows(v, FITTED),
        )
        self.like, self.sigma = q, sigma
        self.wide_q, self.wide_k = to_double(self.q), to_double(self.k)
        self.few_q = to_numpy(spread_rows(self.q, QUERIES))
        self.few_k, self.few_v = (to_numpy(spread_rows(part, KEYS)) for part in (self.k, values))
        self.v0 = values.mean(0)
        self.spread = self.spread_of(v)

    @staticmethod
    def spread_of(v: Tensor) -> Array:
        """Range of each column, (d_v,)."""
        low, high = (to_numpy(part) for part in extremes(v))
        return np.asarray(high - low)

    def lens(self, rows: Whole | None = None, prior: Array | None = None) -> Lens:
        """For some of the sampled queries."""
        q = self.wide_q if rows is None else self.wide_q[rows]
        return fit_lens(q, self.wide_k, self.sigma, self.like, prior)

    def trial(self, lens: Lens, rows: Whole | None = None) -> Trial:
        """Of a lens on some of the sampled queries."""
        q = self.few_q if rows is None else to_numpy(self.q)[rows]
        return Trial(lens, q, self.few_k, self.few_v, self.spread)


def estimate_best(
    q: Tensor, k: Tensor, v: Tensor, problem: Problem, least: float = 1.0
) -> Setting | Unknown:
    """The cheapest setting for these tokens, q, k (n, d), v (n, d_v), as far as samples tell.

    Unknown where none is expected to take less than `least` of exact attention's time.
    """
    began = thread_time()
    tokens = Sample(q, k, v, problem.sigma)
    lens = tokens.lens()
    queries, keys = problem.expected or (int(q.shape[0]), int(k.shape[0]))
    sizes = (queries, keys, lens.width, int(v.shape[1]))
    limited = problem.seconds is not None
    seconds = _SHARE * problem.exact_seconds if limited else math.inf
    whole = problem.exact_seconds if limited else max(problem.exact_seconds, _PATIENT)
    slow = (2.0 if dtype_name(q) == "float64" else 1.0) / whole
    least = min(least, _SURE) if limited else least  # a sample may flatter
    search = _Search(problem.target.error, sizes, slow, least, began + seconds)
    trial = tokens.trial(lens)
    search.over([trial], 1, lambda block, tops: Setting((lens,), block, tops, tokens.v0))
    if problem.exact_seconds > _LONG or problem.seconds is None:
        for count in GROUPS:
            late = thread_time() > search.stop
            if late or count * 8 > len(tokens.wide_q) or not search.promising(count):
                break
            _try_groups(search, Grouping(tokens, lens, count))
    best = search.best
    if best is None or not best.work < least:
        said = f"the median row would have {search.plain:.2g}"
        said = said if search.looked else "sums over the keys take as long as all rows"
        return Unknown(f"low rank does not pay here: {said}")
    if best.grouping is not None:
        return replace(best, lenses=best.grouping.lenses(), grouping=None)
    return best


def fixed(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, *, groups: int = 1, block: int = 128,
    tops: Tops = (),
    sharp: bool = True,
) -> Setting:  # fmt: skip
    """A setting of given sizes; lenses and centres from the tokens q, k (n, d), v (n, d_v)."""
    tokens = Sample(q, k, v, sigma, max(FITTED, 64 * groups))
    first = tokens.lens()
    if groups == 1:
        return Setting((first,), block, tops, tokens.v0, sharp=sharp)
    made = Grouping(tokens, first, groups)
    return Setting(
        made.lenses(), block, tops, tokens.v0, sharp=sharp, centres=made.centres, first=first
    )


class Grouping:
    """Sampled queries in groups about centres in the coordinates of a first lens."""

    def __init__(self, tokens: Sample, first: Lens, count: int) -> None:
        self.tokens, self.first = tokens, first
        x = (tokens.wide_q - to_double(first.q0)) @ to_double(first.query_map)
        centres = centres_of(x, count)
        owners = nearest(first, centres, tokens.q)
        self.centres = centres[np.unique(owners)]
        owners = nearest(first, self.centres, tokens.q)
        self.rows = [np.flatnonzero(owners == index) for index in range(len(self.centres))]
        self.rows = [rows if len(rows) else np.array([0]) for rows in self.rows]
        within = [tokens.wide_q[rows] - tokens.wide_q[rows].mean(0) for rows in self.rows]
        all_of_them = np.concatenate(within)
        self.prior = all_of_them.T @ all_of_them / len(all_of_them)

    def lens(self, index: int) -> Lens:
        """Of one group."""
        return self.tokens.lens(self.rows[index], self.prior)

    def lenses(self) -> tuple[Lens, ...]:
        """Of all."""
        return tuple(self.lens(index) for index in range(len(self.rows)))


def _try_groups(search: _Search, grouping: Grouping) -> None:
    """Judge by a few of the groups."""
    tokens, count = grouping.tokens, len(grouping.rows)
    trials = [
        tokens.trial(grouping.lens(index), grouping.rows[index])
        for index in range(0, count, -(-count // _TRIED))
    ]

    def make(block: int, tops: Tops) -> Setting:
        return Setting(
            (), block, tops, tokens.v0, centres=grouping.centres, first=grouping.first,
            grouping=grouping,
        )  # fmt: skip

    search.over(trials, count, make)


class _Search:
    """The cheapest setting so far."""

    def __init__(
        self, target: float, sizes: tuple[int, int, int, int], unit: float, least: float,
        stop: float,
    ) -> None:  # fmt: skip
        self.target, self.sizes, self.unit, self.least = target, sizes, unit, least
        self.best: Setting | None = None
        self.stop = stop  # of processor time, for looking at more products
        self.looked, self.plain = False, math.inf  # least median bound without products

    def promising(self, groups: int) -> bool:
        """Can so many groups take less than the best so far?"""
        return self._work(BLOCKS[0], (), groups) < (self.best.work if self.best else self.least)

    def _sharp(self, block: int) -> bool:
        return self.target < _SHARP or block <= 64

    def _work(self, block: int, tops: Tops, groups: int) -> float:
        return _work(*self.sizes, block, tops, groups, self._sharp(block)) * self.unit

    def over(self, trials: list[Trial], groups: int, make: Callable[[int, Tops], Setting]) -> None:
        """Try all blocks and products with these trials."""
        width, median = self.sizes[2], math.inf
        for turn, tops in enumerate(dict.fromkeys(within(tops, width) for tops in TOPS)):
            beat = self.best.work if self.best else self.least
            pays = self.best is not None and self.best.work < self.least
            more = 2 * _SHARE * beat / self.unit if pays else 0.0
            late = turn > 1 and thread_time() > self.stop + more
            if self._work(BLOCKS[0], tops, groups) >= beat or late:
                break
            rows = [trial.with_products(tops) for trial in trials]
            for block in BLOCKS:
                cost = self._work(block, tops, groups)
                if cost >= (self.best.work if self.best else self.least):
                    break
                bounds = np.concatenate([part.bounds(block) for part in rows])
                missing = float((~(bounds <= ROOM * self.target)).mean())
                if self.best is None or cost + missing < self.best.work:
                    self.best = replace(
                        make(block, tops), work=cost + missing, missing=missing,
                        median=float(np.median(bounds)), sharp=self._sharp(block),
                    )  # fmt: skip
            before, median = median, float(np.median([r.median(BLOCKS[-1]) for r in rows]))
            if not tops:
                self.looked, self.plain = True, min(self.plain, median)
            if median > (_FAR if median > 0.6 * before else _FARTHER) * self.target:
                break  # more products will not help that much


def _work(
    queries: int,
    keys: int,
    width: int,
    values: int,
    block: int,
    tops: Tops,
    groups: int,
    sharp: bool,
) -> float:
    """About the seconds in float32, passes over memory included."""
    rank = rank_of(width, tops)
    gram = 0.5 * (block + SIDE) if block > SIDE else block
    per_key = 2.0 * (width * (width + 1) + rank * (values + 1))
    per_key += 2.0 * gram * (width + values + 1 + (rank if sharp else 0))
    per_query = 2.0 * (width * width + rank * (values + 1))
    passes = groups * keys * (2 * rank + 3 * width + 5 * values + 3 * gram)
    passes += 0.0 if sharp else 3.0 * groups * keys * rank * (values + 1) / min(block, 512)
    passes += queries * (
        2 * width + 6 * values + (rank if tops else 0) + (width if groups > 1 else 0)
    )
    products = (per_key * keys * groups + per_query * queries) / _RATE
    return products + passes * _PASS + groups * (keys * gram * _EXP + 1e-3) + _ONCE
