"""Values into NumPy object arrays of flint balls: exactly, or enclosed where no ball is exact.

The object arrays stay inside `varnum.balls`: NumPy's own max, clip, sort and where on them are
unsound (they compare balls as if they were points).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from flint import arb

from varnum.balls.scalar import ball
from varnum.errors import InputError

Balls: TypeAlias = npt.NDArray[np.object_]
Numbers: TypeAlias = object  # numbers, NumPy arrays, nested lists, a BallArray: checked by value
_ALLOWED = "allowed are finite int, float, Fraction, ball, and NumPy arrays or nested lists of them"


def undefined() -> arb:
    """The ball that says nothing: every operation on it gives it back, no question is certain."""
    return arb("nan")


def one(value: object) -> arb:
    """Enclose one number: `scalar.ball`, and NumPy scalars.

    An unbounded ball becomes the undefined one: the infinite *point* +inf would look certain.
    """
    if isinstance(value, np.integer | np.floating):
        value = _python_number(value)
    made = ball(value)  # type: ignore[arg-type]  # refuses what is no number
    return made if made.is_finite() else undefined()


def _python_number(value: np.integer | np.floating) -> int | float:
    if value.dtype.itemsize > 8:
        raise InputError(f"ball: {value.dtype} is wider than float64; {_ALLOWED}")
    number: int | float = value.item()
    return number


def filled(balls: Iterable[arb], shape: tuple[int, ...]) -> Balls:
    """An object array of this shape from balls in row-major order."""
    return np.fromiter(balls, dtype=object, count=math.prod(shape)).reshape(shape)


def balls_of(value: Numbers) -> Balls:
    """A fresh object array of balls with the value's shape. Raises InputError as `one` does."""
    array = value if isinstance(value, np.ndarray) else np.array(value, dtype=object)
    kind, convert = array.dtype.kind, one
    if kind in "iuf" and array.dtype.itemsize <= 8:
        if kind == "f" and not np.isfinite(array).all():
            raise InputError(
                "ball array: NaN or infinity in the input; allowed are real numbers "
                "(for a mask: where with a NumPy bool array, and 0 for a masked weight)"
            )
        return filled(map(arb, array.ravel().tolist()), array.shape)
    if kind != "O":
        raise InputError(f"ball array: dtype {array.dtype} has no exact balls; {_ALLOWED}")
    return filled(map(convert, array.ravel().tolist()), array.shape)


def entrywise(function: Callable[..., object], count: int = 1) -> Callable[..., Balls]:
    """`function` of `count` balls as a broadcasting map of object arrays."""
    ufunc = np.frompyfunc(function, count, 1)

    def apply(*arrays: Balls) -> Balls:
        return np.asarray(ufunc(*arrays), dtype=object)  # NumPy hands a 0-d result over bare

    return apply
