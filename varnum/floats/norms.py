"""Norms of rows and matrices, never below the exact ones; squares may underflow or overflow."""

from __future__ import annotations

import math

import numpy as np

from varnum.floats.arrays import light, row_squares
from varnum.floats.rounding import TINY, UNIT, dtype_name, unit_of, up
from varnum.tensor import Array, Tensor

_U = UNIT["float64"]


def frobenius(matrix: Array) -> float:
    """Not below the Frobenius norm."""
    return up(float(np.sqrt(np.sum(np.square(matrix)))), matrix.size + 8)


def row_norms(x: Array) -> Array:
    """Not below the Euclidean norm of each row (L, d) -> (L,); squares may underflow."""
    lost = TINY["float64"] * x.shape[-1]
    with np.errstate(over="ignore"):  # an infinite norm certifies nothing
        squares = np.sum(np.square(x), axis=-1) + lost
    return np.asarray(np.sqrt(squares) * (1 + 4 * (x.shape[-1] + 8) * _U))


def prefix_norms(x: Array) -> Array:
    """Not below any row's norm of the first 0, 1, .., d coordinates: (L, d) -> (d + 1,)."""
    lost = TINY["float64"] * x.shape[-1]
    with np.errstate(over="ignore"):
        squares = np.cumsum(np.square(x), axis=-1).max(0) + lost
    return np.append(0.0, np.sqrt(squares) * (1 + 4 * (x.shape[-1] + 8) * _U))


def farthest(array: Tensor) -> float:
    """Not below the largest row norm; infinite where squares overflow, and they may underflow."""
    with np.errstate(over="ignore"):
        square = float(row_squares(light(array)).max())
    lost = TINY[dtype_name(array)] * array.shape[1]
    return float(math.sqrt(square + lost) * (1 + 4 * array.shape[1] * unit_of(array)))
