"""Site inequalities: how far a layer's true deviation is from the exact linear one at the centre.

Pure functions of suprema; each increases in every argument and uses forms without cancellation.
Claim ensemble-sites (its page derives each); `UP` pays for the rounding of the formulas themselves.
Shapes: r rows (queries), n keys, d head width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from varnum.model.backend import namespace
from varnum.propagate.ensemble.exponential import exp
from varnum.tensor import DoubleTensor

Floats: TypeAlias = DoubleTensor

UP = 1 + 2.0**-30
GELU_SECOND, GELU_THIRD = 0.79790, 0.7767  # sup|f''|, sup|f'''|, tanh form: claim gelu-lipschitz
SILU_SECOND, SILU_THIRD = 0.50001, 0.3082
ERF_THIRD = 0.7789  # sup|f'''| of GELU itself, whose sup|f''| is below GELU_SECOND


def normalised(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """(tau, nu) of LayerNorm, |.| at most; a >= |alpha|, b >= beta; infinite unless a < 1.

    y - y0 = delta/s - (c0/s) alpha + (c0/s) tau + (delta/s) nu, alpha = c0.delta/(C s^2) and
    beta = |delta|^2/(C s^2).
    """
    xp = namespace(b)
    a = xp.minimum(a, xp.sqrt(b) * UP)
    left = xp.where(a < 1, 1 - a, float("nan"))
    steep = a / left
    tau = xp.maximum(b / 2, a * steep)
    w = 2 * a + b
    nu = xp.maximum(xp.minimum(w / 2, _shrink(w)), steep)
    return finite(tau * UP), finite(nu * UP)


def _shrink(w: Floats) -> Floats:
    """1 - (1 + w)^(-1/2), w >= 0, rounded up."""
    root = namespace(w).sqrt(1 + w)
    return w / (root * (1 + root)) * UP


def unit_vector(r: Floats) -> Floats:
    """||u' - u - Du dq|| for ||dq|| <= r |q|: (2/sqrt 3)(-ln(1-r) - r), infinite unless r < 1."""
    left = namespace(r).where(r < 1, 1 - r, float("nan"))
    return finite(r * r / (1.7320508 * left) * UP)


def phi(z: Floats) -> Floats:
    """e^z - 1 - z <= z^2/2 e^z, the smaller of both where that is safe; z >= 0."""
    return _phi(z, _exp(z))


def _phi(z: Floats, grown: Floats) -> Floats:
    """`phi`, e^z given."""
    xp, small = namespace(z), z * z / 2 * grown
    return xp.where(z > 0.5, xp.minimum(small, (grown - 1 - z) * UP), small) * UP


def _exp(z: Floats) -> Floats:
    """e^z upward, infinite beyond 600."""
    xp = namespace(z)
    return xp.where(z <= 600, exp(xp.minimum(z, 600.0)), float("inf")) * UP


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
    p, xp = row.p, namespace(row.p)
    others = complement(p)
    linear = (row.dev + 2 * row.eta[:, None] * others) * UP
    weighted = p * row.b
    drift = (row.b * others + _without(weighted, xp.sum(weighted, axis=-1, keepdims=True))) * UP
    z = linear + drift
    grown = _exp(z)
    bend = _phi(z, grown)
    # Phi - Zl^2/2 <= drift (2 Zl + drift)/2 + Z^3/6 e^Z
    rest = drift * (2 * linear + drift) / 2 + z * z * z / 6 * grown
    square = xp.sqrt(xp.sum(p * row.dev * row.dev, axis=-1)) + row.eta
    zeta_square = xp.minimum(xp.sum(p * linear * linear, axis=-1), square * square)
    p_bend = p * bend
    bent_mean = xp.sum(p_bend, axis=-1)
    u = xp.minimum(bent_mean, zeta_square / 2 + xp.sum(p * rest, axis=-1)) * UP
    cbar = (row.b + bend) * UP
    first, curved = p * linear, p_bend + p * drift
    through = curved @ row.r_v
    mixed = xp.minimum(
        first @ row.r_v + through, xp.sqrt(zeta_square * (p @ (row.r_v * row.r_v))) + through
    )
    lin = row.form + row.eta * xp.sum(p * row.spread, axis=-1)
    ball = mixed + u / (1 + u) * lin
    return finite(cbar * UP), finite(ball * UP * UP)


def complement(p: Floats) -> Floats:
    """Not below 1 - p_j: rows of p sum to one up to 2^-40."""
    return namespace(p).maximum(1 - p, 0.0) + 2.0**-40


def _without(parts: Floats, total: Floats) -> Floats:
    """Sum of the others, upward: rounding of the difference added back."""
    return namespace(parts).maximum(total - parts, 0.0) + 2.0**-40 * total


def bent(second: Floats, h: Floats, most: float, third: float) -> Floats:
    """f(x+g) - f(x) - f'(x) g for |g| <= h: (h^2/2) min(sup|f''|, |f''(x)| + sup|f'''| h/3)."""
    return h * h / 2 * namespace(h).minimum(second + third * h / 3, most) * UP


def finite(x: Floats) -> Floats:
    """NaN becomes infinite: what could not be computed bounds nothing."""
    xp = namespace(x)
    return xp.where(xp.isnan(x), float("inf"), x)
