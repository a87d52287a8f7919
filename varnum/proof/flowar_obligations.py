"""Obligations of FlowAR and of VAR's three stages: counts, norms under rotation, the sampler."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.formulas import cost as f
from varnum.formulas import flowar as fl
from varnum.formulas import hardness as hd
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

e, d, v, w, h, g, eps, slope, P, S, e0, e1 = sp.symbols(
    "e d v w h g eps Lambda P S e0 e1", real=True
)
factor, B, A, rho, E, m, z = sp.symbols("f B A rho E m z", real=True)


def _within(value: sp.Expr, bound: sp.Expr) -> tuple[sp.Basic, ...]:
    return sp.Le(value, bound), sp.Ge(value, -bound)


_real_step = {fl.h: h, fl.Lambda: slope, fl.e: e, fl.eps: eps, fl.g: g}
_step = fl.step_error.expr.subs(_real_step)
_guided = fl.guided_error.expr.subs(_real_step)
_nonnegative = tuple(sp.Ge(x, 0) for x in (h, slope, e, eps))

EULER = (
    Obligation(
        name="euler-gronwall-step",
        claim="euler-gronwall",
        says="one step: d apart before, v from another place, w from another velocity",
        assume=(*_nonnegative, *_within(d, e), *_within(v, slope * e), *_within(w, eps)),
        conclude=sp.And(*_within(d - h * (v + w), _step)),
        twin=Twin(
            conclude=sp.Le(d - h * (v + w), _step - h * eps / 100),
            witness={"d": 1, "e": 1, "v": -1, "Lambda": 1, "w": -1, "eps": 1, "h": 1},
            says="1 % less of eps is false: all signs aligned",
        ),
    ),
    Obligation(
        name="euler-gronwall",
        claim="euler-gronwall",
        says="the product so far and the sum so far both take the factor of the new step",
        assume=(
            *(sp.Ge(x, 0) for x in (factor, h, eps, P, S, e0, e)),
            sp.Le(e, P * e0 + S),
            sp.Le(e1, factor * e + h * eps),
        ),
        conclude=sp.Le(e1, factor * P * e0 + factor * S + h * eps),
        twin=Twin(
            conclude=sp.Le(e1, factor * P * e0 + S + h * eps),
            witness={"f": 2, "h": 1, "eps": 1, "P": 1, "S": 1, "e0": 1, "e": 2, "e1": 5},
            says="without the last factor on the sum so far it is false",
        ),
    ),
    Obligation(
        name="euler-gronwall-guided",
        claim="euler-gronwall",
        says="guidance g >= 1 makes 2g - 1 of an error that both velocities have",
        assume=(sp.Ge(g, 1), sp.Ge(eps, 0), *_within(v, eps), *_within(w, eps)),
        conclude=sp.And(*_within(g * v - (g - 1) * w, _guided)),
        twin=Twin(
            conclude=sp.Le(g * v - (g - 1) * w, _99 * _guided),
            witness={"g": 2, "eps": 1, "v": 1, "w": -1},
            says="1 % less is false: errors of opposite sign",
        ),
    ),
    Obligation(
        name="flowar-end-to-end",
        claim="flowar-end-to-end",
        says="velocity: approximate attention eps, inputs moved by m <= rho E, z by A m, v by B z",
        assume=(
            *(sp.Ge(x, 0) for x in (eps, B, A, rho, E, m, z)),
            sp.Le(m, rho * E),
            sp.Le(z, A * m),
            *_within(v, eps),
            *_within(w, B * z),
        ),
        conclude=sp.Le(v + w, eps + B * A * rho * E),
        twin=Twin(
            conclude=sp.Le(v + w, eps + _99 * B * A * rho * E),
            witness={"eps": 1, "B": 1, "A": 1, "rho": 1, "E": 1, "m": 1, "z": 1, "v": 1, "w": 1},
            says="1 % less of the inputs' part is false",
        ),
    ),
    Obligation(
        name="flowar-resample",
        claim="flowar-resample",
        says="weights a, b of both signs: |a x + b y| <= (a - b) t for |x|, |y| <= t, a >= 0 >= b",
        assume=(sp.Ge(a, 0), sp.Le(b, 0), *_within(q1, k1), *_within(q2, k1)),
        conclude=sp.Le(a * q1 + b * q2, (a - b) * k1),
        twin=Twin(
            conclude=sp.Le(a * q1 + b * q2, (a + b) * k1),
            witness={"a": 1, "b": Fraction(-1, 4), "q1": 1, "q2": -1, "k1": 1},
            says="weights that sum to 1 do not keep the maximum: 5/4 of it",
        ),
    ),
)

_area = hd.LEBESGUE**2
J, J0, val, R, p, cosine, M, ell, content, penalty = sp.symbols(
    "J J0 val R p cosine M l content P", real=True
)
_WRAP, _102 = sp.Rational(115, 1000), sp.Rational(102, 100)
_junk = (*(sp.Ge(x, 0) for x in (J, J0)), *(sp.Le(x, hd.JUNK) for x in (J, J0)))
_output_top, _output_bottom = R + J * val, 1 + R + J0

WRAP = (
    Obligation(
        name="flowar-wrap-turn",
        claim="flowar-wrap",
        says="a product p <= 0 of first channels, turned by an angle of cosine >= cos tau",
        assume=(sp.Le(p, 0), sp.Ge(c, cosine), sp.Ge(cosine, 0), sp.Le(c, 1)),
        conclude=sp.And(sp.Le(c * p, cosine * p), sp.Ge(c * p, p)),
        twin=Twin(
            conclude=sp.Le(c * p, p),
            witness={"p": -1, "c": Fraction(9, 10), "cosine": Fraction(9, 10)},
            says="turning costs something: without the cosine it is false",
        ),
    ),
    Obligation(
        name="flowar-wrap-norm",
        claim="flowar-wrap",
        says="an entry of -1, 0 or 1 and its partner 1 - |entry| have length 1",
        assume=(sp.Eq(q1 * (q1**2 - 1), 0),),
        conclude=sp.Eq(q1**2 + (1 - sp.Abs(q1)) ** 2, 1),
        twin=Twin(
            conclude=sp.Eq(q1**2, 1), witness={"q1": 0}, says="without its partner it has not"
        ),
    ),
    Obligation(
        name="flowar-wrap-junk",
        claim="flowar-wrap",
        says="scaled by s >= 1/Lambda^2, a gated logit is at most -M - l",
        assume=(
            *(sp.Ge(x, 0) for x in (M, ell, penalty)),
            sp.Gt(cosine, 0),
            sp.Ge(s * _area, 1),
            sp.Le(content, _area * M),
            sp.Ge(penalty * cosine, _area * (2 * M + ell)),
        ),
        conclude=sp.Le(s * (content - penalty * cosine), -M - ell),
        twin=Twin(
            conclude=sp.Le(s * (content - penalty * cosine), -sp.Rational(101, 100) * (M + ell)),
            witness={
                "M": 1, "l": 1, "cosine": 1, "P": Fraction(3 * _area), "s": Fraction(1 / _area),
                "content": Fraction(_area),
            },
            says="1 % more is false at the least scaling and the largest content",
        ),
    ),
    Obligation(
        name="flowar-wrap-near",
        claim="flowar-wrap",
        says="a partner: the output stays above 3/8 + 0.115",
        assume=(sp.Ge(R, 1), *_junk, sp.Ge(2 * val, 1 - _area)),
        conclude=sp.Gt(_output_top, (hd.DECIDE + _WRAP) * _output_bottom),
        twin=Twin(
            conclude=sp.Gt(_output_top, _102 * (hd.DECIDE + _WRAP) * _output_bottom),
            witness={
                "R": 1, "J": Fraction(1, 100), "J0": Fraction(1, 100),
                "val": Fraction(1 - _area) / 2,
            },
            says="2 % more fails (slack: 0.1209 on this side)",
        ),
    ),
    Obligation(
        name="flowar-wrap-far",
        claim="flowar-wrap",
        says="no partner: the output stays below 3/8 - 0.115",
        assume=(sp.Ge(R, 0), sp.Le(3 * R, 1), *_junk, sp.Le(2 * val, 1 + _area)),
        conclude=sp.Lt(_output_top, (hd.DECIDE - _WRAP) * _output_bottom),
        twin=Twin(
            conclude=sp.Lt(_output_top, _99 * (hd.DECIDE - _WRAP) * _output_bottom),
            witness={
                "R": Fraction(1, 3), "J": Fraction(1, 100), "J0": 0,
                "val": Fraction(1 + _area) / 2,
            },
            says="1 % less fails",
        ),
    ),
)  # fmt: skip

FLOWAR = (*COST, *EULER, *WRAP)
