"""Obligations of polynomials in float formats: how errors pass a product, a rounding, a shift."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.proof.obligation import Obligation, Twin

a, b, x, y = sp.symbols("a b x y", real=True)
p, q, r, s = sp.symbols("p q r s", real=True)  # how far bounds are above what they bound
z, m, u = sp.symbols("z m u", real=True)
t, eps, d, g = sp.symbols("t eps d g", real=True)


_sizes = (a, b, x, y, p, q, r, s)
_moved = (a + x) * (b + y) - a * b
_first = (a + p) * (y + s) + (b + q) * (x + r)
_all = _first + (x + r) * (y + s)

EVALUATION = (
    Obligation(
        name="evaluation-error",
        claim="evaluation-error",
        says="sizes a, b moved by x, y: at most A eb + B ea + ea eb; A = a + p, ea = x + r, ..",
        assume=tuple(sp.Ge(v, 0) for v in _sizes),
        conclude=sp.Le(sp.expand(_moved), sp.expand(_all)),
        twin=Twin(
            conclude=sp.Le(sp.expand(_moved), sp.expand(_first)),
            witness={"a": 1, "b": 1, "x": 1, "y": 1, "p": 0, "q": 0, "r": 0, "s": 0},
            says="the product of the two errors counts",
        ),
    ),
    Obligation(
        name="evaluation-error-round",
        claim="evaluation-error",
        says="u the place: a multiple m u as near to z as its neighbours is within u/2",
        assume=(sp.Gt(u, 0), sp.Le((z - m * u) ** 2, (z - m * u - u) ** 2),
                sp.Le((z - m * u) ** 2, (z - m * u + u) ** 2)),
        conclude=sp.Le(4 * (z - m * u) ** 2, u**2),
        twin=Twin(
            conclude=sp.Le(4 * (z - m * u) ** 2, sp.Rational(99, 100) * u**2),
            witness={"z": Fraction(1, 2), "m": 0, "u": 1},
            says="1 % less is false: a tie",
        ),
    ),
    Obligation(
        name="range-reduction",
        claim="range-reduction",
        says="g = e^d, g (1 - d) <= 1, 1 + t <= (1 + eps)(1 - d): (1 + t) g <= 1 + eps",
        assume=(sp.Ge(d, 0), sp.Lt(d, 1), sp.Gt(g, 0), sp.Le(g * (1 - d), 1), sp.Ge(t, 0),
                sp.Ge(eps, 0), sp.Le(1 + t, (1 + eps) * (1 - d))),
        conclude=sp.Le((1 + t) * g, 1 + eps),
        twin=Twin(
            conclude=sp.Le((1 + t) * g, 1 + sp.Rational(99, 100) * eps),
            witness={"d": Fraction(1, 2), "g": 2, "t": Fraction(1, 2), "eps": 2},
            says="1 % less is false where g (1 - d) = 1",
        ),
    ),
)  # fmt: skip
