"""Obligations of the section "softmax", in the rational form u = e^theta.

The solvers see two groups of keys; that two groups are enough is `softmax-compose-vertex`.
"""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.formulas import softmax as f
from varnum.proof.obligation import Obligation, Twin

_99 = sp.Rational(99, 100)
_p, _r, _u, _u1, _u2 = f.p, f.r, f.u, f.u1, f.u2
e1, e2, eps, k = sp.symbols("e1 e2 eps k", real=True)
r1, r2 = sp.symbols("r1 r2", real=True)
num_a, num_b, den_c, den_d, low, high, at = sp.symbols("A B C D lo hi at", real=True)
m, q, w = sp.symbols("m q w", real=True)


def _below(left: sp.Expr, right: sp.Expr, factor: sp.Expr | int = 1) -> sp.Rel:
    """left <= factor * right for two fractions with positive denominators, cleared."""
    (ln, ld), (rn, rd) = sp.fraction(sp.together(left)), sp.fraction(sp.together(right))
    return sp.Le(ln * rd, factor * rn * ld)


def _mass(*names: sp.Expr) -> tuple[sp.Rel, ...]:
    return tuple(relation for n in names for relation in (sp.Ge(n, 0), sp.Le(n, 1)))


_shift = f.two_group_shift.expr
_bound = f.output_rational.expr
_k_of_eps = f.l1_relative.expr.subs(sp.sqrt(1 - f.eps**2), k).subs(f.eps, eps) / 2
_relative_shift = _p * (1 - _p) * (e1 - e2) / (1 + _p * e1 + (1 - _p) * e2)
_line = (num_a * at + num_b) * (den_c * low + den_d), (num_a * low + num_b) * (den_c * at + den_d)
_vertex_high = sp.Le(
    (num_a * at + num_b) * (den_c * high + den_d), (num_a * high + num_b) * (den_c * at + den_d)
)

SOFTMAX = (
    Obligation(
        name="softmax-compose",
        claim="softmax-compose",
        says="two groups, ratio in [1, u^2]: the mass moves by at most (u-1)/(u+1)",
        assume=(*_mass(_p), sp.Ge(_r, 1), sp.Le(_r, _u**2), sp.Ge(_u, 1)),
        conclude=_below(_shift, _bound),
        twin=Twin(
            conclude=_below(_shift, _bound, _99),
            witness={"p": Fraction(1, 3), "r": 4, "u": 2},
            says="1 % less is false: p = 1/(1+u), r = u^2",
        ),
    ),
    Obligation(
        name="softmax-compose-down",
        claim="softmax-compose",
        says="the same for a ratio in [1/u^2, 1]: the mass falls by at most (u-1)/(u+1)",
        assume=(*_mass(_p), sp.Gt(_r, 0), sp.Le(_r, 1), sp.Ge(_r * _u**2, 1), sp.Ge(_u, 1)),
        conclude=_below(-_shift, _bound),
        twin=Twin(
            conclude=_below(-_shift, _bound, _99),
            witness={"p": Fraction(2, 3), "r": Fraction(1, 4), "u": 2},
            says="1 % less is false: p = u/(1+u), r = 1/u^2",
        ),
    ),
    Obligation(
        name="softmax-compose-product",
        claim="softmax-compose",
        says="logit factor and kernel factor together: u = u1 u2 serves both",
        assume=(
            *_mass(_p),
            *(sp.Ge(n, 1) for n in (r1, r2, _u1, _u2)),
            sp.Le(r1, _u1**2),
            sp.Le(r2, _u2**2),
        ),
        conclude=sp.Le(r1 * r2, (_u1 * _u2) ** 2),
        twin=Twin(
            conclude=sp.Le(r1 * r2, _99 * (_u1 * _u2) ** 2),
            witness={"p": 0, "r1": 4, "r2": 9, "u1": 2, "u2": 3},
            says="both factors at their ends",
        ),
    ),
    Obligation(
        name="softmax-compose-vertex",
        claim="softmax-compose",
        says="(A x + B)/(C x + D) on [lo, hi] is at most its larger end: n keys -> 2 groups",
        assume=(
            sp.Gt(low, 0),
            sp.Le(low, at),
            sp.Le(at, high),
            sp.Ge(den_c, 0),
            sp.Gt(den_d, 0),
            sp.Gt(_line[0], _line[1]),
        ),
        conclude=_vertex_high,
        twin=Twin(
            conclude=sp.Le(
                (num_a * at + num_b) * (den_c * high + den_d),
                _99 * (num_a * high + num_b) * (den_c * at + den_d),
            ),
            witness={"lo": 1, "hi": 2, "at": 2, "A": 1, "B": 0, "C": 0, "D": 1},
            says="the end itself attains it",
        ),
    ),
    Obligation(
        name="softmax-relative",
        claim="softmax-relative",
        says="two groups, factors 1+e1, 1+e2, |e| <= eps: mass moves by <= eps/(1+sqrt(1-eps^2))",
        assume=(
            *_mass(_p),
            sp.Gt(eps, 0),
            sp.Lt(eps, 1),
            *(rel for e in (e1, e2) for rel in (sp.Le(e, eps), sp.Ge(e, -eps))),
            sp.Ge(k, 0),
            sp.Eq(k**2, 1 - eps**2),
        ),
        conclude=_below(_relative_shift, _k_of_eps),
        twin=Twin(
            conclude=_below(_relative_shift, _k_of_eps, _99),
            witness={
                "p": Fraction(1, 3),
                "e1": Fraction(3, 5),
                "e2": Fraction(-3, 5),
                "eps": Fraction(3, 5),
                "k": Fraction(4, 5),
            },
            says="1 % less is false: eps = 3/5, p = 1/3",
        ),
    ),
    Obligation(
        name="softmax-relative-budget",
        claim="softmax-relative",
        says="eps = 2 tau/(1+tau^2) spends exactly tau: eps/(1+sqrt(1-eps^2)) <= tau",
        assume=(
            sp.Gt(m, 0),
            sp.Lt(m, 1),
            sp.Eq(eps * (1 + m**2), 2 * m),
            sp.Ge(k, 0),
            sp.Eq(k**2, 1 - eps**2),
        ),
        conclude=sp.Le(eps, m * (1 + k)),
        twin=Twin(
            conclude=sp.Le(eps, _99 * m * (1 + k)),
            witness={"m": Fraction(1, 3), "eps": Fraction(3, 5), "k": Fraction(4, 5)},
            says="none is left over: tau = 1/3, eps = 3/5",
        ),
    ),
    Obligation(
        name="softmax-logit",
        claim="softmax-logit",
        says="factors r1, r2 in [1/u, u], u = e^zeta: the mass moves by at most (u-1)/(u+1)",
        assume=(
            *_mass(_p),
            sp.Ge(_u, 1),
            *(rel for n in (r1, r2) for rel in (sp.Gt(n, 0), sp.Le(n, _u), sp.Ge(n * _u, 1))),
        ),
        conclude=_below(_p * (1 - _p) * (r1 - r2) / (_p * r1 + (1 - _p) * r2), _bound),
        twin=Twin(
            conclude=_below(_p * (1 - _p) * (r1 - r2) / (_p * r1 + (1 - _p) * r2), _bound, _99),
            witness={"p": Fraction(1, 3), "r1": 2, "r2": Fraction(1, 2), "u": 2},
            says="1 % less is false: zeta = ln 2, p = 1/3",
        ),
    ),
    Obligation(
        name="merge-parts-above",
        claim="merge-parts",
        says="odds off by E in [1/u, u], u = e^eta: the share is too large by s (1-s)(u-1) at most",
        assume=(*_mass(_p), sp.Ge(_u, 1), sp.Gt(r1, 0), sp.Le(r1, _u), sp.Ge(r1 * _u, 1)),
        conclude=sp.Le(r1 - 1, (_u - 1) * (_p + (1 - _p) * r1)),
        twin=Twin(
            conclude=sp.Le(r1 - 1, _99 * (_u - 1) * (_p + (1 - _p) * r1)),
            witness={"p": Fraction(999, 1000), "r1": 2, "u": 2},
            says="1 % less is false: nearly all in the first part",
        ),
    ),
    Obligation(
        name="merge-parts-below",
        claim="merge-parts",
        says="and too small by as much at most",
        assume=(*_mass(_p), sp.Ge(_u, 1), sp.Gt(r1, 0), sp.Le(r1, _u), sp.Ge(r1 * _u, 1)),
        conclude=sp.Le(1 - r1, (_u - 1) * (_p + (1 - _p) * r1)),
        twin=Twin(
            conclude=sp.Le(1 - r1, _99 * (_u - 1) * (_p + (1 - _p) * r1)),
            witness={"p": Fraction(1, 1000), "r1": Fraction(1, 2), "u": 2},
            says="1 % less is false: nearly all in the second part",
        ),
    ),
    Obligation(
        name="sampling-tv",
        claim="sampling-tv",
        says="two samples agree with probability >= (1-q)(1-w) >= 1 - q - w: errors add up",
        assume=_mass(q, w),
        conclude=sp.Ge((1 - q) * (1 - w), 1 - q - w),
        twin=Twin(
            conclude=sp.Ge((1 - q) * (1 - w), 1 - _99 * (q + w)),
            witness={"q": Fraction(1, 200), "w": 0},
            says="1 % less is false for a single token",
        ),
    ),
)
