"""Bounds for floating-point rounding: unit roundoff, gamma_n, exp within a few ulps.

Everything rests on the standard model: +, -, *, / and sqrt are correct to half an ulp, a product
of matrices is a sum of products in *any* order (fused multiply-add allowed, Strassen and TF32 not),
and exp is within EXP_ULPS units in the last place. See proofs/float-forward for the model itself.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

from varnum.tensor import Array, Dtype, Tensor

EXP_ULPS = 4  # documented by the vendors as 1 (numpy, sleef) to 4 (vector libraries)

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
TINY = {"float64": 2.0**-1022, "float32": 2.0**-126, "bfloat16": 2.0**-126, "float16": 2.0**-14}
EXACT_UNIT = {  # no tf32: it also cuts the operands, which gamma_k does not count
    name: Fraction(UNIT[name]) for name in ("float64", "float32", "float16", "bfloat16")
}
EXACT_U = EXACT_UNIT["float64"]
EXACT_TINY = {name: Fraction(TINY[name]) for name in EXACT_UNIT}  # smallest normal numbers
_SLACK = 1 + 2.0**-40  # of `up`: its own product, and constants rounded before it, 8192 u in all
_LARGEST_EXPONENT = 700  # e^709.78 is the largest float64; beyond this an upper bound says nothing


def dtype_name(array: Tensor) -> str:
    """'float32' for both numpy.float32 and torch.float32."""
    return _name(array.dtype)


@cache
def _name(dtype: Dtype) -> str:
    return str(dtype).rpartition(".")[2]


def up(value: float, operations: int = 64) -> float:
    """Not below the exact value of a float64 expression in at most `operations` positive terms.

    Only for sums, products, quotients and roots of non-negative numbers: such an expression has
    relative error at most gamma_operations.
    """
    return value * _SLACK * (1 + 2 * operations * UNIT["float64"])


def up_each(values: Array, operations: int = 64) -> Array:
    """The same for every entry."""
    return values * _SLACK * (1 + 2 * operations * UNIT["float64"])


def unit_of(array: Tensor) -> float:
    """Unit roundoff of the arithmetic that `array` runs in."""
    return UNIT[dtype_name(array)]


def gamma(operations: float, unit: float = UNIT["float64"]) -> float:
    """n u / (1 - n u), rounded up; infinite when n u >= 1/2, where the bound says nothing useful.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1.
    """
    product = operations * unit
    return math.inf if product >= 0.5 else up(product / (1 - product))


def exact_gamma(operations: int) -> Fraction:
    """n u / (1 - n u) of float64 as an exact rational (same lemma).

    ArithmeticError where n u >= 1/2: beyond 4e15 operations, more than arrays on a machine take.
    """
    product = operations * EXACT_U
    if product >= Fraction(1, 2):
        raise ArithmeticError("too many operations for float64")
    return product / (1 - product)


def expm1_up(value: float) -> float:
    """Not below e^value - 1 for value >= 0."""
    return math.inf if value > _LARGEST_EXPONENT else up(math.expm1(value))


def exp_up(value: float) -> float:
    """Not below e^value for value >= 0 (infinite beyond 700)."""
    return math.inf if value > _LARGEST_EXPONENT else up(math.exp(value))


def exp_relative(unit: float) -> float:
    """Relative error of a library exp whose result is a normal number: an ulp is at most 2 u."""
    return up(2 * EXP_ULPS * unit)
