"""Site inequalities: how far a layer's true deviation is from the exact linear one at the centre.

Pure functions of suprema; each increases in every argument and uses forms without cancellation.
Claim ensemble-sites (its page derives each); `UP` pays for the rounding of the formulas themselves.
Shapes: r rows (queries), n keys, d head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.propagate.forms import Floats

UP = 1 + 2.0**-30
GELU_SECOND, GELU_THIRD = 0.79790, 0.7767  # sup|f''|, sup|f'''|, tanh form: claim gelu-derivatives
SILU_SECOND, SILU_THIRD = 0.50001, 0.3082


def normalised(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """(tau, nu) of LayerNorm, |.| at most; a >= |alpha|, b >= beta; infinite unless a < 1.

    y - y0 = delta/s - (c0/s) alpha + (c0/s) tau + (delta/s) nu, alpha = c0.delta/(C s^2) and
    beta = |delta|^2/(C s^2).
    """
    a = np.minimum(a, np.sqrt(b) * UP)
    left = np.where(a < 1, 1 - a, np.nan)
    steep = a / left
    tau = np.maximum(b / 2, a * steep)
    w = 2 * a + b
    nu = np.maximum(np.minimum(w / 2, _shrink(w)), steep)
    return finite(tau * UP), finite(nu * UP)


def _shrink(w: Floats) -> Floats:
    """1 - (1 + w)^(-1/2), w >= 0, rounded up."""
    root = np.sqrt(1 + w)
    return np.asarray(w / (root * (1 + root)) * UP)


def unit_vector(r: Floats) -> Floats:
    """||u' - u - Du dq|| for ||dq|| <= r |q|: (2/sqrt 3)(-ln(1-r) - r), infinite unless r < 1."""
    left = np.where(r < 1, 1 - r, np.nan)
    return finite(r * r / (1.7320508 * left) * UP)


def phi(z: Floats) -> Floats:
    """e^z - 1 - z <= z^2/2 e^z, the smaller of both where that is safe; z >= 0."""
    grown = _exp(z)
    small = z * z / 2 * grown
    return np.asarray(np.where(z > 0.5, np.minimum(small, (grown - 1 - z) * UP), small) * UP)


def _exp(z: Floats) -> Floats:
    """e^z upward, infinite beyond 600."""
    return np.asarray(np.where(z <= 600, np.exp(np.minimum(z, 600.0)), np.inf) * UP)


@dataclass(frozen=True)
class Row:
    """What is known of attention rows: p (r, n); deviations of logits, each entry a supremum.

    dev: |row-centred linear deviation| (r, n); eta: kernel error, log scale (r,); b: |second order|
    (r, n); spread: |v_j - o| (r, n); r_v: |dV_j| (n,); form: |linear part of the output| (r,).
    """

    p: Floats
    dev: Floats
    eta: Floats
    b: Floats
    spread: Floats
    r_v: Floats
    form: Floats


def attention(row: Row) -> tuple[Floats, Floats]:
    """(cbar, ball): per key the half width of the box p_j (v_j - o), and the rest's ball (r,).

    The kernel box eta is not in cbar.
    """
    p = row.p
    others = complement(p)
    linear = (row.dev + 2 * row.eta[:, None] * others) * UP
    mean_b = (p * row.b).sum(-1, keepdims=True)
    drift = (row.b * others + _without(p * row.b, mean_b)) * UP
    z = linear + drift
    bend = phi(z)
    # Phi - Zl^2/2 <= drift (2 Zl + drift)/2 + Z^3/6 e^Z
    rest = drift * (2 * linear + drift) / 2 + z**3 / 6 * _exp(z)
    zeta_square = np.minimum(
        (p * linear**2).sum(-1), (np.sqrt((p * row.dev**2).sum(-1)) + row.eta) ** 2
    )
    u = np.minimum((p * bend).sum(-1), zeta_square / 2 + (p * rest).sum(-1)) * UP
    cbar = (row.b + bend) * UP
    mixed = np.minimum(
        (p * (linear + bend + drift)) @ row.r_v,
        np.sqrt(zeta_square * (p @ row.r_v**2)) + (p * (bend + drift)) @ row.r_v,
    )
    lin = row.form + row.eta * (p * row.spread).sum(-1)
    ball = mixed + u / (1 + u) * lin
    return finite(cbar * UP), finite(ball * UP * UP)


def complement(p: Floats) -> Floats:
    """Not below 1 - p_j: rows of p sum to one up to 2^-40."""
    return np.asarray(np.maximum(1 - p, 0) + 2.0**-40)


def _without(parts: Floats, total: Floats) -> Floats:
    """Sum of the others, upward: rounding of the difference added back."""
    return np.asarray(np.maximum(total - parts, 0) + 2.0**-40 * total)


def bent(second: Floats, h: Floats, most: float, third: float) -> Floats:
    """f(x+g) - f(x) - f'(x) g for |g| <= h: (h^2/2) min(sup|f''|, |f''(x)| + sup|f'''| h/3)."""
    return np.asarray(h * h / 2 * np.minimum(most, second + third * h / 3) * UP)


def finite(x: Floats) -> Floats:
    """NaN becomes infinite: what could not be computed bounds nothing."""
    return np.asarray(np.where(np.isnan(x), np.inf, x))
