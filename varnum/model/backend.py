"""One arithmetic for three kinds of arrays: NumPy, torch, and rigorous balls.

Layers ask an array for its namespace and use only functions that all three have. Where torch has a
fused kernel for the same formula, `torch_kernels` hands it out; those kernels are *tested only*
(against the formula in NumPy and against the official model), the formula itself is what balls run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import array_api_compat
import numpy as np

from varnum.errors import InputError, MissingExtra

Array = Any  # an array of one of the three kinds
Weights = dict[str, Array]  # official key name -> array
Ints = np.typing.NDArray[np.int64]  # tokens and labels: NumPy integers on every backend

BACKENDS = ("numpy", "torch", "balls")
DTYPES = ("float64", "float32", "bfloat16")


def namespace(x: Array) -> Any:
    """The Array API namespace of `x`."""
    return array_api_compat.array_namespace(x)


def is_balls(x: Array) -> bool:
    """True for a ball array, whose discrete questions can be undecided."""
    module = sys.modules.get("varnum.balls.array")
    return module is not None and isinstance(x, module.BallArray)


def torch_kernels(x: Array) -> Any | None:
    """`torch.nn.functional` if `x` is a torch tensor, else None."""
    return sys.modules["torch"].nn.functional if array_api_compat.is_torch_array(x) else None


def const(x: Array, value: Fraction | int) -> Fraction | float:
    """`value` as a scalar that combines with `x` and leaves its dtype: exact for balls."""
    return Fraction(value) if is_balls(x) else float(value)


def constant_array(x: Array, values: list[list[Fraction]]) -> Array:
    """An exact rational matrix in the kind, dtype and device of `x`, each entry rounded once."""
    xp = namespace(x)
    if is_balls(x):
        return xp.asarray(values)
    return xp.asarray(
        [[float(v) for v in row] for row in values],
        dtype=x.dtype,
        device=array_api_compat.device(x),
    )


def host_array(x: Array, values: np.typing.NDArray[np.float64]) -> Array:
    """Float64 numbers in the kind and on the device of `x`, their dtype kept; exact for balls."""
    xp = namespace(x)
    if is_balls(x) or not hasattr(xp, "float64"):
        return xp.asarray(values)
    return xp.asarray(values, dtype=xp.float64, device=array_api_compat.device(x))


def take_rows(table: Array, index: Ints) -> Array:
    """Rows of a table (V, C) at integer `index` (...): returns (..., C)."""
    xp = namespace(table)
    flat = np.asarray(index, dtype=np.int64).reshape(-1)
    flat = xp.asarray(flat, dtype=xp.int64, device=array_api_compat.device(table))
    return xp.reshape(xp.take(table, flat, axis=0), (*np.shape(index), table.shape[1]))


def to_numpy(x: Array) -> np.typing.NDArray[np.float64]:
    """A NumPy or torch array as float64 on the host."""
    if torch_kernels(x) is not None:
        x = x.detach().cpu().double().numpy()
    return np.asarray(x, dtype=np.float64)


@dataclass(frozen=True)
class Backend:
    """Where arrays live: a backend, a dtype, a device."""

    name: str = "numpy"
    dtype: str = "float64"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.name not in BACKENDS:
            raise InputError(f"backend: no {self.name!r}; known: {', '.join(BACKENDS)}")
        if self.dtype not in DTYPES:
            raise InputError(f"dtype: no {self.dtype!r}; known: {', '.join(DTYPES)}")
        if self.name == "numpy" and self.dtype == "bfloat16":
            raise InputError("dtype: NumPy has no bfloat16; use the torch backend")
        if self.name == "balls" and self.dtype != "float64":
            raise InputError("dtype: balls have a precision instead; leave the dtype at float64")
        if self.name != "torch" and self.device != "cpu":
            raise InputError(f"device: {self.device!r} needs the torch backend")
        if self.name == "torch":
            _check_device(self.device)
            import_torch().backends.cudnn.allow_tf32 = False  # float32 means float32

    def array(self, x: Any) -> Array:
        """A float array (NumPy or torch) moved here; balls get the exact values."""
        if self.name == "torch":
            torch = import_torch()
            if not isinstance(x, torch.Tensor):
                x = torch.from_numpy(np.require(x, requirements=["C", "W"]))
            return x.to(dtype=getattr(torch, self.dtype), device=self.device)
        if array_api_compat.is_torch_array(x):
            x = x.detach().cpu()
            x = (x if x.dtype == sys.modules["torch"].float64 else x.float()).numpy()
        if self.name == "balls":
            from varnum.balls.array import BallArray

            return BallArray(np.asarray(x))  # exact, or refused
        with np.errstate(over="ignore"):  # an overflow shows as an infinity in the results
            return np.asarray(x, dtype=self.dtype)

    def weights(self, state: Mapping[str, Any]) -> Weights:
        """All arrays of a state dict, moved here."""
        return {name: self.array(x) for name, x in state.items()}


def import_torch() -> Any:
    """The torch module; raises MissingExtra where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "torch") from error
    return torch


def _check_device(device: str) -> None:
    kind, _, index = device.partition(":")
    numbered = kind == "cuda" and index.isdecimal() and len(index) < 4
    if device not in ("cpu", "cuda") and not numbered:
        raise InputError(f"device: no {device[:60]!r}; known: cpu, cuda, cuda:N")
    torch = import_torch()
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError("device: torch sees no CUDA device here; use cpu")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device: {device!r} is not one of {torch.cuda.device_count()} CUDA devices"
        )
