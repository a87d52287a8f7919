"""What ball arrays compute, on object arrays of balls: products, powers, enclosures of extrema."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from flint import arb, arb_mat

from varnum.balls.convert import Balls, entrywise, filled, undefined

_ZERO = arb(0)


def _square(x: Any) -> Any:
    y = x * x
    return y if y >= _ZERO else y.nonnegative_part()


def _hull_of_max(balls: list[Any]) -> Any:
    """Encloses max of any choice of points, the same ball for every order of the balls."""
    if not all(x.is_finite() for x in balls):
        return undefined()
    return max(x.lower() for x in balls).union(max(x.upper() for x in balls))


square = entrywise(_square)
maximum = entrywise(lambda x, y: x.max(y), 2)
minimum = entrywise(lambda x, y: x.min(y), 2)


def largest(x: Balls, axes: tuple[int, ...], keepdims: bool) -> Balls:
    """Enclose the maximum over `axes` (one or more entries each)."""
    kept = [i for i in range(x.ndim) if i not in axes]
    shape = tuple(x.shape[i] for i in kept)
    width = math.prod(x.shape[i] for i in axes)
    if width == 0:
        raise ValueError("maximum over an empty axis has no value")
    rows = x.transpose(*kept, *axes).reshape(math.prod(shape), width).tolist()
    if keepdims:
        shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return filled(map(_hull_of_max, rows), shape)


def power(x: Balls, exponent: int) -> Balls:
    """x ** exponent for an integer, tight for even exponents of balls around zero."""
    if exponent < 0:
        return np.asarray(arb(1) / power(x, -exponent), dtype=object)
    if exponent == 0:
        return np.asarray(x * 0 + 1, dtype=object)  # not plain 1: undefined stays undefined
    if exponent % 2 == 0:
        return square(power(x, exponent // 2))
    return x if exponent == 1 else np.asarray(x * power(x, exponent - 1), dtype=object)


def _matrix(x: Balls) -> Any:
    return arb_mat(*x.shape, x.ravel().tolist())


def matmul(a: Balls, b: Balls) -> Balls:
    """NumPy's matmul, batched and broadcasting, each product by `arb_mat`.

    `(..., m, k) @ (..., k, n) -> (..., m, n)`; one-dimensional operands as in NumPy.
    """
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError("matmul needs at least one dimension on both sides; use * for scalars")
    if a.ndim == 1:
        return matmul(a[None, :], b)[..., 0, :] if b.ndim > 1 else matmul(a[None, :], b)[0]
    if b.ndim == 1:
        return matmul(a, b[:, None])[..., 0]
    (m, k), (k_b, n) = a.shape[-2:], b.shape[-2:]
    if k != k_b:
        raise ValueError(f"matmul: inner sizes differ, {a.shape} @ {b.shape}")
    if b.ndim == 2:  # one product for all batches of a
        rows = math.prod(a.shape[:-1])
        product = _matrix(a.reshape(rows, k)) * _matrix(b)
        return filled(product.entries(), (*a.shape[:-1], n))
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a_all = np.broadcast_to(a, (*batch, m, k)).reshape(-1, m, k)
    b_all = np.broadcast_to(b, (*batch, k, n)).reshape(-1, k, n)
    out = np.empty((math.prod(batch), m, n), dtype=object)
    for i, (left, right) in enumerate(zip(a_all, b_all, strict=True)):
        out[i] = filled((_matrix(left) * _matrix(right)).entries(), (m, n))
    return out.reshape(*batch, m, n)
