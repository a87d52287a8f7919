"""Sites of FlowAR's layers: products of what deviates, GELU by erf, rotary pairs, resampling.

Claim ensemble-flow (its page derives each). A factor is a `Cloud` as well, or `Fixed`: the
same for every run but for its own rounding. Shapes as in `cloud`: N tokens, R samples, n entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.rounding import gamma
from varnum.propagate.ensemble import sites
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, U, l2
from varnum.propagate.ensemble.erf_gelu import gelu_erf
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.smooth_activations import SLOPE_ERROR, smooth_silu
from varnum.propagate.forms import Floats

_STEEP = 1.13  # above sup|f'| of SiLU (1.0999) and of GELU (1.1290)


@dataclass(frozen=True)
class Steady:
    """Numbers that do not deviate, and a bound of their error; (n,) or (N, n) each."""

    value: Floats
    error: Floats


Factor = Cloud | Steady


def reach(ensemble: Ensemble, x: Cloud) -> Floats:
    """sup ||delta|| per token, (N,): linear part, remainders and rounding."""
    return np.asarray((ensemble.norm(x.samples, x.err, 0) + x.ball + l2(x.entry)) * UP)


def scaled(ensemble: Ensemble, x: Cloud, far: Floats, factor: Factor, one: float = 0.0) -> Cloud:
    """x (one + factor), no place yet; far (N,): `reach` of x.

    J = diag(one + factor) dx + diag(x) dfactor; the rest is the product of both deviations.
    """
    by = factor.centre if isinstance(factor, Cloud) else factor.value
    error = factor.entry if isinstance(factor, Cloud) else factor.error
    total = one + by
    size = np.abs(total)
    most = np.broadcast_to(size, x.centre.shape).max(-1) * UP
    centre = x.centre * total
    moved = np.abs(x.centre) * (error + 2 * U * size)
    entry = (size * x.entry + moved + 2 * U * np.abs(centre)) * UP
    ball = most * x.ball
    err = most[:, None] * x.err
    samples = x.samples * np.broadcast_to(total, x.centre.shape)[:, None]
    err = err + 4 * U * l2(samples)
    if isinstance(factor, Cloud):
        tall = np.abs(x.centre).max(-1)
        ball = ball + tall * factor.ball + far * reach(ensemble, factor)
        other = factor.samples * x.centre[:, None]
        err = err + tall[:, None] * factor.err + 4 * U * (l2(other) + l2(samples))
        samples += other
    else:
        ball = ball + far * np.broadcast_to(error, x.centre.shape).max(-1)
    return Cloud(centre, samples, entry, ball * UP, err * UP)


def summed(x: Cloud, y: Factor) -> Cloud:
    """x + y, no place yet."""
    if isinstance(y, Steady):
        centre = x.centre + y.value
        entry = x.entry + y.error + 2 * U * np.abs(centre)
        return Cloud(centre, x.samples, entry * UP, x.ball, x.err)
    centre = x.centre + y.centre
    samples = x.samples + y.samples
    entry = x.entry + y.entry + 2 * U * np.abs(centre)
    err = x.err + y.err + 2 * U * l2(samples)
    return Cloud(centre, samples, entry * UP, (x.ball + y.ball) * UP, err * UP)


def rms_norm(ensemble: Ensemble, x: Cloud, eps: float) -> tuple[Cloud, Floats]:
    """x/s of a place, s^2 = mean x^2 + eps; and `reach` of it (N,).

    J = (I - x x'/(C s^2))/s; tau and nu as LayerNorm's, of deviations that are not centred.
    """
    width = x.centre.shape[-1]
    g = gamma(2 * width + 24)
    s = np.sqrt((x.centre * x.centre).mean(-1) + eps)
    y = x.centre / s[:, None]
    ratio = ensemble.norm(x.samples, x.err, 0) / (s * np.sqrt(width)) * UP  # sqrt beta
    tau, nu = sites.normalised(ratio, ratio**2 * UP)
    root = np.sqrt(width) * UP
    ball = root * (tau + ratio * nu) * UP
    along = np.einsum("lmc,lc->lm", x.samples, y) / width
    samples = (x.samples - along[..., None] * y[:, None]) / s[:, None, None]
    err = 8 * g * l2(x.samples) / s[:, None] * UP
    entry = 3 * g * np.abs(y) * UP
    far = (root * (ratio * (1 + nu) + tau + ratio * nu) + l2(entry)) * UP
    return Cloud(y, samples, entry, ball, err), far


def silu(ensemble: Ensemble, x: Cloud, where: str) -> Cloud:
    """SiLU of what is no place yet, entry by entry; a place."""
    if not (np.abs(x.centre) <= 700).all() or x.ball.any():
        raise ArithmeticError(f"{where}: beyond 700")
    f = smooth_silu(x.centre)
    moved = (ensemble.forms(x.samples, x.err, 0) + x.entry) * UP
    ball = l2(sites.bent(f.second, moved, sites.SILU_SECOND, sites.SILU_THIRD))
    entry = (f.error + _STEEP * x.entry) * UP
    err = (_STEEP * x.err + 2 * SLOPE_ERROR * l2(x.samples)) * UP
    return ensemble.inject(Cloud(f.value, x.samples * f.slope[:, None], entry, ball, err), where)


def gated(ensemble: Ensemble, a: Cloud, b: Cloud, where: str) -> Cloud:
    """GELU(a) b, GELU by erf, of linear images that are no places yet; a place.

    f(a + p)(b + q) - f(a) b - f'(a) b p - f(a) q = rest (b + q) + f'(a) p q, rest by `bent`.
    """
    f = gelu_erf(a.centre)
    p = (ensemble.forms(a.samples, a.err, 0) + a.entry) * UP
    q = (ensemble.forms(b.samples, b.err, 0) + b.entry) * UP
    size, steep = np.abs(b.centre), (np.abs(f.slope) + SLOPE_ERROR) * UP
    bend = sites.bent(f.second, p, sites.GELU_SECOND, sites.ERF_THIRD)
    ball = l2(bend * (size + q) + steep * p * q)
    tall = np.abs(f.value) + f.error
    entry = f.error * size + steep * size * a.entry + tall * b.entry
    entry = (entry + 2 * U * np.abs(f.value * b.centre)) * UP
    left = f.slope * b.centre
    first, second = a.samples * left[:, None], b.samples * f.value[:, None]
    loss = (size.max(-1) * SLOPE_ERROR + f.error.max(-1))[:, None]
    err = (steep * size).max(-1)[:, None] * a.err + tall.max(-1)[:, None] * b.err
    err = err + loss * (l2(a.samples) + l2(b.samples)) + 8 * U * (l2(first) + l2(second))
    samples = first + second
    return ensemble.inject(Cloud(f.value * b.centre, samples, entry, ball * UP, err * UP), where)


def rotated(x: Cloud, cosines: Floats, sines: Floats, off: float) -> Cloud:
    """Pairs (2i, 2i+1) turned, no place yet; cosines, sines (N, n/2), each within `off`."""

    def turned(z: Floats, c: Floats, s: Floats) -> Floats:
        out = np.empty_like(z)
        a, b = z[..., 0::2], z[..., 1::2]
        out[..., 0::2], out[..., 1::2] = a * c - b * s, a * s + b * c
        return out

    def spread(z: Floats) -> Floats:
        out = np.empty_like(z)
        a, b = np.abs(z[..., 0::2]), np.abs(z[..., 1::2])
        c, s = np.abs(cosines), np.abs(sines)
        out[..., 0::2], out[..., 1::2] = a * c + b * s, a * s + b * c
        return out

    pairs = np.repeat(np.abs(x.centre[..., 0::2]) + np.abs(x.centre[..., 1::2]), 2, axis=-1)
    entry = (gamma(4) * spread(x.centre) + off * pairs + spread(x.entry)) * UP
    samples = turned(x.samples, cosines[:, None], sines[:, None])
    err = x.err + (2 * off + 8 * U) * l2(x.samples)
    ball = x.ball * (1 + 4 * off)
    return Cloud(turned(x.centre, cosines, sines), samples, entry, ball * UP, err * UP)


def resampled(ensemble: Ensemble, x: Cloud, rows: Floats, where: str) -> Cloud:
    """Both axes of a map (h h tokens, a place) times rows (h', h), each rounded once; a place."""
    high, side = rows.shape
    count, samples, width = x.samples.shape
    matrix, size = rows, np.abs(rows)

    def both(values: Floats, by: Floats) -> Floats:
        tail = values.shape[1:]
        grid = values.reshape(side, side, -1)
        out = np.einsum("ai,bj,ijc->abc", by, by, grid, optimize=True)
        return np.asarray(out).reshape(high * high, *tail)

    g = gamma(2 * side + 8)
    entry = g * both(np.abs(x.centre), size) * UP
    moved = both(x.samples.reshape(count, -1), matrix).reshape(-1, samples, width)
    err = 2 * g * both(l2(x.samples), size) * UP
    none = np.zeros(high * high)
    return ensemble.inject(Cloud(both(x.centre, matrix), moved, entry, none, err), where)
