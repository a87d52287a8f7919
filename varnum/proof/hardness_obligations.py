"""Obligations of "lower bounds that run" and of regime-exponent: the rational tails.

Exponentials enter as their values: w weights, R their sum over the dummy's, E = e^(-(1-mu)lambda/
sigma). What turns logits into them is in the words of each proof.
"""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.formulas import hardness as f
from varnum.proof.obligation import Obligation, Twin

_99, _101 = sp.Rational(99, 100), sp.Rational(101, 100)
_out = f.head_output.expr
e, z, J, val, P, x, ell = sp.symbols("e z J val P x l", real=True)
S, E, a, k, slope, ch, sh, s = sp.symbols("S E a k slope C Sh s", real=True)
_area = f.LEBESGUE**2
_block = sp.symbols("y0:4", real=True)
_interpolated = sum(tap * y for tap, y in zip(f.TAPS, _block, strict=True))
_WRAP = sp.Rational(117, 1000)
_NEAR_LIMIT, _FAR_LIMIT = Fraction("-0.1249"), Fraction("0.1249")


def _above(fraction: sp.Expr, bound: sp.Expr, strict: bool = False) -> sp.Rel:
    """fraction >= bound (or >), the positive denominator cleared."""
    top, bottom = sp.fraction(sp.together(fraction))
    return (sp.Gt if strict else sp.Ge)(top, bound * bottom)


def _below(fraction: sp.Expr, bound: sp.Expr, strict: bool = False) -> sp.Rel:
    """fraction <= bound (or <), the positive denominator cleared."""
    top, bottom = sp.fraction(sp.together(fraction))
    return (sp.Lt if strict else sp.Le)(top, bound * bottom)


def _bit(*names: sp.Expr) -> tuple[sp.Rel, ...]:
    return tuple(sp.Eq(name * (name - 1), 0) for name in names)


_far_keys = (sp.Ge(f.n, 1), sp.Ge(f.w, 0), sp.Le(3 * f.n * f.w, 1), sp.Ge(f.R, 0))
_wrapped = (f.R + J * val) / (1 + f.R + J) + e
_junk = (sp.Ge(J, 0), sp.Le(J, f.JUNK))
_difference = (f.seth_logit.expr - f.seth_dummy.expr) * (f.t2 - f.t)
_open = f.clause_open.expr

SETH = (
    Obligation(
        name="seth-head-logit",
        claim="seth-head",
        says="a key at distance h lies l (t - h)/(t2 - t) above the dummy, l = ln(3n)",
        assume=(sp.Gt(f.t2, f.t), sp.Eq(2 * f.rate * (f.t2 - f.t), ell)),
        conclude=sp.Eq(_difference, ell * (f.t - f.h)),
        twin=Twin(
            conclude=sp.Eq(_difference, _99 * ell * (f.t - f.h)),
            witness={"rate": 1, "t": 0, "t2": 1, "l": 2, "h": 1, "m": 2},
            says="1 % less is false: one bit beyond t",
        ),
    ),
    Obligation(
        name="seth-head-near",
        claim="seth-head",
        says="one key within t: R >= 1, so the output is at least 1/2",
        assume=(sp.Ge(f.R, 1),),
        conclude=_above(_out, f.YES),
        twin=Twin(_above(_out, f.YES * _101), {"R": 1}, "1 % more is false: one key, exactly at t"),
    ),
    Obligation(
        name="seth-head-far",
        claim="seth-head",
        says="n keys of weight at most 1/(3n): the output is at most 1/4",
        assume=(*_far_keys, sp.Le(f.R, f.n * f.w)),
        conclude=_below(_out, f.NO),
        twin=Twin(
            conclude=_below(_out, f.NO * _99),
            witness={"n": 1, "w": Fraction(1, 3), "R": Fraction(1, 3)},
            says="1 % less is false: all keys exactly at t2",
        ),
    ),
    Obligation(
        name="seth-head-decide-near",
        claim="seth-head",
        says="an error above -1/8 keeps a row with a partner above 3/8",
        assume=(sp.Ge(f.R, 1), sp.Gt(e, -f.ERROR)),
        conclude=_above(_out + e, f.DECIDE, strict=True),
        twin=Twin(
            conclude=_above(_out + e, f.DECIDE * _101, strict=True),
            witness={"R": 1, "e": _NEAR_LIMIT},
            says="a threshold 1 % higher fails at error 0.1249",
        ),
    ),
    Obligation(
        name="seth-head-decide-far",
        claim="seth-head",
        says="an error below 1/8 keeps a row without partner below 3/8",
        assume=(sp.Ge(f.R, 0), sp.Le(3 * f.R, 1), sp.Lt(e, f.ERROR)),
        conclude=_below(_out + e, f.DECIDE, strict=True),
        twin=Twin(
            conclude=_below(_out + e, f.DECIDE * _99, strict=True),
            witness={"R": Fraction(1, 3), "e": _FAR_LIMIT},
            says="a threshold 1 % lower fails at error 0.1249",
        ),
    ),
    Obligation(
        name="ov-head",
        claim="ov-head",
        says="all n products at least 1, weights (3n)^-k: the output is at most 1/4",
        assume=(
            sp.Ge(f.n, 1),
            sp.Eq(3 * f.n * f.w, 1),
            sp.Ge(z, 0),
            sp.Le(z, 1),
            sp.Eq(f.R, f.n * f.w * z),
        ),
        conclude=_below(_out, f.NO),
        twin=Twin(
            conclude=_below(_out, f.NO * _99),
            witness={"n": 1, "w": Fraction(1, 3), "z": 1, "R": Fraction(1, 3)},
            says="1 % less is false: all products 1",
        ),
    ),
    Obligation(
        name="sat-to-ov",
        claim="sat-to-ov",
        says="bits u, v of who satisfies a clause: the product is 1 iff neither does, else 0",
        assume=_bit(f.u, f.v),
        conclude=sp.And(sp.Ge(_open, 1 - f.u - f.v), sp.Eq(_open * (f.u + f.v), 0)),
        twin=Twin(
            conclude=sp.Ge(_99 * _open, 1 - f.u - f.v),
            witness={"u": 0, "v": 0},
            says="1 % less misses a clause that nobody satisfies",
        ),
    ),
    Obligation(
        name="ov-to-hamming",
        claim="ov-to-hamming",
        says="a coordinate adds 1 + 2uv to the distance",
        assume=_bit(f.u, f.v),
        conclude=sp.Eq(f.hamming_coordinate.expr, 1 + 2 * f.u * f.v),
        twin=Twin(
            conclude=sp.Eq(f.hamming_coordinate.expr, 1 + 2 * _99 * f.u * f.v),
            witness={"u": 1, "v": 1},
            says="1 % less is false where both bits are 1",
        ),
    ),
)

WRAP = (
    Obligation(
        name="var-wrap-exact",
        claim="var-wrap",
        says="four bicubic taps that read one block return its value",
        assume=tuple(sp.Eq(y, x) for y in _block),
        conclude=sp.Eq(_interpolated, x),
        twin=Twin(
            conclude=sp.Eq(_interpolated, _99 * x),
            witness={"x": 1, **{str(y): 1 for y in _block}},
            says="1 % less is false: the taps sum to 1",
        ),
    ),
    Obligation(
        name="var-wrap-junk",
        claim="var-wrap",
        says="a gated logit is at most -M - l, l = ln(100 L)",
        assume=(
            sp.Ge(f.M, 0),
            sp.Ge(ell, 0),
            sp.Le(x, _area * f.M - P),
            sp.Ge(P, (_area + 1) * f.M + ell),
        ),
        conclude=sp.Le(x, -f.M - ell),
        twin=Twin(
            conclude=sp.Le(x, -_101 * (f.M + ell)),
            witness={"M": 1, "l": 1, "x": -2, "P": Fraction(_area + 2)},
            says="1 % more is false at the largest junk",
        ),
    ),
    Obligation(
        name="var-wrap-near",
        claim="var-wrap",
        says="with junk 1/100 of the dummy, an error above -0.117 keeps a partner's row above 3/8",
        assume=(sp.Ge(f.R, 1), *_junk, sp.Ge(2 * val, 1 - _area), sp.Gt(e, -_WRAP)),
        conclude=_above(_wrapped, f.DECIDE, strict=True),
        twin=Twin(
            conclude=_above(_wrapped, f.DECIDE * sp.Rational(102, 100), strict=True),
            witness={
                "R": 1,
                "J": Fraction(1, 100),
                "val": Fraction(1 - _area) / 2,
                "e": Fraction("-0.1169"),
            },
            says="a threshold 2 % higher fails (slack: the error may be 0.1209 on this side)",
        ),
    ),
    Obligation(
        name="var-wrap-far",
        claim="var-wrap",
        says="with junk 1/100 of the dummy, an error below 0.117 keeps other rows below 3/8",
        assume=(
            sp.Ge(f.R, 0),
            sp.Le(3 * f.R, 1),
            *_junk,
            sp.Le(2 * val, 1 + _area),
            sp.Lt(e, _WRAP),
        ),
        conclude=_below(_wrapped, f.DECIDE, strict=True),
        twin=Twin(
            conclude=_below(_wrapped, f.DECIDE * _99, strict=True),
            witness={
                "R": Fraction(1, 3),
                "J": Fraction(1, 100),
                "val": Fraction(1 + _area) / 2,
                "e": Fraction("0.1169"),
            },
            says="a threshold 1 % lower fails",
        ),
    ),
)

KV = (
    Obligation(
        name="kv-capacity-weight",
        claim="kv-capacity",
        says="the other rows together weigh at most tau",
        assume=(
            sp.Ge(f.N, 2),
            sp.Gt(f.tau, 0),
            sp.Lt(f.tau, 1),
            sp.Ge(E, 0),
            sp.Le((f.N - 1) * (1 - f.tau) * E, f.tau),
            sp.Ge(S, 0),
            sp.Le(S, (f.N - 1) * E),
        ),
        conclude=sp.Le(S, f.tau * (1 + S)),
        twin=Twin(
            conclude=sp.Le(S, _99 * f.tau * (1 + S)),
            witness={"N": 2, "tau": Fraction(1, 4), "E": Fraction(1, 3), "S": Fraction(1, 3)},
            says="1 % less is false: orthonormal keys",
        ),
    ),
    Obligation(
        name="kv-capacity-round",
        claim="kv-capacity",
        says="reading within 1/(4q) and an error below 1/(4q) stay within half a step",
        assume=(sp.Ge(f.q, 1), sp.Le(4 * f.q * a, 1), sp.Lt(4 * f.q * e, 1)),
        conclude=sp.Lt(2 * f.q * (a + e), 1),
        twin=Twin(
            conclude=sp.Lt(2 * f.q * (a + e), _99),
            witness={"q": 1, "a": Fraction(1, 4), "e": Fraction("0.2499")},
            says="1 % less is false just below the limit",
        ),
    ),
    Obligation(
        name="kv-capacity-code",
        claim="kv-capacity",
        says="sign vectors that differ in k >= 1 of D places have product at most mu = 1 - 2/D",
        assume=(sp.Ge(f.D, 1), sp.Ge(k, 1), sp.Eq(x * f.D, f.D - 2 * k)),
        conclude=_below(x - f.kv_code_mu.expr, 0),
        twin=Twin(
            conclude=_below(x - _99 * f.kv_code_mu.expr, 0),
            witness={"D": 4, "k": 1, "x": Fraction(1, 2)},
            says="1 % less is false: one place differs",
        ),
    ),
    Obligation(
        name="kv-capacity-cached",
        claim="kv-capacity",
        says="one more scale keeps S (alpha^2 - 1) = n^2 - 1: the induction step",
        assume=(sp.Ge(f.alpha, 2), sp.Ge(f.n, 1), sp.Eq(S * (f.alpha**2 - 1), f.n**2 - 1)),
        conclude=sp.Eq((S + f.n**2) * (f.alpha**2 - 1), (f.alpha * f.n) ** 2 - 1),
        twin=Twin(
            conclude=sp.Eq((S + _99 * f.n**2) * (f.alpha**2 - 1), (f.alpha * f.n) ** 2 - 1),
            witness={"alpha": 2, "n": 2, "S": 1},
            says="1 % less of the last scale is false",
        ),
    ),
    Obligation(
        name="kv-lowrank",
        claim="kv-lowrank",
        says="a state of r(d_v+1) numbers of `width` bits that holds N d_v b bits has this rank",
        assume=(
            *(sp.Gt(name, 0) for name in (f.N, f.dv, f.b, f.r, f.width)),
            sp.Ge(f.width * f.kv_lowrank.expr, f.kv_bits.expr),
        ),
        conclude=sp.Ge(f.r, f.kv_rank_floor.expr),
        twin=Twin(
            conclude=sp.Ge(f.r, _101 * f.kv_rank_floor.expr),
            witness={"N": 2, "dv": 1, "b": 1, "r": 1, "width": 1},
            says="1 % more is false where the bits fit exactly",
        ),
    ),
)

REGIME = (
    Obligation(
        name="regime-exponent-taylor",
        claim="regime-exponent",
        says="implicit derivative: x = ln(gamma/b), a = gamma/b, x slope = 1 + a: slope > 0",
        assume=(sp.Gt(x, 0), sp.Gt(a, 1), sp.Eq(x * slope, 1 + a)),
        conclude=sp.Gt(slope, 0),
        twin=Twin(
            conclude=sp.Gt(slope, sp.Rational(18, 5)),
            witness={
                "x": Fraction(12809, 10**4),  # ln(3.6), rounded down
                "a": Fraction(18, 5),
                "slope": Fraction(46000, 12809),
            },
            says="a slope above 3.6 is false at gamma = 3.6 b (its least is 3.5911: slack)",
        ),
    ),
    Obligation(
        name="regime-exponent-minimax",
        claim="regime-exponent",
        says="d gamma / d b = cosh s - p/(b s) = sinh(s)/s on the curve, C = cosh s, Sh = sinh s",
        assume=(sp.Gt(s, 0), sp.Eq(P, s * ch - sh), sp.Eq(slope * s, ch * s - P)),
        conclude=sp.Eq(slope * s, sh),
        twin=Twin(
            conclude=sp.Eq(slope * s, _99 * sh),
            witness={"s": 1, "C": 2, "Sh": 1, "P": 1, "slope": 1},
            says="1 % less is false",
        ),
    ),
)

HARDNESS = (*REGIME, *SETH, *WRAP, *KV)
