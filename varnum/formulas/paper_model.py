"""Closed forms of claim `end-to-end` for the continuous model of the paper.

Symbols: R entry bound of the start, d head dimension, sigma, K scales, w_Q, w_K, w_V norms (maximum
row sums), b growth of one interpolation, res 1 with a residual connection and 0 without, k scale.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

R, d, sigma, K, k, b, eps = sp.symbols("R d sigma K k b eps", positive=True)
w_Q, w_K, w_V, res = sp.symbols("w_Q w_K w_V res", nonnegative=True)


def _range(scale: sp.Expr) -> sp.Expr:
    return R * (b * (res + w_V)) ** (scale - 1)


def _gain(scale: sp.Expr) -> sp.Expr:
    return b * (res + w_V + 3 * d * w_Q * w_K * w_V * _range(scale) ** 2 / sigma)


entry_range = Formula(
    claim="end-to-end",
    left="R_k",
    expr=_range(k),
    source="an attention output is a mean of values; interpolation grows by b; b (res + w_V) >= 1",
    says="entry bound before scale k",
)

amplification = Formula(
    claim="end-to-end",
    left="A_k",
    expr=_gain(k),
    source="tanh x <= x and eta_k <= R_k in one step of the recurrence",
    says="factor by which scale k multiplies an error",
)

model_error = Formula(
    claim="end-to-end",
    left="eta_K",
    expr=K * b * w_V * _range(K) * _gain(K) ** (K - 1) * sp.atanh(eps),
    source="the K terms of the recurrence, each with its largest factor",
    says="error after K scales while every eta_k <= R_k",
)

model_budget = Formula(
    claim="end-to-end",
    left="eps",
    expr=sp.tanh(eps / (K * b * w_V * _range(K) * _gain(K) ** (K - 1))),
    source="model_error solved for the kernel error; eps stands for the model error here",
    says="kernel error that a model error allows",
)
