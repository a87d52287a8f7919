"""Bounds for floating-point rounding: unit roundoff, gamma_n, exp within a few ulps.

Everything rests on the standard model: +, -, *, / and sqrt are correct to half an ulp, a product
of matrices is a sum of products in *any* order (fused multiply-add allowed, Strassen and TF32 not),
and exp is within EXP_ULPS units in the last place. See proofs/float-forward for the model itself.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

EXP_ULPS = 4  # documented by the vendors as 1 (numpy, sleef) to 4 (vector libraries)

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
TINY = {"float64": 2.0**-1022, "float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-14}
_SLACK = 1 + 2.0**-40  # swallows the rounding of a few dozen float64 operations on positive numbers


def dtype_name(array: Any) -> str:
    """'float32' for both numpy.float32 and torch.float32."""
    return _name(array.dtype)


@cache
def _name(dtype: Any) -> str:
    return str(dtype).rpartition(".")[2]


def up(value: float, operations: int = 64) -> float:
    """Not below the exact value of a float64 expression in at most `operations` positive terms.

    Only for sums, products, quotients and roots of non-negative numbers: such an expression has
    relative error at most gamma_operations.
    """
    return value * _SLACK * (1 + 2 * operations * UNIT["float64"])


def gamma(operations: float, unit: float = UNIT["float64"]) -> float:
    """n u / (1 - n u), rounded up; infinite when n u >= 1/2, where the bound says nothing useful.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1.
    """
    product = operations * unit
    return math.inf if product >= 0.5 else up(product / (1 - product))


def expm1_up(value: float) -> float:
    """Not below e^value - 1 for value >= 0."""
    return math.inf if value > 700 else up(math.expm1(value))


def exp_up(value: float) -> float:
    """Not below e^value for value >= 0 (infinite beyond 700)."""
    return math.inf if value > 700 else up(math.exp(value))


def exp_relative(unit: float) -> float:
    """Relative error of a library exp whose result is a normal number: an ulp is at most 2 u."""
    return up(2 * EXP_ULPS * unit)
