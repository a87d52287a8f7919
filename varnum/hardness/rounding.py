"""How far float64 can take the head's output: a bound in exact rationals.

Assumed, and nothing else: +, -, *, / are correct to half an ulp, a matrix product is a sum of
products in any order (fused or not), exp is within EXP_ULPS = 4 ulps where normal, and underflow
loses at most 2^-1000. Source of gamma: Higham, Accuracy and Stability of Numerical Algorithms,
lemma 3.1.
"""

from __future__ import annotations

from fractions import Fraction

from varnum.lowrank.rounding import EXP_ULPS

UNIT = Fraction(1, 2**53)
_EXP = 2 * EXP_ULPS * UNIT  # an ulp is at most 2 u
_UNDERFLOW = Fraction(1, 2**1000)


def gamma(operations: int) -> Fraction:
    """k u / (1 - k u): relative error of k roundings."""
    product = operations * UNIT
    if product >= Fraction(1, 2):
        raise ArithmeticError("too many operations for float64")
    return product / (1 - product)


def softmax_head_error(M: Fraction, dimension: int, keys: int) -> Fraction:
    """Bound |float64 - exact| of softmax((scale Q) K^T) V: Q, K and V in [0, 1] exact.

    M bounds sum_c |q_c k_c| / sigma over all pairs; scale = 1/sigma rounded twice. Logits are
    within gamma_(D+3) M; the shift by the row maximum rounds once more, 2M at most; exp turns both
    into a relative error eps; sums, division and the product with V have non-negative terms, so
    errors stay relative. A bound above 1 says nothing and is returned as 1.
    """
    logit = gamma(dimension + 3) * M
    zeta = logit + UNIT * (2 * M + 2 * logit)
    if zeta > Fraction(1, 4):
        return Fraction(1)
    eps = (1 + zeta + zeta**2) * (1 + _EXP) - 1  # e^z <= 1 + z + z^2 on [0, 1]
    sums = gamma(3 * keys + 3)  # Higham, lemma 3.3, for the quotient of two sums
    relative = (1 + eps) / (1 - eps) * (1 + sums) - 1
    return min(Fraction(1), relative + 4 * keys * _UNDERFLOW)
