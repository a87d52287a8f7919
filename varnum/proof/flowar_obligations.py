"""Obligations of FlowAR and of VAR's three stages: counts, norms under rotation, the sampler."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.formulas import cost as f
from varnum.proof.obligation import Obligation, Twin

_99 = sp.Rational(99, 100)
q1, q2, k1, k2, c, s, a, b = sp.symbols("q1 q2 k1 k2 c s a b", real=True)
T, N, r, d_v = sp.symbols("T N r d_v", real=True)
_real = {f.N: N, f.r: r, f.d_v: d_v}
_split = f.reused_keys.expr.subs(_real) + f.reused_queries.expr.subs(_real)
_whole = f.lowrank_scale.expr.subs(_real)
_positive = tuple(sp.Ge(v, 1) for v in (N, r, d_v, T))
_reused = f.reused_keys.expr.subs(_real) + T * f.reused_queries.expr.subs(_real)

COST = (
    Obligation(
        name="flowar-cost-split",
        claim="flowar-cost",
        says="building a state and reading it once is what one evaluation of low rank counts",
        assume=_positive,
        conclude=sp.Eq(_split, _whole),
        twin=Twin(
            conclude=sp.Eq(_split, _99 * _whole),
            witness={"N": 1, "r": 1, "d_v": 1, "T": 1},
            says="1 % less is false",
        ),
    ),
    Obligation(
        name="flowar-cost-reuse",
        claim="flowar-cost",
        says="a state that is built once saves (T - 1)(d_v + 3) of T (2 d_v + 5) per feature",
        assume=_positive,
        conclude=sp.Eq(T * _whole - _reused, (T - 1) * N * r * (d_v + 3)),
        twin=Twin(
            conclude=sp.Eq(T * _whole - _reused, T * N * r * (d_v + 3)),
            witness={"N": 1, "r": 1, "d_v": 1, "T": 2},
            says="saving T times is false: it is built once",
        ),
    ),
    Obligation(
        name="flowar-criteria",
        claim="flowar-criteria",
        says="one rotated pair: its length is kept, so norms bound logits under RoPE",
        assume=(sp.Eq(c**2 + s**2, 1),),
        conclude=sp.Eq((q1 * c - q2 * s) ** 2 + (q1 * s + q2 * c) ** 2, q1**2 + q2**2),
        twin=Twin(
            conclude=sp.Eq((q1 * c - q2 * s) * k1 + (q1 * s + q2 * c) * k2, q1 * k1 + q2 * k2),
            witness={"q1": 1, "q2": 0, "k1": 0, "k2": 1, "c": 0, "s": 1},
            says="the product is not kept: W_q^T W_k = 0 has a rotated logit 1",
        ),
    ),
    Obligation(
        name="cost-stages",
        claim="cost-stages",
        says="|y|^2, |z|^2 at most a^2 bound |y.z| by a^2, here with two entries",
        assume=(sp.Le(q1**2 + q2**2, a**2), sp.Le(k1**2 + k2**2, a**2)),
        conclude=sp.Le(q1 * k1 + q2 * k2, a**2),
        twin=Twin(
            conclude=sp.Le(q1 * k1 + q2 * k2, _99 * a**2),
            witness={"q1": Fraction(3, 5), "q2": Fraction(4, 5), "k1": Fraction(3, 5),
                     "k2": Fraction(4, 5), "a": 1},
            says="1 % less is false: a pixel that holds all, against itself",
        ),
    ),
)  # fmt: skip

FLOWAR = COST
