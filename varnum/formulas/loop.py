"""Closed forms of the section "looped networks".

Symbols: g(u) = (3u - u^3)/2 or tanh, f(x) = g(W x + b), e >= ||W - c I|| (maximum row sum; c = 1
for the cubic), beta >= max|b_i|, nu noise per loop (maximum), s their joint shift, t
an inner radius, K rate, T loops, delta residual, L Lipschitz constant of the Jacobian.
"""

from __future__ import annotations

import sympy as sp

from varnum.formulas.core import Formula

t, u, s, e, beta, nu, c = sp.symbols("t u s e beta nu c", real=True)
K, T, L, delta, step, x0, r = sp.symbols("K T L delta step x0 r", real=True)


cubic = Formula("loop-cubic", "g(u)", (3 * u - u**3) / 2, "Loop, sharpened", "the cubic activation")
cubic_shift = Formula(
    "loop-cubic",
    "s",
    e * (1 + nu) + beta + nu,
    "|x| <= 1 + nu in the box",
    "how far weights, bias and noise can move an entry",
)
cubic_threshold = Formula(
    "loop-cubic",
    "s*",
    1 / (3 * sp.sqrt(3)),
    "the maximum of (t - t^3)/2",
    "largest shift at which every box keeps its fixed point",
)
cubic_gain = Formula(
    "loop-cubic",
    "g(t) - t",
    (t - t**3) / 2,
    "g(t) - t",
    "what the cubic wins back at t",
)
cubic_rate = Formula(
    "loop-cubic",
    "K",
    sp.Rational(3, 2) * (1 + e) * sp.Max(1 - t**2, (1 + s) ** 2 - 1),
    "|g'(u)| = (3/2)|1 - u^2| on [t, 1 + s]",
    "Lipschitz constant of f on the box",
)
cubic_attracting = Formula(
    "loop-cubic",
    "S(e)",
    sp.sqrt(1 - 2 / (3 * (1 + e))) / (3 * (1 + e)),
    "K < 1 solved for s, nu = 0",
    "e + beta below it: the fixed points attract",
)
tanh_threshold = Formula(
    "loop-tanh",
    "s*(c)",
    sp.sqrt(c * (c - 1)) - sp.atanh(sp.sqrt(1 - 1 / c)),
    "the maximum of c y - artanh y, at y^2 = 1 - 1/c",
    "largest e m + beta at which every box keeps its fixed point",
)
noise_tail = Formula(
    "loop-exit",
    "|x_T - p|",
    K**T * x0 + nu * (1 - K**T) / (1 - K),
    "geometric series",
    "distance after T loops from x0 with noise nu in each",
)
exit_factor = Formula(
    "loop-exit",
    "|x_t - p|",
    (K * step + nu) / (1 - K),
    "|x_t - p| <= K |x_{t-1} - p| + nu <= K (step + |x_t - p|) + nu",
    "distance that a step leaves",
)
kantorovich = Formula(
    "loop-certificate",
    "reach",
    delta + nu + K * r + L * r**2 / 2,
    "the Jacobian integrated along the segment",
    "where the ball of radius r goes; at most r: it stays inside",
)
kantorovich_noise = Formula(
    "loop-certificate",
    "nu",
    (1 - K) ** 2 / (2 * L) - delta,
    "the best radius is r = (1 - K)/L",
    "largest noise that some ball tolerates",
)
average_rate = Formula(
    "loop-certificate",
    "|f(x) - p| / |x - p|",
    K + L * (r + delta) / 2,
    "the Jacobian averaged along [p, x]; delta >= |p - x^| here",
    "rate towards the fixed point from anywhere in the ball of radius r",
)
normalise_bend = Formula(
    "loop-stages",
    "||phi''||",
    2 * sp.sqrt(T) / (sp.sqrt(3) * (u**2 + T * e)),
    "phi(c) = c/sqrt(|c|^2/T + e), |c| = u, T the width",
    "norm of the second derivative of normalisation",
)
softmax_bend = Formula(
    "loop-stages",
    "||softmax''||",
    sp.sqrt(2) / (3 * sp.sqrt(3)),
    "largest third central moment of a variable of range sqrt 2",
    "norm of the second derivative of softmax, for any number of keys",
)
