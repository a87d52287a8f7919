"""First order of all roundings at once, by reverse mode: an estimate, not a bound.

The model's own code runs on arrays that record what was done. Per operation the local bound says
how far its rounding moves the result, in units of u = 2^-p; going backwards, the derivative of a
margin to each result weighs it: C1 = sum |d margin / d value| x local bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import SupportsFloat, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from varnum.tensor import Key, Mask, Whole

Floats = npt.NDArray[np.float64]
Two: TypeAlias = Callable[[Floats, Floats], Floats]
Slope: TypeAlias = Callable[[Floats, Floats, Floats], Floats]  # of the derivative and both operands
Other: TypeAlias = "Taped | SupportsFloat"
T = TypeVar("T", bound=npt.ArrayLike)
Back = Callable[[Floats], Floats]  # derivative to the result -> to one operand, (S, ..) -> (S, ..)


class Tape:
    """Results in order; `run` of the model on arrays of one tape fills it."""

    def __init__(self) -> None:
        self.backs: list[list[tuple[int, Back]]] = []
        self.locals: list[tuple[Floats, Floats] | None] = []  # bound, and bound of squares

    def weight(self, given: npt.ArrayLike) -> Taped:
        """A leaf whose entries are rounded to p bits too."""
        value = np.asarray(given, dtype=np.float64)
        return self.add(value, [], abs(value))

    def add(
        self, value: Floats, backs: list[tuple[Taped, Back]], local: Floats | None = None,
        squares: Floats | None = None,
    ) -> Taped:  # fmt: skip
        """Record a result, what leads back from it, and its local bound."""
        self.backs.append([(operand.index, back) for operand, back in backs])
        square = None if local is None else local * local if squares is None else squares
        self.locals.append(None if local is None or square is None else (local, square))
        return Taped(value, self, len(self.backs) - 1)

    def estimate_constants(self, result: Taped, seeds: Floats) -> tuple[Floats, Floats]:
        """(C1, root of the sum of squares) of each seed: seeds (S, *shape of result) -> (S), (S).

        The second is what independent rounding errors would add up to.
        """
        held: dict[int, Floats] = {result.index: seeds}
        total, squares = np.zeros(len(seeds)), np.zeros(len(seeds))
        for index in range(result.index, -1, -1):
            derivative = held.pop(index, None)
            if derivative is None:
                continue
            local = self.locals[index]
            if local is not None:
                axes = tuple(range(1, derivative.ndim))
                total += (abs(derivative) * local[0]).sum(axis=axes)
                squares += (derivative**2 * local[1]).sum(axis=axes)
            for operand, back in self.backs[index]:
                part = back(derivative)
                held[operand] = held[operand] + part if operand in held else part
        return total, np.sqrt(squares)


class Taped:
    """A float64 array whose operations are recorded."""

    dtype, device = "float64", "cpu"

    def __init__(self, value: Floats, tape: Tape, index: int) -> None:
        self.value, self.tape, self.index = value, tape, index

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    def __array_namespace__(self, *, api_version: str | None = None) -> SimpleNamespace:
        """Functions on such arrays."""
        return _namespace(self.tape)

    def __getitem__(self, key: Key) -> Taped:
        def back(d: Floats) -> Floats:
            out = np.zeros((len(d), *self.shape))
            full = key if isinstance(key, tuple) else (key,)
            out[(slice(None), *full)] = d
            return out

        return self.tape.add(self.value[key], [(self, back)])

    def __add__(self, other: Other) -> Taped:
        return _two(self, other, np.add, lambda d, x, y: d, lambda d, x, y: d)

    def __sub__(self, other: Other) -> Taped:
        return _two(self, other, np.subtract, lambda d, x, y: d, lambda d, x, y: -d)

    def __rsub__(self, other: SupportsFloat) -> Taped:
        return _leaf(self.tape, other) - self

    def __mul__(self, other: Other) -> Taped:
        return _two(self, other, np.multiply, lambda d, x, y: d * y, lambda d, x, y: d * x)

    def __truediv__(self, other: Other) -> Taped:
        return _two(self, other, np.divide, lambda d, x, y: d / y, lambda d, x, y: -d * x / (y * y))

    def __rtruediv__(self, other: SupportsFloat) -> Taped:
        return _leaf(self.tape, other) / self

    __radd__, __rmul__ = __add__, __mul__


def _leaf(tape: Tape, given: SupportsFloat) -> Taped:
    """A constant of the program; rounded to p bits where it is not a small number in binary."""
    number = float(given)
    short = number == 0 or math.frexp(number)[0] * 16 % 1 == 0
    value: Floats = np.asarray(number)
    return tape.add(value, [], None if short else abs(value))


def _two(x: Taped, y: Other, f: Two, to_x: Slope, to_y: Slope) -> Taped:
    y = y if isinstance(y, Taped) else _leaf(x.tape, y)
    value = f(x.value, y.value)
    a, b = x.value, y.value
    return x.tape.add(
        value,
        [(x, lambda d: _narrow(to_x(d, a, b), a.shape)),
         (y, lambda d: _narrow(to_y(d, a, b), b.shape))],
        abs(value),
    )  # fmt: skip


def _narrow(d: Floats, shape: tuple[int, ...]) -> Floats:
    """Undo broadcasting to (S, *shape): sum over what was repeated."""
    extra = d.ndim - 1 - len(shape)
    d = d.sum(axis=tuple(range(1, 1 + extra))) if extra else d
    axes = tuple(i + 1 for i, n in enumerate(shape) if n == 1 and d.shape[i + 1] != 1)
    return d.sum(axis=axes, keepdims=True) if axes else d


def _matmul(x: Taped, y: Taped) -> Taped:
    a, b = x.value, y.value
    value = a @ b
    local = abs(a) @ abs(b) + abs(value)  # every product, and the sum
    squares = (a * a) @ (b * b) + value * value
    turn = (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2)
    a_t, b_t = a.transpose(turn), np.swapaxes(b, -1, -2)
    return x.tape.add(
        value,
        [(x, lambda d: _narrow(d @ b_t, a.shape)), (y, lambda d: _narrow(a_t @ d, b.shape))],
        local,
        squares,
    )


def _sum(x: Taped, axis: int = -1, keepdims: bool = False) -> Taped:
    value = x.value.sum(axis=axis, keepdims=keepdims)
    return x.tape.add(value, [(x, _spread(x, axis, keepdims))], abs(value))


def _mean(x: Taped, axis: int = -1, keepdims: bool = False) -> Taped:
    value = x.value.mean(axis=axis, keepdims=keepdims)
    spread, n = _spread(x, axis, keepdims), x.shape[axis]
    local, squares = 2 * abs(value), 2 * value * value  # sum, then division
    return x.tape.add(value, [(x, lambda d: spread(d) / n)], local, squares)


def _spread(x: Taped, axis: int, keepdims: bool) -> Back:
    place = axis % x.ndim + 1

    def back(d: Floats) -> Floats:
        d = d if keepdims else np.expand_dims(d, place)
        return np.broadcast_to(d, (len(d), *x.shape))

    return back


def _one(f: Callable[[Floats], Floats], slope: Two) -> Callable[[Taped], Taped]:
    def run(x: Taped) -> Taped:
        value = f(x.value)
        factor = slope(x.value, value)
        return x.tape.add(value, [(x, lambda d: d * factor)], abs(value))

    return run


def _constant(f: Callable[..., Floats]) -> Callable[..., Taped]:
    """No derivative: what does not depend on x, or a softmax's shift, which changes nothing."""
    return lambda x, *args, **kw: x.tape.add(f(x.value, *args, **kw), [])


def _choose(f: Two, first: Callable[[Floats, Floats], Mask]) -> Callable[[Taped, Taped], Taped]:
    def run(x: Taped, y: Taped) -> Taped:
        mask = first(x.value, y.value)
        backs: list[tuple[Taped, Back]] = [
            (x, lambda d: _narrow(d * mask, x.shape)), (y, lambda d: _narrow(d * ~mask, y.shape)),
        ]  # fmt: skip
        return x.tape.add(f(x.value, y.value), backs)

    return run


def _reshape(x: Taped, shape: tuple[int, ...]) -> Taped:
    return x.tape.add(x.value.reshape(shape), [(x, lambda d: d.reshape(len(d), *x.shape))])


def _permute(x: Taped, axes: tuple[int, ...]) -> Taped:
    inverse = (0, *(int(i) + 1 for i in np.argsort(axes)))
    return x.tape.add(x.value.transpose(axes), [(x, lambda d: d.transpose(inverse))])


def _broadcast(x: Taped, shape: tuple[int, ...]) -> Taped:
    return x.tape.add(np.broadcast_to(x.value, shape), [(x, lambda d: _narrow(d, x.shape))])


def _concat(xs: list[Taped], axis: int = 0) -> Taped:
    place, backs, start = axis % xs[0].ndim + 1, list[tuple[Taped, Back]](), 0
    for x in xs:
        backs.append((x, _slice(place, start, start + x.shape[place - 1])))
        start += x.shape[place - 1]
    return xs[0].tape.add(np.concatenate([x.value for x in xs], axis=axis), backs)


def _slice(place: int, start: int, stop: int) -> Back:
    return lambda d: np.take(d, range(start, stop), axis=place)


def _stack(xs: list[Taped], axis: int = 0) -> Taped:
    backs: list[tuple[Taped, Back]] = [(x, _pick(axis + 1, i)) for i, x in enumerate(xs)]
    return xs[0].tape.add(np.stack([x.value for x in xs], axis=axis), backs)


def _pick(place: int, i: int) -> Back:
    return lambda d: np.take(d, i, axis=place)


def _take(x: Taped, index: Whole, axis: int = 0) -> Taped:
    """Rows of a table (axis 0)."""

    def back(d: Floats) -> Floats:
        out = np.zeros((len(d), *x.shape))
        for s in range(len(d)):
            np.add.at(out[s], index, d[s])
        return out

    return x.tape.add(np.take(x.value, index, axis=0), [(x, back)])


def _namespace(tape: Tape) -> SimpleNamespace:
    def asarray(value: T, dtype: object = None, device: object = None) -> T | Taped:
        if isinstance(dtype, str) and dtype == "int64":
            return value
        return tape.weight(value)

    return SimpleNamespace(
        __name__="varnum.circuit.adjoint", pi=math.pi, int64="int64", asarray=asarray,
        exp=_one(np.exp, lambda x, y: y), tanh=_one(np.tanh, lambda x, y: 1 - y * y),
        sqrt=_one(np.sqrt, lambda x, y: 0.5 / y), sum=_sum, mean=_mean, matmul=_matmul,
        max=_constant(np.max), ones_like=_constant(np.ones_like),
        zeros_like=_constant(np.zeros_like), reshape=_reshape, permute_dims=_permute,
        broadcast_to=_broadcast, concat=_concat, stack=_stack, take=_take,
        minimum=_choose(np.minimum, np.less_equal), maximum=_choose(np.maximum, np.greater_equal),
    )  # fmt: skip
