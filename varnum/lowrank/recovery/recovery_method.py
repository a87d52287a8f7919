"""Recovery as a method: keys in blocks, each row certified as it comes."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from varnum.errors import InputError
from varnum.floats.guard import certifying
from varnum.floats.values import Offset
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem, Promise
from varnum.lowrank.recovery.by_scale import Ways, estimate_ways
from varnum.lowrank.recovery.view_attention import attend_view
from varnum.lowrank.stream import restored
from varnum.tensor import Tensor
from varnum.verdict import Unknown


class Recovery:
    """Claim recovery; rows that miss the target are done exactly in an answer."""

    name = "recovery"
    claims = ("recovery", "float-forward")
    promises: Promise = "output"

    def cost(self, problem: Problem) -> float:
        """Of the sample: a thousand tokens, whatever the problem."""
        width = int(problem.q.shape[1])
        return 4096.0 * width * (width + int(problem.v.shape[1]))

    def fit(self, problem: Problem) -> RecoveryFit | Unknown:
        """Lens, block size and products from a sample of the tokens."""
        if problem.target.of != self.promises:
            return Unknown("recovery certifies the output only")
        with certifying(problem.q):
            offset = Offset.of(problem.v)
            v = problem.v if offset is None else problem.v - offset.vector
            least = problem.beat if problem.seconds is not None else np.inf
            ways = estimate_ways(problem, v, least)
        if isinstance(ways, Unknown):
            return ways
        if problem.seconds is None and ways.missing == 1:
            median = ways.main.median
            return Unknown(f"no sampled row is certified; the median bound is {median:.2g}")
        return RecoveryFit(problem, ways, offset)


RECOVERY = Recovery()


class RecoveryFit:
    """Sums over the keys, memory independent of their number; see `Fitted`."""

    def __init__(self, problem: Problem, ways: Ways, offset: Offset | None) -> None:
        self.problem, self.ways, self.setting = problem, ways, ways.main
        self._offset = offset  # of the problem's own values
        self._state = ways.main.state()
        self.rank = self._state.rank

    @property
    def work(self) -> float:
        """Expected, as a part of exact attention's time."""
        return self.ways.work

    @property
    def said(self) -> str:
        """For the reason of a choice."""
        groups = len(self.setting.lenses)
        several = f"{groups} groups of queries, " if groups > 1 else ""
        return f"{several}rank {self.rank}, blocks of {self.setting.block}; {self.ways.reason}"

    def add(self, k: Tensor, v: Tensor) -> None:
        """See `Fitted`."""
        with certifying(k):
            self._state.add(k, v if self._offset is None else v - self._offset.vector)

    def attend(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fitted`; no row is done exactly."""
        seen = self._state.values
        if seen is None:
            raise InputError("attend: keys come first; call add")
        with certifying(q):
            out, error = self._state.attend(q)
            return restored(out, error, self._offset, seen)

    @cached_property
    def _answer(self) -> Answer:
        with certifying(self.problem.q):
            return attend_view(self.problem, self.ways, self._offset)

    def answer(self) -> Answer:
        """See `Fitted`; rows that miss the target are done exactly."""
        return self._answer
