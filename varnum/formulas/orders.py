"""Orders of growth of the least degree; apart from `exp`: sympy takes 12 ms to build them."""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula
from varnum.formulas.exp import M, W, eps

_l = sp.log(1 / eps)

degree_order = Formula(
    claim="degree-closed-form",
    left="Theta",
    expr=sp.Max(M, _l / sp.log(sp.E + _l / M), evaluate=False),  # comparing symbols is slow
    source="Aggarwal and Alman 2022, with 'e +' so that it stays finite at ln(1/eps) = M",
    says="order of growth of the least degree (relative error)",
)

additive_order = Formula(
    claim="additive-degree",
    left="Theta",
    expr=sp.Max(sp.sqrt(W * _l), _l / sp.log(sp.E + _l / W), evaluate=False),
    source="Aggarwal and Alman 2022",
    says="order of growth of the least degree (additive error on [-W, 0])",
)
