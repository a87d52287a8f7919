"""Closed forms of the sampler's error: one Euler step, guidance, constant steps, the limit.

Symbols: h step, Lambda Lipschitz constant of the velocity, g guidance factor, Lambda_c and Lambda_u
those of the conditional and the null velocity, e error so far, eps error of a velocity.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

h, Lambda, Lambda_c, Lambda_u, g, e, eps = sp.symbols(
    "h Lambda Lambda_c Lambda_u g e eps", positive=True
)

step_factor = Formula(
    claim="euler-gronwall",
    left="f",
    expr=1 + h * Lambda,
    source="x - h v(x), v Lipschitz with constant Lambda along the segment",
    says="growth of an error in one Euler step",
)

step_error = Formula(
    claim="euler-gronwall",
    left="e'",
    expr=(1 + h * Lambda) * e + h * eps,
    source="triangle inequality",
    says="error after one step, the velocity being off by eps",
)

guided_lipschitz = Formula(
    claim="euler-gronwall",
    left="Lambda",
    expr=g * Lambda_c + (g - 1) * Lambda_u,
    source="v = g v_c - (g - 1) v_u, g >= 1",
    says="Lipschitz constant of the guided velocity",
)

guided_error = Formula(
    claim="euler-gronwall",
    left="eps",
    expr=(2 * g - 1) * eps,
    source="v = g v_c - (g - 1) v_u, both off by eps",
    says="error of the guided velocity",
)

continuous = Formula(
    claim="euler-gronwall",
    left="a",
    expr=(sp.exp(Lambda) - 1) / Lambda,
    source="1 + h Lambda <= e^(h Lambda), steps of sum 1",
    says="bound of the factor of a constant eps, whatever the grid",
)

w_q, w_k, Y_q, Y_k, d = sp.symbols("w_q w_k Y_q Y_k d", positive=True)
b_q, b_k = sp.symbols("b_q b_k", nonnegative=True)

logits = Formula(
    claim="flowar-criteria",
    left="M",
    expr=(w_q * Y_q + b_q) * (w_k * Y_k + b_k) / sp.sqrt(d),
    source="|W y + b| <= |W|_2 Y + |b|_2 on both sides, turned by RoPE without a change of length",
    says="bound of |q.k|/sqrt(d) from spectral norms w and norms Y of normalised, modulated tokens",
)
