"""monomial-rank: exact rational ranks of small polynomial kernels."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
import sympy as sp

from varnum.approx.degree import LeastDegree, certify_least_degree
from varnum.approx.target import relative
from varnum.lowrank.counting import rank


def kernel(coefficients: list[Fraction], d: int, L: int) -> sp.Matrix:
    random.seed(d * 100 + L)

    def draw() -> list[Fraction]:
        return [Fraction(random.randint(-9, 9), random.randint(1, 7)) for _ in range(d)]

    q, k = [draw() for _ in range(L)], [draw() for _ in range(L)]

    def value(x: Fraction) -> sp.Rational:
        total = sum((c * x**m for m, c in enumerate(coefficients)), Fraction(0))
        return sp.Rational(total.numerator, total.denominator)

    def entry(i: int, j: int) -> sp.Rational:
        return value(sum((a * b for a, b in zip(q[i], k[j], strict=True)), Fraction(0)))

    return sp.Matrix(L, L, entry)


@pytest.mark.parametrize(("d", "g", "L"), [(1, 3, 7), (2, 2, 9), (3, 1, 7), (2, 3, 8), (3, 2, 12)])
def test_generic_points_attain_the_rank(d: int, g: int, L: int) -> None:
    exp = [Fraction(1), Fraction(1), Fraction(1, 2), Fraction(1, 6)][: g + 1]
    assert kernel(exp, d, L).rank() == min(L, rank(d, g))


def test_a_missing_power_lowers_it() -> None:
    """Without the linear coefficient d monomials are lost: the bound stays, equality goes."""
    found = kernel([Fraction(1), Fraction(0), Fraction(1, 2)], 2, 9).rank()
    assert found == rank(2, 2) - 2


def test_the_minimax_polynomials_kernel() -> None:
    best = certify_least_degree(relative(Fraction(1)), Fraction(1, 20))
    assert isinstance(best, LeastDegree)
    assert kernel(best.poly.coefficients(), 2, 8).rank() == rank(2, best.degree)
