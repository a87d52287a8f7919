"""Closed forms of the section "softmax": how far a softmax row moves, sharply.

Symbols: eps kernel error (relative, entrywise), zeta logit error (additive), u = e^theta with
theta = zeta + artanh(eps), r ratio of the factors of two groups of keys, p mass of the first group.
Output errors are in units of range(v) = max v - min v of a value column.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

eps, zeta, tau = sp.symbols("eps zeta tau", positive=True)
p, r, u, u1, u2 = sp.symbols("p r u u1 u2", real=True)

l1_relative = Formula(
    claim="softmax-relative",
    left="||p~ - p||_1",
    expr=2 * eps / (1 + sp.sqrt(1 - eps**2)),
    source="two groups of keys, masses p and 1 - p; sharp",
    says="l1 distance of two softmax rows whose kernels differ by a relative error eps",
)

output_relative = Formula(
    claim="softmax-relative",
    left="|out~ - out| / range(v)",
    expr=sp.tanh(sp.atanh(eps) / 2),
    source="half the l1 distance; sharp",
    says="attention output error caused by a relative kernel error eps",
)

output_logit = Formula(
    claim="softmax-logit",
    left="|out~ - out| / range(v)",
    expr=sp.tanh(zeta / 2),
    source="kernel factors e^x with |x| <= zeta; sharp",
    says="attention output error caused by a logit error zeta",
)

output_compose = Formula(
    claim="softmax-compose",
    left="|out~ - out| / range(v)",
    expr=sp.tanh((zeta + sp.atanh(eps)) / 2),
    source="the two factors multiply; sharp",
    says="attention output error caused by logit error zeta and kernel error eps together",
)

output_rational = Formula(
    claim="softmax-compose",
    left="tanh(theta/2)",
    expr=(u - 1) / (u + 1),
    source="u = e^theta",
    says="the same bound without transcendental functions: what the solvers see",
)

two_group_shift = Formula(
    claim="softmax-compose",
    left="p~ - p",
    expr=p * (1 - p) * (r - 1) / (1 + p * (r - 1)),
    source="two groups: the first multiplied by r against the second",
    says="change of the mass p of a group whose kernel entries grow by the factor r",
)

budget_eps = Formula(
    claim="softmax-relative",
    left="eps",
    expr=2 * tau / (1 + tau**2),
    source="inverse of tanh(artanh(.)/2)",
    says="largest kernel error whose output error is at most tau range(v)",
)
