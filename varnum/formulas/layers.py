"""Closed forms of the section "layers": constants of interpolation, normalisation, rounding.

Symbols: t phase in [0, 1], a parameter of the Keys kernel, c channels, s = sqrt(var + eps_LN),
h = rms error over s, b guidance scale, k number of roundings, mu unit roundoff.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

a, t, x, c, h, s, b, k, mu = sp.symbols("a t x c h s b k mu", real=True)


def _keys_inner(distance: sp.Expr) -> sp.Expr:
    return (a + 2) * distance**3 - (a + 3) * distance**2 + 1


def _keys_outer(distance: sp.Expr) -> sp.Expr:
    return a * (distance**3 - 5 * distance**2 + 8 * distance - 4)


def _tap(number: int, expr: sp.Expr) -> Formula:
    return Formula(
        claim="bicubic-lebesgue",
        left=f"w_{number}(t)",
        expr=expr,
        source="Keys 1981, parameter a",
        says=f"weight of tap {number} of 4 at phase t",
    )


bicubic_tap0 = _tap(0, _keys_outer(1 + t))
bicubic_tap1 = _tap(1, _keys_inner(t))
bicubic_tap2 = _tap(2, _keys_inner(1 - t))
bicubic_tap3 = _tap(3, _keys_outer(2 - t))
BICUBIC_TAPS = (bicubic_tap0, bicubic_tap1, bicubic_tap2, bicubic_tap3)

bicubic_l1 = Formula(
    claim="bicubic-lebesgue",
    left="sum |w|",
    expr=1 - 2 * a * t * (1 - t),
    source="outer taps are <= 0, inner taps >= 0, all sum to 1 (a <= 0)",
    says="l1 norm of the four weights at phase t",
)

bicubic_sup = Formula(
    claim="bicubic-lebesgue",
    left="sup_t sum |w|",
    expr=1 - a / 2,
    source="attained at t = 1/2",
    says="largest growth of the maximum along one axis; square it for two axes",
)

bicubic_min = Formula(
    claim="bicubic-lebesgue",
    left="min w",
    expr=sp.Rational(4, 27) * a,
    source="outer tap at t = 1/3",
    says="smallest weight: the interpolation matrix is not in [0, 1]",
)

layernorm_range = Formula(
    claim="layernorm-range",
    left="max |LN(x)|",
    expr=sp.sqrt(c - 1),
    source="Cauchy-Schwarz on the other c - 1 centred entries",
    says="largest entry of a normalised token of width c",
)

layernorm_l2 = Formula(
    claim="layernorm-lipschitz",
    left="||LN(x') - LN(x)||_2 / sqrt(c)",
    expr=h * sp.sqrt(2 / (1 + sp.sqrt(1 - h**2))),  # sqrt(2 - 2 sqrt(1 - h^2)), stable
    source="chord of the angle arcsin h between two vectors; h = eta_rms/s < 1",
    says="per-token l2 error of LayerNorm over sqrt(c), for h < 1 (2 otherwise)",
)

layernorm_entry = Formula(
    claim="layernorm-lipschitz",
    left="||row of the Jacobian||_1",
    expr=(1 + sp.sqrt(c)) / (2 * s),
    source="Cauchy-Schwarz on the row, maximised over the entry",
    says="entrywise derivative of LayerNorm against the maximum norm",
)

layernorm_entry_finite = Formula(
    claim="layernorm-lipschitz",
    left="||LN(x') - LN(x)||_inf",
    expr=(1 + sp.sqrt(c)) / 2 * sp.log(1 / (1 - h)),
    source="the derivative integrated along the segment, on which s >= (1 - tau h) s",
    says="entrywise error of LayerNorm under ||x' - x||_inf <= h s, h < 1",
)

guidance = Formula(
    claim="guidance",
    left="error factor",
    expr=1 + 2 * b,
    source="(1 + b) cond - b uncond",
    says="classifier-free guidance with scale b multiplies a logit error by this",
)

gamma = Formula(
    claim="float-forward",
    left="gamma_k",
    expr=k * mu / (1 - k * mu),
    source="Higham 2002, chapter 3",
    says="relative error of k roundings in any order, k mu < 1",
)

gelu = Formula(
    claim="gelu-lipschitz",
    left="gelu(x)",
    expr=x / 2 * (1 + sp.tanh(sp.sqrt(2 / sp.pi) * (x + sp.Rational(44715, 1000000) * x**3))),
    source="the tanh form that the released model uses",
    says="GELU, tanh form",
)

silu = Formula(
    claim="silu-lipschitz",
    left="silu(x)",
    expr=x / 2 * (1 + sp.tanh(x / 2)),
    source="x times the logistic function",
    says="SiLU",
)
