"""Arrays that hold no numbers, only the longest paths to their entries: an Array API namespace.

The model's own code runs on them (`varnum.model` is written against the Array API), so that the
operation graph is read off the program and not typed in. All entries of an array share one front.

What is counted, in one place:
- std: + - x / and comparisons, entrywise; a product of matrices is one std and one sum.
- mean is a sum and one std; a bias that is added to a sum is one more summand of it.
- expressions of weights alone are constants; a constant factor of exp's argument is part of exp.
- the shift of softmax by its maximum changes nothing and is not there.
- x/2 (1 + tanh u) is x/(1 + e^(-2u)): exp and two std after u.
- a map that is resampled by constants along rows, then columns, is one linear map.
- looking up a row of a table by a token is a selection, not an operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from varnum.circuit.pareto import Front, further, maximal
from varnum.tensor import Key

Other: TypeAlias = "Traced | npt.ArrayLike"  # an array, or constants
COSTS = {  # operation -> steps; a test leaves out each in turn and sees the counts change
    "entrywise": {"std": 1}, "product": {"std": 1, "sum": 1}, "sum": {"sum": 1},
    "mean": {"sum": 1, "std": 1}, "exp": {"exp": 1}, "sqrt": {"sqrt": 1},
    "sigmoid": {"exp": 1, "std": 1}, "quotient": {"std": 1}, "erf": {"erf": 1},
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Traced:
    """shape and front; front None: a constant. The other fields are how the array came about."""

    shape: tuple[int, ...]
    front: Front | None = None
    summed: bool = False  # a sum that one bias can still join
    before: Front | None = None  # the front before a constant factor
    sigmoid: bool = False  # tanh u, to become x/(1 + e^(-2u))
    shift: bool = False  # the maximum in a softmax
    rows: bool = False  # resampled along rows by constants

    dtype = "traced"
    device = "cpu"

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def __array_namespace__(self, *, api_version: str | None = None) -> SimpleNamespace:
        """The namespace of this module."""
        return NAMESPACE

    def __getitem__(self, key: Key) -> Traced:
        shape = np.broadcast_to(np.int8(0), self.shape)[key].shape
        return replace(self, shape=shape, summed=False, rows=False)

    def __add__(self, other: Other) -> Traced:
        return _add(self, other)

    def __sub__(self, other: Other) -> Traced:
        if isinstance(other, Traced) and other.shift:
            return self
        return _entrywise(self, other)

    def __rsub__(self, other: Other) -> Traced:
        return _entrywise(self, other)

    def __mul__(self, other: Other) -> Traced:
        return _multiply(self, other)

    def __truediv__(self, other: Other) -> Traced:
        return _entrywise(self, other)

    def __rtruediv__(self, other: Other) -> Traced:
        return _entrywise(self, other)

    __radd__, __rmul__ = __add__, __mul__


def step(front: Front | None, operation: str) -> Front | None:
    """One operation further; constants stay constants."""
    return None if front is None else further(front, **COSTS[operation])


def join(*fronts: Front | None) -> Front | None:
    """The longest of several paths; None where all are constants."""
    known = [front for front in fronts if front is not None]
    return maximal(v for front in known for v in front) if known else None


def _front(x: Other) -> Front | None:
    return x.front if isinstance(x, Traced) else None


def _shape(x: Other) -> tuple[int, ...]:
    return x.shape if isinstance(x, Traced) else np.shape(x)


def _entrywise(x: Other, y: Other) -> Traced:
    shape = np.broadcast_shapes(_shape(x), _shape(y))
    return Traced(shape, step(join(_front(x), _front(y)), "entrywise"))


def _add(x: Traced, y: Other) -> Traced:
    shape = np.broadcast_shapes(x.shape, _shape(y))
    if isinstance(y, Traced) and y.sigmoid:
        x, y = y, x
    if x.sigmoid:  # half + half tanh u: the division by 1 + e^(-2u)
        return Traced(shape, step(join(x.front, _front(y)), "quotient"))
    for held, other in ((x, y), (y, x)):
        if isinstance(held, Traced) and held.summed and _front(other) is None:
            return replace(held, shape=shape, summed=False, rows=False)
    return _entrywise(x, y)


def _multiply(x: Traced, y: Other) -> Traced:
    shape = np.broadcast_shapes(x.shape, _shape(y))
    for held, other in ((x, y), (y, x)):
        if isinstance(held, Traced) and held.sigmoid:
            return replace(held, shape=shape, front=join(held.front, _front(other)))
    made = _entrywise(x, y)
    scalar = not isinstance(y, Traced) and np.ndim(y) == 0
    return replace(made, before=x.front) if scalar else made


def _matmul(x: Traced, y: Traced) -> Traced:
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    shape = (*batch, x.shape[-2], y.shape[-1])
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"matmul: inner sizes differ, {x.shape} @ {y.shape}")
    if y.front is None and x.rows:  # the columns of a separable map
        return replace(x, shape=shape, rows=False)
    made = Traced(shape, step(join(x.front, y.front), "product"), summed=True)
    return replace(made, rows=True) if x.front is None and y.front is not None else made


def _reduce(operation: str) -> Callable[..., Traced]:
    def run(x: Traced, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Traced:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        gone = {a % x.ndim for a in axes}
        kept = [1 if i in gone else n for i, n in enumerate(x.shape) if keepdims or i not in gone]
        return Traced(tuple(kept), step(x.front, operation), summed=operation == "sum")

    return run


def _maximum_of(x: Traced, axis: int = -1, keepdims: bool = False) -> Traced:
    kept = [1 if i == axis % x.ndim else n for i, n in enumerate(x.shape)]
    return Traced(tuple(kept if keepdims else kept[:axis]), x.front, shift=True)


def _unary(operation: str) -> Callable[[Traced], Traced]:
    def run(x: Traced) -> Traced:
        front = x.before if x.before is not None and operation in ("exp", "sigmoid") else x.front
        return Traced(x.shape, step(front, operation), sigmoid=operation == "sigmoid")

    return run


def _constant(x: Traced) -> Traced:
    """A function that the model takes of constants alone."""
    if x.front is not None:
        raise ValueError("cos and sin are of constants: positions and times")
    return Traced(x.shape)


def _reshape(x: Traced, shape: tuple[int, ...]) -> Traced:
    known = math.prod(n for n in shape if n != -1)
    full = tuple(x.size // known if n == -1 else n for n in shape)
    if math.prod(full) != x.size:
        raise ValueError(f"reshape: {x.shape} to {shape}")
    return replace(x, shape=full, rows=False)


def _concat(parts: Sequence[Traced], axis: int = 0) -> Traced:
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return Traced(tuple(shape), join(*(part.front for part in parts)))


def _stack(parts: Sequence[Traced], axis: int = 0) -> Traced:
    shape = list(parts[0].shape)
    shape.insert(axis, len(parts))
    return Traced(tuple(shape), join(*(part.front for part in parts)))


def _take(x: Traced, index: npt.ArrayLike, axis: int = 0) -> Traced:
    shape = list(x.shape)
    shape[axis] = np.size(index)
    return replace(x, shape=tuple(shape))


def _asarray(
    value: npt.ArrayLike, dtype: object = None, device: object = None
) -> npt.ArrayLike | Traced:
    """Constants; integers stay what they are, to index with."""
    return value if dtype == "int64" else Traced(np.shape(value))


NAMESPACE = SimpleNamespace(
    __name__="varnum.circuit.tracer", pi=math.pi, int64="int64",
    exp=_unary("exp"), sqrt=_unary("sqrt"), tanh=_unary("sigmoid"), erf=_unary("erf"),
    cos=_constant, sin=_constant,
    sum=_reduce("sum"), mean=_reduce("mean"), max=_maximum_of,
    minimum=_entrywise, maximum=_entrywise, matmul=_matmul,
    reshape=_reshape, concat=_concat, stack=_stack, take=_take, asarray=_asarray,
    permute_dims=lambda x, axes: replace(x, shape=tuple(x.shape[a] for a in axes)),
    ones_like=lambda x: Traced(x.shape), zeros_like=lambda x: Traced(x.shape),
    broadcast_to=lambda x, shape: replace(x, shape=tuple(shape)),
)  # fmt: skip
