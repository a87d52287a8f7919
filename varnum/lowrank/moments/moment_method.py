"""Moments as a method: constant, linear and quadratic features, each row certified as it comes."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import empty, to_numpy
from varnum.floats.guard import certifying
from varnum.floats.values import Offset
from varnum.lowrank.method import Answer
from varnum.lowrank.moments.moment_settings import Choice, directions
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.problem import Problem, Promise
from varnum.lowrank.scales import attend_scales, choose_setting
from varnum.lowrank.stream import restored
from varnum.tensor import Array, Tensor
from varnum.verdict import Unknown


class Moments:
    """Claim moment-certificate; rows that miss the target are done exactly in an answer."""

    name = "moments"
    claims = ("moment-certificate", "float-forward")
    promises: Promise = "output"

    def cost(self, problem: Problem) -> float:
        """Of the trials: a part of what exact attention costs, see `moment_settings`."""
        width = int(problem.q.shape[1]) + int(problem.v.shape[1])
        return 0.5 * int(problem.q.shape[0]) * int(problem.k.shape[0]) * width

    def fit(self, problem: Problem) -> MomentFit | Unknown:
        """Coordinates and centres from the first large scale."""
        if problem.target.of != self.promises:
            return Unknown("moments certifies the output only")
        arrays = (problem.q, problem.k, problem.v)
        rest = (problem.view, problem.sigma, problem.target.error)
        if problem.seconds is not None:
            if problem.beat >= 1:  # more features, better balanced, were not enough
                return Unknown("not tried, as recovery does not pay")
            if (many := directions(problem)) > _MANY:
                return Unknown(f"not tried, as keys vary in about {many:.0f} directions")
        choice = choose_setting(*arrays, *rest, problem.beat)
        return choice if isinstance(choice, Unknown) else MomentFit(problem, choice)


MOMENTS = Moments()
_MANY = 16  # directions with which moments are worth a trial


class MomentFit:
    """Sums over the keys, memory independent of their number; see `Fitted`."""

    def __init__(self, problem: Problem, choice: Choice) -> None:
        self.problem, self._choice = problem, choice
        self.rank = choice.state.basis.rank
        self._state = MomentState(choice.state.basis, int(problem.v.shape[1]))
        self._offset: Offset | None = None  # of all values, settled by the first

    @property
    def work(self) -> float:
        """Expected, as a part of exact attention's time."""
        return self._choice.work

    @property
    def said(self) -> str:
        """For the reason of a choice."""
        return f"{len(self._choice.state.grams)} centre(s); {self._choice.reason}"

    def add(self, k: Tensor, v: Tensor) -> None:
        """See `Fitted`."""
        with certifying(k):
            if not self._state.keys:
                self._offset = Offset.of(v)
            self._state.add(k, v if self._offset is None else v - self._offset.vector)

    def attend(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fitted`; no row is done exactly."""
        seen = self._state.values
        if seen is None:
            raise InputError("attend: keys come first; call add")
        with certifying(q):
            out = empty((int(q.shape[0]), int(self.problem.v.shape[1])), q)
            error: Array = np.asarray(to_numpy(self._state.attend(q, out).error), dtype=np.float64)
            return restored(out, error, self._offset, seen)

    @cached_property
    def _answer(self) -> Answer:
        given = self.problem
        arrays = (given.q, given.k, given.v)
        rest = (given.view, given.sigma, given.target.error)
        output, done = attend_scales(*arrays, *rest, choice=self._choice)
        seconds = done.seconds_certificate
        return Answer(
            output, done.certified, float("inf"), done.rank, done.exact, "", seconds, done.tested
        )

    def answer(self) -> Answer:
        """See `Fitted`; rows that miss the target are done exactly."""
        return self._answer
