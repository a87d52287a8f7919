"""Low rank that is known from norms alone: all monomials of all coordinates, nothing fitted.

Where |q.k| <= M for every pair, a polynomial within relative error e of exp on [-M, M] makes a
kernel of C(d + g, g) features, certified before a token is looked at twice. Heads whose logits are
capped at training time have such an M for any input. Claims monomial-rank, exp-supnorm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from varnum.approx.degree import certify_least_degree
from varnum.approx.target import relative
from varnum.balls.scalar import upper
from varnum.floats.arrays import like, to_double
from varnum.floats.guard import certified
from varnum.floats.norms import farthest
from varnum.floats.rounding import UNIT, dtype_name, exp_relative, exp_up, gamma, unit_of, up
from varnum.lowrank.features import attend
from varnum.lowrank.method import Answer
from varnum.lowrank.monomials.monomial_features import feature_count
from varnum.lowrank.monomials.polynomial_kernel import PolynomialKernel
from varnum.lowrank.problem import Problem
from varnum.verdict import Unknown

_GRID = 32  # M is rounded up to a multiple of 1/32: few polynomials serve all heads
_FAR = 8.0  # beyond, the degree is out of question for any head
_FELT = 2**27  # operations: about 10 ms of a fused kernel on one core
_RATE = 4  # which does about this many times more operations per second
_SHARE = Fraction(98, 100)  # of the error goes to the polynomial, the rest to rounding
_U = UNIT["float64"]


@dataclass(frozen=True)
class Work:
    """Multiplications and additions of one head: what exact attention takes, and low rank."""

    exact: int
    low: int

    @property
    def pays(self) -> bool:
        """See `attend_apriori`."""
        return self.low * (_RATE if self.exact > _FELT else 1) < self.exact


def work(problem: Problem, rank: int) -> Work:
    """Products alone: logits and outputs, or features, state and answers."""
    queries, keys, d = int(problem.q.shape[0]), int(problem.k.shape[0]), int(problem.q.shape[1])
    values = int(problem.v.shape[1])
    pairs, seen = 0, 0
    for count in problem.view or ():
        seen += count
        pairs += count * seen
    pairs = pairs if problem.view else queries * keys
    return Work(2 * pairs * (d + values), (queries + keys) * rank * (2 * (values + 1) + 1))


@certified
def attend_apriori(problem: Problem) -> Answer | Unknown:
    """The problem's own tokens by the least degree for its norms; Unknown where it does not pay.

    Pays: fewer operations than exact attention; where time is felt, so few that it takes less of
    it, too. sigma = 1 alone: then nothing is rounded before.
    """
    if problem.sigma != 1:
        return Unknown("the factor of the logits is not in the queries")
    reach = up(farthest(problem.q) * farthest(problem.k))
    if not reach <= _FAR:
        return Unknown(f"logits up to {reach:.3g}")
    found = _polynomial(Fraction(math.ceil(reach * _GRID) or 1, _GRID), problem.kernel_error)
    if found is None:
        return Unknown(f"rounding does not leave {problem.kernel_error:.3g}")
    coefficients, error = found
    rank = feature_count(int(problem.q.shape[1]), len(coefficients) - 1)
    needed = work(problem, rank)
    if not needed.pays:
        return Unknown(f"rank {rank} takes {needed.low} operations, exact attention {needed.exact}")
    kernel = _kernel(problem, coefficients, error, reach)
    if not kernel.certified <= problem.kernel_error:
        return Unknown(f"rounding leaves {kernel.certified:.3g}")
    unit = 0.0 if dtype_name(problem.v) == "float64" else unit_of(problem.v)
    output, output_error = attend(kernel, to_double(problem.v), problem.view, unit)
    return Answer(like(output, problem.v), output_error, kernel.certified, rank)


def _kernel(
    problem: Problem, coefficients: tuple[float, ...], error: float, reach: float
) -> PolynomialKernel:
    x, y = problem.wide
    terms = len(coefficients)
    size = up(sum(abs(c) * reach**m for m, c in enumerate(coefficients)), 4 * terms + 8)
    rounding = gamma(4 * terms + 8) * size * exp_up(reach)
    whole = up((1 + error + rounding) * (1 + exp_relative(_U)) - 1 + 8 * _U)
    return PolynomialKernel(
        np.array(x), np.array(y), np.ones(len(y)), coefficients, whole, size, None, reach, error
    )


@cache
@certified  # what is remembered must not come from another arithmetic
def _polynomial(reach: Fraction, eps: float) -> tuple[tuple[float, ...], float] | None:
    """Coefficients of least degree for relative error eps on [-reach, reach], and its error."""
    found = certify_least_degree(relative(reach), Fraction(eps) * _SHARE)
    if isinstance(found, Unknown):
        return None
    coefficients = tuple(float(c) for c in found.poly.coefficients())
    return coefficients, float(upper(found.upper.high)) * (1 + 4 * _U)
