"""Monomials as a method: features whose kernel is certified entry by entry."""

from __future__ import annotations

from functools import partial

from varnum.lowrank.fitted import KernelFit
from varnum.lowrank.monomials.polynomial_kernel import certify_polynomial, fit_polynomial
from varnum.lowrank.problem import Problem, Promise
from varnum.verdict import Unknown


class Monomials:
    """Claims monomial-rank, exp-supnorm: a rank known before the data, cheap to certify."""

    name = "monomials"
    claims = ("monomial-rank", "exp-supnorm", "data-interval", "softmax-relative", "float-forward")
    promises: Promise = "kernel"

    def cost(self, problem: Problem) -> float:
        """Products of tokens with a few d x d matrices."""
        tokens, d = int(problem.q.shape[0]) + int(problem.k.shape[0]), int(problem.q.shape[1])
        return 2.0 * tokens * d * d

    def fit(self, problem: Problem) -> KernelFit | Unknown:
        """The fewest monomials found; where time counts, none that surely exceed the tokens."""
        few = min(int(problem.q.shape[0]), int(problem.k.shape[0]))
        limits = () if problem.seconds is None else (few,)  # more features than tokens do not pay
        found = fit_polynomial(*problem.wide, problem.sigma, problem.kernel_error, *limits)
        if isinstance(found, Unknown):
            return found
        return KernelFit(problem, found, partial(certify_polynomial, found))


MONOMIALS = Monomials()
