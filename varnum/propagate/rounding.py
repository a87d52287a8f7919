"""Claim `float-forward`: what a floating-point evaluation adds, layer by layer.

gamma_k |A||B| per product of inner length k, in any order of summation; elementwise functions with
a stated error in units in the last place. Kernels without a documented rounding are "tested only".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.scalar import ball
from varnum.errors import InputError
from varnum.formulas.layers import gamma
from varnum.propagate import transfer as t
from varnum.propagate.forms import UP, Floats
from varnum.propagate.transfer import Operator, Reach

UNIT = {  # no tf32: it also cuts the operands, which gamma_k does not count
    "float64": Fraction(1, 2**53),
    "float32": Fraction(1, 2**24),
    "float16": Fraction(1, 2**11),
    "bfloat16": Fraction(1, 2**8),
}


@dataclass(frozen=True)
class Arithmetic:
    """unit roundoff mu; ulps: error of exp, tanh, sqrt in units in the last place (stated)."""

    mu: Fraction
    ulps: int = 4

    @classmethod
    def of(cls, dtype: str, ulps: int = 4) -> Arithmetic:
        """By name; raises InputError for an unknown one."""
        if dtype not in UNIT:
            raise InputError(f"dtype: {dtype!r} is not one of {', '.join(UNIT)}")
        return cls(UNIT[dtype], ulps)

    def gamma(self, k: int) -> Any:
        """gamma_k as a ball; raises InputError where k mu >= 1 (no bound)."""
        if k * self.mu >= 1:
            raise InputError(f"float-forward: {k} roundings of {self.mu} each have no bound")
        return gamma.ball(k=k, mu=self.mu)


def certify_product_rounding(a: Floats, b: Floats, arithmetic: Arithmetic) -> Floats:
    """Upper bound of |fl(A B) - A B|, entrywise: gamma_k |A||B|, (m, k), (k, n) -> (m, n)."""
    factor = float(arithmetic.gamma(a.shape[-1]).upper()) * UP
    return np.asarray(factor * (np.abs(a) @ np.abs(b)) * UP)


def rounded(x: Reach, roundings: int, arithmetic: Arithmetic) -> Reach:
    """Every entry of x' rounded `roundings` times more."""
    g = arithmetic.gamma(roundings)
    error = x.error + g * (x.size + x.error)
    norm_error = x.norm_error + g * (x.norm + x.norm_error)
    return replace(x, error=error, norm_error=norm_error).tidy()


def linear(x: Reach, w: Operator, arithmetic: Arithmetic) -> Reach:
    """Claim `linear` evaluated in floating point: gamma_{n+1} (||W|| |x'| + |b|) more."""
    out = t.linear(x, w)
    more = arithmetic.gamma(x.width + 1) * (w.rows * (x.size + x.error) + w.bias)
    token = out.norm_error + more * ball(w.out).sqrt()
    return replace(out, error=out.error + more, norm_error=token)


def attention(
    q: Reach, k: Reach, v: Reach, scale: Any, eps: Any, keys: int, arithmetic: Arithmetic
) -> Reach:
    """Claim `attention-lipschitz` in floating point, at most `keys` keys a row.

    Logits take d + 1 roundings, then the shift by the maximum one; exp `ulps`; sums, quotient and
    the product with v at most 2 keys + 2, all relative to nonnegative weights.
    """
    size = abs(ball(scale)) * q.width * (q.size + q.error) * (k.size + k.error)
    logits = arithmetic.gamma(q.width + 2) * size * 3  # logit, maximum, difference
    zeta = t.logit_error(q, k, scale) + logits
    kernel = arithmetic.gamma(2 * arithmetic.ulps)
    together = (ball(eps) + kernel) / (1 + ball(eps) * kernel)  # artanh adds up
    out = t.attention(v, zeta, together)
    g = arithmetic.gamma(2 * keys + 2)
    more = g * (v.size + v.error)
    return replace(
        out, error=out.error + more, norm_error=out.norm_error + more * ball(v.width).sqrt()
    ).tidy()
