"""The layers of VAR and of its VQVAE, as pure functions on NumPy, torch and ball arrays.

Shapes: B batch, L tokens, C width or channels, h x w a map. Every function takes and returns arrays
of one kind. Nothing here branches on data.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from varnum.model.backend import Array, const, is_balls, namespace, torch_kernels

HALF = Fraction(1, 2)


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x W^T + b: (..., I), (O, I), (O) -> (..., O)."""
    if (kernels := torch_kernels(x)) is not None:
        return kernels.linear(x, weight, bias)
    xp = namespace(x)
    flat = xp.reshape(x, (-1, x.shape[-1]))
    out = xp.reshape(xp.matmul(flat, xp.permute_dims(weight, (1, 0))), (*x.shape[:-1], -1))
    return out if bias is None else out + bias


def softmax(x: Array) -> Array:
    """exp(x) / sum exp(x) over the last axis, shifted by the maximum.

    The shift changes nothing but keeps floats from overflowing; balls cannot and go without.
    """
    xp = namespace(x)
    e = xp.exp(x if is_balls(x) else x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def gelu(x: Array) -> Array:
    """GELU, tanh form: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    if (kernels := torch_kernels(x)) is not None:
        return kernels.gelu(x, approximate="tanh")
    xp = namespace(x)
    slope = xp.sqrt(xp.asarray(2 / xp.pi, dtype=x.dtype))
    cubic = slope * const(x, Fraction(44715, 10**6))
    half = const(x, HALF) * x
    return half + half * xp.tanh(x * (slope + cubic * (x * x)))


def gelu_erf(x: Array) -> Array:
    """GELU itself: x/2 (1 + erf(x / sqrt 2))."""
    if (kernels := torch_kernels(x)) is not None:
        return kernels.gelu(x)
    xp = namespace(x)
    half = const(x, HALF) * x
    return half + half * erf(x / xp.sqrt(xp.asarray(2, dtype=x.dtype)))


def erf(x: Array) -> Array:
    """The error function, entrywise, on NumPy arrays and on arrays whose namespace has it."""
    xp = namespace(x)
    if hasattr(xp, "erf"):
        return xp.erf(x)
    return np.asarray(_ERF(x), dtype=x.dtype)  # float64 within one last place, as libm has it


_ERF = np.frompyfunc(math.erf, 1, 1)


def silu(x: Array) -> Array:
    """x sigmoid(x), written x/2 (1 + tanh(x/2)) so that nothing overflows."""
    if (kernels := torch_kernels(x)) is not None:
        return kernels.silu(x)
    half = const(x, HALF) * x
    return half + half * namespace(x).tanh(half)


def normalise(x: Array, eps: float | Fraction, axis: int = -1) -> Array:
    """(x - mean) / sqrt(var + eps) over one axis, biased variance, no affine part."""
    xp = namespace(x)
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    variance = xp.mean(centred * centred, axis=axis, keepdims=True)
    return centred / xp.sqrt(variance + const(x, Fraction(str(eps))))


def layer_norm(x: Array, eps: float | Fraction) -> Array:
    """LayerNorm over the last axis without affine part: (..., C) -> (..., C)."""
    if (kernels := torch_kernels(x)) is not None:
        return kernels.layer_norm(x, (x.shape[-1],), eps=float(eps))
    return normalise(x, eps)


def rms_norm(x: Array, eps: Fraction, weight: Array | None = None) -> Array:
    """x / sqrt(mean x^2 + eps) over the last axis, times `weight` (C): (..., C) -> (..., C)."""
    if (kernels := torch_kernels(x)) is not None:
        return kernels.rms_norm(x, (x.shape[-1],), weight, float(eps))
    xp = namespace(x)
    y = x / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + const(x, eps))
    return y if weight is None else y * weight


def modulate(x: Array, scale: Array, shift: Array) -> Array:
    """AdaLN's x (1 + scale) + shift: (B, L, C) with (B, 1, C) or (B, L, C) twice."""
    return x * (1 + scale) + shift


def unit_vectors(x: Array) -> Array:
    """x / max(||x||_2, 1e-12) over the last axis.

    The maximum is taken before the root, so that balls around zero have one.
    """
    xp = namespace(x)
    squares = xp.sum(x * x, axis=-1, keepdims=True)
    least = xp.ones_like(squares) * const(x, Fraction(1, 10**24))
    return x / xp.sqrt(xp.maximum(squares, least))


def group_norm(x: Array, weight: Array, bias: Array, groups: int = 32) -> Array:
    """GroupNorm with affine part, eps 1e-6: (B, C, h, w), (C), (C) -> (B, C, h, w)."""
    if (kernels := torch_kernels(x)) is not None:
        return kernels.group_norm(x, groups, weight, bias, eps=1e-6)
    xp = namespace(x)
    flat = xp.reshape(x, (x.shape[0], groups, -1))  # (B, groups, C/groups * h * w)
    flat = xp.reshape(normalise(flat, Fraction(1, 10**6)), x.shape)
    return flat * weight[:, None, None] + bias[:, None, None]


def pad_map(x: Array, top: int, bottom: int, left: int, right: int) -> Array:
    """Zeros around a map: (B, C, h, w) -> (B, C, top + h + bottom, left + w + right)."""
    xp = namespace(x)
    batch, channels, height, width = x.shape

    def zeros(*shape: int) -> Array:
        return xp.zeros_like(xp.broadcast_to(x[:1, :1, :1, :1], (batch, channels, *shape)))

    x = xp.concat([zeros(height, left), x, zeros(height, right)], axis=3)
    width += left + right
    return xp.concat([zeros(top, width), x, zeros(bottom, width)], axis=2)


def conv2d(x: Array, weight: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlation: (B, I, h, w), (O, I, k, k), (O) -> (B, O, h', w'), zero padding.

    h' = (h + 2 padding - k) // stride + 1.
    """
    if (kernels := torch_kernels(x)) is not None:
        return kernels.conv2d(x, weight, bias, stride=stride, padding=padding)
    xp = namespace(x)
    if padding:
        x = pad_map(x, padding, padding, padding, padding)
    batch, _, height, width = x.shape
    out, _, k, _ = weight.shape
    rows, columns = (height - k) // stride + 1, (width - k) // stride + 1
    shifted = [
        x[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
        for i in range(k)
        for j in range(k)
    ]
    patches = xp.reshape(xp.stack(shifted, axis=2), (batch, -1, rows * columns))  # (B, I k k, h'w')
    product = xp.matmul(xp.reshape(weight, (out, -1)), patches)  # (B, O, h'w')
    return xp.reshape(product, (batch, out, rows, columns)) + bias[:, None, None]
