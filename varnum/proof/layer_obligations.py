"""Obligations of the section "layers": interpolation, normalisation, margins, rounding."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.formulas import layers as f
from varnum.proof.obligation import Obligation, Twin

_99, _101 = sp.Rational(99, 100), sp.Rational(101, 100)
a, t, c, h, s, b, mu = f.a, f.t, f.c, f.h, f.s, f.b, f.mu
n, y, z, d1, d2, g, w, q, k, e = sp.symbols("n y z d1 d2 g w q k e", real=True)
q1, k1, dq, dk, rq, rk, eq, ek = sp.symbols("q1 k1 dq dk rq rk eq ek", real=True)
x1, x2, w1, w2, eta = sp.symbols("x1 x2 w1 w2 eta", real=True)
top, other, dt, do, zeta = sp.symbols("top other dt do zeta", real=True)


def _in(value: sp.Expr, radius: sp.Expr) -> tuple[sp.Rel, ...]:
    return sp.Le(value, radius), sp.Ge(value, -radius)


def _grows_to(count: sp.Expr) -> sp.Rel:
    """(1 + gamma_k)(1 + mu) <= 1 + gamma_count, denominators (all positive) cleared."""
    left, left_den = sp.fraction(sp.together((1 + f.gamma.expr) * (1 + mu)))
    right, right_den = sp.fraction(sp.together(1 + f.gamma.expr.subs(f.k, count)))
    sign = -1 if sp.Poly(left_den, mu).eval(0) < 0 else 1
    sign *= -1 if sp.Poly(right_den, mu).eval(0) < 0 else 1
    return sp.Le(sign * left * right_den, sign * right * left_den)


_phase = (sp.Ge(t, 0), sp.Le(t, 1), sp.Le(a, 0))
_taps = [tap.expr for tap in f.BICUBIC_TAPS]
_l1 = -_taps[0] + _taps[1] + _taps[2] - _taps[3]
_half = {"a": Fraction(-3, 4), "t": Fraction(1, 2)}

_BICUBIC = (
    Obligation(
        name="bicubic-lebesgue-signs",
        claim="bicubic-lebesgue",
        says="outer taps are <= 0 and inner taps >= 0 for every a <= 0",
        assume=_phase,
        conclude=sp.And(
            sp.Le(_taps[0], 0), sp.Le(_taps[3], 0), sp.Ge(_taps[1], 0), sp.Ge(_taps[2], 0)
        ),
        twin=Twin(
            conclude=sp.Ge(_taps[0], 0),
            witness={"a": Fraction(-3, 4), "t": Fraction(1, 3)},
            says="weights in [0, 1] is false: tap -1/9 at t = 1/3",
        ),
    ),
    Obligation(
        name="bicubic-lebesgue-sum",
        claim="bicubic-lebesgue",
        says="the four weights sum to 1 at every phase",
        assume=_phase,
        conclude=sp.Eq(sum(_taps), 1, evaluate=False),
        twin=Twin(
            conclude=sp.Eq(sum(_taps), _99, evaluate=False), witness=_half, says="not to 0.99"
        ),
    ),
    Obligation(
        name="bicubic-lebesgue-l1",
        claim="bicubic-lebesgue",
        says="with those signs sum |w| is 1 - 2 a t (1 - t)",
        assume=_phase,
        conclude=sp.Eq(_l1, f.bicubic_l1.expr, evaluate=False),
        twin=Twin(conclude=sp.Le(_l1, _99 * f.bicubic_l1.expr), witness=_half, says="not 1 % less"),
    ),
    Obligation(
        name="bicubic-lebesgue",
        claim="bicubic-lebesgue",
        says="sum |w| is at most 1 - a/2",
        assume=_phase,
        conclude=sp.Le(_l1, f.bicubic_sup.expr),
        twin=Twin(
            conclude=sp.Le(_l1, _99 * f.bicubic_sup.expr),
            witness=_half,
            says="1 % less is false at t = 1/2 (a = -3/4: 11/8)",
        ),
    ),
    Obligation(
        name="bicubic-lebesgue-min",
        claim="bicubic-lebesgue",
        says="no weight is below 4a/27",
        assume=_phase,
        conclude=sp.Ge(_taps[0], f.bicubic_min.expr),
        twin=Twin(
            conclude=sp.Ge(_taps[0], _99 * f.bicubic_min.expr),
            witness={"a": Fraction(-3, 4), "t": Fraction(1, 3)},
            says="a weight reaches 4a/27 = -1/9",
        ),
    ),
)


def _cosine(factor: sp.Expr) -> sp.Rel:
    """factor^2 (1 - h^2) ||(1 + d1, d2)||^2 <= (1 + d1)^2."""
    return sp.Le(factor**2 * (1 - h**2) * ((1 + d1) ** 2 + d2**2), (1 + d1) ** 2)


_NORM = (
    Obligation(
        name="layernorm-range",
        claim="layernorm-range",
        says="y centred, q the squares of the others, y^2 <= (c-1) q: y^2 <= (c-1) s^2",
        assume=(
            *(sp.Ge(v, 0) for v in (q, e)),
            sp.Ge(c, 2),
            sp.Le(y**2, (c - 1) * q),
            sp.Eq(c * s**2, y**2 + q + c * e),
        ),
        conclude=sp.Le(y**2, f.layernorm_range.expr**2 * s**2),
        twin=Twin(
            conclude=sp.Le(y**2, _99**2 * (c - 1) * s**2),
            witness={"c": 2, "y": 1, "q": 1, "e": 0, "s": 1},
            says="1 % less is false: c = 2, x = (1, -1), eps = 0",
        ),
    ),
    Obligation(
        name="layernorm-lipschitz",
        claim="layernorm-lipschitz",
        says="(1, 0) moved by (d1, d2) of length <= h < 1: cos^2 of the turn is at least 1 - h^2",
        assume=(sp.Ge(h, 0), sp.Lt(h, 1), sp.Le(d1**2 + d2**2, h**2)),
        conclude=sp.And(sp.Ge(1 + d1, 0), _cosine(1)),
        twin=Twin(
            conclude=_cosine(_101),
            witness={"h": Fraction(3, 5), "d1": Fraction(-9, 25), "d2": Fraction(12, 25)},
            says="a cosine 1 % larger is false: the tangent from (1, 0), h = 3/5",
        ),
    ),
    Obligation(
        name="layernorm-lipschitz-entry",
        claim="layernorm-lipschitz",
        says="w = 1 + y^2: (c - w) + sqrt((c-1)(c-w)w) <= c (1 + sqrt c)/2",
        assume=(
            sp.Ge(w, 1),
            sp.Le(w, c),
            sp.Ge(q, 0),
            sp.Eq(q**2, (c - 1) * (c - w) * w),
            sp.Ge(k, 1),
            sp.Eq(k**2, c),
        ),
        conclude=sp.Le(c - w + q, c * (1 + k) / 2),
        twin=Twin(
            conclude=sp.Le(c - w + q, _99 * c * (1 + k) / 2),
            witness={"c": 4, "k": 2, "w": 1, "q": 3},
            says="1 % less is false: c = 4, y = 0 (the row is (3, -1, -1, -1)/4)",
        ),
    ),
)

_ATTENTION = (
    Obligation(
        name="attention-lipschitz-expand",
        claim="attention-lipschitz",
        says="one coordinate: q'k' - qk is three products",
        assume=(*_in(dq, eq), *_in(dk, ek)),
        conclude=sp.Eq(
            (q1 + dq) * (k1 + dk) - q1 * k1, q1 * dk + dq * k1 + dq * dk, evaluate=False
        ),
        twin=Twin(
            conclude=sp.Le((q1 + dq) * (k1 + dk) - q1 * k1, q1 * dk + dq * k1),
            witness=dict.fromkeys(("q1", "k1", "dq", "dk", "eq", "ek"), 1),
            says="the second-order product cannot be dropped",
        ),
    ),
    Obligation(
        name="attention-lipschitz",
        claim="attention-lipschitz",
        says="each of the three: |q| <= Rq and |dk| <= ek give q dk <= Rq ek",
        assume=(*_in(q1, rq), *_in(dk, ek)),
        conclude=sp.Le(q1 * dk, rq * ek),
        twin=Twin(
            conclude=sp.Le(q1 * dk, _99 * rq * ek),
            witness=dict.fromkeys(("q1", "dk", "rq", "ek"), 1),
            says="all at their ends",
        ),
    ),
    Obligation(
        name="attention-lipschitz-normalise",
        claim="attention-lipschitz",
        says="(1, 0) and (y, z) of length n >= 1: normalising does not increase the distance",
        assume=(sp.Ge(n, 1), *_in(y, n)),
        conclude=sp.Le(2 * n - 2 * y, n * (1 - 2 * y + n**2)),
        twin=Twin(
            conclude=sp.Le(2 * n - 2 * y, _99 * n * (1 - 2 * y + n**2)),
            witness={"n": 1, "y": 0},
            says="both of length 1: nothing is gained",
        ),
    ),
    Obligation(
        name="argmax-margin",
        claim="argmax-margin",
        says="margin > 2 zeta: the top logit stays on top under |delta| <= zeta",
        assume=(sp.Gt(top - other, 2 * zeta), *_in(dt, zeta), *_in(do, zeta)),
        conclude=sp.Gt(top + dt, other + do),
        twin=Twin(
            conclude=sp.Gt(top + dt, other + do + (top - other - 2 * zeta) * _101),
            witness={"top": 3, "other": 0, "dt": -1, "do": 1, "zeta": 1},
            says="what is left of the margin is exactly margin - 2 zeta",
        ),
    ),
    Obligation(
        name="guidance",
        claim="guidance",
        says="(1+b) cond - b uncond: errors zeta grow to at most (1 + 2b) zeta",
        assume=(sp.Ge(b, 0), *_in(dt, zeta), *_in(do, zeta)),
        conclude=sp.Le((1 + b) * dt - b * do, f.guidance.expr * zeta),
        twin=Twin(
            conclude=sp.Le((1 + b) * dt - b * do, _99 * f.guidance.expr * zeta),
            witness={"b": Fraction(3, 2), "dt": 1, "do": -1, "zeta": 1},
            says="errors of opposite sign attain it",
        ),
    ),
)

_LINEAR = (
    Obligation(
        name="area-pool",
        claim="area-pool",
        says="weights >= 0 that sum to 1 do not increase the maximum",
        assume=(
            sp.Ge(w1, 0),
            sp.Ge(w2, 0),
            sp.Eq(w1 + w2, 1, evaluate=False),
            *_in(x1, eta),
            *_in(x2, eta),
        ),
        conclude=sp.Le(w1 * x1 + w2 * x2, eta),
        twin=Twin(
            conclude=sp.Le(w1 * x1 + w2 * x2, _99 * eta),
            witness={"w1": Fraction(1, 2), "w2": Fraction(1, 2), "x1": 1, "x2": 1, "eta": 1},
            says="constants pass unchanged",
        ),
    ),
    Obligation(
        name="linear",
        claim="linear",
        says="two terms: |w1 x1 + w2 x2| <= (|w1| + |w2|) eta",
        assume=(*_in(x1, eta), *_in(x2, eta)),
        conclude=sp.Le(w1 * x1 + w2 * x2, (sp.Abs(w1) + sp.Abs(w2)) * eta),
        twin=Twin(
            conclude=sp.Le(w1 * x1 + w2 * x2, _99 * (sp.Abs(w1) + sp.Abs(w2)) * eta),
            witness={"w1": 1, "w2": -1, "x1": 1, "x2": -1, "eta": 1},
            says="signs that agree attain it",
        ),
    ),
    Obligation(
        name="adaln",
        claim="adaln",
        says="a product of two perturbed numbers: |x'g' - xg| <= |g| eta + |x| e + eta e",
        assume=(*_in(dq, eq), *_in(dk, ek)),
        conclude=sp.Le((x1 + dq) * (g + dk) - x1 * g, sp.Abs(g) * eq + sp.Abs(x1) * ek + eq * ek),
        twin=Twin(
            conclude=sp.Le(
                (x1 + dq) * (g + dk) - x1 * g,
                _99 * (sp.Abs(g) * eq + sp.Abs(x1) * ek + eq * ek),
            ),
            witness={"x1": 2, "g": 3, "dq": 1, "dk": 1, "eq": 1, "ek": 1},
            says="all at their ends",
        ),
    ),
    Obligation(
        name="float-forward",
        claim="float-forward",
        says="one more rounding: (1 + gamma_k)(1 + mu) <= 1 + gamma_{k+1}",
        assume=(sp.Ge(f.k, 0), sp.Ge(mu, 0), sp.Lt((f.k + 1) * mu, 1)),
        conclude=_grows_to(f.k + 1),
        twin=Twin(
            conclude=_grows_to(f.k),
            witness={"k": 1, "mu": Fraction(1, 4)},
            says="gamma_k itself does not cover k + 1 roundings",
        ),
    ),
)

LAYERS = (*_BICUBIC, *_NORM, *_ATTENTION, *_LINEAR)
