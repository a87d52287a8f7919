"""Closed forms of sparse and evicted caches.

Symbols: N rows of d_v values in levels 0, 1/q, .., 1, q = 2^b - 1; s head scale (largest logit of
unit queries and keys), E = e^s; m atoms, a of them used, C = C(m, a) patterns, L = log2 C; d
entries of an atom, bD bits each; x = q.(k - mu) of a key of a cluster, A >= max x, s2 >= its mean
square, n keys.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

N, dv, b, q, s, E = sp.symbols("N dv b q s E", real=True)
m, a, L, d, bD = sp.symbols("m a L d bD", real=True)
A, s2, x, p = sp.symbols("A s2 x p", real=True)


known_dictionary = Formula(
    "kv-dictionary",
    "bits per row",
    L + a * b,
    "which a of m atoms, and a coefficients of 2^b values",
    "size of a row in a dictionary that both sides know",
)
dictionary_pays = Formula(
    "kv-dictionary",
    "N",
    m * d * bD / (d * b - L - a * b),
    "m d b_D bits once against d b - L - a b saved per row",
    "rows above which a dictionary that must be kept as well pays",
)
tokens_known = Formula(
    "kv-structured",
    "bits",
    L + a * dv * b,
    "which a of N rows are read, and their values",
    "size where the rows that will be read are known when they are written",
)
scale_error = Formula(
    "kv-capacity-scale",
    "error",
    (E - 1) / (2 * q * (E + N - 1)),
    "two value tables differ by (E - 1)/(q (E + N - 1)) in some answer",
    "error below which N d_v b bits are forced; N orthonormal keys, queries s k_i",
)
scale_kappa = Formula(
    "kv-capacity-scale",
    "kappa",
    (E + 2 * N - 3) / (E - 1),
    "P^-1 = ((E + N - 1) I - J)/(E - 1), J the all-ones matrix, has these row sums",
    "||P^-1||_inf of the attention of N orthonormal keys at scale s",
)
kappa_error = Formula(
    "kv-capacity-scale",
    "error",
    1 / (2 * q * p),
    "P^-1 times an answer within this of P V lies within half a step of V; p stands for kappa",
    "error below which P^-1 reads every value right",
)
evict_mass = Formula(
    "evict-floor",
    "p",
    E / (E + N - 1),
    "own key e^s, the others e^0",
    "mass of the own key of N orthonormal keys at scale s",
)
jensen_excess = Formula(
    "evict-mass",
    "Bennett - 1",
    (A**2 * (sp.exp(-s2 / A) - 1) + s2 * (sp.exp(A) - 1)) / (A**2 + s2),
    "largest mean of e^x - 1 for x <= A of mean 0 and mean square <= s2: points A and -s2/A",
    "a cluster weighs at most this much more than n e^(q.mu), relatively",
)
psi0 = Formula(
    "merge-error", "psi0", (sp.exp(A) - 1) / A, "increasing in A", "sup of (e^x - 1)/x for x <= A"
)
psi1 = Formula(
    "evict-mass",
    "psi1",
    (sp.exp(A) - 1 - A) / A**2,
    "increasing in A",
    "sup of (e^x - 1 - x)/x^2 for x <= A: the simpler bound 1 + s2 psi1 of the same excess",
)
