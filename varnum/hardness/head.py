"""Claims seth-head and ov-head: one softmax head whose rows say whether a partner exists.

Queries and keys are s times integers in {-1, 0, 1}; the last key is the dummy with value 0, all
other values are 1. A row's exact output is >= 1/2 if it has a partner and <= 1/4 if it has none, so
every evaluation with an error below 1/8 decides at 3/8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.scalar import precision, upper
from varnum.errors import InputError
from varnum.formulas import hardness as forms
from varnum.hardness.reduce import Bits

ALLOWED = Fraction(1, 8)


@dataclass(frozen=True)
class Head:
    """Q = s queries, K = s keys, logits (s^2/sigma) queries keys^T.

    queries (nq, D), keys (n + 1, D), entries in {-1, 0, 1}; `s` is a float64, `sigma` exact, and
    rate = s^2/sigma is not below what the claim asks for. `width` bounds sum_c |q_c k_c| over all
    pairs, so M = rate * width bounds every logit and every sum of absolute products.
    """

    claim: str
    queries: Bits
    keys: Bits
    s: float
    sigma: Fraction
    width: int

    @property
    def rate(self) -> Fraction:
        """s^2/sigma, exactly."""
        return Fraction(self.s) ** 2 / self.sigma

    @property
    def M(self) -> Fraction:
        """A bound on every logit, exactly."""
        return self.rate * self.width

    @property
    def n(self) -> int:
        """Keys beside the dummy."""
        return len(self.keys) - 1

    def arrays(self) -> tuple[Any, Any, Any]:
        """Float64 Q (nq, D), K (n+1, D), V (n+1, 1); every entry exact."""
        values = np.ones((self.n + 1, 1))
        values[-1] = 0
        return self.s * self.queries, self.s * self.keys, values


def seth_head(x: Bits, y: Bits, t: int, t_far: int, sigma: Fraction | None = None) -> Head:
    """The head that tells "some y_j within t of x_i" from "all at t_far or more".

    x (nq, m), y (n, m) with entries +-1, 0 <= t < t_far; sigma defaults to the head's dimension.
    """
    m = x.shape[1]
    if y.shape[1] != m or not (0 <= t < t_far):
        raise InputError(f"thresholds: need words of one length and 0 <= t < t'; got {t}, {t_far}")
    g = abs(m - 2 * t)
    sign = 1 if m >= 2 * t else -1
    queries = np.concatenate([x, np.ones((len(x), g), np.int8)], axis=1)
    keys = np.zeros((len(y) + 1, m + g), np.int8)
    keys[:-1, :m] = y
    keys[-1, m:] = sign
    sigma = _sigma(sigma, m + g)
    with precision(128):
        rate = upper(forms.seth_rate.ball(n=len(y), t=t, t2=t_far))
    return Head("seth-head", queries, keys, _scale(rate, sigma), sigma, max(m, g))


def ov_head(u: Bits, v: Bits, sigma: Fraction | None = None) -> Head:
    """The head that tells "some <u_i, v_j> = 0" from "all at least 1": u (nq, m), v (n, m) 0/1."""
    keys = np.zeros((len(v) + 1, v.shape[1]), np.int8)
    keys[:-1] = -v
    sigma = _sigma(sigma, u.shape[1])
    width = min(int(u.sum(axis=1).max(initial=0)), int(v.sum(axis=1).max(initial=0)))
    with precision(128):
        rate = upper(forms.ov_rate.ball(n=len(v)))
    return Head("ov-head", u, keys, _scale(rate, sigma), sigma, width)


def _sigma(sigma: Fraction | None, dimension: int) -> Fraction:
    sigma = Fraction(max(dimension, 1)) if sigma is None else sigma
    if not Fraction(1, 10**9) <= sigma <= 10**9:
        raise InputError(f"sigma: {sigma} is not allowed; it must be in [1e-9, 1e9]")
    return sigma


def _scale(rate: Fraction, sigma: Fraction) -> float:
    """The least float64 found with s^2/sigma >= rate: a larger rate only widens the gap."""
    s = math.sqrt(rate * sigma)
    while Fraction(s) ** 2 < rate * sigma:
        s = math.nextafter(s, math.inf)
    return s
