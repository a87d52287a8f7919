"""Rotary positions of a map, the same extent [0, 16) for every side. Source: the released code.

Pairs (2i, 2i+1) of a head turn by position times frequency: those of the first half of the head by
the row, those of the second by the column.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from varnum.model.backend import Array, constant_array, namespace

EXTENT = 16
Turns = tuple[Array, Array]  # cosines and sines of the tokens' angles, (L, d/2) each


def turns(frequencies: Array, side: int) -> Turns:
    """Angles of the tokens of one map, row-major, at position 16 index / side: (d/4) -> (N, d/2).

    In float64 on NumPy and torch, then in the dtype of `frequencies`.
    """
    xp = namespace(frequencies)
    wide = xp.astype(frequencies, xp.float64) if hasattr(xp, "float64") else frequencies
    places = constant_array(wide, [[Fraction(EXTENT * i, side)] for i in range(side)])  # (side, 1)
    angles = places * wide[None, :]  # (side, d/4)
    return _of_map(xp.cos(angles), frequencies), _of_map(xp.sin(angles), frequencies)


def _of_map(x: Array, like: Array) -> Array:
    """One axis' values for the rows, then for the columns of all tokens: (n, d/4) -> (n^2, d/2)."""
    xp = namespace(x)
    n, quarter = x.shape
    rows = xp.broadcast_to(x[:, None, :], (n, n, quarter))
    columns = xp.broadcast_to(x[None, :, :], (n, n, quarter))
    both = xp.reshape(xp.concat([rows, columns], axis=2), (n * n, 2 * quarter))
    return xp.astype(both, like.dtype) if hasattr(xp, "float64") else both


def joined(maps: Sequence[Turns]) -> Turns:
    """The tokens of several maps, one after the other."""
    xp = namespace(maps[0][0])
    return (
        xp.concat([cosines for cosines, _ in maps], axis=0),
        xp.concat([sines for _, sines in maps], axis=0),
    )


def rotate(x: Array, by: Turns) -> Array:
    """Turn each pair (2i, 2i+1) of every token: (B, H, L, d) -> the same shape."""
    xp = namespace(x)
    cosines, sines = by
    a, b = x[:, :, :, 0::2], x[:, :, :, 1::2]
    pairs = xp.stack([a * cosines - b * sines, a * sines + b * cosines], axis=4)
    return xp.reshape(pairs, x.shape)
