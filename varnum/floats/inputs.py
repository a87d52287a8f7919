"""Arrays from users: plain ones, without a class of their own, and copies that outlive a call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from varnum.errors import InputError
from varnum.floats.rounding import dtype_name
from varnum.tensor import Array, Doubles, Plain, Tensor

if TYPE_CHECKING:
    import torch


def plain(array: object, name: str) -> Tensor:
    """The numbers as a base `numpy.ndarray` or `torch.Tensor` on the same memory.

    A subclass may mean anything by `@`, so it is refused, but for memory maps, parameters without
    gradients, and masked arrays in which nothing is masked. Raises InputError.
    """
    if isinstance(array, np.ndarray):
        return _plain_numpy(array, name)
    if not is_tensor(array):
        raise InputError(f"{name}: expected a NumPy array or torch tensor, got {kind_of(array)}")
    return _plain_torch(array, name)


def _plain_numpy(array: Array, name: str) -> Array:
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.is_masked(array):
            raise InputError(f"{name}: has masked entries; leave those tokens out, or fill them")
        array = array.data
    if type(array) not in (np.ndarray, np.memmap):
        raise InputError(f"{name}: {kind_of(array)} is not allowed; pass numpy.asarray({name})")
    return np.asarray(array)


def _plain_torch(array: torch.Tensor, name: str) -> torch.Tensor:
    import torch

    if type(array) not in (torch.Tensor, torch.nn.Parameter):
        raise InputError(f"{name}: {kind_of(array)} is not allowed; pass a plain torch.Tensor")
    if array.layout is not torch.strided or array.is_nested or array.is_quantized:
        raise InputError(f"{name}: only dense tensors are allowed; this one is {array.layout}")
    if array.device.type == "meta" or torch._C._functorch.is_functorch_wrapped_tensor(array):
        raise InputError(f"{name}: holds no numbers here (meta device, or inside torch.func)")
    if array.requires_grad and torch.is_grad_enabled():
        raise InputError(
            f"{name}: requires a gradient, and none is computed; call it under torch.no_grad()"
        )
    try:
        made = array.detach().resolve_neg()
    except (RuntimeError, AssertionError):  # tensors without numbers around one with them
        made = None
    if type(made) is not torch.Tensor:
        raise InputError(f"{name}: a mode of torch makes tensors without numbers; leave it first")
    return made


def tokens(array: object, name: str, width: int | None = None) -> Doubles:
    """(n, d), n >= 1, finite, exactly the given numbers in float64; InputError for all else."""
    host = plain(array, name)
    if not isinstance(host, np.ndarray):
        raise InputError(f"{name}: expected a NumPy array, got {kind_of(array)}")
    if host.dtype not in (np.float16, np.float32, np.float64):
        raise InputError(f"{name}: dtype {host.dtype} is not allowed; float16, float32 or float64")
    if host.ndim != 2 or 0 in host.shape:
        raise InputError(f"{name}: shape {host.shape}; allowed: (n, d), none of them 0")
    if width is not None and host.shape[1] != width:
        raise InputError(f"{name}: {host.shape[1]} columns; expected {width}")
    wide = host.astype(np.float64, copy=False)
    if not np.isfinite(wide).all():
        raise InputError(f"{name}: holds nan or inf; all entries must be finite")
    return wide


def positive(value: object, name: str, most: float = 1e12, least: float = 1e-12) -> float:
    """A finite number in [least, most]; InputError for all else, nan and truth values included."""
    allowed = int | float | np.integer | np.floating
    if isinstance(value, allowed) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    raise InputError(f"{name}: {value!r} is not allowed; a number in [{least:g}, {most:g}]")


def number(value: object, name: str) -> float:
    """As a float, whatever holds one number; InputError for text and for what no float holds."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]  # tried
    except (TypeError, ValueError, OverflowError, RuntimeError):
        shown = repr(value) if isinstance(value, str) else type(value).__name__
        raise InputError(f"{name}: {shown[:40]} is not a number that a float holds") from None


def tolerance(value: object, name: str = "eps") -> float:
    """A relative error in (0, 1)."""
    if not (isinstance(value, float) and 0 < value < 1):
        raise InputError(f"{name}: {value!r} is not allowed; a float in (0, 1)")
    return value


def owned(array: Tensor) -> Tensor:
    """A copy, row-major, that nobody else can write to."""
    if isinstance(array, np.ndarray):
        return np.array(array, order="C", copy=True)
    import torch

    return array.clone(memory_format=torch.contiguous_format)


def freeze(*arrays: Plain) -> None:
    """What a certificate is about is not written to any more."""
    for array in arrays:
        array.flags.writeable = False


def overlap(one: Tensor, other: Tensor) -> bool:
    """May writing to one change the other? Where that is hard to decide, yes."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        try:
            return bool(np.shares_memory(one, other, max_work=10_000))  # type: ignore[arg-type]
        except np.exceptions.TooHardError:
            return True
    if one.device != other.device:
        return False
    if one.device.type == "cpu":
        return overlap(one.detach().numpy(), other.detach().numpy())
    return bool(one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr())


def overlaps_itself(array: Tensor) -> bool:
    """May two entries share memory? By strides; where that is unclear, yes."""
    strides = array.strides if isinstance(array, np.ndarray) else array.stride()
    size = array.itemsize if isinstance(array, np.ndarray) else 1
    reach = size
    for stride, count in sorted(zip(map(abs, strides), array.shape, strict=True)):
        if count > 1 and stride < reach:
            return True
        reach += stride * (count - 1)
    return False


def check_out(out: object, shape: tuple[int, int], like: Tensor, *inputs: Tensor) -> Tensor:
    """`out` as a plain array that a result of this shape, with the dtype of `like`, fits into.

    Raises InputError unless shape, dtype and device agree, it can be written to, and its memory is
    its own: apart from `inputs` and without entries on top of each other.
    """
    found = plain(out, "out")
    if isinstance(found, np.ndarray) is not isinstance(like, np.ndarray):
        raise InputError(f"out: {kind_of(out)}, but v is {kind_of(like)}; use one backend")
    if tuple(found.shape) != shape:
        raise InputError(f"out: shape {tuple(found.shape)}; allowed: {shape}")
    if found.dtype != like.dtype:
        raise InputError(f"out: dtype {found.dtype}, but v has {like.dtype}; use one dtype")
    if getattr(found, "device", None) != getattr(like, "device", None):
        raise InputError(f"out: on {found.device}, but v is on {like.device}")
    if isinstance(found, np.ndarray) and not found.flags.writeable:
        raise InputError("out: is read-only")
    if overlaps_itself(found):
        raise InputError("out: entries share memory; pass an array of its own")
    if any(overlap(found, array) for array in inputs):
        raise InputError("out: shares memory with q, k or v; pass an array of its own")
    return found


def write(out: Tensor, result: Tensor) -> None:
    """Copy `result` into `out`, which may be an inference tensor."""
    if isinstance(out, np.ndarray):
        out[...] = result
        return
    import torch

    with torch.inference_mode(out.is_inference()), torch.no_grad():
        out.copy_(result)


def kind_of(array: object) -> str:
    """ "numpy.ndarray", for messages."""
    return f"{type(array).__module__.partition('.')[0]}.{type(array).__name__}"


def is_tensor(array: object) -> bool:
    """Of torch, subclasses included; torch is not loaded for it."""
    return any(
        base.__module__ == "torch" and base.__name__ == "Tensor" for base in type(array).__mro__
    )


def check_tokens(name: str, array: Tensor, width: int, like: Tensor) -> None:
    """Raise InputError unless `array` is (n, width), n >= 1, of the backend and dtype of `like`."""
    if type(array) is not type(like) or array.dtype != like.dtype:
        raise InputError(f"{name}: {kind_of(array)} is not {kind_of(like)} of {dtype_name(like)}")
    if len(array.shape) != 2 or array.shape[0] < 1 or array.shape[1] != width:
        raise InputError(f"{name}: shape {tuple(array.shape)}; allowed: (n, {width}), n >= 1")


def finite(value: float) -> float:
    """The bound itself; infinite where it is no number, so that no comparison passes."""
    return math.inf if math.isnan(value) else value
