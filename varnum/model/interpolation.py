"""Resampling as exact rational matrices: bicubic, area, nearest; one axis each, applied to both.

A map (..., h, w) is resampled as A x B^T with A (H, h) and B (W, w). Half-pixel centres throughout.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from varnum.model.backend import Array, constant_array, namespace

Matrix = tuple[tuple[Fraction, ...], ...]
TORCH_BICUBIC = Fraction(-3, 4)  # the Keys parameter of torch's bicubic


def keys_kernel(t: Fraction, a: Fraction) -> Fraction:
    """The cubic convolution kernel with parameter `a` at distance `t` (Keys 1981, eq. 4)."""
    t = abs(t)
    if t <= 1:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    if t < 2:
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return Fraction(0)


@cache
def bicubic_matrix(size_in: int, size_out: int, a: Fraction = TORCH_BICUBIC) -> Matrix:
    """Bicubic resampling of one axis, (size_out, size_in), border indices clamped.

    Output o reads around (o + 1/2) size_in / size_out - 1/2. Rows sum to one.

    >>> [str(w) for w in bicubic_matrix(4, 8)[3]]
    ['-27/256', '225/256', '67/256', '-9/256']
    """
    rows = []
    for o in range(size_out):
        source = Fraction(2 * o + 1, 2) * size_in / size_out - Fraction(1, 2)
        first = source.__floor__() - 1
        row = [Fraction(0)] * size_in
        for index in range(first, first + 4):
            row[min(max(index, 0), size_in - 1)] += keys_kernel(source - index, a)
        rows.append(tuple(row))
    return tuple(rows)


@cache
def area_matrix(size_in: int, size_out: int) -> Matrix:
    """Adaptive average pooling of one axis, (size_out, size_in).

    Output o averages inputs floor(o in/out) .. ceil((o+1) in/out) - 1; windows can overlap.

    >>> [[str(w) for w in row] for row in area_matrix(3, 2)]
    [['1/2', '1/2', '0'], ['0', '1/2', '1/2']]
    """
    rows = []
    for o in range(size_out):
        start, stop = o * size_in // size_out, -(-(o + 1) * size_in // size_out)
        inside = range(start, stop)
        rows.append(tuple(Fraction(i in inside, stop - start) for i in range(size_in)))
    return tuple(rows)


def resample(x: Array, rows: Matrix, columns: Matrix) -> Array:
    """Apply one matrix to each of the last two axes: (..., h, w) -> (..., H, W)."""
    xp = namespace(x)
    down = constant_array(x, [list(row) for row in rows])  # (H, h)
    across = constant_array(x, [list(row) for row in columns])  # (W, w)
    return xp.matmul(xp.matmul(down, x), xp.permute_dims(across, (1, 0)))  # (..., H, W)


def bicubic(x: Array, size: int, a: Fraction = TORCH_BICUBIC) -> Array:
    """Bicubic resampling to size x size."""
    height, width = x.shape[-2:]
    return resample(x, bicubic_matrix(height, size, a), bicubic_matrix(width, size, a))


def area(x: Array, size: int) -> Array:
    """Adaptive average pooling to size x size."""
    height, width = x.shape[-2:]
    return resample(x, area_matrix(height, size), area_matrix(width, size))


def nearest_double(x: Array) -> Array:
    """Each pixel becomes a 2 x 2 block: (B, C, h, w) -> (B, C, 2h, 2w)."""
    xp = namespace(x)
    batch, channels, height, width = x.shape
    blocks = xp.broadcast_to(x[:, :, :, None, :, None], (batch, channels, height, 2, width, 2))
    return xp.reshape(blocks, (batch, channels, 2 * height, 2 * width))
