"""Obligations of "time series" and "sparse and evicted caches": the rational steps.

Exponentials enter as values: E = e^a, P = e^(-s2/a). What turns heads and caches into these few
numbers is in the words of each proof.
"""

from __future__ import annotations

from fractions import Fraction

import sympy as sp

from varnum.formulas import caches as f
from varnum.proof.obligation import Obligation, Twin

_99, _101 = sp.Rational(99, 100), sp.Rational(101, 100)
y, v, c, low, high, lam = sp.symbols("y v c low high lam", real=True)
wp, wm, x1, x2, x3, w1, w2, w3 = sp.symbols("wp wm x1 x2 x3 w1 w2 w3", real=True)
o, p, x, v1, v2, g1, g2 = sp.symbols("o p x v1 v2 g1 g2", real=True)
out, kept, gone, answer = sp.symbols("out kept gone answer", real=True)
alpha, beta, gam, P, t, mean, square = sp.symbols("alpha beta gam P t mean square", real=True)
Z, R, part, grown, most = sp.symbols("Z R part grown most", real=True)
Di, Dj, total, N = sp.symbols("Di Dj total N", real=True)
E, A, s2 = f.E, f.A, f.s2
_sum = x1 + x2 + x3
_dot = w1 * x1 + w2 * x2 + w3 * x3

SERIES = (
    Obligation(
        name="tsf-floor-over",
        claim="tsf-floor",
        says="an average c <= high and v >= 0: a target above v high is missed by the gap at least",
        assume=(sp.Ge(v, 0), sp.Le(c, high), sp.Ge(y, v * high)),
        conclude=sp.Ge((y - v * c) ** 2, (y - v * high) ** 2),
        twin=Twin(
            conclude=sp.Ge((y - v * c) ** 2, _101 * (y - v * high) ** 2),
            witness={"v": 1, "c": 2, "high": 2, "y": 3},
            says="1 % more is false: the average at the largest token",
        ),
    ),
    Obligation(
        name="tsf-floor-under",
        claim="tsf-floor",
        says="an average c >= low and v >= 0: a target below v low is missed by the gap at least",
        assume=(sp.Ge(v, 0), sp.Ge(c, low), sp.Le(y, v * low)),
        conclude=sp.Ge((y - v * c) ** 2, (v * low - y) ** 2),
        twin=Twin(
            conclude=sp.Ge((y - v * c) ** 2, _101 * (v * low - y) ** 2),
            witness={"v": 1, "c": 2, "low": 2, "y": 1},
            says="1 % more is false: the average at the smallest token",
        ),
    ),
    Obligation(
        name="tsf-two-heads",
        claim="tsf-two-heads",
        says="(w+ + c) x - (w- + c) x = (w+ - w-) x, token by token",
        assume=(sp.Ge(wp, 0), sp.Ge(wm, 0), sp.Gt(c, 0)),
        conclude=sp.Eq((wp + c) * x - (wm + c) * x, (wp - wm) * x),
        twin=Twin(
            conclude=sp.Eq((wp + c) * x - _99 * (wm + c) * x, (wp - wm) * x),
            witness={"wp": 1, "wm": 0, "c": 1, "x": 1},
            says="a second head 1 % smaller is another weight",
        ),
    ),
    Obligation(
        name="tsf-mean",
        claim="tsf-mean",
        says="on a window of mean 0 the weights w + c 1 give w.x (three tokens stand for all)",
        assume=(sp.Eq(_sum, 0),),
        conclude=sp.Eq(_dot + c * _sum, _dot),
        twin=Twin(
            conclude=sp.Eq(_dot + c * (_sum - x1 / 100), _dot),
            witness={"x1": 1, "x2": -1, "x3": 0, "w1": 0, "w2": 0, "w3": 0, "c": 1},
            says="1 % less on one token is another weight",
        ),
    ),
    Obligation(
        name="tsf-escapes",
        claim="tsf-escapes",
        says="0 < low <= high, low/high < lambda < high/low: both ends of the reach differ in sign",
        assume=(sp.Gt(low, 0), sp.Le(low, high), sp.Gt(lam * high, low), sp.Lt(lam * low, high)),
        conclude=sp.And(sp.Lt(low - lam * high, 0), sp.Gt(high - lam * low, 0)),
        twin=Twin(
            conclude=sp.Gt(high - _101 * lam * low, 0),
            witness={"low": 1, "high": 2, "lam": Fraction(199, 100)},
            says="a lambda 1 % larger may be past high/low, where the head has one sign",
        ),
    ),
    Obligation(
        name="tsf-escapes-not",
        claim="tsf-escapes",
        says="lambda >= high/low on positive tokens: no output is positive",
        assume=(sp.Gt(low, 0), sp.Le(low, high), sp.Ge(lam * low, high)),
        conclude=sp.Le(high - lam * low, 0),
        twin=Twin(
            conclude=sp.Le(high - _99 * lam * low, 0),
            witness={"low": 1, "high": 2, "lam": 2},
            says="a lambda 1 % smaller has positive outputs",
        ),
    ),
    Obligation(
        name="tsf-asymmetric",
        claim="tsf-asymmetric",
        says="equal pattern and average: the gradients of two heads are as their value weights",
        assume=(
            sp.Eq(g1, 2 * (o - y) * v1 * p * (x - c)),
            sp.Eq(g2, 2 * (o - y) * v2 * p * (x - c)),
        ),
        conclude=sp.Eq(g1 * v2, g2 * v1),
        twin=Twin(
            conclude=sp.Eq(g1 * v2, _99 * g2 * v1),
            witness={
                "o": 1, "y": 0, "v1": 1, "v2": 1, "p": 1, "x": 1, "c": 0, "g1": 2, "g2": 2,
            },
            says="1 % less is another direction",
        ),
    ),
)  # fmt: skip

CACHES = (
    Obligation(
        name="kv-dictionary",
        claim="kv-dictionary",
        says="above N = m d b_D/(d b - L - a b) rows the dictionary and its codes are fewer bits",
        assume=(
            sp.Gt(f.d * f.b - f.L - f.a * f.b, 0),
            sp.Gt(N * (f.d * f.b - f.L - f.a * f.b), f.m * f.d * f.bD),
        ),
        conclude=sp.Lt(N * f.known_dictionary.expr + f.m * f.d * f.bD, N * f.d * f.b),
        twin=Twin(
            conclude=sp.Lt(N * f.known_dictionary.expr + _101 * f.m * f.d * f.bD, N * f.d * f.b),
            witness={
                "N": Fraction(1001, 1000), "m": 1, "d": 1, "b": 1, "bD": 1, "L": 0, "a": 0,
            },
            says="1 % more of the dictionary is false just above the limit",
        ),
    ),
    Obligation(
        name="kv-capacity-scale-mixed",
        claim="kv-capacity-scale",
        says="an entry D_i >= 1 and one D_j <= -1: some answer differs by (E - 1)/(E + N - 1)",
        assume=(sp.Gt(E, 1), sp.Ge(Di, 1), sp.Le(Dj, -1)),
        conclude=sp.Ge(
            sp.Max(sp.Abs((E - 1) * Di + total), sp.Abs((E - 1) * Dj + total)), E - 1
        ),
        twin=Twin(
            conclude=sp.Ge(
                sp.Max(sp.Abs((E - 1) * Di + total), sp.Abs((E - 1) * Dj + total)),
                _101 * (E - 1),
            ),
            witness={"E": 2, "Di": 1, "Dj": -1, "total": 0},
            says="1 % more is false: one value up, another down by a step",
        ),
    ),
    Obligation(
        name="kv-capacity-scale-one-sign",
        claim="kv-capacity-scale",
        says="no negative entry and one >= 1: the answers differ by more than E - 1",
        assume=(sp.Gt(E, 1), sp.Ge(Di, 1), sp.Ge(total, Di)),
        conclude=sp.Ge((E - 1) * Di + total, E),
        twin=Twin(
            conclude=sp.Ge((E - 1) * Di + total, _101 * E),
            witness={"E": 2, "Di": 1, "total": 1},
            says="1 % more is false: a single entry of one step",
        ),
    ),
    Obligation(
        name="evict-floor",
        claim="evict-floor",
        says="one answer for two caches whose true outputs are p apart errs by p/2 on one of them",
        assume=(sp.Ge(p, 0),),
        conclude=sp.Ge(sp.Max(sp.Abs(answer - out), sp.Abs(answer - out - p)), p / 2),
        twin=Twin(
            conclude=sp.Ge(
                sp.Max(sp.Abs(answer - out), sp.Abs(answer - out - p)), _101 * p / 2
            ),
            witness={"p": 1, "out": 0, "answer": Fraction(1, 2)},
            says="1 % more is false: the middle",
        ),
    ),
    Obligation(
        name="evict-identity",
        claim="evict-identity",
        says="out = p gone + (1 - p) kept: dropping moves the output by p times their distance",
        assume=(sp.Eq(out, p * gone + (1 - p) * kept),),
        conclude=sp.Eq(out - kept, p * (gone - kept)),
        twin=Twin(
            conclude=sp.Eq(out - kept, _99 * p * (gone - kept)),
            witness={"p": 1, "gone": 1, "kept": 0, "out": 1},
            says="1 % less is false",
        ),
    ),
    Obligation(
        name="evict-mass-majorant",
        claim="evict-mass",
        says="a parabola through (-s2/A, P) and (A, E) has alpha + gamma s2 = Bennett's mean",
        assume=(
            sp.Gt(A, 0),
            sp.Ge(s2, 0),
            sp.Eq(t * A, s2),
            sp.Eq(alpha - beta * t + gam * t**2, P),
            sp.Eq(alpha + beta * A + gam * A**2, E),
        ),
        conclude=sp.Eq((alpha + gam * s2) * (A**2 + s2), A**2 * P + s2 * E),
        twin=Twin(
            conclude=sp.Eq((alpha + _99 * gam * s2) * (A**2 + s2), A**2 * P + s2 * E),
            witness={"A": 1, "s2": 1, "t": 1, "alpha": 0, "beta": 0, "gam": 1, "P": 1, "E": 1},
            says="1 % less of the mean square is false",
        ),
    ),
    Obligation(
        name="evict-mass-mean",
        claim="evict-mass",
        says="gamma >= 0: the mean under the parabola grows with the mean square",
        assume=(sp.Ge(gam, 0), sp.Le(square, s2), sp.Le(mean, alpha + gam * square)),
        conclude=sp.Le(mean, alpha + gam * s2),
        twin=Twin(
            conclude=sp.Le(mean, alpha + _99 * gam * s2),
            witness={"gam": 1, "square": 1, "s2": 1, "alpha": 0, "mean": 1},
            says="1 % less is false at equality",
        ),
    ),
    Obligation(
        name="merge-error-shift",
        claim="merge-error",
        says="part <= most weights moved by at most R each: the average moves by most/(Z + most/R)",
        assume=(
            sp.Gt(Z, 0), sp.Gt(R, 0), sp.Ge(part, 0), sp.Le(part, most), sp.Ge(grown * R, part),
        ),
        conclude=sp.Le(part * (Z * R + most), most * R * (Z + grown)),
        twin=Twin(
            conclude=sp.Le(part * (Z * R + most), _99 * most * R * (Z + grown)),
            witness={"Z": 1, "R": 1, "part": 1, "most": 1, "grown": 1},
            says="1 % less is false: all of it moved as far as it can",
        ),
    ),
)  # fmt: skip
