"""Obligations of "looped networks": the cubic's boxes, what is lost outside, rates and stopping.

Real variables stand for one coordinate; norms enter through |p| <= e (1 + nu), |q| <= beta.
"""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.formulas import loop as f
from varnum.proof.obligation import Obligation, Twin

_99, _101 = sp.Rational(99, 100), sp.Rational(101, 100)
t, u, s, e, beta, nu = f.t, f.u, f.s, f.e, f.beta, f.nu
K, x0, step = f.K, f.x0, f.step
x, p, q, dist, before, k = sp.symbols("x p q dist before k", real=True)
_g = f.cubic.expr
_gain = f.cubic_gain.expr
_shift = f.cubic_shift.expr
_inner = (sp.Ge(t, 0), sp.Le(t, 1), sp.Ge(s, 0), sp.Ge(u, t), sp.Le(u, 1 + s))
_exact = {"t": Fraction(4, 5), "s": Fraction(18, 125)}  # the gain at 4/5 is 18/125
_coordinate = (
    sp.Ge(e, 0),
    sp.Ge(nu, 0),
    sp.Ge(x, t + s - nu),
    sp.Le(x, 1 + nu),
    sp.Le(p, e * (1 + nu)),
    sp.Ge(p, -e * (1 + nu)),
    sp.Le(q, beta),
    sp.Ge(q, -beta),
    sp.Eq(s, _shift),
)
_corner: dict[str, Fraction | int] = {
    "x": 1, "t": Fraction(7, 10), "s": Fraction(1, 5), "nu": 0, "e": Fraction(1, 10),
    "beta": Fraction(1, 10),
}  # fmt: skip

CUBIC = (
    Obligation(
        name="loop-cubic-argument",
        claim="loop-cubic",
        says="weights, bias and noise move x in [t + s - nu, 1 + nu] into [t, 1 + s]",
        assume=_coordinate,
        conclude=sp.And(sp.Ge(x + p + q, t), sp.Le(x + p + q, 1 + s)),
        twin=Twin(
            conclude=sp.Le(x + p + q, 1 + _99 * s),
            witness={**_corner, "p": Fraction(1, 10), "q": Fraction(1, 10)},
            says="1 % less room is too little: all moves upwards",
        ),
    ),
    Obligation(
        name="loop-cubic-stay",
        claim="loop-cubic",
        says="where (t - t^3)/2 >= s, g is at least t + s on [t, 1 + s], far end included",
        assume=(*_inner, sp.Ge(3 * t**2, 1), sp.Ge(_gain, s)),
        conclude=sp.Ge(_g, t + s),
        twin=Twin(
            conclude=sp.Ge(_g, _101 * (t + s)),
            witness={**_exact, "u": Fraction(4, 5)},
            says="1 % more is false at u = t = 4/5, s = 18/125",
        ),
    ),
    Obligation(
        name="loop-cubic-top",
        claim="loop-cubic",
        says="g is at most 1 for u >= 0, so the box is one-sided",
        assume=(sp.Ge(u, 0),),
        conclude=sp.Le(_g, 1),
        twin=Twin(sp.Le(_g, _99), {"u": 1}, "1 % less is false at u = 1"),
    ),
    Obligation(
        name="loop-cubic-slope",
        claim="loop-cubic",
        says="|1 - u^2| is at most the larger end value on [t, 1 + s]",
        assume=_inner,
        conclude=sp.And(
            sp.Le(1 - u**2, sp.Max(1 - t**2, (1 + s) ** 2 - 1)),
            sp.Le(u**2 - 1, sp.Max(1 - t**2, (1 + s) ** 2 - 1)),
        ),
        twin=Twin(
            conclude=sp.Le(1 - u**2, _99 * sp.Max(1 - t**2, (1 + s) ** 2 - 1)),
            witness={"t": Fraction(1, 2), "s": 0, "u": Fraction(1, 2)},
            says="1 % less is false at u = t = 1/2",
        ),
    ),
    Obligation(
        name="loop-cubic-lost",
        claim="loop-cubic",
        says="1/(3 sqrt 3) < s < sqrt 3: g(x - s) < x for every x > 0, so no fixed point there",
        assume=(sp.Gt(x, 0), sp.Gt(s, 0), sp.Gt(27 * s**2, 1), sp.Lt(s**2, 3)),
        conclude=sp.Lt(_g.subs(u, x - s), x),
        twin=Twin(
            conclude=sp.Lt(_g.subs(u, x - s), _99 * x),
            witness={"s": Fraction(77, 400), "x": Fraction(77, 100)},
            says="not 1 % less: just beyond the threshold g nearly reaches x",
        ),
    ),
)

_bound = sp.symbols("bound", real=True)  # the bound after t loops
_tail = sp.Eq(_bound * (1 - K), k * x0 * (1 - K) + nu * (1 - k))
EXIT = (
    Obligation(
        name="loop-exit",
        claim="loop-exit",
        says="dist <= K before + nu and before <= step + dist: dist <= (K step + nu)/(1 - K)",
        assume=(
            sp.Ge(K, 0),
            sp.Lt(K, 1),
            sp.Le(dist, K * before + nu),
            sp.Le(before, step + dist),
        ),
        conclude=sp.Le(dist * (1 - K), K * step + nu),
        twin=Twin(
            conclude=sp.Le(dist, K * step + nu),
            witness={"K": Fraction(1, 2), "before": 2, "dist": 1, "step": 1, "nu": 0},
            says="K in place of K/(1 - K) is false: K = 1/2",
        ),
    ),
    Obligation(
        name="loop-exit-tail",
        claim="loop-exit",
        says="one more loop turns the bound after t loops into the bound after t + 1; k = K^t",
        assume=(sp.Ge(K, 0), sp.Lt(K, 1), _tail),
        conclude=sp.Eq((K * _bound + nu) * (1 - K), K * k * x0 * (1 - K) + nu * (1 - K * k)),
        twin=Twin(
            conclude=sp.Eq((K * _bound + nu) * (1 - K), K * k * x0 * (1 - K) + _99 * nu),
            witness={"K": Fraction(1, 2), "k": 1, "nu": 1, "x0": 1, "bound": 1},
            says="the noise of the loops before counts",
        ),
    ),
)
_reach = f.kantorovich.expr
L, delta, r = f.L, f.delta, f.r
CERTIFICATE = (
    Obligation(
        name="loop-certificate-noise",
        claim="loop-certificate",
        says="r = (1 - K)/L and nu = (1 - K)^2/(2 L) - delta: delta + nu + K r + L r^2/2 <= r",
        assume=(
            sp.Gt(L, 0),
            sp.Ge(K, 0),
            sp.Lt(K, 1),
            sp.Eq(L * r, 1 - K),
            sp.Eq(2 * L * (nu + delta), (1 - K) ** 2),
        ),
        conclude=sp.Le(_reach, r),
        twin=Twin(
            conclude=sp.Le(_reach, _99 * r),
            witness={"L": 1, "K": 0, "r": 1, "nu": Fraction(1, 2), "delta": 0},
            says="nothing is left over at the best radius",
        ),
    ),
)

a, tau, m = sp.symbols("a tau m", real=True)
# |phi''[e, e]|^2 |c|^2-scaled: a = cos^2 of the angle, tau = |c|^2/(|c|^2 + m eps)
_bend = tau * (1 + (8 - 6 * tau) * a - (12 * tau - 9 * tau**2) * a**2)
STAGES = (
    Obligation(
        name="loop-stages-normalise",
        claim="loop-stages",
        says="tau (1 + (8 - 6 tau) a - (12 tau - 9 tau^2) a^2) <= 4/3 for a, tau in [0, 1]",
        assume=(sp.Ge(a, 0), sp.Le(a, 1), sp.Ge(tau, 0), sp.Le(tau, 1)),
        conclude=sp.Le(_bend, sp.Rational(4, 3)),
        twin=Twin(
            conclude=sp.Le(_bend, _99 * sp.Rational(4, 3)),
            witness={"a": Fraction(2, 3), "tau": Fraction(1, 2)},
            says="attained, at a = 1/(3 tau)",
        ),
    ),
    Obligation(
        name="loop-stages-softmax",
        claim="loop-stages",
        says="two points at distance 1, weights m, 1 - m: third central moment <= 1/(6 sqrt 3)",
        assume=(sp.Ge(m, 0), sp.Le(m, 1)),
        conclude=sp.Le(108 * (m * (1 - m) * (1 - 2 * m)) ** 2, 1),
        twin=Twin(
            conclude=sp.Le(108 * (m * (1 - m) * (1 - 2 * m)) ** 2, _99),
            witness={"m": Fraction(21, 100)},
            says="attained at m = (1 - 1/sqrt 3)/2",
        ),
    ),
)
_older = (sp.Ge(10 * u, 8 - sp.Rational(1, 2)), sp.Le(10 * u, 12 + sp.Rational(1, 2)))
OLDER = (
    Obligation(
        name="looped-fixed-points-range",
        claim="looped-fixed-points",
        says="u in [0.75, 1.25]: g is within 13/128 of 1",
        assume=_older,
        conclude=sp.And(sp.Ge(_g, sp.Rational(115, 128)), sp.Le(_g, 1)),
        twin=Twin(
            conclude=sp.Ge(_g, 1 - _99 * sp.Rational(13, 128)),
            witness={"u": Fraction(5, 4)},
            says="1 % less is false at u = 1.25",
        ),
    ),
    Obligation(
        name="looped-fixed-points-slope",
        claim="looped-fixed-points",
        says="u in [0.75, 1.25]: |g'| is at most 27/32",
        assume=_older,
        conclude=sp.Le(sp.Abs(1 - u**2) * sp.Rational(3, 2), sp.Rational(27, 32)),
        twin=Twin(
            conclude=sp.Le(sp.Abs(1 - u**2) * sp.Rational(3, 2), _99 * sp.Rational(27, 32)),
            witness={"u": Fraction(5, 4)},
            says="1 % less is false at u = 1.25",
        ),
    ),
)
LOOPS = (*CUBIC, *EXIT, *CERTIFICATE, *STAGES, *OLDER)
