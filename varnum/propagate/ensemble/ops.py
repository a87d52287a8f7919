"""The Ops of the one walk on clouds: every layer of the released transformer.

AdaLN vectors are pairs (value (C,), bound of its error (C,)). Each docstring names the site of the
claim ensemble-sites; gamma counts are generous, exact ones would change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from varnum.floats.rounding import gamma
from varnum.model.config import VarConfig
from varnum.propagate.ensemble import sites
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, U, l2
from varnum.propagate.ensemble.cloud_attention import Heads, attention
from varnum.propagate.ensemble.dense import dense, joined, spread
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.smooth_activations import SLOPE_ERROR, gelu
from varnum.propagate.forms import Floats

Vector = tuple[Floats, Floats]
_CHUNK = 2**24  # numbers of a temporary


@dataclass(frozen=True)
class Logits:
    """The end of the walk, (L, V) each: the float run's logits, a bound of their deviation.

    apart: bound of the deviation of (logit - the token's largest logit), where it was asked for.
    """

    centre: Floats
    bound: Floats
    apart: Floats | None = None


class Clouds:
    """Ops on `Cloud`; eta: kernel error on the logarithmic scale, 0 for the exact model."""

    def __init__(
        self,
        weights: Mapping[str, Any],
        config: VarConfig,
        ensemble: Ensemble,
        eta: float = 0.0,
        margins: bool = False,
    ) -> None:
        self.weights, self.config, self.ensemble, self.eta = weights, config, ensemble, eta
        self.margins = margins
        self.place = ""
        self.reach: Floats = np.zeros(0)  # sup of the last LayerNorm's output deviation

    def w(self, name: str) -> Floats:
        """A weight in float64; float32 and float16 widen exactly."""
        return np.asarray(self.weights[name], dtype=np.float64)

    def layer_norm(self, x: Cloud, place: str) -> Cloud:
        """LayerNorm of each token; a supremum of its output's deviation is kept for `modulate`."""
        self.place = place
        y, self.reach = layer_norm(self.ensemble, x, self.config.norm_eps, place)
        return y

    def modulate(self, x: Cloud, scale: Vector, shift: Vector) -> Cloud:
        """J = diag(1 + scale); a place with its own group."""
        (sc, dsc), (sh, dsh) = scale, shift
        factor = 1 + sc
        size = np.abs(factor)
        centre = x.centre * factor + sh
        entry = gamma(4) * (np.abs(x.centre) * size + np.abs(sh)) + size * x.entry
        entry = (entry + dsc * (np.abs(x.centre) + x.entry) + dsh) * UP
        most = size.max() * UP
        ball = (most * x.ball + dsc.max() * self.reach) * UP
        err = most * x.err
        samples = x.samples
        for t in range(len(centre)):
            samples[t] *= factor
            err[t] += 4 * U * l2(samples[t])
        return self.ensemble.inject(
            Cloud(centre, samples, entry, ball, err), f"{self.place}, modulated"
        )

    def gate(self, x: Cloud, gamma: Vector) -> Cloud:
        """J = diag(gamma)."""
        value, off = gamma
        size = np.abs(value)
        centre = x.centre * value
        ball = size.max() * x.ball * UP
        if off.max() > 0:
            reach = self.ensemble.norm(x.samples, x.err, 0)
            ball = (ball + off.max() * (reach + x.ball)) * UP
        entry = size * x.entry + 2 * U * np.abs(centre) + off * (np.abs(x.centre) + x.entry)
        err = size.max() * x.err * UP
        for t in range(len(centre)):
            x.samples[t] *= value
            err[t] += 2 * U * l2(x.samples[t])
        return Cloud(centre, x.samples, entry * UP, ball, err)

    def add(self, x: Cloud, y: Cloud) -> Cloud:
        """J = I; a place with its own group."""
        centre = x.centre + y.centre
        entry = (x.entry + y.entry + 2 * U * np.abs(centre)) * UP
        err = x.err + y.err
        for t in range(len(centre)):
            y.samples[t] += x.samples[t]
            err[t] += 2 * U * l2(y.samples[t])
        return self.ensemble.inject(
            Cloud(centre, y.samples, entry, (x.ball + y.ball) * UP, err * UP),
            f"after {self.place}",
        )

    def linear(self, x: Cloud, name: str) -> Any:
        """J = W; `head` gives `Logits` in place of a cloud."""
        weight, bias = self.w(f"{name}.weight"), self.w(f"{name}.bias")
        if name == "head":
            return self._logits(x, weight, bias)
        return dense(x, weight, bias)

    def _logits(self, x: Cloud, weight: Floats, bias: Floats) -> Logits:
        count, m, width = x.samples.shape
        self.ensemble.keep("head", x=x.centre)
        values = x.centre @ weight.T + bias
        size = np.abs(weight)
        entry = gamma(width + 2) * (np.abs(x.centre) @ size.T + np.abs(bias)) * UP
        rows = np.sqrt((weight**2).sum(1)).max() * UP
        bound = np.empty_like(values)
        best = values.argmax(-1)  # of the float run: no noise in it, so the forms are fixed
        apart = np.empty_like(values) if self.margins else None
        step = max(1, _CHUNK // (m * len(weight)))
        for first in range(0, count, step):
            part = x.samples[first : first + step]
            fuzz = gamma(width + 2) * rows * l2(part)
            moved = (part.reshape(-1, width) @ weight.T).reshape(len(part), m, -1)
            bound[first : first + step] = self.ensemble.forms(moved, fuzz, first)
            if apart is not None:
                at = best[first : first + step, None, None]
                moved -= np.take_along_axis(moved, at, -1)
                apart[first : first + step] = self.ensemble.forms(moved, 3 * fuzz, first)
        if apart is not None:
            apart += entry + np.take_along_axis(entry, best[:, None], -1)
        return Logits(values, (bound + entry) * UP, None if apart is None else apart * UP)

    def project(self, y: Cloud, block: int) -> Heads:
        """The heads are made one after the other, when they are attended to."""
        name = f"blocks.{block}.attn"
        bias = [self.w(f"{name}.{key}") for key in ("q_bias", "zero_k_bias", "v_bias")]
        return Heads(y, self.w(f"{name}.mat_qkv.weight"), np.concatenate(bias))

    def attention(self, heads: Heads, block: int) -> Cloud:
        """All heads side by side."""
        log_scale = None
        if self.config.attn_l2_norm:
            log_scale = self.w(f"blocks.{block}.attn.scale_mul_1H11").reshape(-1)
        return attention(self.ensemble, heads, self.config, log_scale, self.eta, f"blocks.{block}")

    def mlp(self, x: Cloud, block: int) -> Cloud:
        """W2 gelu(W1 x + b1) + b2; the hidden place has a group, made chunk by chunk."""
        name = f"blocks.{block}.ffn"
        w1, b1 = self.w(f"{name}.fc1.weight"), self.w(f"{name}.fc1.bias")
        w2, b2 = self.w(f"{name}.fc2.weight"), self.w(f"{name}.fc2.bias")
        size, rows = spread(w1), np.sqrt((w1**2).sum(1)).max() * UP
        count, m, width = x.samples.shape
        step = max(1, _CHUNK // (m * len(w1)))
        parts = []
        for first in range(0, count, step):
            piece = slice(first, first + step)
            z = x.samples[piece]
            h0 = x.centre[piece] @ w1.T + b1
            off = gamma(width + 2) * (np.abs(x.centre[piece]) @ np.abs(w1).T + np.abs(b1)) * UP
            norms = l2(z)
            inner = (z.reshape(-1, width) @ w1.T).reshape(len(z), m, -1)
            reach = self.ensemble.forms(inner, gamma(width + 2) * rows * norms, first)
            f = gelu(h0)
            self.ensemble.keep(f"blocks.{block}, GELU", slope=f.slope)
            moved = (reach + off) * UP
            bent = sites.bent(f.second, moved, sites.GELU_SECOND, sites.GELU_THIRD)
            entry = (f.error + (np.abs(f.slope) + SLOPE_ERROR) * off) * UP
            err = 1.2 * gamma(width + 4) * size * norms
            for t in range(len(z)):
                err[t] += SLOPE_ERROR * l2(inner[t])
                inner[t] *= f.slope[t]
            hidden = Cloud(f.value, inner, entry, l2(bent), err)
            hidden = self.ensemble.inject(hidden, f"blocks.{block}, GELU", first)
            parts.append(dense(hidden, w2, b2))
        return joined(parts)


def layer_norm(
    ensemble: Ensemble, x: Cloud, eps: float, place: str, parts: int = 1
) -> tuple[Cloud, Floats]:
    """(x - mean)/s per token, s^2 the variance and eps; and a supremum of its deviation (L,).

    J = (I - c0 c0'/(C s^2))/s on centred deviations; tau and nu of `sites.normalised`. parts, a
    divisor of the width: the centre's sums go part by part, so that long ones round less.
    """
    width = x.centre.shape[-1]
    g = gamma(2 * (width // parts + parts) + 24)
    mean = _mean(x.centre, parts)
    c0 = x.centre - mean
    s2 = _mean(c0 * c0, parts) + eps
    s = np.sqrt(s2)
    y = c0 / s
    off = np.abs(x.centre).mean(-1, keepdims=True) / s  # the mean's rounding, in units of s
    if not (np.isfinite(off).all() and (g * (1 + off) < 2.0**-33).all()):
        raise ArithmeticError(f"{place}: LayerNorm loses all digits here")
    norm = ensemble.norm(x.samples, x.err, 0)
    ensemble.keep(place, y=y, s=s[:, 0], off=off[:, 0], norm=norm)
    ratio = norm / (s[:, 0] * np.sqrt(width)) * UP  # sqrt beta
    a = ratio
    if ensemble.noise.cauchy:
        a = np.minimum(a, _alpha(ensemble, x, y, s, g, off))
    tau, nu = sites.normalised(a, ratio**2 * UP)
    root = np.sqrt(width) * UP
    ball = root * (tau + ratio * nu) * UP
    reach = root * (ratio * (1 + nu) + tau + a * nu) * UP
    samples = np.empty_like(x.samples)
    err = np.empty_like(x.err)
    long = gamma(2 * width + 24)
    for t in range(len(c0)):
        z = x.samples[t]  # (M, C)
        err[t] = 8 * long * (1 + off[t]) * l2(z) / s[t] * UP
        z = z - z.mean(-1, keepdims=True)
        along = (z @ y[t]) / width
        samples[t] = (z - along[:, None] * y[t]) / s[t]
    entry = g * (off + np.abs(y) * (3 + 2 * off)) * UP
    return Cloud(y, samples, entry, ball, err), reach


def _mean(x: Floats, parts: int) -> Floats:
    """Over the last axis, of size n: n/parts + parts - 1 additions one after the other, at most."""
    sums = x.reshape(*x.shape[:-1], parts, -1).sum(-1)
    return np.asarray(sums.sum(-1, keepdims=True) / x.shape[-1])


def _alpha(ensemble: Ensemble, x: Cloud, y: Floats, s: Floats, g: float, off: Floats) -> Floats:
    """sup |c0.delta|/(C s^2) as a linear form."""
    width = y.shape[-1]
    value = np.einsum("lmc,lc->lm", x.samples, y)[..., None] / (width * s[:, :, None])
    size = np.stack([l2(z) for z in x.samples]) / (s * np.sqrt(width))
    return ensemble.forms(value, 8 * g * (1 + off) * size, 0)[:, 0] * (1 + 8 * g)
