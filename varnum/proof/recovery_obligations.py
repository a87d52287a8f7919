"""Obligations of block optimal recovery: the quotient, one block, and the products of rank one."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.proof.obligation import Obligation, Twin

_99 = sp.Rational(99, 100)
f1, fu, g1, gu, z, e1, eu, t = sp.symbols("f1 fu g1 gu z e1 eu t", real=True)
r1, r2, a1, a2, R, A = sp.symbols("r1 r2 a1 a2 R A", real=True)
c, x, y = sp.symbols("c x y", real=True)
below, jensen = sp.symbols("below jensen", real=True)

RECOVERY = (
    Obligation(
        name="recovery-quotient",
        claim="recovery",
        says="z f1 - fu <= z e1 + eu + t where f1 and fu are off by e1, eu and z g1 - gu <= t",
        assume=(sp.Ge(z, 0), sp.Le(f1 - g1, e1), sp.Le(gu - fu, eu), sp.Le(z * g1 - gu, t)),
        conclude=sp.Le(z * f1 - fu, z * e1 + eu + t),
        twin=Twin(
            conclude=sp.Le(z * f1 - fu, _99 * (z * e1 + eu + t)),
            witness={
                "z": 1, "f1": 2, "g1": 1, "e1": 1, "gu": 1, "fu": 0, "eu": 1, "t": 0,
            },
            says="1 % less is false: both errors at their ends",
        ),
    ),
    Obligation(
        name="recovery-denominator",
        claim="recovery",
        says="an error over f1 >= D > 0 is at most the error over D, D the larger of two bounds",
        assume=(
            sp.Ge(f1, below), sp.Ge(f1, jensen), sp.Gt(below, 0), sp.Ge(jensen, below),
            sp.Ge(t, 0), sp.Le(z * f1, t),
        ),
        conclude=sp.Le(z * jensen, t),
        twin=Twin(
            conclude=sp.Le(z * jensen, _99 * t),
            witness={"f1": 1, "below": Fraction(1, 2), "jensen": 1, "t": 1, "z": 1},
            says="1 % less is false: the denominator is its bound",
        ),
    ),
    Obligation(
        name="recovery-block",
        claim="recovery",
        says="in the plane of two features <r, a> <= |r| |a|: what one block can add",
        assume=(
            sp.Ge(R, 0), sp.Ge(A, 0), sp.Eq(R**2, r1**2 + r2**2), sp.Eq(A**2, a1**2 + a2**2),
        ),
        conclude=sp.Le(r1 * a1 + r2 * a2, R * A),
        twin=Twin(
            conclude=sp.Le(r1 * a1 + r2 * a2, _99 * R * A),
            witness={"r1": 3, "r2": 4, "a1": 3, "a2": 4, "R": 5, "A": 5},
            says="1 % less is false: parallel vectors",
        ),
    ),
    Obligation(
        name="recovery-exponents",
        claim="recovery",
        says="c + 2 x + 2 y <= (c + 2 x)(c + 2 y)/c: roundings of two exponents as one product",
        assume=(sp.Gt(c, 0), sp.Ge(x, 0), sp.Ge(y, 0)),
        conclude=sp.Le(c * (c + 2 * x + 2 * y), (c + 2 * x) * (c + 2 * y)),
        twin=Twin(
            conclude=sp.Le(c * (c + 2 * x + 2 * y), _99 * (c + 2 * x) * (c + 2 * y)),
            witness={"c": 1, "x": 0, "y": 0},
            says="1 % less is false: no exponents at all",
        ),
    ),
)  # fmt: skip
