"""The evaluation in NumPy, each operation rounded as in the format: the twin of the emitted code.

Numbers of every format are carried in float64. A sum or a product plus a number is first rounded to
odd in float64 (Boldo and Melquiond 2008), so the second rounding, to the format, is the correct
one: float64 has two digits more than twice those of float32. Fused operations in float64 itself use
the same paper's emulation.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from varnum.approx.ship.formats import Format
from varnum.approx.ship.reduction import Reduction
from varnum.approx.ship.scheme import Scheme

Array: TypeAlias = npt.NDArray[np.float64]


def rounded(x: Array, form: Format) -> Array:
    """x rounded to the nearest number of the format, ties to even; float64 passes through."""
    if form.digits == 53:
        return x
    with np.errstate(over="ignore", invalid="ignore"):
        _, above = np.frexp(x)
        place = np.maximum(above - 1, form.least) + 1 - form.digits
        near = np.ldexp(np.rint(np.ldexp(x, -place)), place)
        return np.where(np.abs(near) > float(form.largest), np.copysign(np.inf, x), near)


def evaluate(how: Scheme, coefficients: Sequence[Fraction], r: Array, form: Format) -> Array:
    """The computed values at r (n,), numbers of the format in float64."""
    values: dict[str, Array] = {f"c{k}": np.array(float(c)) for k, c in enumerate(coefficients)}
    values["r"] = r
    for step in how.steps:
        values[step.result] = apply(step.operation, [values[n] for n in step.arguments], form)
    return np.broadcast_to(values[how.result], r.shape)


def apply(operation: str, given: Sequence[Array], form: Format) -> Array:
    """One rounded operation on numbers of the format."""
    a, b, *c = given
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if operation == "add":
            return a + b if form.digits == 53 else rounded(odd_sum(a, b), form)
        if operation == "mul":
            return rounded(a * b, form)  # exact in float64 for the smaller formats
        if form.digits == 53:
            return fused(a, b, c[0])
        return rounded(odd_sum(a * b, c[0]), form)


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """(s, e): s = a + b rounded, s + e = a + b exactly."""
    s = a + b
    back = s - a
    return s, (a - (s - back)) + (b - back)


def odd_sum(a: Array, b: Array) -> Array:
    """a + b rounded to odd: exact, or the neighbour whose last bit is 1."""
    s, e = two_sum(a, b)
    even = (np.asarray(s).view(np.int64) & 1) == 0
    move = (e != 0) & even & np.isfinite(s)
    return np.where(move, np.nextafter(s, np.where(e > 0, np.inf, -np.inf)), s)


def fused(a: Array, b: Array, c: Array) -> Array:
    """a b + c rounded once, in float64; for results far from both ends of the format."""
    high, low = two_product(a, b)
    t, t_low = two_sum(c, low)
    v, v_low = two_sum(high, t)
    return v + odd_sum(t_low, v_low)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """(p, e): p = a b rounded, p + e = a b exactly (Dekker; no overflow in between)."""
    p = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return p, a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)


def _halves(a: Array) -> tuple[Array, Array]:
    far = a * 134217729.0  # 2^27 + 1
    high = far - (far - a)
    return high, a - high


def reduced(how: Reduction, x: Array) -> tuple[Array, Array]:
    """(n, r) of x, each operation rounded."""
    if how.kind != "cody-waite":
        n = np.rint(x) if how.kind == "nearest" else np.floor(x)
        return n, apply("add", (x, -n), how.form)
    scale, first, second = (np.array(float(c)) for c in how.constants)
    n = np.rint(apply("mul", (x, scale), how.form))
    for part in (first, second):
        if how.fma:
            x = apply("fma", (-n, part, x), how.form)
        else:
            x = apply("add", (x, -apply("mul", (n, part), how.form)), how.form)
    return n, x


def scaled(y: Array, n: Array, form: Format) -> Array:
    """y 2^n, rounded where it is no normal number."""
    with np.errstate(over="ignore", under="ignore"):
        return rounded(np.ldexp(y, n.astype(np.int64)), form)
