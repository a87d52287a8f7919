"""The few operations that NumPy and torch spell differently, or run at different speeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def namespace(array: Any) -> Any:
    """numpy or torch, whichever made the array."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def light(array: Any) -> Any:
    """The same memory as a NumPy array where that is possible: less overhead per operation."""
    return array if isinstance(array, np.ndarray) or array.is_cuda else array.numpy()


def caster(like: Any) -> Callable[[Any], Any]:
    """Turns NumPy arrays into arrays of the backend, dtype and device of `like`: torch's copies."""
    if isinstance(like, np.ndarray):
        return lambda array: _narrow(array, like.dtype)
    import torch

    return lambda array: torch.tensor(
        np.ascontiguousarray(array), dtype=like.dtype, device=like.device
    )


def _narrow(array: Any, dtype: Any) -> Any:
    with np.errstate(over="ignore"):  # what overflows ends in an infinite bound
        return np.ascontiguousarray(array, dtype=dtype)


def to_numpy(array: Any) -> Any:
    """In its own dtype, on the host."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def contiguous(array: Any) -> Any:
    """Row-major."""
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array.contiguous()


def empty(shape: tuple[int, ...], like: Any) -> Any:
    """Uninitialised, in the backend, dtype and device of `like`."""
    return (
        np.empty(shape, dtype=like.dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)
    )


def row_squares(array: Any) -> Any:
    """Squared norms of the rows (n, d) -> (n,)."""
    if isinstance(array, np.ndarray):
        return np.einsum("ij,ij->i", array, array)
    return namespace(array).linalg.vector_norm(array, dim=1).square()


def extremes(v: Any) -> tuple[Any, Any]:
    """Smallest and largest entry of each column (n, d_v) -> (d_v,), (d_v,)."""
    if isinstance(v, np.ndarray):
        return v.min(0), v.max(0)
    return v.amin(0), v.amax(0)  # 12 times faster than aminmax(dim=0)
