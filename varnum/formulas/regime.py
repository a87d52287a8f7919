"""Closed forms of the claim regime-exponent: rank r = L^rho at M = b ln L, d = c ln L, eps = L^-p.

Symbols: b, c, p as above; g the degree over ln L (gamma); s the parameter of the minimax curve.
With g the degree's coefficient, ln C(d + g ln L, d) = rho(g, c) ln L + O(ln ln L), and attention
by rank r costs L^(1 + rho + o(1)): below quadratic in L where rho < 1.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

b, c, p, gamma, s = sp.symbols("b c p gamma s", positive=True)

_CLAIM = "regime-exponent"

rho = Formula(
    claim=_CLAIM,
    left="rho",
    expr=c * sp.log(1 + gamma / c) + gamma * sp.log(1 + c / gamma),
    source="Stirling on the monomial rank C(d+g, g); equals (c+g)ln(c+g) - c ln c - g ln g",
    says="exponent of the rank L^rho at degree gamma ln L and dimension c ln L",
)

gamma_taylor = Formula(
    claim=_CLAIM,
    left="gamma",
    expr=b * sp.exp(1 + sp.LambertW((b + p) / (b * sp.E))),
    source="degree-closed-form: e^M (e M/g)^g = eps, the leading order in ln L",
    says="degree over ln L that suffices, by Taylor",
)

gamma_minimax = Formula(
    claim=_CLAIM,
    left="gamma",
    expr=b * sp.cosh(s),
    source="degree-minimax-curve; minimax_bound for p > 0.6453 b",
    says="degree over ln L on the minimax curve at parameter s",
)

minimax_equation = Formula(
    claim=_CLAIM,
    left="0",
    expr=s * sp.cosh(s) - sp.sinh(s) - p / b,
    source="degree-minimax-curve",
    says="s is the only zero on s >= 0: the derivative s sinh s is positive for s > 0",
)

M, n = sp.symbols("M n", positive=True)
_s = sp.log(n / M + sp.sqrt(n**2 / M**2 - 1))  # n = M cosh s
_sinh = sp.sqrt(n**2 - M**2)  # M sinh s
_tail = sp.exp(M) * M ** (2 * n + 1) / sp.factorial(2 * n + 1) / (1 - M / (2 * n + 2))
_far = sp.exp(-2 * n * (_s - 1))

minimax_bound = Formula(
    claim=_CLAIM,
    left="E_(n-1)(M)",
    expr=2 * (1 + _tail) / (1 - _tail - _far) * n / (n - M) * sp.exp(_sinh - n * _s),
    source="interpolation remainder with the node polynomial Re(w^n sum_(k<=2n) (M/w)^k/k!)",
    says="upper bound of the least relative error of degree n - 1, n > M, where the denominator is "
    "positive: the upper half of the minimax curve, with constants",
)

b_star_taylor = Formula(
    claim=_CLAIM,
    left="b*",
    expr=gamma * sp.LambertW(sp.exp(-1 - p / gamma)),
    source="gamma_taylor solved for b at the gamma with rho(gamma, c) = 1",
    says="below this b, Taylor's degree gives rank L^rho with rho < 1",
)

b_star_minimax = Formula(
    claim=_CLAIM,
    left="b*",
    expr=gamma / sp.cosh(s),
    source="minimax_equation and gamma_minimax solved for b at the gamma with rho(gamma, c) = 1",
    says="the same threshold on the minimax curve",
)

b_star_equation = Formula(
    claim=_CLAIM,
    left="0",
    expr=s - sp.tanh(s) - p / gamma,
    source="minimax_equation divided by gamma_minimax",
    says="s is the only zero on s >= 0: the derivative tanh(s)^2 is positive for s > 0",
)
