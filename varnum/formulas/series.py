"""Closed forms of time series: Gaussian pairs, AR(1), the tangent model.

Symbols: rho correlation of x_T and y, both of variance 1; r of x and any other of variance 1; ww =
|w|^2, sw = sum of w, T tokens of unit variance.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

rho, r, ww, sw, T = sp.symbols("rho r ww sw T", real=True)


sign_inconsistent = Formula(
    "tsf-gaussian",
    "P(x y < 0)",
    sp.acos(rho) / sp.pi,
    "the wedge x > 0 > y of angle arccos rho, twice",
    "share of sign-inconsistent steps of a Gaussian pair",
)
wedge = Formula(
    "tsf-gaussian",
    "E[y^2; x > 0 > y]",
    (sp.acos(r) - r * sp.sqrt(1 - r**2)) / (2 * sp.pi),
    "E radius^2 = 2 over the angle's share, sin^2 over the wedge",
    "mean square of y where its sign is not x's",
)
sign_only_ar1 = Formula(
    "tsf-gaussian",
    "min E[D^2; D of one sign, x > 0] / E[D^2; x > 0]",
    1 - (sp.acos(r) - r * sp.sqrt(1 - r**2)) / sp.pi,
    "wedge at r = corr(x, D) = -sqrt((1 - rho)/2), the smaller part",
    "sign-only bound of AR(1), T = 1, with skip; r < 0",
)
floor_ar1 = Formula(
    "tsf-gaussian",
    "F / E D^2",
    (1 + rho) / 2,
    "one token: outputs v x, least squares, 1 - corr(x, D)^2",
    "the true floor of AR(1), T = 1, with skip",
)
tangent_risk = Formula(
    "tsf-lazy",
    "risk",
    ww - sw**2 / T,
    "w'C w - (w'C 1)^2/(1'C 1) at C = I",
    "least risk of the tangent model on tokens of unit variance, symmetric law",
)
