"""Every way to round at once: interval arithmetic that widens each result by u = 2^-p its size.

The model's own code runs on balls that hold the exact result and every result whose operations err
by at most u relatively: so P_p and P_p^seq, any rounding mode, and the real model. Rigorous, and
loose, because intervals forget that errors are shared: it needs many more bits than the first
order says. Claim `pbit-interval`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from varnum.balls import namespace as balls
from varnum.balls.array import BallArray
from varnum.balls.convert import Numbers
from varnum.balls.questions import bounds
from varnum.balls.scalar import arb, hull, precision
from varnum.circuit.converted_model import converted
from varnum.model.backend import Ints
from varnum.model.generate import Model, teacher_forced_logits
from varnum.tensor import Key, Mask

Constant: TypeAlias = npt.ArrayLike | arb
Other: TypeAlias = "Wide | Constant"
Function: TypeAlias = Callable[..., object]  # of the namespace of balls
T = TypeVar("T", bound=Constant)
_DOUBLE = Fraction(1, 1 << 53)
_CONSTANT = Fraction(1, 1 << 51)  # at 53 bits or fewer a constant may have been a double before


def fraction_of(x: float) -> Fraction | None:
    """The fraction of denominator <= 2^25 that rounds to the double x: the only one, if there is.

    Two such fractions differ by at least 2^-50, so by more than doubles below 2 resolve.
    """
    found = Fraction(x).limit_denominator(1 << 25)
    return found if (abs(x) < 2 and float(found) == x) or found == Fraction(x) else None


class Wide:
    """A ball array that is widened after every operation; u: relative error allowed."""

    dtype, device = "balls, widened", "cpu"

    def __init__(self, value: BallArray, u: Fraction, in_order: bool = False) -> None:
        self.value, self.u, self.in_order = value, u, in_order

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
        return _namespace(self)

    def __getitem__(self, key: Key) -> Wide:
        return self._kept(self.value[key])

    def _kept(self, value: Numbers) -> Wide:
        return Wide(BallArray(value), self.u, self.in_order)

    def rounded(self, value: BallArray) -> Wide:
        """The result of one operation, right or wrong by u its size."""
        return self._kept(value + balls.abs(value) * (hull(-1, 1) * _ball(self.u)))

    def constant(self, value: Constant) -> BallArray | int:
        """A number of the program: exact if it has one bit, else rounded to p bits."""
        if isinstance(value, int) and value in (0, 1, 2):
            return value
        if hasattr(value, "rad"):  # pi comes as a ball
            near, known = BallArray(value), True
        else:
            numbers = np.asarray(value, dtype=np.float64)
            found = [fraction_of(float(x)) for x in numbers.ravel()]
            known = None not in found
            exact = [Fraction(float(x)) if f is None else f
                     for x, f in zip(numbers.ravel(), found, strict=True)]  # fmt: skip
            near = balls.reshape(BallArray(np.array(exact, dtype=object)), numbers.shape)
        slack = self.u if known and self.u < _DOUBLE else self.u + _CONSTANT
        return near + balls.abs(near) * (hull(-1, 1) * _ball(slack))

    def _two(self, other: Other) -> BallArray | int:
        return other.value if isinstance(other, Wide) else self.constant(other)

    def __add__(self, other: Other) -> Wide:
        return self.rounded(self.value + self._two(other))

    def __sub__(self, other: Other) -> Wide:
        return self.rounded(self.value - self._two(other))

    def __rsub__(self, other: Other) -> Wide:
        return self.rounded(self._two(other) - self.value)

    def __mul__(self, other: Other) -> Wide:
        return self.rounded(self.value * self._two(other))

    def __truediv__(self, other: Other) -> Wide:
        return self.rounded(self.value / self._two(other))

    def __rtruediv__(self, other: Other) -> Wide:
        return self.rounded(self._two(other) / self.value)

    __radd__, __rmul__ = __add__, __mul__

    def summed(self, value: BallArray, sizes: BallArray, roundings: int) -> Wide:
        """A sum: `roundings` of each term before it, sizes = sum of |terms|.

        Exact sums: those and one of the result; in order: n more of each term.
        """
        factor = (1 + self.u) ** roundings - 1
        moved = value + sizes * (hull(-1, 1) * _ball(factor))
        return self._kept(moved) if self.in_order else self.rounded(moved)


def _ball(x: Fraction) -> arb:
    return hull(x, x)


def _matmul(x: Wide, y: Wide) -> Wide:
    value = balls.matmul(x.value, y.value)
    sizes = balls.matmul(balls.abs(x.value), balls.abs(y.value))
    return x.summed(value, sizes, x.shape[-1] if x.in_order else 1)


def _sum(x: Wide, axis: int = -1, keepdims: bool = False) -> Wide:
    value = balls.sum(x.value, axis=axis, keepdims=keepdims)
    sizes = balls.sum(balls.abs(x.value), axis=axis, keepdims=keepdims)
    return x.summed(value, sizes, x.shape[axis] - 1 if x.in_order else 0)


def _mean(x: Wide, axis: int = -1, keepdims: bool = False) -> Wide:
    total = _sum(x, axis, keepdims)
    return total.rounded(total.value / x.shape[axis])


def _namespace(like: Wide) -> SimpleNamespace:
    def asarray(value: T, dtype: object = None, device: object = None) -> T | Wide:
        return value if dtype == "int64" else like._kept(like.constant(value))

    def one(f: Function) -> Callable[..., Wide]:
        return lambda x, *args, **kw: x._kept(f(x.value, *args, **kw))

    def two(f: Function) -> Callable[[Wide, Wide], Wide]:
        return lambda x, y: x._kept(f(x.value, y.value))

    def many(f: Function) -> Callable[..., Wide]:
        return lambda xs, axis=0: xs[0]._kept(f([x.value for x in xs], axis=axis))

    def rounding(f: Callable[[Numbers], BallArray]) -> Callable[[Wide], Wide]:
        return lambda x: x.rounded(f(x.value))

    return SimpleNamespace(
        __name__="varnum.circuit.every_rounding", pi=arb.pi(), int64="int64", asarray=asarray,
        exp=rounding(balls.exp), tanh=rounding(balls.tanh), sqrt=rounding(balls.sqrt),
        sum=_sum, mean=_mean, matmul=_matmul, max=one(balls.max), reshape=one(balls.reshape),
        take=one(balls.take), permute_dims=one(balls.permute_dims),
        broadcast_to=one(balls.broadcast_to), ones_like=one(balls.ones_like),
        zeros_like=one(balls.zeros_like), minimum=two(balls.minimum), maximum=two(balls.maximum),
        concat=many(balls.concat), stack=many(balls.stack),
    )  # fmt: skip


def certify_every_rounding(
    model: Model, labels: Ints, tokens: Ints, p: int, in_order: bool = False
) -> Mask:
    """(B, L) of bool: tokens that are the same for the real model and every rounding to p bits.

    Rigorous for every precision from p on: a larger one only allows less. False says nothing.
    """
    u = Fraction(1, 1 << p)
    with precision(max(128, 2 * p + 64)):
        held = converted(model, lambda w: weight(w, u, in_order))
        logits = teacher_forced_logits(held, labels, tokens).value
        low, high = bounds(logits)
    best = low.argmax(-1)[..., None]  # any choice is sound; an unbounded ball certifies none
    ahead = np.take_along_axis(low, best, -1)[..., 0]
    others = high.copy()
    np.put_along_axis(others, best, -np.inf, -1)
    sure: Mask = ahead > others.max(-1)
    return sure


def weight(w: npt.ArrayLike, u: Fraction, in_order: bool = False) -> Wide:
    """A weight as given, and rounded to p bits."""
    exact = Wide(BallArray(np.asarray(w, dtype=np.float64)), u, in_order)
    return exact.rounded(exact.value)
