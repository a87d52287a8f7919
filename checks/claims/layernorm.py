"""layernorm-range, layernorm-lipschitz, groupnorm: the normalisations of the reference model.

Adversary: one entry against all others (range); the tangent from the token (l2); the signs of the
row of the Jacobian at the token where that row is longest (entrywise).
"""

from __future__ import annotations

import sys

import numpy as np

from varnum.model import layers as model
from varnum.proof.checking import Measurement, main, on, summarise

TINY = 1e-30  # eps_LN of the adversary, as near to 0 as the model takes it


def _claim_l2(h):
    h1 = np.minimum(h, 1)
    return np.where(h < 1, np.sqrt(2) * h1 / np.sqrt(1 + np.sqrt(1 - h1**2)), 2.0)


def _centred(x):
    return x - x.mean(-1, keepdims=True)


def _range(layer_norm, trials, rng, width):
    x = rng.normal(size=(trials, width)) * rng.uniform(0.01, 10, (trials, 1))
    peak = rng.normal(size=(trials, 1)) * np.ones((trials, width))
    peak[np.arange(trials), rng.integers(width, size=trials)] += rng.uniform(0.5, 9, trials)
    claimed = np.full(trials, np.sqrt(width - 1))
    return [(np.abs(layer_norm(x, eps)).max(-1), claimed) for x, eps in ((x, 1e-6), (peak, TINY))]


def _l2(layer_norm, trials, rng, width):
    x = rng.normal(size=(trials, width)) * rng.uniform(0.01, 10, (trials, 1))
    s = np.sqrt(x.var(-1) + 1e-6)
    delta = rng.normal(size=x.shape)
    delta *= (rng.uniform(0, 1.5, trials) * s / np.sqrt((delta**2).mean(-1)))[:, None]
    h = np.sqrt((_centred(delta) ** 2).mean(-1)) / s
    moved = layer_norm(x + delta, 1e-6) - layer_norm(x, 1e-6)
    random = np.sqrt((moved**2).mean(-1)), _claim_l2(h)
    y = _centred(x)
    other = _centred(rng.normal(size=x.shape))
    other -= y * ((other * y).sum(-1) / (y * y).sum(-1))[:, None]
    other *= np.sqrt((y * y).sum(-1) / (other * other).sum(-1))[:, None]
    h = rng.uniform(1e-3, 0.999, trials)
    delta = -(h**2)[:, None] * y + (h * np.sqrt(1 - h**2))[:, None] * other  # the tangent
    moved = layer_norm(x + delta, TINY) - layer_norm(x, TINY)
    return random, (np.sqrt((moved**2).mean(-1)), _claim_l2(h))


def _entry(layer_norm, trials, rng, width):
    x = rng.normal(size=(trials, width))
    eta = rng.uniform(1e-4, 0.6, trials) * np.sqrt(x.var(-1) + 1e-6)
    delta = rng.uniform(-1, 1, x.shape) * eta[:, None]

    def both(x, delta, eta, eps):
        h = eta / np.sqrt(x.var(-1) + eps)
        moved = np.abs(layer_norm(x + delta, eps) - layer_norm(x, eps)).max(-1)
        return moved, (1 + np.sqrt(width)) / 2 * -np.log1p(-h)

    random = both(x, delta, eta, 1e-6)
    y = (
        np.tile(_extremal(width), (trials, 1))
        + rng.normal(size=(trials, width)) * np.geomspace(1e-6, 0.3, trials)[:, None]
    )
    y = _centred(y) * rng.uniform(0.5, 2, (trials, 1))
    s, c = np.sqrt(y.var(-1)), width
    z = _centred(y) / s[:, None]
    row = -(1 + z[:, :1] * z) / c
    row[:, 0] += 1
    eta = rng.uniform(1e-5, 1e-3, trials) * s
    return random, both(y, np.sign(row) * eta[:, None], eta, TINY)


def _extremal(width):
    """Normalised token whose Jacobian row attains (1 + sqrt c)/2: width a square, e.g. 16 or 64."""
    first = (width - np.sqrt(width)) / 2 - 1
    spread = np.sqrt((first * (width - first) + 2 * (width - 1 - first)) / (width - 1) - 1)
    above = round((width - 1 + (width - 1 - first) / spread) / 2)
    rest = np.where(np.arange(width - 1) < above, -1 + spread, -1 - spread) / np.sqrt(first)
    return np.concatenate([[np.sqrt(first)], rest])


def _group(group_norm, trials, rng):
    """GroupNorm with one group is LayerNorm over channels and positions."""
    channels, side = 4, 2
    x = rng.normal(size=(trials, channels, side, side))
    weight, zero = np.ones(channels), np.zeros(channels)
    pairs = []
    for scale in (0.3, 1.2):
        delta = rng.normal(size=x.shape) * scale
        flat = delta.reshape(trials, -1)
        h = np.sqrt((_centred(flat) ** 2).mean(-1) / (x.reshape(trials, -1).var(-1) + 1e-6))
        moved = group_norm(x + delta, weight, zero, 1) - group_norm(x, weight, zero, 1)
        pairs.append((np.sqrt((moved**2).reshape(trials, -1).mean(-1)), _claim_l2(h)))
    y = _centred(x.reshape(trials, -1))
    delta = -1.0 * y * rng.uniform(0.5, 0.99, (trials, 1))  # towards the constant map
    h = np.sqrt((delta**2).mean(-1) / (y.var(-1) + 1e-6))
    moved = group_norm(x + delta.reshape(x.shape), weight, zero, 1) - group_norm(x, weight, zero, 1)
    adversarial = np.sqrt((moved**2).reshape(trials, -1).mean(-1)), _claim_l2(h)
    merged = [np.concatenate(p) for p in zip(pairs[1], adversarial, strict=True)]
    return pairs[0], tuple(merged)


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Range, l2 error over sqrt(c), entrywise error; widths 16 and 64."""
    rng = np.random.default_rng(seed)
    results, norm = [], on(device, model.layer_norm)
    for width in (16, 64):
        results += [
            summarise(
                "layernorm-range", f"entry, width {width}", *_range(norm, trials, rng, width)
            ),
            summarise("layernorm-lipschitz", f"l2, width {width}", *_l2(norm, trials, rng, width)),
            summarise(
                "layernorm-lipschitz", f"entry, width {width}", *_entry(norm, trials, rng, width)
            ),
        ]
    return [
        *results,
        summarise("groupnorm", "l2, one group", *_group(on(device, model.group_norm), trials, rng)),
    ]


if __name__ == "__main__":
    sys.exit(main(measure, on_gpu=True))
