"""The Array API namespace of ball arrays, as far as a rigorous result allows.

Arrays of real numbers are `BallArray`; index and mask arrays are plain NumPy arrays. Every
function encloses the exact result for every choice of points in the input balls. What would decide
by comparing balls (sort, argmax, ...) raises TypeError and names the question to ask instead.
"""

from __future__ import annotations

import builtins
import math
import operator
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
from flint import arb

from varnum.balls import kernels
from varnum.balls.array import BallArray, BallDtype, ball_dtype, wrap
from varnum.balls.array import any_balls as _balls
from varnum.balls.convert import Numbers, entrywise

__array_api_version__ = "2024.12"
Axis: TypeAlias = int | tuple[int, ...] | None
Dtype: TypeAlias = npt.DTypeLike | BallDtype | None
Kind: TypeAlias = str | np.dtype[np.generic] | BallDtype
Mask: TypeAlias = npt.NDArray[np.bool_]
Plain: TypeAlias = npt.NDArray[np.generic] | np.generic  # of masks and integers
Shape: TypeAlias = int | tuple[int, ...]
ball = ball_dtype
bool = np.dtype(np.bool_)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
newaxis = None

_COMPARED = "use certainly_less, certainly_at_most or possibly_equal of varnum.balls.questions"
_REFUSED = {
    **dict.fromkeys(
        ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), _COMPARED
    ),
    **dict.fromkeys(("argmax", "argmin"), "use argmax_certain of varnum.balls.questions"),
    **dict.fromkeys(
        ("sort", "argsort", "searchsorted", "nonzero", "sign", "any", "all"), _COMPARED
    ),
    **dict.fromkeys(("floor", "ceil", "round", "trunc"), "round .bounds() instead"),
}


def __getattr__(name: str) -> BallArray | Callable[..., NoReturn]:
    if name == "pi":
        return wrap(arb.pi())  # at the precision in force, not float64's
    if name == "e":
        return wrap(arb(1).exp())
    if name not in _REFUSED:
        raise AttributeError(f"the ball namespace has no {name!r}")

    def refused(*_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(f"{name} of balls is refused: {_REFUSED[name]}")

    return refused


def _axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    chosen = axis if isinstance(axis, tuple) else (operator.index(axis),)
    if not builtins.all(-ndim <= a < ndim for a in chosen):
        raise IndexError(f"axis {axis} is out of range for {ndim} axes")
    return tuple(a % ndim for a in chosen)


# Creation


def asarray(
    obj: Numbers, /, *, dtype: Dtype = None, device: object = None, copy: object = None
) -> BallArray | Plain:
    """Balls from numbers, NumPy arrays, nested lists or a BallArray, exact wherever possible.

    NumPy bool arrays stay NumPy masks, and `dtype=bool`, `int32`, `int64` give NumPy arrays;
    `dtype=ball` makes balls 0 and 1 of a mask. A Fraction is enclosed at the precision in force.
    Raises InputError for NaN, infinities and what is no number.
    """
    if isinstance(obj, BallArray):
        if dtype not in (None, ball):
            raise TypeError(f"balls cannot become {dtype}: use .bounds(), or .estimate()")
        return obj
    if dtype is not None and not isinstance(dtype, BallDtype):
        plain = np.dtype(dtype)
        if plain in (bool, int32, int64):
            return np.asarray(obj, dtype=plain)
        raise TypeError(f"the ball namespace has dtypes ball, bool, int32 and int64, not {dtype}")
    if isinstance(obj, np.ndarray | np.generic) and obj.dtype == np.bool_:
        return obj if dtype is None else BallArray(obj.astype(np.int64))
    return BallArray(obj)


def astype(
    x: Numbers, dtype: Dtype, /, *, copy: builtins.bool = True, device: object = None
) -> BallArray | Plain:
    """`asarray` with a dtype."""
    return asarray(x, dtype=dtype)


def full(
    shape: Shape, fill_value: Numbers, *, dtype: Dtype = None, device: object = None
) -> BallArray | Plain:
    """An array of this shape with one value; a NumPy array for bool and int dtypes."""
    value = asarray(fill_value, dtype=dtype)
    return broadcast_to(value, shape) if isinstance(value, BallArray) else np.full(shape, value)


def zeros(shape: Shape, *, dtype: Dtype = None, device: object = None) -> BallArray | Plain:
    """Exact zeros."""
    return full(shape, 0, dtype=dtype)


def ones(shape: Shape, *, dtype: Dtype = None, device: object = None) -> BallArray | Plain:
    """Exact ones."""
    return full(shape, 1, dtype=dtype)


def zeros_like(x: BallArray, /, *, dtype: Dtype = None, device: object = None) -> BallArray | Plain:
    """Exact zeros of the shape of x."""
    return full(x.shape, 0, dtype=dtype)


def ones_like(x: BallArray, /, *, dtype: Dtype = None, device: object = None) -> BallArray | Plain:
    """Exact ones of the shape of x."""
    return full(x.shape, 1, dtype=dtype)


def isdtype(dtype: Dtype, kind: Kind | tuple[Kind, ...]) -> builtins.bool:
    """Whether `dtype` is of this kind; balls are "real floating" and "numeric"."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(dtype, BallDtype):
        own = {"ball", "real floating", "numeric"}
    else:
        own = {np.dtype(dtype).name}
        if np.dtype(dtype).kind == "i":
            own |= {"signed integer", "integral", "numeric"}
    return builtins.any(k in own if isinstance(k, str) else dtype == k for k in kinds)


# Shapes: the balls themselves are moved, never changed


def reshape(x: BallArray, /, shape: Shape, *, copy: object = None) -> BallArray:
    """The same balls in row-major order under another shape."""
    return wrap(_balls(x).reshape(shape))


def permute_dims(x: BallArray, /, axes: tuple[int, ...]) -> BallArray:
    """Axes in another order."""
    return wrap(_balls(x).transpose(axes))


def matrix_transpose(x: BallArray, /) -> BallArray:
    """`(..., m, n) -> (..., n, m)`."""
    return wrap(_balls(x).swapaxes(-1, -2))


def moveaxis(
    x: BallArray, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> BallArray:
    """Axes moved to other places."""
    return wrap(np.moveaxis(_balls(x), source, destination))


def concat(arrays: Sequence[Numbers], /, *, axis: int | None = 0) -> BallArray:
    """Arrays joined along an axis."""
    return wrap(np.concatenate([_balls(x) for x in arrays], axis=axis))


def stack(arrays: Sequence[Numbers], /, *, axis: int = 0) -> BallArray:
    """Arrays joined along a new axis."""
    return wrap(np.stack([_balls(x) for x in arrays], axis=axis))


def unstack(x: BallArray, /, *, axis: int = 0) -> tuple[BallArray, ...]:
    """The slices along an axis."""
    return tuple(moveaxis(x, axis, 0))


def expand_dims(x: BallArray, /, *, axis: int | tuple[int, ...] = 0) -> BallArray:
    """A new axis of size one."""
    return wrap(np.expand_dims(_balls(x), axis))


def squeeze(x: BallArray, /, axis: int | tuple[int, ...]) -> BallArray:
    """Axes of size one removed."""
    return wrap(np.squeeze(_balls(x), axis))


def broadcast_to(x: BallArray, /, shape: Shape) -> BallArray:
    """The balls repeated along new axes and axes of size one."""
    return wrap(np.broadcast_to(_balls(x), shape))


def repeat(x: BallArray, repeats: int, /, *, axis: int | None = None) -> BallArray:
    """Each ball repeated along an axis."""
    return wrap(np.repeat(_balls(x), repeats, axis=axis))


def tile(x: BallArray, repetitions: tuple[int, ...], /) -> BallArray:
    """The whole array repeated along each axis."""
    return wrap(np.tile(_balls(x), repetitions))


def flip(x: BallArray, /, *, axis: Axis = None) -> BallArray:
    """The order along axes reversed."""
    return wrap(np.flip(_balls(x), axis))


def take(
    x: BallArray, indices: npt.ArrayLike | BallArray, /, *, axis: int | None = None
) -> BallArray:
    """Entries along an axis at integer positions."""
    if isinstance(indices, BallArray):
        raise TypeError("a ball cannot be an index: take with integers or NumPy int arrays")
    return wrap(np.take(_balls(x), np.asarray(indices), axis=axis))


def where(condition: Mask | builtins.bool, x: Numbers, y: Numbers, /) -> BallArray:
    """Balls of x where the mask holds, of y elsewhere; the mask is a NumPy bool array."""
    if not isinstance(condition, builtins.bool | np.bool_ | np.ndarray) or (
        isinstance(condition, np.ndarray) and condition.dtype != np.bool_
    ):
        raise TypeError("where takes a NumPy bool array: balls decide nothing; " + _COMPARED)
    return wrap(np.where(condition, _balls(x), _balls(y)))


# Entrywise


def _entry(name: str, function: Callable[[arb], arb]) -> Callable[[Numbers], BallArray]:
    apply = entrywise(function)

    def elementwise(x: Numbers, /) -> BallArray:
        return wrap(apply(_balls(x)))

    elementwise.__name__ = name
    elementwise.__doc__ = f"Enclose {name} of each ball; undefined where {name} may be."
    return elementwise


exp, expm1 = _entry("exp", arb.exp), _entry("expm1", arb.expm1)
log, log1p = _entry("log", arb.log), _entry("log1p", arb.log1p)
sqrt, tanh = _entry("sqrt", arb.sqrt), _entry("tanh", arb.tanh)
sin, cos = _entry("sin", arb.sin), _entry("cos", arb.cos)
erf = _entry("erf", arb.erf)
sinh, cosh = _entry("sinh", arb.sinh), _entry("cosh", arb.cosh)


def abs(x: Numbers, /) -> BallArray:
    """Enclose the absolute value of each ball."""
    return builtins.abs(wrap(_balls(x)))


def negative(x: Numbers, /) -> BallArray:
    """-x."""
    return -wrap(_balls(x))


def square(x: Numbers, /) -> BallArray:
    """x * x, never negative."""
    return wrap(kernels.square(_balls(x)))


def pow(x: Numbers, exponent: int, /) -> BallArray:
    """x ** exponent for an int exponent."""
    power: BallArray = wrap(_balls(x)) ** exponent
    return power


def add(x: Numbers, y: Numbers, /) -> BallArray:
    """x + y."""
    return wrap(_balls(x) + _balls(y))


def subtract(x: Numbers, y: Numbers, /) -> BallArray:
    """x - y."""
    return wrap(_balls(x) - _balls(y))


def multiply(x: Numbers, y: Numbers, /) -> BallArray:
    """x * y."""
    return wrap(_balls(x) * _balls(y))


def divide(x: Numbers, y: Numbers, /) -> BallArray:
    """x / y; undefined where y may be zero."""
    return wrap(_balls(x) / _balls(y))


def maximum(x: Numbers, y: Numbers, /) -> BallArray:
    """Enclose max(x, y) for every choice of points."""
    return wrap(kernels.maximum(_balls(x), _balls(y)))


def minimum(x: Numbers, y: Numbers, /) -> BallArray:
    """Enclose min(x, y) for every choice of points."""
    return wrap(kernels.minimum(_balls(x), _balls(y)))


def clip(x: Numbers, /, min: Numbers = None, max: Numbers = None) -> BallArray:
    """Enclose min(max(x, min), max) for every choice of points."""
    balls = _balls(x)
    if min is not None:
        balls = kernels.maximum(balls, _balls(min))
    return wrap(balls if max is None else kernels.minimum(balls, _balls(max)))


def isfinite(x: Numbers, /) -> Mask:
    """Whether each ball is bounded: a fact about the enclosure, as a NumPy bool array."""
    return entrywise(arb.is_finite)(_balls(x)).astype(np.bool_)


# Reductions and products


def sum(
    x: Numbers, /, *, axis: Axis = None, dtype: object = None, keepdims: builtins.bool = False
) -> BallArray:
    """Enclose the sum over axes."""
    balls = _balls(x)
    axes = _axes(axis, balls.ndim)
    # the stub has no overload for a flag that is not written out
    total = np.add.reduce(balls, axis=axes, keepdims=keepdims, initial=arb(0))  # type: ignore[call-overload]
    return wrap(total)


def mean(x: Numbers, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> BallArray:
    """Enclose the mean over axes."""
    balls = _balls(x)
    count = math.prod(balls.shape[a] for a in _axes(axis, balls.ndim))
    return divide(sum(x, axis=axis, keepdims=keepdims), count)


def var(
    x: Numbers, /, *, axis: Axis = None, correction: int = 0, keepdims: builtins.bool = False
) -> BallArray:
    """Enclose the variance over axes, divided by n - correction."""
    balls = _balls(x)
    count = math.prod(balls.shape[a] for a in _axes(axis, balls.ndim))
    spread = square(wrap(balls) - mean(x, axis=axis, keepdims=True))
    freedom = builtins.max(count - correction, 0)  # by 0: undefined, never a negative variance
    return divide(sum(spread, axis=axis, keepdims=keepdims), freedom)


def std(
    x: Numbers, /, *, axis: Axis = None, correction: int = 0, keepdims: builtins.bool = False
) -> BallArray:
    """Enclose the square root of `var`; undefined where the variance may be zero."""
    return sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def max(x: Numbers, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> BallArray:
    """Enclose the maximum over axes for every choice of points, whatever the order."""
    balls = _balls(x)
    return wrap(kernels.largest(balls, _axes(axis, balls.ndim), keepdims))


def min(x: Numbers, /, *, axis: Axis = None, keepdims: builtins.bool = False) -> BallArray:
    """Enclose the minimum over axes for every choice of points, whatever the order."""
    return -max(negative(x), axis=axis, keepdims=keepdims)


def matmul(x: Numbers, y: Numbers, /) -> BallArray:
    """`(..., m, k) @ (..., k, n) -> (..., m, n)`, batches broadcast."""
    return wrap(kernels.matmul(_balls(x), _balls(y)))


def vecdot(x: Numbers, y: Numbers, /, *, axis: int = -1) -> BallArray:
    """Enclose the sum of x * y over one axis."""
    return sum(multiply(x, y), axis=axis)
