"""What ball arrays compute, on object arrays of balls: products, powers, enclosures of extrema."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from flint import arb, arb_mat

from varnum.balls.convert import Balls, entrywise, filled, undefined

_ZERO = arb(0)
_is_finite = arb.is_finite


def _square(x: arb) -> arb:
    y = x * x
    if y >= _ZERO or not y.is_finite():
        return y
    half = arb(0, y.upper() / 2)
    return half + half.rad()  # [0, upper]: a radius has 30 bits, so the midpoint takes its value


def _hull_of_max(balls: list[arb]) -> arb:
    """Encloses max of any choice of points, the same ball for every order of the balls."""
    if not all(map(_is_finite, balls)):
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


def _matrix(a: Balls) -> arb_mat:
    rows, columns = a.shape
    return arb_mat(rows, columns, a.ravel().tolist())


def _product(a: Balls, b: Balls) -> Balls:
    """`(m, k) @ (k, n) -> (m, n)` by `arb_mat`."""
    product = _matrix(a) * _matrix(b)
    entries = product.entries()
    out = filled(entries, (a.shape[0], b.shape[1]))
    if entries and entries[0].is_zero():
        # flint answers zero for an all-zero factor, whatever the other one holds
        out[~_bounded(a).all(axis=1), :] = undefined()
        out[:, ~_bounded(b).all(axis=0)] = undefined()
    return out


def _bounded(x: Balls) -> npt.NDArray[np.bool_]:
    return entrywise(_is_finite)(x).astype(np.bool_)


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
        return _product(a.reshape(rows, k), b).reshape(*a.shape[:-1], n)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a_all = np.broadcast_to(a, (*batch, m, k)).reshape(-1, m, k)
    b_all = np.broadcast_to(b, (*batch, k, n)).reshape(-1, k, n)
    out = np.empty((math.prod(batch), m, n), dtype=object)
    for i, (left, right) in enumerate(zip(a_all, b_all, strict=True)):
        out[i] = _product(left, right)
    return out.reshape(*batch, m, n)
