"""Obligations of the ensembles: LayerNorm's remainders, the divisions by quantiles, the run."""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.proof.obligation import Obligation, Twin

_99 = sp.Rational(99, 100)
a, al, be, s = sp.symbols("a al be s", real=True)
root, c, theta, size = sp.symbols("root c theta size", real=True)
z, tau, total, t = sp.symbols("z tau total t", real=True)
given, run, exact, far, near = sp.symbols("given run exact far near", real=True)
lam, entire, eps, kappa, reach, back = sp.symbols("lam entire eps kappa reach back", real=True)
x, dx, factor, df, most_x, most_f = sp.symbols("x dx factor df most_x most_f", real=True)
f, slope, p, r, b, q = sp.symbols("f slope p r b q", real=True)

_F = Fraction

# s = (1 + 2 alpha + beta)^(-1/2), so nu = s - 1 and tau = s - 1 + alpha
_norm = (
    sp.Gt(s, 0),
    sp.Eq(s**2 * (1 + 2 * al + be), 1),
    sp.Ge(be, al**2),
    sp.Le(al, a),
    sp.Ge(al, -a),
    sp.Lt(a, 1),
)
_away = {"a": _F(1, 2), "al": _F(-1, 2), "be": _F(1, 4), "s": _F(2)}

_both = (x + dx) * (factor + df) - x * factor - factor * dx - x * df
_gate = (f + slope * p + r) * (b + q) - f * b - slope * p * b - f * q


def _within(value: sp.Expr, bound: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    return sp.Le(value, bound), sp.Ge(value, -bound)


ENSEMBLES = (
    Obligation(
        name="ensemble-sites-nu",
        claim="ensemble-sites",
        says="nu <= a/(1 - a)",
        assume=_norm,
        conclude=sp.Le((s - 1) * (1 - a), a),
        twin=Twin(
            conclude=sp.Le((s - 1) * (1 - a), _99 * a),
            witness=_away,
            says="attained by delta = -c0/2",
        ),
    ),
    Obligation(
        name="ensemble-sites-tau",
        claim="ensemble-sites",
        says="tau <= a^2/(1 - a)",
        assume=_norm,
        conclude=sp.Le((s - 1 + al) * (1 - a), a**2),
        twin=Twin(
            conclude=sp.Le((s - 1 + al) * (1 - a), _99 * a**2),
            witness=_away,
            says="attained by delta = -c0/2",
        ),
    ),
    Obligation(
        name="ensemble-sites-tau-low",
        claim="ensemble-sites",
        says="tau >= -beta/2",
        assume=_norm,
        conclude=sp.Ge(s - 1 + al, -be / 2),
        twin=Twin(
            conclude=sp.Ge(s - 1 + al, -_99 * be / 2),
            witness={"a": _F(1, 4), "al": _F(-1, 4), "be": _F(1, 2), "s": _F(1)},
            says="attained where the token keeps its norm",
        ),
    ),
    Obligation(
        name="ensemble-norms",
        claim="ensemble-norms",
        says="root >= c size - theta size bounds size by root/(c - theta)",
        assume=(sp.Gt(c, theta), sp.Ge(theta, 0), sp.Ge(size, 0), sp.Ge(root, (c - theta) * size)),
        conclude=sp.Le(size * (c - theta), root),
        twin=Twin(
            conclude=sp.Le(size * c * (1 - theta), root),
            witness={"c": _F(1, 2), "theta": _F(1, 4), "size": _F(4), "root": _F(1)},
            says="not by root/(c (1 - theta)), for quantiles below 1",
        ),
    ),
    Obligation(
        name="ensemble-forms",
        claim="ensemble-forms",
        says="z^2/(tau^2 + z^2) does not grow with tau",
        assume=(sp.Gt(tau, 0), sp.Le(tau, total)),
        conclude=sp.Le(z**2 * (tau**2 + z**2), z**2 * (total**2 + z**2)),
        twin=Twin(
            conclude=sp.Le(z**2 * (tau**2 + z**2), _99 * z**2 * (total**2 + z**2)),
            witness={"z": _F(1), "tau": _F(1), "total": _F(1)},
            says="and does not fall where tau stands still",
        ),
    ),
    Obligation(
        name="ensemble-forms-slope",
        claim="ensemble-forms",
        says="t^2/(1 + t^2) has slope at most 0.6496",
        assume=(sp.Ge(t, 0),),
        conclude=sp.Le(2 * t, sp.Rational(6496, 10**4) * (1 + t**2) ** 2),
        twin=Twin(
            conclude=sp.Le(2 * t, sp.Rational(6494, 10**4) * (1 + t**2) ** 2),
            witness={"t": _F(577, 1000)},
            says="0.6494 is too little at t = 0.577",
        ),
    ),
    Obligation(
        name="ensemble-run",
        claim="ensemble-run",
        says="|given - exact| <= |given - run| + |run - exact|",
        assume=(
            sp.Le(given - run, far), sp.Ge(given - run, -far),
            sp.Le(run - exact, near), sp.Ge(run - exact, -near),
        ),
        conclude=sp.And(sp.Le(given - exact, far + near), sp.Ge(given - exact, -far - near)),
        twin=Twin(
            conclude=sp.Le(given - exact, _99 * (far + near)),
            witness={"given": _F(2), "run": _F(1), "exact": _F(0), "far": _F(1), "near": _F(1)},
            says="attained where both point the same way",
        ),
    ),
    Obligation(
        name="ensemble-reverse",
        claim="ensemble-reverse",
        says="kappa |entire| <= kappa |lam| + |eps| R, entire = lam - back eps, kappa |back| <= R",
        assume=(
            sp.Gt(kappa, 0), sp.Ge(eps, 0), sp.Eq(entire, lam - back * eps),
            sp.Le(kappa * back, reach), sp.Ge(kappa * back, -reach),
        ),
        conclude=sp.And(
            sp.Le(kappa * entire, kappa * sp.Abs(lam) + eps * reach),
            sp.Ge(kappa * entire, -kappa * sp.Abs(lam) - eps * reach),
        ),
        twin=Twin(
            conclude=sp.Le(kappa * entire, kappa * sp.Abs(lam)),
            witness={
                "lam": _F(1), "entire": _F(2), "eps": _F(1), "kappa": _F(1), "reach": _F(1),
                "back": _F(-1),
            },
            says="without the pass's own rounding: false where it shrank lam",
        ),
    ),
    Obligation(
        name="ensemble-flow-product",
        claim="ensemble-flow",
        says="a product's remainder is at most the product of both deviations",
        assume=(*_within(dx, most_x), *_within(df, most_f)),
        conclude=sp.And(*_within(_both, most_x * most_f)),
        twin=Twin(
            conclude=sp.And(*_within(_both, _99 * most_x * most_f)),
            witness={
                "x": _F(0), "dx": _F(1), "factor": _F(0), "df": _F(1), "most_x": _F(1),
                "most_f": _F(1),
            },
            says="attained where both move by all they may",
        ),
    ),
    Obligation(
        name="ensemble-flow-gate",
        claim="ensemble-flow",
        says="f(a + p)(b + q) is f(a) b, its linear part, r (b + q) and f'(a) p q",
        assume=(),
        conclude=sp.Eq(_gate, r * (b + q) + slope * p * q),
        twin=Twin(
            conclude=sp.Eq(_gate, r * (b + q)),
            witness={
                "f": _F(0), "slope": _F(1), "p": _F(1), "r": _F(0), "b": _F(0), "q": _F(1),
            },
            says="f'(a) p q is of second order too",
        ),
    ),
)  # fmt: skip
