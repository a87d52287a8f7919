"""Closed forms of the section "lower bounds that run".

Symbols: n keys beside the dummy, m bits, t < t2 the two Hamming thresholds, g = |m - 2t| dummy
coordinates, h a Hamming distance, R the sum of the rows' weights over the dummy's, B = 3n;
u, v bits; N rows of d_v values of b bits, q = 2^b - 1, mu largest product of two unit keys.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

n, m, t, t2, g, h, sigma = sp.symbols("n m t t2 g h sigma", real=True)
R, w, u, v, rate, length, M = sp.symbols("R w u v rate L M", real=True)
N, dv, b, q, mu, tau, x, D = sp.symbols("N dv b q mu tau x D", real=True)
alpha, r, width = sp.symbols("alpha r width", real=True)

YES, NO, DECIDE, ERROR = (sp.Rational(*f) for f in ((1, 2), (1, 4), (3, 8), (1, 8)))
LEBESGUE = sp.Rational(41, 32)  # x2 half-pixel bicubic, one axis; two axes: the square
TAPS = tuple(sp.Rational(k, 256) for k in (-27, 225, 67, -9))
JUNK = sp.Rational(1, 100)  # what the gated positions may weigh against the dummy key


head_output = Formula(
    "seth-head",
    "out",
    R / (1 + R),
    "values 1, dummy key of weight 1 and value 0",
    "output of a row",
)
seth_rate = Formula(
    "seth-head",
    "s^2/sigma",
    sp.log(3 * n) / (2 * (t2 - t)),
    "one bit of distance is worth ln(3n)/(t2 - t)",
    "logit per matching bit: keys at distance t2 weigh 1/(3n) of the dummy",
)
seth_logit = Formula(
    "seth-head",
    "q.k/sigma",
    rate * (m - 2 * h),
    "<x, y> = m - 2 ham(x, y)",
    "logit of a key at distance h",
)
seth_dummy = Formula(
    "seth-head", "q.k0/sigma", rate * (m - 2 * t), "sgn(m - 2t) |m - 2t|", "logit of the dummy key"
)
seth_M = Formula(
    "seth-head",
    "M",
    rate * sp.Max(m, g),
    "largest of |m - 2h| and |m - 2t|",
    "bound on every logit",
)
ov_rate = Formula(
    "ov-head",
    "s^2/sigma",
    sp.log(3 * n),
    "one common coordinate costs ln(3n)",
    "keys with <u, v> >= 1 weigh at most 1/(3n) of the dummy",
)
clause_open = Formula(
    "sat-to-ov",
    "u v",
    (1 - u) * (1 - v),
    "u = 0 iff the left half satisfies the clause, v likewise",
    "1 iff neither half satisfies the clause; here u, v say which halves do",
)


def _differ(a: sp.Expr, c: sp.Expr) -> sp.Expr:
    return a + c - 2 * a * c


hamming_coordinate = Formula(
    "ov-to-hamming",
    "ham",
    _differ(u, 1 - v) + _differ(1 - u, 1) + _differ(0, v),
    "a = (u, 1-u, 0), b = not (v, 0, 1-v)",
    "distance that one coordinate adds; equals 1 + 2uv on bits",
)
wrap_penalty = Formula(
    "var-wrap",
    "P",
    (LEBESGUE**2 + 1) * M + sp.log(length / JUNK),
    "gated logits <= Lambda^2 M - P, L of them, against the least useful weight e^-M",
    "logit penalty on gated positions so that together they weigh 1/100 of the dummy",
)
junk, cosine = sp.symbols("junk cosine", real=True)

flowar_penalty = Formula(
    "flowar-wrap",
    "P",
    LEBESGUE**2 * (2 * M + sp.log(junk)) / cosine,
    "RMSNorm scales a gated token by 1/Lambda^2 at least, a turn by `cosine`: (P cosine - Lambda^2 "
    "M)/Lambda^2 >= M + ln junk, junk = 100 L times the largest scaling",
    "logit penalty on gated positions so that together they weigh 1/100 of the dummy",
)

kv_query = Formula(
    "kv-capacity",
    "lambda/sigma",
    sp.log((N - 1) * (1 - tau) / tau) / (1 - mu),
    "weight of the own key 1/(1 + (N-1) e^(-(1-mu) lambda/sigma)) = 1 - tau",
    "query norm over sigma with which attention reads one row to within tau",
)
kv_tau = Formula(
    "kv-capacity",
    "tau",
    1 / (4 * q),
    "half a step is 1/(2q): half for the read, half for the error",
    "reading error, and the attention error below which rounding is right",
)
kv_bits = Formula(
    "kv-capacity", "bits", N * dv * b, "2^(N d_v b) states must differ", "least size of the state"
)
kv_code_mu = Formula(
    "kv-capacity",
    "mu",
    1 - 2 / D,
    "signs of the D-bit binary code differ in at least one place",
    "largest product of two such unit keys, D = ceil(log2 N)",
)
kv_cached = Formula(
    "kv-capacity",
    "N",
    (n**2 - 1) / (alpha**2 - 1),
    "1 + alpha^2 + .. + (n/alpha)^2",
    "tokens cached before the last scale of the pyramid 1, alpha, .., n",
)
kv_recompute = Formula(
    "kv-recompute",
    "bits",
    length * b,
    "with fixed weights the token ids, b = ceil(log2 V) bits each, determine every key and value",
    "a state of this many bits suffices if recomputing is allowed",
)
kv_lowrank = Formula(
    "kv-lowrank", "numbers", r * (dv + 1), "sum of phi(k) [v, 1]^T", "size of a rank-r state"
)
kv_rank_floor = Formula(
    "kv-lowrank",
    "r",
    N * dv * b / (width * (dv + 1)),
    "kv-capacity applied to a state of r(d_v+1) numbers of `width` bits",
    "least rank of a low-rank state that reads as precisely",
)
