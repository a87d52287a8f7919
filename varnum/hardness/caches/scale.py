"""Claims kv-capacity-scale, evict-floor: what bounded logits force, for given keys.

Keys k_i, queries s k_i: P = softmax(s K K^T) mixes the value rows. Where P is invertible, answers
within 1/(2 q kappa), kappa >= ||P^-1||_inf, determine the values. Everything here is float64 with
its rounding counted: P within a relative error, the inverse verified by its residual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.scalar import ball, lower, precision
from varnum.errors import InputError
from varnum.floats.guard import certified
from varnum.floats.rounding import EXP_ULPS, UNIT, gamma, up
from varnum.formulas import caches as forms

U = UNIT["float64"]
MAX_SCALE = 700  # e^s stays a double


def orthonormal_error(rows: int, scale: Fraction, b: int) -> Fraction:
    """Answers of N orthonormal keys at head scale s below this error force N d_v b bits.

    (E - 1)/(2 q (E + N - 1)), rounded down. Needs d >= N. Raises InputError.
    """
    check_scale(scale)
    with precision(128):
        E = ball(scale).exp()
        return lower(forms.scale_error.ball(E=E, N=rows, q=2**b - 1))


def orthonormal_mass(rows: int, scale: Fraction) -> Fraction:
    """Mass of the own key, E/(E + N - 1), rounded down; an evicting policy errs by half of it."""
    check_scale(scale)
    with precision(128):
        return lower(forms.evict_mass.ball(E=ball(scale).exp(), N=rows))


@dataclass(frozen=True)
class Attention:
    """P = softmax(s K K^T) of float64 keys (N, d): entries within `relative` of the true ones."""

    P: Any  # (N, N)
    relative: float


@certified
def attention_of(keys: Any, scale: float) -> Attention:
    """The attention of the queries s k_i, with its rounding: logits, exp, sums, quotients."""
    check_scale(Fraction(scale))
    keys = np.asarray(keys, dtype=np.float64)
    n, d = keys.shape
    norms = up(float((keys * keys).sum(1).max()), d + 4)
    logits = scale * (keys @ keys.T)
    size = up(abs(scale) * norms)
    zeta = gamma(d + 3) * size + 2 * U * size * 1.01  # product, scaling; shift by the row's maximum
    if not zeta < 2.0**-10:
        raise InputError(f"logits up to {size:.3g} are too large for float64 here")
    weights = np.exp(logits - logits.max(1, keepdims=True))
    P = weights / weights.sum(1, keepdims=True)
    one = up(2 * zeta + 2 * EXP_ULPS * U)  # e^zeta - 1 <= 2 zeta, and exp
    relative = up((1 + one) / (1 - one) * (1 + gamma(n + 3)) - 1)
    if not P.min() > 2.0**-1000:
        raise InputError("some attention weights underflow float64: lower the scale")
    return Attention(P, relative)


@certified
def inverse_norm(attention: Attention) -> float:
    """kappa >= ||P^-1||_inf, from an approximate inverse R and ||I - R P|| < 1; inf if not shown.

    ||P^-1|| <= ||R||/(1 - ||I - R P||), and |R P - R P~| <= relative |R| P~ / (1 - relative).
    """
    P, n = attention.P, len(attention.P)
    try:
        R = np.linalg.inv(P)
    except np.linalg.LinAlgError:
        return math.inf
    if not np.isfinite(R).all():
        return math.inf
    size = np.abs(R) @ P  # >= |R| P up to (1 - gamma_n)
    residual = np.abs(np.eye(n) - R @ P) + (2 * gamma(n + 2) + 2 * attention.relative) * size
    eta = up(float(residual.sum(1).max()), 2 * n + 8)
    if not eta < 1:
        return math.inf
    return up(float(np.abs(R).sum(1).max()) / (1 - eta) * (1 + 4 * U), 2 * n + 16)


def keys_error(kappa: float, b: int) -> Fraction:
    """1/(2 q kappa): answers below this error determine every value; 0 where kappa is inf."""
    if math.isinf(kappa):
        return Fraction(0)
    return forms.kappa_error.exact(q=2**b - 1, p=Fraction(kappa))


def own_mass(attention: Attention) -> Any:
    """(N,) lower bounds of the mass that the query s k_j puts on its own key k_j."""
    own = np.diag(attention.P) * (1 - attention.relative)
    return own * (1 - 8 * U)


def evict_floor(own: Any, dropped: int) -> float:
    """Error, over V's range, that a policy blind to values cannot avoid when it drops rows.

    It may drop the rows with the least mass p; on the worst of them two caches that differ in this
    value alone get the same answer, though the true ones differ by p: p/2. own: lower bounds (N,).
    """
    if not 1 <= dropped <= len(own):
        raise InputError(f"dropped: {dropped} is not allowed; 1 to {len(own)} rows")
    return float(np.sort(own)[dropped - 1] / 2)


def unit_keys(rows: int, d: int, seed: int) -> Any:
    """(N, d) random directions, rows of norm 1 up to rounding."""
    k = np.random.default_rng(seed).standard_normal((rows, d))
    return k / np.linalg.norm(k, axis=1, keepdims=True)


def check_scale(scale: Fraction) -> None:
    """Raises InputError unless 0 < s <= 700."""
    if not 0 < scale <= MAX_SCALE:
        raise InputError(f"scale: {float(scale):g} is not allowed; above 0, at most {MAX_SCALE}")
