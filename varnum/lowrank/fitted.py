"""`Fitted` for methods that promise the kernel: their features, for tokens old and new."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import like, to_double
from varnum.floats.guard import certifying
from varnum.floats.inputs import owned
from varnum.floats.rounding import dtype_name, unit_of
from varnum.lowrank.features import Kernel, attend
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem
from varnum.tensor import Array, Tensor
from varnum.verdict import Unknown

Again = Callable[[Array, Array], "Kernel | Unknown"]  # certified anew for other queries and keys


class KernelFit:
    """A kernel certified for the problem's tokens, and the map it came from for any others.

    How wrong the features of a pair are depends on both tokens: so the keys are kept, and certified
    anew with the queries that ask. Bounds are the same for all rows of one call.
    """

    def __init__(self, problem: Problem, kernel: Kernel, again: Again) -> None:
        self.problem, self.kernel, self._again = problem, kernel, again
        self._keys: list[Array] = []
        self._values: list[Array] = []

    @property
    def rank(self) -> int:
        """Features per query."""
        return self.kernel.rank

    @property
    def said(self) -> str:
        """For the reason of a choice."""
        return f"rank {self.rank}"

    def add(self, k: Tensor, v: Tensor) -> None:
        """See `Fitted`."""
        self._keys.append(owned(to_double(k)))
        self._values.append(owned(to_double(v)))

    def attend(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fitted`; float64 inside."""
        if not self._keys:
            raise InputError("attend: keys come first; call add")
        with certifying(q):
            wide = to_double(q)
            kernel = self._again(wide, np.concatenate(self._keys))
            values = np.concatenate(self._values)
            if isinstance(kernel, Unknown):
                out, error = np.full((len(wide), values.shape[1]), np.nan), np.inf
            else:
                out, error = attend(kernel, values, None, self._unit)
            return like(out, self.problem.v), np.full(len(wide), error)

    @property
    def _unit(self) -> float:
        """Unit roundoff of the type that outputs are rounded to; 0 where they are not."""
        v = self.problem.v
        return 0.0 if dtype_name(v) == "float64" else unit_of(v)

    @cached_property
    def _answer(self) -> Answer:
        v = self.problem.v
        wide, error = attend(self.kernel, to_double(v), self.problem.view, self._unit)
        return Answer(like(wide, v), error, self.kernel.certified, self.rank)

    def answer(self) -> Answer:
        """See `Fitted`."""
        return self._answer
