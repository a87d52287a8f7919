"""NumPy arrays and torch tensors alike: what they spell differently; heads in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from varnum.floats.rounding import dtype_name
from varnum.tensor import Array, Doubles, Tensor

T = TypeVar("T")
_GOLDEN = (5**0.5 - 1) / 2
HALF = ("bfloat16", "float16")  # computed in float32, which holds their numbers exactly


def namespace(array: Tensor) -> ModuleType:
    """numpy or torch, whichever made the array."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    module: ModuleType = torch
    return module


def light(array: Tensor) -> Tensor:
    """The same memory as a NumPy array where that is possible: less overhead per operation."""
    return array if isinstance(array, np.ndarray) or array.is_cuda else array.numpy()


def caster(like: Tensor) -> Callable[[Array], Tensor]:
    """Turns NumPy arrays into arrays of the backend, dtype and device of `like`: torch's copies."""
    if isinstance(like, np.ndarray):
        return lambda array: _narrow(array, like.dtype)
    import torch

    return lambda array: torch.tensor(
        np.ascontiguousarray(array), dtype=like.dtype, device=like.device
    )


def _narrow(array: Array, dtype: np.dtype[np.floating]) -> Array:
    with np.errstate(over="ignore"):  # what overflows ends in an infinite bound
        return np.ascontiguousarray(array, dtype=dtype)


def to_numpy(array: Tensor) -> Array:
    """In its own dtype, on the host."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def contiguous(array: Tensor) -> Tensor:
    """Row-major."""
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array.contiguous()


def empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Uninitialised, in the backend, dtype and device of `like`."""
    return (
        np.empty(shape, dtype=like.dtype) if isinstance(like, np.ndarray) else like.new_empty(shape)
    )


def row_squares(array: Tensor) -> Tensor:
    """Squared norms of the rows (n, d) -> (n,)."""
    if isinstance(array, np.ndarray):
        return np.einsum("ij,ij->i", array, array)
    return namespace(array).linalg.vector_norm(array, dim=1).square()


def extremes(v: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest entry of each column (n, d_v) -> (d_v,), (d_v,)."""
    if isinstance(v, np.ndarray):
        return v.min(0), v.max(0)
    return v.amin(0), v.amax(0)  # 12 times faster than aminmax(dim=0)


def shape_of(array: Tensor) -> tuple[int, ...]:
    """Of plain integers, also for torch.Size."""
    return tuple(int(n) for n in array.shape)


def split_heads(q: Tensor, k: Tensor, v: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each head's q (L_q, d), k (L_k, d), v (L_k, d_v): float32 or float64."""
    flat = [
        _working(part).reshape((-1, int(part.shape[-2]), int(part.shape[-1]))) for part in (q, k, v)
    ]
    for head in range(int(flat[0].shape[0])):
        yield flat[0][head], flat[1][head], flat[2][head]


def _working(array: Tensor) -> Tensor:
    if isinstance(array, np.ndarray):
        return array.astype(np.float32) if dtype_name(array) in HALF else array
    return array.float() if dtype_name(array) in HALF else array


def merge(outputs: list[Tensor], v: Tensor, count: int) -> Tensor:
    """Heads back to (.., L_q, d_v), in the dtype they were computed in."""
    shape = (*shape_of(v)[:-2], count, int(v.shape[-1]))
    if isinstance(v, np.ndarray):
        return np.stack(outputs).reshape(shape)
    import torch

    return torch.stack(outputs).reshape(shape)


def like(array: Array, v: Tensor, *, keep: bool = False) -> Tensor:
    """A NumPy array in the backend and device of v, and in its dtype unless `keep`."""
    if isinstance(v, np.ndarray):
        return array if keep else array.astype(v.dtype)
    import torch

    moved = torch.as_tensor(array, device=v.device)
    return moved if keep else moved.to(v.dtype)


def to_double(array: Tensor) -> Doubles:
    """The same numbers as a float64 NumPy array, exactly."""
    host = array if isinstance(array, np.ndarray) else array.double().cpu().numpy()
    return np.asarray(host, dtype=np.float64)


def _on_host(tensor: T) -> T:
    found: T = tensor.cpu().numpy()  # type: ignore[attr-defined]
    return found


def beside(array: T, other: Tensor) -> T:
    """`array` of either backend, as it is, in the backend and on the device of `other`."""
    if isinstance(other, np.ndarray):
        return array if isinstance(array, np.ndarray) else _on_host(array)
    import torch

    moved: T = torch.as_tensor(array, device=other.device)
    return moved


def join(parts: list[Tensor]) -> Tensor:
    """Rows of several arrays of one backend, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return namespace(parts[0]).cat(parts)


def widened(array: Tensor) -> Tensor:
    """In float64, in its backend."""
    return array.astype(np.float64) if isinstance(array, np.ndarray) else array.double()


def spread_rows(array: Tensor, most: int) -> Tensor:
    """At most `most` rows, one of each of as many parts, at no regular distance; both ends.

    Equal steps would see every image of a batch at the same places; tokens unlike all others stand
    at an end.
    """
    count = int(array.shape[0])
    if count <= most:
        return array
    turns = np.arange(most)
    at = ((turns + turns * _GOLDEN % 1) * (count / most)).astype(np.int64)
    at[-1] = count - 1
    return array[at] if isinstance(array, np.ndarray) else array[_index(at, array)]


def _index(at: npt.NDArray[np.int64], like: Tensor) -> Tensor:
    return namespace(like).as_tensor(at, device=like.device)
