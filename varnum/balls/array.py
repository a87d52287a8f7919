"""Arrays of balls that fail closed: each entry encloses a real number, rigorously.

Arithmetic broadcasts as in NumPy and rounds outwards at the precision in force
(`varnum.balls.scalar.precision`). Whatever would turn a ball into a point or into a truth value
(comparisons, `bool`, `float`, `argmax`, NumPy conversion) raises a TypeError that names a rigorous
way to ask. Functions on ball arrays: `varnum.balls.namespace`; questions: `varnum.balls.questions`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import ModuleType
from typing import NoReturn, TypeAlias

import numpy as np
from flint import arb

from varnum.balls import edges, kernels
from varnum.balls.convert import Balls, Numbers, balls_of, one
from varnum.balls.edges import Floats
from varnum.tensor import Key

_Operator: TypeAlias = "Callable[[BallArray, Numbers], BallArray]"
_SCALARS = (int, float, Fraction, arb, np.integer, np.floating)
_REFLECTED: dict[str, Callable[[BallArray, BallArray], BallArray]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "matmul": operator.matmul,
}


class BallDtype:
    """The one element type of ball arrays."""

    def __repr__(self) -> str:
        return "ball"


ball_dtype = BallDtype()


def _refuse(what: str, way_out: str) -> Callable[..., NoReturn]:
    def refused(*_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(f"{what} of balls is refused: {way_out}")

    refused.__doc__ = f"Refused: {way_out}."
    return refused


_compare = _refuse(
    "comparison", "use certainly_less, certainly_at_most, possibly_equal of varnum.balls.questions"
)
_to_number = _refuse(
    "conversion to a number", "use .bounds(), or .estimate() and .radius_upper(), or .item()"
)


def operand(value: object) -> Balls | None:
    """The value's balls, or None if it is nothing that ball arithmetic takes."""
    if isinstance(value, BallArray):
        return value._balls
    if isinstance(value, np.ndarray):
        return balls_of(value)
    if isinstance(value, _SCALARS) and not isinstance(value, bool):
        box = np.empty((), dtype=object)
        box[()] = one(value)
        return box
    return None


def any_balls(value: Numbers) -> Balls:
    """The value's balls, nested lists too; raises InputError for what has none."""
    known = operand(value)
    return balls_of(value) if known is None else known


def _binary(function: Callable[[Balls, Balls], Balls]) -> tuple[_Operator, _Operator]:
    def forward(self: BallArray, other: Numbers) -> BallArray:
        balls = operand(other)
        return NotImplemented if balls is None else wrap(function(self._balls, balls))

    def reflected(self: BallArray, other: Numbers) -> BallArray:
        balls = operand(other)
        return NotImplemented if balls is None else wrap(function(balls, self._balls))

    return forward, reflected


def wrap(balls: Balls | arb) -> BallArray:
    """A BallArray that takes over an object array of balls (or one bare ball), unchecked."""
    array = object.__new__(BallArray)
    array._balls = np.asarray(balls, dtype=object)
    array._balls.flags.writeable = False
    return array


class BallArray:
    """An immutable n-d array of balls from numbers, NumPy arrays, nested lists or a BallArray.

    >>> x = BallArray([1, Fraction(1, 3)])
    >>> (x * 3).shape
    (2,)
    """

    __slots__ = ("_balls",)
    _balls: Balls

    def __init__(self, value: Numbers) -> None:
        self._balls = any_balls(value)
        self._balls.flags.writeable = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self._balls.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._balls.ndim

    @property
    def size(self) -> int:
        """Number of balls."""
        return self._balls.size

    @property
    def dtype(self) -> BallDtype:
        """The one element type, `ball`."""
        return ball_dtype

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    @property
    def T(self) -> BallArray:
        """The transpose of a two-dimensional array, `(m, n) -> (n, m)`."""
        if self.ndim != 2:
            raise ValueError(f".T needs two axes, not {self.ndim}; use .mT or permute_dims")
        return wrap(self._balls.T)

    @property
    def mT(self) -> BallArray:
        """Each matrix transposed, `(..., m, n) -> (..., n, m)`."""
        return wrap(self._balls.swapaxes(-1, -2))

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        from varnum.balls import namespace  # the one circle: the Array API asks an array for it

        return namespace

    def to_device(self, device: str, /, *, stream: object = None) -> BallArray:
        """Return this array: balls live on the CPU only."""
        if device != "cpu":
            raise ValueError(f"balls live on 'cpu', not on {device!r}")
        return self

    def item(self) -> arb:
        """Hand over the one ball of an array of size one, for `varnum.balls.scalar`."""
        entry: arb = self._balls.item()
        return entry

    def entries(self) -> list[arb]:
        """All balls in row-major order."""
        return self._balls.ravel().tolist()

    def estimate(self) -> Floats:
        """The midpoints as float64, radius dropped; NaN where the ball is unbounded."""
        return edges.estimate(self._balls)

    def radius_upper(self) -> Floats:
        """Float64 not below the radii, infinity where unbounded; see `bounds` for intervals."""
        return edges.radius_upper(self._balls)

    def bounds(self) -> tuple[Floats, Floats]:
        """Float64 arrays (low, high) with low <= every point <= high."""
        return edges.bounds(self._balls)

    __add__, __radd__ = _binary(operator.add)
    __sub__, __rsub__ = _binary(operator.sub)
    __mul__, __rmul__ = _binary(operator.mul)
    __truediv__, __rtruediv__ = _binary(operator.truediv)
    __matmul__, __rmatmul__ = _binary(kernels.matmul)

    def __neg__(self) -> BallArray:
        return wrap(-self._balls)

    def __pos__(self) -> BallArray:
        return self

    def __abs__(self) -> BallArray:
        return wrap(abs(self._balls))

    def __pow__(self, exponent: int) -> BallArray:
        if isinstance(exponent, bool) or not isinstance(exponent, int | np.integer):
            raise TypeError("a ball array takes int exponents only: use sqrt, or exp and log")
        return wrap(kernels.power(self._balls, int(exponent)))

    def __len__(self) -> int:
        return len(self._balls)

    def __iter__(self) -> Iterator[BallArray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Key) -> BallArray:
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, BallArray) for part in parts):
            raise TypeError("a ball cannot be an index: index with integers or NumPy int arrays")
        return wrap(self._balls[key])

    def __repr__(self) -> str:
        shown = ", ".join(x.str(6) for x in self._balls.ravel()[:6].tolist())
        return f"BallArray(shape={self.shape}, [{shown}{', ...' if self.size > 6 else ''}])"

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: object
    ) -> BallArray:
        if method == "__call__" and not kwargs and ufunc.__name__ in _REFLECTED:
            return _REFLECTED[ufunc.__name__](*(BallArray(x) for x in inputs))
        raise TypeError(
            f"numpy.{ufunc.__name__} of balls is refused: use varnum.balls.namespace, or .bounds()"
        )

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compare
    __hash__ = None  # type: ignore[assignment]
    __float__ = __int__ = __complex__ = __index__ = _to_number
    __bool__ = _refuse("the truth value", "use certainly_less, certainly_at_most, possibly_equal")
    __contains__ = _refuse("membership", "use contains of varnum.balls.questions")
    __rpow__ = _refuse("a power with ball exponents", "use exp(exponent * log(base))")
    __setitem__ = _refuse("assignment into an array", "build a new one with where, concat, stack")
    __array__ = _refuse(
        "NumPy conversion", "use .bounds(), or .estimate(); to join ball arrays, concat or stack"
    )
    __array_function__ = _refuse("a NumPy function", "use the same name of varnum.balls.namespace")
