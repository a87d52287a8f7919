"""exp in NumPy whose error is proved, not assumed: a polynomial of our own (evaluation-error).

`float-forward` takes a library's exp to be within 4 ulp. Here the coefficients, every rounded
operation and the range reduction are certified when it is first used, in the dtype of the argument.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from varnum.approx.ship.formats import FORMATS
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.kernel import Kernel, certify_kernel, default_interval
from varnum.errors import InputError
from varnum.outward import float_up
from varnum.tensor import Array
from varnum.verdict import Unknown

_DEGREES = {"float32": 6, "float64": 11}  # beyond, rounding is all that is left


def proved_exp(x: Array) -> Array:
    """exp(x) of a float32 or float64 array of any shape, of values that are at most 0 or small.

    Relative error at most `certify_exp_error(x.dtype)` where e^x is a normal number with some room
    (x >= -86.6 in float32, -707.7 in float64) and x <= 88 or 709; below it is 0, above InputError.
    NaN stays.
    """
    kernel = _kernel(x.dtype.name)
    low, high = (x.dtype.type(float(end)) for end in kernel.domain)
    if (x > high).any():
        raise InputError(f"proved_exp: values above {high} are not allowed; subtract the largest")
    assert kernel.reduction is not None
    scale, first, second = (x.dtype.type(float(c)) for c in kernel.reduction.constants)
    coefficients = [x.dtype.type(float(c)) for c in kernel.polynomial.coefficients]
    inside = np.maximum(x, low)
    n = np.rint(inside * scale)
    r = inside - n * first
    r -= n * second
    y = np.full_like(r, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        y *= r
        y += c
    n[np.isnan(n)] = 0
    y = np.asarray(np.ldexp(y, n.astype(np.int32)))
    y[x < low] = 0
    return y


def certify_exp_error(dtype: npt.DTypeLike) -> float:
    """Proved bound of |proved_exp(x)/e^x - 1| in this dtype (claims evaluation-error, ..)."""
    return float_up(_kernel(np.dtype(dtype).name).total_error)


@cache
def _kernel(name: str) -> Kernel:
    if name not in _DEGREES:
        raise InputError(f"proved_exp: {name} is not allowed; float32 or float64")
    low, high = default_interval("exp", FORMATS[name], False)
    made = certify_kernel(
        Goal("exp", low, high), FORMATS[name], _DEGREES[name], fma=False, reduce=True
    )
    if isinstance(made, Unknown):
        raise ArithmeticError(made.reason)
    return made
