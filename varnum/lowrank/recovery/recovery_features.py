"""Features with a positive semidefinite rest: degree 1, and products of the first coordinates.

    k(x, y) = e^(x.y),  f(x).f(y) = 1 + s + sum over m = 2, 3, .. of s_m^m/m!
    R = k - f.f,  R(x, x) = e^t - 1 - t - sum over m of t_m^m/m!,  t = |x|^2

s = x.y; s_m and t_m are s and t over the first n_m coordinates, tops = (n_2, n_3, ..), none larger
than the one before. The features of degree m are x^alpha/sqrt(alpha!). R is positive semidefinite:
s^m - s_m^m is a sum of products of such kernels, and so is the rest of the series.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations_with_replacement
from math import comb, factorial, prod

import numpy as np

from varnum.floats.arrays import caster, empty, light, namespace, row_squares, to_numpy
from varnum.floats.rounding import TINY, UNIT, dtype_name, gamma, unit_of
from varnum.tensor import Array, Tensor

Tops = tuple[int, ...]
_U = UNIT["float64"]
DEGREE = 5  # the largest: a feature is then off by at most 6 u


def rank_of(width: int, tops: Tops) -> int:
    """Number of features."""
    return 1 + width + sum(comb(n + m - 1, m) for m, n in enumerate(tops, start=2))


def within(tops: Tops, width: int) -> Tops:
    """No more coordinates than there are, no more of them than the degree before has."""
    found: list[int] = []
    for n in tops[: DEGREE - 1]:
        found.append(min([n, width, *found[-1:]]))
    return tuple(n for n in found if n > 0)


def features(x: Tensor, tops: Tops, out: Tensor | None = None) -> Tensor:
    """f(x) for x (n, m) -> (n, rank), in the arithmetic of x."""
    width = int(x.shape[1])
    made = empty((int(x.shape[0]), rank_of(width, tops)), x) if out is None else out
    made[:, 0] = 1
    made[:, 1 : 1 + width] = x
    xp, start, below = namespace(x), 1 + width, x
    for m, n in enumerate(tops, start=2):
        first = start
        for i in range(n):  # degree m - 1 in the coordinates up to i comes first in `below`
            count = comb(i + m - 1, m - 1)
            xp.multiply(below[:, :count], x[:, i : i + 1], out=made[:, start : start + count])
            start += count
        below = made[:, first:start]
    if tops:
        made[:, 1 + width :] *= caster(x)(_weights(tops))
    return made


@cache
def _weights(tops: Tops) -> Array:
    """1/sqrt(alpha!) of each product, in the order of `features`."""
    found = [1 / prod(map(factorial, _powers(alpha))) ** 0.5 for alpha in _products(tops)]
    made = np.array(found)
    made.flags.writeable = False
    return made


def _products(tops: Tops) -> Iterator[tuple[int, ...]]:
    """Their coordinates, the largest last: sorted by the largest, then by the one before."""
    for m, n in enumerate(tops, start=2):
        yield from sorted(combinations_with_replacement(range(n), m), key=lambda a: a[::-1])


def _powers(alpha: tuple[int, ...]) -> list[int]:
    return [alpha.count(i) for i in set(alpha)]


def squares(x: Tensor, tops: Tops) -> tuple[Array, list[Array]]:
    """|x|^2 from above; those of the first n_m coordinates from below: float64 (n,) each."""
    some, tiny = gamma(int(x.shape[1]) + 4, unit_of(x)), TINY[dtype_name(x)] * int(x.shape[1])
    high = _double(row_squares(x)) * (1 + some) + tiny
    lows = [_double(row_squares(x[:, :n])) * (1 - some) - tiny for n in tops]
    return high, [np.maximum(low, 0.0) for low in lows]


def rest(high: Array, lows: list[Array]) -> Array:
    """Not below R(x, x): |x|^2 <= high, t_m >= lows[m - 2]."""
    grown = np.expm1(high)
    taken = sum((low**m / factorial(m) for m, low in enumerate(lows, start=2)), 0.0 * high)
    return np.asarray(np.maximum(grown - high - taken, 0.0) + 32 * _U * (grown + high))


def length(high: Array, tops: Tops) -> Array:
    """Not below |f(x)|."""
    square = 1 + high
    for m in range(2, 2 + len(tops)):
        square = square + high**m / factorial(m)
    return np.asarray(np.sqrt(square) * (1 + 16 * _U))


def _double(array: Tensor) -> Array:
    return np.asarray(to_numpy(light(array)), dtype=np.float64)
