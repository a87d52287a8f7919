"""Exact attention as a method: promises what rounding leaves, of the kernel and of the output."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import join, like, to_double
from varnum.floats.guard import certifying
from varnum.floats.inputs import finite, owned
from varnum.floats.norms import farthest, row_norms
from varnum.floats.rounding import dtype_name, up
from varnum.floats.softmax_error import kernel_error, logit_spread
from varnum.floats.values import ValueRange
from varnum.lowrank.method import Answer
from varnum.lowrank.problem import Problem, Promise
from varnum.lowrank.scales import attend_scales
from varnum.lowrank.softmax import exact_to_target
from varnum.lowrank.stream import Outcome
from varnum.tensor import Tensor


class Exact:
    """Claim float-forward: softmax in any summation order, nothing left out."""

    name = "exact"
    claims = ("float-forward",)
    promises: Promise = "kernel"

    def cost(self, problem: Problem) -> float:
        """Nothing is fitted."""
        return 0.0

    def fit(self, problem: Problem) -> ExactFit:
        """Never refuses; whether rounding keeps the target, the answer says."""
        return ExactFit(problem)


EXACT = Exact()


class ExactFit:
    """Keeps all keys and values; see `Fitted`."""

    rank = 0
    said = "exact"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def add(self, k: Tensor, v: Tensor) -> None:
        """See `Fitted`."""
        self._keys.append(owned(k))
        self._values.append(owned(v))

    def attend(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fitted`."""
        if not self._keys:
            raise InputError("attend: keys come first; call add")
        with certifying(q):
            k, v = join(self._keys), join(self._values)
            seen = ValueRange.of(v)
            sizes = (farthest(k), seen.ratio)
            target = self.problem.target.error
            out, bound = exact_to_target(q, k, v, self.problem.sigma, target, sizes)
            seen.mend(out)
            return out, np.full(len(q), finite(bound))

    @cached_property
    def _answer(self) -> Answer:
        given = self.problem
        arrays = (given.q, given.k, given.v)
        output, outcome = _attend(given, *arrays)
        kernel, spread = float("inf"), 0.0
        if given.target.of == "kernel":
            kernel, spread = _kernel_error(*arrays[:2], given.sigma)
            if kernel > given.target.error and dtype_name(given.q) != "float64":
                wide = (*given.wide, to_double(given.v))
                output, outcome = _attend(given, *wide)
                kernel, spread = _kernel_error(*wide[:2], given.sigma)
                output = like(output, given.v, keep=True)
        said = _underflow(spread) if given.target.of == "kernel" and not kernel < np.inf else ""
        rows = outcome.rows
        return Answer(output, outcome.certified, kernel, 0, rows, said, 0.0, outcome.tested)

    def answer(self) -> Answer:
        """See `Fitted`; in float64 where float32 cannot carry a kernel target."""
        return self._answer


def _attend(problem: Problem, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Outcome]:
    rest = (problem.view, problem.sigma, problem.target.error)
    centred = problem.target.of != "kernel"  # a small entry of the kernel shows in the output
    return attend_scales(q, k, v, *rest, low_rank=False, centred=centred)


def _underflow(spread: float) -> str:
    return (
        f"logits of one row may differ by {spread:.3g}: there exp underflows, and the "
        "smallest entries have no digits (ask for output_error)"
    )


def _kernel_error(q: Tensor, k: Tensor, sigma: float) -> tuple[float, float]:
    """Entrywise relative error of the kernel that exact attention computes, from rounding alone.

    And a bound on the difference of two logits of one row.
    """
    wide_q, wide_k = to_double(q), to_double(k)
    far_q, far_k = (float(row_norms(part).max()) for part in (wide_q, wide_k))
    rest = (len(wide_k), int(q.shape[1]), q)
    spread = up(2 * far_q * far_k / sigma)
    found = kernel_error(far_q / sigma, far_k, spread, *rest)
    if not found < np.inf:  # norms are a loose bound: look at the logits themselves
        spread = logit_spread(wide_q, wide_k, sigma)
        found = kernel_error(far_q / sigma, far_k, spread, *rest)
    return found, spread
