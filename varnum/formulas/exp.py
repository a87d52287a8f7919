"""Closed forms about exp by a polynomial: claims of the section "exp by a polynomial".

Symbols: M half width of [-M, M], W width of [-W, 0], eps the error, g the degree.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

M, W, eps, g, s = sp.symbols("M W eps g s", positive=True)

taylor_error = Formula(
    claim="taylor-relative",
    left="T_g(M)",
    expr=M ** (g + 1) / sp.factorial(g + 1) * sp.hyper([g + 1], [g + 2], M),
    source="integral form of the remainder; T_g(M) = int_0^M t^g e^t / g! dt",
    says="exact relative error of the degree-g Taylor polynomial on [-M, M], attained at -M",
)

taylor_error_additive = Formula(
    claim="additive-degree",
    left="A_g(W)",
    expr=sp.exp(-W) * W ** (g + 1) / sp.factorial(g + 1) * sp.hyper([g + 1], [g + 2], W),
    source="integral form of the remainder; A_g(W) = int_0^W (W - t)^g e^-t / g! dt",
    says="exact additive error of the degree-g Taylor polynomial on [-W, 0], attained at -W",
)

taylor_bound = Formula(
    claim="degree-closed-form",
    left="e^M M^(g+1)/(g+1)!",
    expr=sp.exp(M) * M ** (g + 1) / sp.factorial(g + 1),
    source="t^g e^t <= t^g e^M under the integral of taylor_error",
    says="bounds the relative error of the degree-g Taylor polynomial on [-M, M] from above",
)

_l = M + sp.log(1 / eps)  # evaluate=False below: nothing simplifies, and looking for it takes 10 ms
degree_closed_form = Formula(
    claim="degree-closed-form",
    left="g",
    expr=sp.ceiling(_l / sp.LambertW(_l / (sp.E * M), evaluate=False), evaluate=False) - 1,
    source="T_g(M) <= e^M (e M/(g+1))^(g+1), solved for g + 1 with Lambert's W0",
    says="a degree that suffices for relative error eps on [-M, M]",
)

_lp = sp.log(1 / eps)

minimax_curve = Formula(
    claim="degree-minimax-curve",
    left="g",
    expr=M * sp.cosh(s),
    source="saddle point of the leading term of the minimax error; asymptotic",
    says="degree on the minimax curve at parameter s",
)

minimax_curve_equation = Formula(
    claim="degree-minimax-curve",
    left="0",
    expr=s * sp.cosh(s) - sp.sinh(s) - _lp / M,
    source="same as the curve",
    says="s is the only positive zero (the form increases in s)",
)
