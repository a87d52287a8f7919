"""The Ops of the one walk on clouds: every layer of the released transformer.

AdaLN vectors are pairs (value (C,), bound of its error (C,)). Each docstring names the site of the
claim ensemble-sites; gamma counts are generous, exact ones would change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from array_api_compat import device

from varnum.floats.rounding import gamma
from varnum.model.backend import namespace
from varnum.model.config import VarConfig
from varnum.propagate.ensemble import sites
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, U, l2
from varnum.propagate.ensemble.cloud_attention import Heads, attention
from varnum.propagate.ensemble.dense import dense, joined, spread
from varnum.propagate.ensemble.engine import NUMPY, Array, Engine, cached, host, pieces
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.smooth_activations import SLOPE_ERROR, gelu
from varnum.tensor import Tensor

Vector = tuple[Array, Array]
_CHUNK = 2**24  # numbers of a temporary


@dataclass(frozen=True)
class Logits:
    """The end of the walk, (L, V) each: the float run's logits, a bound of their deviation.

    apart: bound of the deviation of (logit - the token's largest logit), where it was asked for.
    """

    centre: Array
    bound: Array
    apart: Array | None = None


def hosted(end: Logits) -> Logits:
    """In NumPy."""
    apart = None if end.apart is None else host(end.apart)
    return Logits(host(end.centre), host(end.bound), apart)


class Clouds:
    """Ops on `Cloud`; eta: kernel error on the logarithmic scale, 0 for the exact model."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        config: VarConfig,
        ensemble: Ensemble,
        eta: float = 0.0,
        margins: bool = False,
        engine: Engine = NUMPY,
    ) -> None:
        self.weights, self.config, self.ensemble, self.eta = weights, config, ensemble, eta
        self.margins, self.engine = margins, engine
        self.place = ""
        self.reach: Array | None = None  # sup of the last LayerNorm's output deviation

    def w(self, name: str) -> Array:
        """A weight in float64, made when it is asked for."""
        return self.engine.array(self.weights[name])

    def layer_norm(self, x: Cloud, place: str) -> Cloud:
        """LayerNorm of each token; a supremum of its output's deviation is kept for `modulate`."""
        self.place = place
        y, self.reach = layer_norm(self.ensemble, x, self.config.norm_eps, place)
        return y

    def modulate(self, x: Cloud, scale: Vector, shift: Vector) -> Cloud:
        """J = diag(1 + scale); a place with its own group."""
        (sc, dsc), (sh, dsh) = scale, shift
        xp = namespace(x.centre)
        factor = 1 + sc
        size, large = xp.abs(factor), xp.abs(x.centre)
        centre = x.centre * factor + sh
        entry = gamma(4) * (large * size + xp.abs(sh)) + size * x.entry
        entry = (entry + dsc * (large + x.entry) + dsh) * UP
        most = xp.max(size) * UP
        ball = (most * x.ball + xp.max(dsc) * self.reach) * UP
        err = most * x.err
        for part, z in cached(x.samples):
            z *= factor
            err[part] += 4 * U * l2(z)
        return self.ensemble.inject(
            Cloud(centre, x.samples, entry, ball, err), f"{self.place}, modulated"
        )

    def gate(self, x: Cloud, gamma: Vector) -> Cloud:
        """J = diag(gamma)."""
        value, off = gamma
        xp = namespace(x.centre)
        size = xp.abs(value)
        most, lost = xp.max(size), xp.max(off)
        centre = x.centre * value
        ball = most * x.ball * UP
        if float(lost) > 0:
            reach = self.ensemble.norm(x.samples, x.err, 0)
            ball = (ball + lost * (reach + x.ball)) * UP
        entry = size * x.entry + 2 * U * xp.abs(centre) + off * (xp.abs(x.centre) + x.entry)
        err = most * x.err * UP
        for part, z in cached(x.samples):
            z *= value
            err[part] += 2 * U * l2(z)
        return Cloud(centre, x.samples, entry * UP, ball, err)

    def add(self, x: Cloud, y: Cloud) -> Cloud:
        """J = I; a place with its own group."""
        centre = x.centre + y.centre
        entry = (x.entry + y.entry + 2 * U * namespace(centre).abs(centre)) * UP
        err = x.err + y.err
        for part, z, skip in cached(y.samples, x.samples):
            z += skip
            err[part] += 2 * U * l2(z)
        return self.ensemble.inject(
            Cloud(centre, y.samples, entry, (x.ball + y.ball) * UP, err * UP),
            f"after {self.place}",
        )

    def linear(self, x: Cloud, name: str) -> Cloud | Logits:
        """J = W; `head` gives `Logits` in place of a cloud."""
        weight, bias = self.w(f"{name}.weight"), self.w(f"{name}.bias")
        if name == "head":
            return self._logits(x, weight, bias)
        return dense(x, weight, bias)

    def _logits(self, x: Cloud, weight: Array, bias: Array) -> Logits:
        xp = namespace(x.samples)
        count, m, width = x.samples.shape
        self.ensemble.keep("head", x=x.centre)
        values = x.centre @ weight.T + bias
        entry = gamma(width + 2) * (xp.abs(x.centre) @ xp.abs(weight).T + xp.abs(bias)) * UP
        rows = longest(weight)
        bound = xp.empty_like(values)
        best = xp.argmax(values, axis=-1)  # of the float run: no noise in it, the forms are fixed
        index = xp.arange(count, device=device(values))
        apart = xp.empty_like(values) if self.margins else None
        for part in pieces(count, m * len(weight), _CHUNK):
            z, first = x.samples[part], part.start
            fuzz = gamma(width + 2) * rows * l2(z)
            moved = (z.reshape((-1, width)) @ weight.T).reshape((len(z), m, -1))
            bound[part] = self.ensemble.forms(moved, fuzz, first)
            if apart is not None:
                moved -= moved[index[: len(z)], :, best[part]][..., None]
                apart[part] = self.ensemble.forms(moved, 3 * fuzz, first)
        if apart is not None:
            apart = (apart + entry + entry[index, best][:, None]) * UP
        return Logits(values, (bound + entry) * UP, apart)

    def project(self, y: Cloud, block: int) -> Heads:
        """The heads are made one after the other, when they are attended to."""
        name = f"blocks.{block}.attn"
        bias = [self.w(f"{name}.{key}") for key in ("q_bias", "zero_k_bias", "v_bias")]
        return Heads(y, self.w(f"{name}.mat_qkv.weight"), namespace(bias[0]).concat(bias))

    def attention(self, heads: Heads, block: int) -> Cloud:
        """All heads side by side."""
        log_scale = None
        if self.config.attn_l2_norm:
            log_scale = host(self.w(f"blocks.{block}.attn.scale_mul_1H11")).reshape(-1)
        return attention(self.ensemble, heads, self.config, log_scale, self.eta, f"blocks.{block}")

    def mlp(self, x: Cloud, block: int) -> Cloud:
        """W2 gelu(W1 x + b1) + b2; the hidden place has a group, made chunk by chunk."""
        name = f"blocks.{block}.ffn"
        w1, b1 = self.w(f"{name}.fc1.weight"), self.w(f"{name}.fc1.bias")
        w2, b2 = self.w(f"{name}.fc2.weight"), self.w(f"{name}.fc2.bias")
        xp, size, rows = namespace(w1), spread(w1), longest(w1)
        count, m, width = x.samples.shape
        parts = []
        for piece in pieces(count, m * len(w1), _CHUNK):
            z, first = x.samples[piece], piece.start
            h0 = x.centre[piece] @ w1.T + b1
            off = gamma(width + 2) * (xp.abs(x.centre[piece]) @ xp.abs(w1).T + xp.abs(b1)) * UP
            norms = l2(z)
            inner = (z.reshape((-1, width)) @ w1.T).reshape((len(z), m, -1))
            reach = self.ensemble.forms(inner, gamma(width + 2) * rows * norms, first)
            f = gelu(h0)
            self.ensemble.keep(f"blocks.{block}, GELU", slope=f.slope)
            moved = (reach + off) * UP
            bent = sites.bent(f.second, moved, sites.GELU_SECOND, sites.GELU_THIRD)
            entry = (f.error + (xp.abs(f.slope) + SLOPE_ERROR) * off) * UP
            err = 1.2 * gamma(width + 4) * size * norms
            for part, bowed in cached(inner):
                err[part] += SLOPE_ERROR * l2(bowed)
                bowed *= f.slope[part, None]
            hidden = Cloud(f.value, inner, entry, l2(bent), err)
            hidden = self.ensemble.inject(hidden, f"blocks.{block}, GELU", first)
            parts.append(dense(hidden, w2, b2))
        return joined(parts)


def longest(weight: Array) -> Array:
    """Not below the largest norm of a row."""
    xp = namespace(weight)
    return xp.sqrt(xp.max(xp.sum(weight * weight, axis=1))) * UP


def layer_norm(
    ensemble: Ensemble, x: Cloud, eps: float, place: str, parts: int = 1
) -> tuple[Cloud, Array]:
    """(x - mean)/s per token, s^2 the variance and eps; and a supremum of its deviation (L,).

    J = (I - c0 c0'/(C s^2))/s on centred deviations; tau and nu of `sites.normalised`. parts, a
    divisor of the width: the centre's sums go part by part, so that long ones round less.
    """
    xp, width = namespace(x.centre), x.centre.shape[-1]
    g = gamma(2 * (width // parts + parts) + 24)
    mean = _mean(x.centre, parts)
    c0 = x.centre - mean
    s2 = _mean(c0 * c0, parts) + eps
    s = xp.sqrt(s2)
    y = c0 / s
    # the mean's rounding, in units of s
    off = xp.sum(xp.abs(x.centre), axis=-1, keepdims=True) / width / s
    if not (bool(xp.all(xp.isfinite(off))) and bool(xp.all(g * (1 + off) < 2.0**-33))):
        raise ArithmeticError(f"{place}: LayerNorm loses all digits here")
    norm = ensemble.norm(x.samples, x.err, 0)
    ensemble.keep(place, y=y, s=s[:, 0], off=off[:, 0], norm=norm)
    root = math.sqrt(width) * UP
    ratio = norm / (s[:, 0] * math.sqrt(width)) * UP  # sqrt beta
    a = ratio
    if ensemble.noise.cauchy:
        a = xp.minimum(a, _alpha(ensemble, x, y, s, g, off))
    tau, nu = sites.normalised(a, ratio * ratio * UP)
    ball = root * (tau + ratio * nu) * UP
    reach = root * (ratio * (1 + nu) + tau + a * nu) * UP
    samples = xp.empty_like(x.samples)
    err = xp.empty_like(x.err)
    long = gamma(2 * width + 24)
    for part, z in cached(x.samples):  # (l, R, C)
        err[part] = 8 * long * (1 + off[part]) * l2(z) / s[part] * UP
        moved = samples[part]
        moved[...] = z - xp.sum(z, axis=-1, keepdims=True) / width
        moved -= xp.matmul(moved, y[part, :, None]) / width * y[part, None]
        moved /= s[part, None]
    entry = g * (off + xp.abs(y) * (3 + 2 * off)) * UP
    return Cloud(y, samples, entry, ball, err), reach


def _mean(x: Array, parts: int) -> Array:
    """Over the last axis, of size n: n/parts + parts - 1 additions one after the other, at most."""
    xp = namespace(x)
    sums = xp.sum(x.reshape((*x.shape[:-1], parts, -1)), axis=-1)
    return xp.sum(sums, axis=-1, keepdims=True) / x.shape[-1]


def _alpha(ensemble: Ensemble, x: Cloud, y: Array, s: Array, g: float, off: Array) -> Array:
    """sup |c0.delta|/(C s^2) as a linear form."""
    width = y.shape[-1]
    value = namespace(y).matmul(x.samples, y[..., None]) / (width * s[:, :, None])
    size = l2(x.samples) / (s * math.sqrt(width))
    return ensemble.forms(value, 8 * g * (1 + off) * size, 0)[:, 0] * (1 + 8 * g)
