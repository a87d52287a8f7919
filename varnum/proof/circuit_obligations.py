"""Obligations of the threshold lemmas and of the p-bit product: one gate, one step, one rounding.

Integers enter through what they give: S <= m - 1 where S < m fails to be S >= m. Forms and gates
are real symbols; g = [S >= m] and h = [S > m] are 0 or 1.
"""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.proof.obligation import Obligation, Twin

_99, _101 = sp.Rational(99, 100), sp.Rational(101, 100)
S, m, g, h, B, hi, x, y = sp.symbols("S m g h B hi x y", real=True)
held, value, before, after = sp.symbols("held value before after", real=True)
a, b, q, p, d, e = sp.symbols("a b q p d e", real=True)
A, t, s, u = sp.symbols("A t s u", real=True)
_over = a - m * b


def _bit(*names: sp.Expr) -> tuple[sp.Rel, ...]:
    return tuple(sp.Eq(name * (name - 1), 0) for name in names)


def _far(what: sp.Expr, most: sp.Expr) -> tuple[sp.Rel, ...]:
    """|what| <= most."""
    return sp.Le(what, most), sp.Ge(what, -most)


LEMMAS = (
    Obligation(
        name="threshold-telescope",
        claim="threshold-telescope",
        says="the sum up to m - 1 is f(min(S, m - 1)); a step at [S >= m] makes it f(min(S, m))",
        assume=(
            *_bit(g, h),
            sp.Ge(g * (S - m), 0),
            sp.Ge((1 - g) * (m - 1 - S), 0),
            sp.Ge(h * (S - m - 1), 0),
            sp.Ge((1 - h) * (m - S), 0),
            sp.Eq(g * (held - before), 0),
            sp.Eq(g * (value - after), 0),
            sp.Eq((1 - g) * (held - value), 0),
        ),
        conclude=sp.Eq(held + (after - before) * g, value),
        twin=Twin(
            conclude=sp.Eq(held + (after - before) * h, value),
            witness={"S": 0, "m": 0, "g": 1, "h": 0, "held": 0, "before": 0, "after": 1,
                     "value": 1},
            says="the step at [S > m] is wrong at S = m",
        ),
    ),
    Obligation(
        name="threshold-telescope-base",
        claim="threshold-telescope",
        says="at the least value no step is taken, and the form is f(lo)",
        assume=(*_bit(g), sp.Ge(g * (S - m), 0), sp.Le(S, m - 1), sp.Eq(held, before)),
        conclude=sp.Eq(held + (after - before) * g, before),
        twin=Twin(
            conclude=sp.Eq(held + (after - before) * (1 - g), before),
            witness={"S": 0, "m": 1, "g": 0, "held": 0, "before": 0, "after": 1},
            says="a negated gate adds its step at once",
        ),
    ),
    Obligation(
        name="threshold-ratio-reached",
        claim="threshold-ratio",
        says="every m up to q = floor(a/b) has its gate at 1",
        assume=(sp.Ge(b, 1), sp.Ge(a, q * b), sp.Le(m, q)),
        conclude=sp.Ge(_over, 0),
        twin=Twin(
            conclude=sp.Ge(_over, 1),
            witness={"a": 0, "b": 1, "q": 0, "m": 0},
            says="a > m b is wrong where b divides a",
        ),
    ),
    Obligation(
        name="threshold-ratio-beyond",
        claim="threshold-ratio",
        says="every m above q has its gate at 0",
        assume=(sp.Ge(b, 1), sp.Le(a, (q + 1) * b - 1), sp.Ge(m, q + 1)),
        conclude=sp.Le(_over, -1),
        twin=Twin(
            conclude=sp.Le(_over, -_101),
            witness={"a": 0, "b": 1, "q": 0, "m": 1},
            says="1 % more is false: a = (q + 1) b - 1, m = q + 1",
        ),
    ),
    Obligation(
        name="threshold-root-reached",
        claim="threshold-root",
        says="x = sqrt(k) a >= y = m sqrt(V) gives x|x| >= y|y|",
        assume=(sp.Ge(x, y),),
        conclude=sp.Ge(x * sp.Abs(x), y * sp.Abs(y)),
        twin=Twin(
            conclude=sp.Ge(x * sp.Abs(x), y * y),
            witness={"x": 0, "y": -1},
            says="m^2 in place of m|m| is wrong for m below 0",
        ),
    ),
    Obligation(
        name="threshold-root-beyond",
        claim="threshold-root",
        says="x < y gives x|x| < y|y|: the gate is 0 where it should be",
        assume=(sp.Lt(x, y),),
        conclude=sp.Lt(x * sp.Abs(x), y * sp.Abs(y)),
        twin=Twin(
            conclude=sp.Lt(x * x, y * sp.Abs(y)),
            witness={"x": -2, "y": 1},
            says="a^2 in place of a|a| is wrong for a below 0",
        ),
    ),
    Obligation(
        name="threshold-and-off",
        claim="threshold-and",
        says="without the bit the form cannot reach m + B",
        assume=(sp.Le(S, hi), sp.Ge(B, hi - m + 1)),
        conclude=sp.Le(S, m + B - 1),
        twin=Twin(
            conclude=sp.Le(S, m + (B - 1) - 1),
            witness={"S": 2, "hi": 2, "m": 1, "B": 2},
            says="B = hi - m is too small: the form at its top counts as the bit",
        ),
    ),
    Obligation(
        name="threshold-and-on",
        claim="threshold-and",
        says="with the bit the gate is [S >= m], whole numbers",
        assume=(*_bit(x, g), sp.Eq(x, 1), sp.Ge(g * (S - m), 0), sp.Ge((1 - g) * (m - 1 - S), 0)),
        conclude=sp.And(
            sp.Ge(g * (S + B * x - m - B), 0), sp.Ge((1 - g) * (m + B - 1 - S - B * x), 0)
        ),
        twin=Twin(
            conclude=sp.Ge(g * (S + B * x - m - B - 1), 0),
            witness={"S": 1, "m": 1, "B": 2, "x": 1, "g": 1},
            says="a threshold one higher is wrong at S = m",
        ),
    ),
    Obligation(
        name="quarter-squares",
        claim="quarter-squares",
        says="(a+b)^2 = 4p + e and (a-b)^2 = 4q + e, the same rest e: p - q = ab",
        assume=(sp.Eq((a + b) ** 2, 4 * p + e), sp.Eq((a - b) ** 2, 4 * q + e)),
        conclude=sp.Eq(p - q, a * b),
        twin=Twin(
            conclude=sp.Eq(p - q, _101 * a * b),
            witness={"a": 1, "b": 1, "p": 1, "q": 0, "e": 0},
            says="1 % more is false at 1 times 1",
        ),
    ),
    Obligation(
        name="precision-p-down",
        claim="precision-p",
        says="x in [1, 1 + u] rounds to 1: the error x - 1 is at most u/(1 + u) of x",
        assume=(sp.Gt(u, 0), sp.Le(u, 1), sp.Ge(x, 1), sp.Le(x, 1 + u)),
        conclude=sp.Le((x - 1) * (1 + u), u * x),
        twin=Twin(
            conclude=sp.Le((x - 1) * (1 + u), _99 * u * x),
            witness={"u": Fraction(1, 8), "x": Fraction(9, 8)},
            says="1 % less is false at 1 + u",
        ),
    ),
    Obligation(
        name="precision-p-up",
        claim="precision-p",
        says="x >= 1 + u: an error of at most u is at most u/(1 + u) of x",
        assume=(sp.Gt(u, 0), sp.Le(u, 1), sp.Ge(x, 1 + u), sp.Le(e, u)),
        conclude=sp.Le(e * (1 + u), u * x),
        twin=Twin(
            conclude=sp.Le(e * (1 + u), _99 * u * x),
            witness={"u": Fraction(1, 8), "x": Fraction(9, 8), "e": Fraction(1, 8)},
            says="1 % less is false at 1 + u",
        ),
    ),
    Obligation(
        name="precision-product",
        claim="precision-product",
        says="rounded products that sum to s, |s - t| <= u A, rounded once: within "
        "(1 + u) u A + u |t|",
        assume=(
            sp.Ge(u, 0),
            sp.Le(u, 1),
            sp.Ge(A, 0),
            *_far(s - t, u * A),
            sp.Le(y - s, u * sp.Abs(s)),
            sp.Ge(y - s, -u * sp.Abs(s)),
        ),
        conclude=sp.And(*_far(y - t, (1 + u) * u * A + u * sp.Abs(t))),
        twin=Twin(
            conclude=sp.Le(y - t, _99 * ((1 + u) * u * A + u * sp.Abs(t))),
            witness={"u": Fraction(1, 2), "A": 1, "t": 1, "s": Fraction(3, 2),
                     "y": Fraction(9, 4)},
            says="1 % less is false: every rounding upwards",
        ),
    ),
    Obligation(
        name="precision-input",
        claim="precision-product",
        says="an error eta of the computed input adds |W| eta, without a factor",
        assume=(
            sp.Ge(B, 0),
            *_far(y - t, B),
            *_far(d, 1),
            sp.Ge(e, 0),
            *_far(x, e),
            sp.Eq(s, t - d * x),
        ),
        conclude=sp.And(*_far(y - s, B + e)),
        twin=Twin(
            conclude=sp.Le(y - s, _99 * (B + e)),
            witness={"B": 1, "y": 1, "t": 0, "d": 1, "e": 1, "x": 1, "s": -1},
            says="1 % less is false: both errors the same way",
        ),
    ),
)  # fmt: skip
