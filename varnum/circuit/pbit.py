"""The p-bit models: arrays whose every operation is rounded to p significant bits, exactly.

P_p: + - x / exp tanh sqrt correctly rounded (nearest, ties to even); each product of a matrix
product is rounded, and the sum of any length is exact, with one rounding. P_p^seq: sums in index
order, rounded after every addition. Exponents are unlimited (those of float64, checked). The
model's own code runs on these arrays (an Array API namespace), so constants are rounded as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import SupportsFloat, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from varnum.balls.scalar import arb, ball, lower, precision, upper
from varnum.errors import InputError
from varnum.tensor import Key

Floats = npt.NDArray[np.float64]
One: TypeAlias = Callable[[Floats], Floats]
Two: TypeAlias = Callable[[Floats, Floats], Floats]
Exact: TypeAlias = Callable[[arb], arb]
Other: TypeAlias = "PArray | SupportsFloat"
T = TypeVar("T", bound=npt.ArrayLike)
MOST_BITS = 24  # 2p + 2 <= 53: a float64 operation rounded to p bits is the p-bit operation
_SLACK = 16 * 2.0**-53  # NumPy's exp and tanh are taken to be within 16 units in the last place
_LARGE, _SMALL = 2.0**1000, 2.0**-1000
_CHUNK = 1 << 21  # products at once


def round_to(values: npt.ArrayLike, p: int) -> Floats:
    """Nearest number of p significant bits, ties to even, of float64 values; any exponent."""
    x = np.asarray(values, dtype=np.float64)
    size = abs(x)
    if not (size < _LARGE).all() or ((size < _SMALL) & (size > 0)).any():
        raise ArithmeticError("a value of the p-bit run is beyond float64's exponents")
    bits = np.ascontiguousarray(x).view(np.uint64)
    drop = np.uint64(53 - p)
    one = np.uint64(1)
    half = (one << (drop - one)) - one
    bits = bits + half + ((bits >> drop) & one)
    return ((bits >> drop) << drop).view(np.float64).reshape(x.shape)


def round_exactly(x: Fraction, p: int) -> float:
    """The same for a rational."""
    if x == 0:
        return 0.0
    size = abs(x)
    e = size.numerator.bit_length() - size.denominator.bit_length() - p
    e -= size < Fraction(2) ** (e + p - 1)
    e += size >= Fraction(2) ** (e + p)
    scaled = size / Fraction(2) ** e  # in [2^(p-1), 2^p)
    whole = round(scaled)  # Fraction rounds ties to even
    return math.copysign(math.ldexp(whole, e), x)


@dataclass(frozen=True)
class Rounding:
    """p bits; in_order: sums in index order instead of exact ones."""

    p: int
    in_order: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.p <= MOST_BITS:
            raise InputError(f"bits: {self.p} is not within 2 to {MOST_BITS}")

    def array(self, x: npt.ArrayLike) -> PArray:
        """Any float array, each entry rounded to p bits."""
        return PArray(round_to(x, self.p), self)

    def sum(self, terms: Floats, axis: int) -> Floats:
        """Sum over one axis of p-bit terms."""
        if self.in_order:
            held: Floats = np.take(terms, 0, axis=axis)
            for i in range(1, terms.shape[axis]):
                held = round_to(held + np.take(terms, i, axis=axis), self.p)
            return held
        near = terms.sum(axis=axis)
        slack = terms.shape[axis] * 2.0**-52 * abs(terms).sum(axis=axis)
        out = round_to(near - slack, self.p)
        for where in map(tuple, np.argwhere(out != round_to(near + slack, self.p))):
            entries = np.moveaxis(terms, axis, -1)[where]
            out[where] = round_exactly(sum(map(Fraction, entries.tolist()), Fraction(0)), self.p)
        return out


class PArray:
    """An array of p-bit numbers, held as float64."""

    def __init__(self, values: Floats, rounding: Rounding) -> None:
        self.values, self.rounding = values, rounding

    dtype, device = "p-bit", "cpu"

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.values.ndim

    def __array_namespace__(self, *, api_version: str | None = None) -> SimpleNamespace:
        """Functions on such arrays."""
        return _namespace(self.rounding)

    def __getitem__(self, key: Key) -> PArray:
        return PArray(self.values[key], self.rounding)

    def _with(self, f: Two, other: Other, swapped: bool = False) -> PArray:
        y = other.values if isinstance(other, PArray) else round_to(float(other), self.rounding.p)
        x, y = (y, self.values) if swapped else (self.values, y)
        return PArray(round_to(f(x, y), self.rounding.p), self.rounding)

    def __add__(self, other: Other) -> PArray:
        return self._with(np.add, other)

    def __sub__(self, other: Other) -> PArray:
        return self._with(np.subtract, other)

    def __rsub__(self, other: Other) -> PArray:
        return self._with(np.subtract, other, swapped=True)

    def __mul__(self, other: Other) -> PArray:
        return self._with(np.multiply, other)

    def __truediv__(self, other: Other) -> PArray:
        return self._with(np.divide, other)

    def __rtruediv__(self, other: Other) -> PArray:
        return self._with(np.divide, other, swapped=True)

    __radd__, __rmul__ = __add__, __mul__


def _near(x: PArray, f: One, exact: Exact) -> PArray:
    """A function of NumPy, rounded; by balls where its own error could decide the rounding."""
    p, y = x.rounding.p, f(x.values)
    if ((y == 0) & (x.values < -1)).any():  # exp has no zero
        raise ArithmeticError("an exp of the p-bit run is beyond float64's exponents")
    out = round_to(y * (1 - _SLACK), p)
    for where in map(tuple, np.argwhere(out != round_to(y * (1 + _SLACK), p))):
        out[where] = _by_balls(exact, float(x.values[where]), p)
    return PArray(out, x.rounding)


def _by_balls(exact: Exact, x: float, p: int) -> float:
    for bits in (128, 512, 2048):
        with precision(bits):
            value = exact(ball(x))
            low, high = round_exactly(lower(value), p), round_exactly(upper(value), p)
        if low == high:
            return low
    raise ArithmeticError("a rounding that no precision decides")


def matmul(x: PArray, y: PArray) -> PArray:
    """Products rounded one by one, then summed; rows in pieces."""
    a, b = x.values, y.values
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    b = np.broadcast_to(b, (*batch, *b.shape[-2:]))
    rows = max(1, _CHUNK // max(1, math.prod(batch) * b.shape[-1] * b.shape[-2]))
    parts = []
    for i in range(0, a.shape[-2], rows):
        products = round_to(a[..., i : i + rows, :, None] * b[..., None, :, :], x.rounding.p)
        parts.append(x.rounding.sum(products, -2))
    return PArray(np.concatenate(parts, axis=-2), x.rounding)


def _sum(x: PArray, axis: int = -1, keepdims: bool = False) -> PArray:
    out = x.rounding.sum(x.values, axis)
    return PArray(np.expand_dims(out, axis) if keepdims else out, x.rounding)


def _mean(x: PArray, axis: int = -1, keepdims: bool = False) -> PArray:
    """The sum, rounded, over the number of entries, rounded."""
    total = _sum(x, axis, keepdims)
    return PArray(round_to(total.values / x.shape[axis], x.rounding.p), x.rounding)


def _exact(f: Callable[..., Floats]) -> Callable[..., PArray]:
    """A function that rounds nothing, on one array."""
    return lambda x, *args, **kw: PArray(f(x.values, *args, **kw), x.rounding)


def _exact_two(f: Two) -> Callable[[PArray, PArray], PArray]:
    return lambda x, y: PArray(f(x.values, y.values), x.rounding)


def _exact_many(f: Callable[..., Floats]) -> Callable[..., PArray]:
    return lambda xs, axis=0: PArray(f([x.values for x in xs], axis=axis), xs[0].rounding)


def _namespace(rounding: Rounding) -> SimpleNamespace:
    def asarray(value: T, dtype: object = None, device: object = None) -> T | PArray:
        return value if dtype == "int64" else rounding.array(np.asarray(value, dtype=np.float64))

    return SimpleNamespace(
        __name__="varnum.circuit.pbit", pi=math.pi, int64="int64", asarray=asarray,
        exp=lambda x: _near(x, np.exp, lambda v: v.exp()),
        tanh=lambda x: _near(x, np.tanh, lambda v: v.tanh()),
        sqrt=lambda x: PArray(round_to(np.sqrt(x.values), rounding.p), rounding),
        sum=_sum, mean=_mean, matmul=matmul,
        max=_exact(np.max), reshape=_exact(np.reshape), take=_exact(np.take),
        permute_dims=_exact(np.transpose), broadcast_to=_exact(np.broadcast_to),
        ones_like=_exact(np.ones_like), zeros_like=_exact(np.zeros_like),
        minimum=_exact_two(np.minimum), maximum=_exact_two(np.maximum),
        concat=_exact_many(np.concatenate), stack=_exact_many(np.stack),
    )  # fmt: skip
