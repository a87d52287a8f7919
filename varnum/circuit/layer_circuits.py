"""Layers of a transformer in fixed point, each on forms: what a block and a generation are made of.

Numbers are integers in units of 2^-g. Every function says how many layers of gates it adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from varnum.balls.scalar import arb, ball, lower, precision, upper
from varnum.circuit.exp import rounded_exp
from varnum.circuit.form import Form, total
from varnum.circuit.gates import Builder
from varnum.circuit.head_circuit import Matrix
from varnum.circuit.lemmas import multiply, ratio, root_ratio, telescope, telescope_times

Row = list[Form]  # one token, (C)


@dataclass(frozen=True)
class Fixed:
    """g bits after the point; E(S) = max(1, round(2^f e^x)), x = S scaled to [-M, M]."""

    g: int = 1
    f: int = 3
    M: Fraction = Fraction(1)

    def norm_bound(self, width: int) -> tuple[int, int]:
        """(k, B): normalised entries are floor(sqrt(k) a/sqrt(V)), between -B and B."""
        k = width << 2 * self.g
        return k, math.isqrt(k)

    def unit_bound(self) -> tuple[int, int]:
        """The same for vectors of length 1."""
        return 1 << 2 * self.g, 1 << self.g

    def exp_table(self, most: int) -> dict[int, int]:
        """E(S) for |S| <= most."""
        return {S: self.exp(S, most) for S in range(-most, most + 1)}

    def exp(self, S: int, most: int) -> int:
        """E(S) where |S| <= most is scaled to [-M, M]."""
        x = Fraction(S) * self.M / max(most, 1)
        return max(1, rounded_exp(x.numerator, x.denominator, self.f))


def matvec(weight: Matrix, x: Sequence[Form], bias: Sequence[int] | None = None) -> Row:
    """W x + b with hard-wired integers: no layer."""
    rows = [total(e * w for w, e in zip(row, x, strict=True)) for row in weight]
    return rows if bias is None else [r + c for r, c in zip(rows, bias, strict=True)]


def normalise(b: Builder, x: Row, k: int, most: int, centred: bool = True) -> Row:
    """floor(sqrt(k) a_c / sqrt(1 + sum a_c^2)), a = n x - sum x (or x): 2 layers.

    The 1 under the root is the layer's epsilon, and what makes the divisor positive.
    """
    if centred:
        mean = total(x)
        x = [e * len(x) - mean for e in x]
    variance = total([1, *(telescope(b, a, lambda m: m * m) for a in x)])
    signed = [telescope(b, a, lambda m: m * abs(m)) for a in x]
    return [root_ratio(b, s, variance, k, most) for s in signed]


def dot(b: Builder, x: Row, y: Row) -> Form:
    """sum x_c y_c by quarter squares: 1 layer."""
    return total(multiply(b, s, t) for s, t in zip(x, y, strict=True))


def attend(b: Builder, q: Row, keys: list[Row], values: list[Row], exp: dict[int, int]) -> Row:
    """floor(sum_j E(q.k_j) v_j / sum_j E(q.k_j)): 3 layers (logits, E v, quotient)."""
    logits = [dot(b, q, k) for k in keys]
    below = total(telescope(b, S, exp.__getitem__) for S in logits)
    out = []
    for c in range(len(values[0])):
        column = [v[c] for v in values]
        above = total(
            telescope_times(b, S, exp.__getitem__, v) for S, v in zip(logits, column, strict=True)
        )
        out.append(ratio(b, above, below, min(v.low for v in column), max(v.high for v in column)))
    return out


@cache
def rounded_gelu(m: int, g: int, erf: bool) -> int:
    """round(2^g gelu(m / 2^g)), tanh form or by erf; certain."""
    return _certain(lambda: _gelu(ball(Fraction(m, 1 << g)), erf) * (1 << g))


def _gelu(x: arb, erf: bool) -> arb:
    if erf:
        return x * (1 + (x / ball(2).sqrt()).erf()) / 2
    pi = 4 * ball(1).atan()
    u = (2 / pi).sqrt() * (x + ball("0.044715") * x * x * x)
    return x * (1 + u.tanh()) / 2


def _certain(value: Callable[[], arb]) -> int:
    """The nearest integer, the precision raised until the enclosure leaves one."""
    for bits in (64, 128, 256, 512):
        with precision(bits):
            shifted = value() + ball("1/2")
            low, high = math.floor(lower(shifted)), math.floor(upper(shifted))
        if low == high:
            return low
    raise ArithmeticError("a rounding that no precision decides")
