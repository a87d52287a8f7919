"""Closed forms of ranks, operation counts and memory, per attention head.

Symbols: d head dimension, d_v value dimension, g degree, r rank, m pivots, N tokens of one scale,
L_k tokens up to and with that scale, L all tokens, c coordinates. One operation is one
multiply-add, multiplication or exp.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

d, d_v, g, r, N, L_k, L, m, c = sp.symbols("d d_v g r N L_k L m c", integer=True, positive=True)
S, tau = sp.symbols("S tau", positive=True)

rank = Formula(
    claim="monomial-rank",
    left="r",
    expr=sp.binomial(d + g, g),
    source="one feature per monomial of degree at most g in d variables",
    says="rank of a polynomial kernel of degree g in dimension d",
)

rank_published = Formula(
    claim="monomial-rank",
    left="r_AS23",
    expr=sp.binomial(2 * (g + d), 2 * g),
    source="Alman and Song 2023",
    says="the published bound of the same rank",
)

exact_scale = Formula(
    claim="cost-exact",
    left="exact_k",
    expr=N * L_k * (d + d_v + 1),
    source="N L_k logits of d multiply-adds, as many exps, d_v multiply-adds each for the output",
    says="operations of exact attention at one scale",
)

lowrank_scale = Formula(
    claim="cost-lowrank",
    left="lowrank_k",
    expr=N * r * (2 * d_v + 5),
    source="per token: 3r for features of q and k with coefficients, 2r(d_v + 1) to add to the "
    "state and to read it",
    says="operations of low-rank attention at one scale",
)

pivot_scale = Formula(
    claim="cost-lowrank",
    left="pivots_k",
    expr=N * (2 * d**2 + 2 * m * (d + 1 + r) + 2 * r * (d_v + 1) + d + 2),
    source="per token, once as query and once as key: d^2 to centre and balance, m(d + 1) for the "
    "kernel at the pivots, m r to turn them into r features, r(d_v + 1) for the state; d + 2 for "
    "the weight of the key",
    says="operations at one scale of attention with r features from m kernel pivots",
)

leading_keys = Formula(
    claim="cost-lowrank",
    left="keys_k",
    expr=N * (c * (d + 1) + r * (d_v + 3) + d + 2),
    source="per key: c(d + 1) for its coordinates, 2r for its features and their weight, "
    "r(d_v + 1) to add to the state, d + 2 for the weight",
    says="operations to add the keys of one scale to the state of r leading monomials",
)

leading_queries = Formula(
    claim="cost-lowrank",
    left="queries_k",
    expr=N * (c * (d + 1) + r * (d_v + 3)),
    source="per query: c(d + 1) for its coordinates, 2r for its features, r(d_v + 1) to read the "
    "state",
    says="operations to answer the queries of one scale from r leading monomials",
)

reused_keys = Formula(
    claim="flowar-cost",
    left="keys_k",
    expr=N * r * (d_v + 3),
    source="per key: 2r for its features with coefficients, r(d_v + 1) to add to the state",
    says="operations to build the state of one scale once",
)

reused_queries = Formula(
    claim="flowar-cost",
    left="queries_k",
    expr=N * r * (d_v + 2),
    source="per query: r for its features, r(d_v + 1) to read the state",
    says="operations of one evaluation that reads a state built before",
)

w_q, w_k, gain, shift = sp.symbols("w_q w_k gain shift", positive=True)

decoder_token = Formula(
    claim="cost-stages",
    left="|y|_2",
    expr=gain * sp.sqrt(c * N) + shift,
    source="a group of m channels over N pixels has square sum at most m N, all of which one pixel "
    "may hold; gain = max|gamma|, shift = |beta|_2",
    says="largest norm of a pixel after GroupNorm, c channels",
)

decoder_logits = Formula(
    claim="cost-stages",
    left="M",
    expr=w_q * w_k * decoder_token.expr**2 / sp.sqrt(c),
    source="|W_q y| |W_k y'| / sqrt(c), w_q, w_k the spectral norms, without biases",
    says="largest logit of the decoder's attention that its weights allow: it grows like N = n^2",
)

cache = Formula(
    claim="cost-exact",
    left="cache",
    expr=L * (d + d_v),
    source="keys and values of L tokens",
    says="numbers kept by exact attention",
)

state = Formula(
    claim="cost-lowrank",
    left="state",
    expr=r * (d_v + 1),
    source="sum of phi(k) [v, 1]^T, whatever L is",
    says="numbers kept by low-rank attention",
)

threshold = Formula(
    claim="crossover",
    left="T",
    expr=r * (2 * d_v + 5) / (d + d_v + 1),
    source="sum_k N_k L_k = (L^2 + sum N_k^2)/2",
    says="low-rank costs less exactly where (L + sum N_k^2 / L)/2 > T",
)

additive_delta = Formula(
    claim="additive-degree",
    left="delta",
    expr=tau * S / (L * (1 + tau)),
    source="output error <= t/(1 - t) with t = L delta / S, row sum at least S",
    says="additive kernel error whose output error is at most tau range(v)",
)
