"""Features with a positive semidefinite rest: degree 1, and products of a few coordinates.

    k(x, y) = e^(x.y),  f(x) = (1, x, x_i x_j (i < j <= top), x_i^2/sqrt 2),  R = k - f.f
    f(x).f(y) = 1 + s + s_a^2/2,   R(x, x) = e^t - 1 - t - t_a^2/2,   t = |x|^2

s_a and t_a are s = x.y and t over the first `top` coordinates. R is positive semidefinite:
s^2 - s_a^2 is, and so is the rest of the series.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.floats.arrays import empty, light, namespace, row_squares
from varnum.floats.rounding import TINY, UNIT, dtype_name, gamma, unit_of

Array = npt.NDArray[Any]
_U = UNIT["float64"]


def rank_of(width: int, top: int) -> int:
    """Number of features."""
    return 1 + width + top * (top + 1) // 2


def features(x: Any, top: int, out: Any = None) -> Any:
    """f(x) for x (n, m) -> (n, rank), in the arithmetic of x."""
    width = int(x.shape[1])
    made = empty((int(x.shape[0]), rank_of(width, top)), x) if out is None else out
    made[:, 0] = 1
    made[:, 1 : 1 + width] = x
    xp, start = namespace(x), 1 + width
    for i in range(top):
        part = made[:, start : start + i + 1]
        xp.multiply(x[:, : i + 1], x[:, i : i + 1], out=part)
        part[:, i] *= 0.5**0.5
        start += i + 1
    return made


def squares(x: Any, top: int) -> tuple[Array, Array]:
    """|x|^2 from above, and |x_a|^2 of the first `top` coordinates from below, float64 (n,)."""
    some, tiny = gamma(int(x.shape[1]) + 4, unit_of(x)), TINY[dtype_name(x)] * int(x.shape[1])
    high = _double(row_squares(x)) * (1 + some) + tiny
    if not top:
        return high, np.zeros(len(high))
    low = _double(row_squares(x[:, :top])) * (1 - some) - tiny
    return high, np.maximum(low, 0.0)


def rest(high: Array, low: Array) -> Array:
    """Not below R(x, x): |x|^2 <= high, |x_a|^2 >= low."""
    grown = np.expm1(high)
    exact = grown - high - 0.5 * low * low
    return np.asarray(np.maximum(exact, 0.0) + 16 * _U * (grown + high))


def length(high: Array, top: int) -> Array:
    """Not below |f(x)|."""
    square = 1 + high + (0.5 * high * high if top else 0.0)
    return np.asarray(np.sqrt(square) * (1 + 8 * _U))


def _double(array: Any) -> Array:
    host = light(array)
    return np.asarray(host if isinstance(host, np.ndarray) else host.cpu(), dtype=np.float64)
