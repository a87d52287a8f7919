"""Where the ensembles compute: NumPy, or torch in float64 on a device. One code for both.

What the proofs ask of it: +, -, *, / and sqrt rounded to nearest, products of matrices as sums of
products in any order. exp is our own, made of these. Noise is drawn on the host and moved.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias, overload

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import to_double
from varnum.floats.guard import certifying
from varnum.model.backend import Backend, import_torch, namespace
from varnum.propagate.forms import Floats
from varnum.tensor import DoubleTensor, Tensor

Array: TypeAlias = DoubleTensor
CACHED = 2**19  # numbers
_EMULATED = ("CUBLAS_EMULATE", "CUBLAS_EMULATION")  # float64 products from narrower ones


@dataclass(frozen=True)
class Engine:
    """numpy, torch (its CPU), cuda or cuda:N. Raises InputError or MissingExtra for others."""

    name: str = "numpy"

    def __post_init__(self) -> None:
        kind = self.name.partition(":")[0] if isinstance(self.name, str) else ""
        if self.name not in ("numpy", "torch") and kind != "cuda":
            raise InputError(
                f"bounds_on: {self.name!r:.60} is not allowed; numpy, torch, cuda, cuda:N"
            )
        try:
            Backend(*self._backend())
        except InputError as problem:
            raise InputError(f"bounds_on: {problem}") from None

    def _backend(self) -> tuple[str, str, str]:
        device = "cpu" if self.name in ("numpy", "torch") else self.name
        return ("numpy" if self.name == "numpy" else "torch"), "float64", device

    def array(self, x: Tensor) -> Array:
        """The same numbers here, in float64: float32 and float16 widen exactly."""
        if self.name == "numpy":
            return to_double(x)
        torch = import_torch()
        if not isinstance(x, torch.Tensor):
            x = torch.from_numpy(np.require(x, requirements=["C", "W"]))
        return x.to(self._backend()[2]).to(torch.float64)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Inside, it computes as the proofs assume; raises InputError where it does not."""
        if self.name.startswith("cuda"):
            emulated = [key for key in os.environ if key.startswith(_EMULATED)]
            if emulated:
                raise InputError(f"bounds_on: {emulated[0]} is set; float64 must not be emulated")
        with certifying(self.array(np.zeros(1))):
            yield

    def said(self) -> str:
        """What computed, and on which device."""
        if self.name == "numpy":
            return f"NumPy {np.__version__}"
        torch = import_torch()
        if self.name == "torch":
            return f"torch {torch.__version__} on the CPU"
        return f"torch {torch.__version__} on {torch.cuda.get_device_name(self.name)}"


NUMPY = Engine()


def assumptions(engine: Engine, exp: bool = False) -> str:
    """What a bound that was computed there rests on; exp: of NumPy's was made use.

    NumPy computes where every walk starts, images and chosen logits, whatever the engine.
    """
    both = NUMPY.said() if engine == NUMPY else f"{NUMPY.said()} and of {engine.said()}"
    library = "exp of NumPy within 4 units in the last place; " if exp else ""
    return (
        f"{library}float64 products of {both} are sums of products, not emulated; "
        "NumPy's Philox-4x64 generator taken as random"
    )


def host(x: Array) -> Floats:
    """As float64 NumPy."""
    return np.asarray(to_double(x))


def moved(x: Floats, like: Array) -> Array:
    """Float64 NumPy -> where `like` is."""
    if isinstance(like, np.ndarray):
        return x
    return import_torch().from_numpy(np.require(x, requirements=["C", "W"])).to(like.device)


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """Zeros where `like` is."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape)
    return like.new_zeros(shape)


def square_sum(x: Array, axis: int = -1) -> Array:
    """Sums of squares along an axis, without a temporary; in torch the square of a root."""
    if isinstance(x, np.ndarray):
        turned = np.moveaxis(x, axis, -1)
        return np.einsum("...n,...n->...", turned, turned)
    norm = namespace(x).linalg.vector_norm(x, axis=axis)
    return norm * norm


def pieces(count: int, each: int, most: int) -> Iterator[slice]:
    """Slices of `count` tokens, about `most` numbers at once if a token has `each`."""
    step = max(1, most // max(each, 1))
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))


@overload
def cached(x: Array, /) -> Iterator[tuple[slice, Array]]: ...
@overload
def cached(x: Array, y: Array, /) -> Iterator[tuple[slice, Array, Array]]: ...
def cached(*arrays: Array) -> Iterator[tuple[slice, *tuple[Array, ...]]]:
    """Parts of arrays over tokens of one shape, small enough to be read twice from a cache."""
    for part in pieces(len(arrays[0]), math.prod(arrays[0].shape[1:]), CACHED):
        yield part, *(array[part] for array in arrays)
