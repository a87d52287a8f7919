"""argmax-margin, sampling-tv, guidance: what a logit error does to tokens.

Adversary: the leader falls and the rival rises (margin); two groups, masses balanced (sampling);
errors of opposite sign (guidance).
"""

from __future__ import annotations

import sys

import numpy as np

from varnum.proof.checking import Measurement, main, summarise
from varnum.propagate.discrete import certify_tokens

VOCABULARY = 16


def _softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _margin(trials, rng):
    x = rng.normal(size=(trials, VOCABULARY)) * 3
    zeta = rng.uniform(0.01, 2, trials)
    order = np.argsort(x, -1)
    lead = np.take_along_axis(x, order[:, -1:], -1) - np.take_along_axis(x, order[:, -2:-1], -1)
    worst = np.zeros_like(x)
    np.put_along_axis(worst, order[:, -1:], -1, -1)
    np.put_along_axis(worst, order[:, -2:-1], 1, -1)
    sure = certify_tokens(x, zeta[:, None])
    pairs = []
    for noise in (rng.uniform(-1, 1, x.shape), worst):
        y = x + noise * zeta[:, None]
        changed = y.argmax(-1) != x.argmax(-1)
        if np.any(changed & sure):
            raise AssertionError("a token proved unchanged has changed")
        rival = y.copy()
        np.put_along_axis(rival, order[:, -1:], -np.inf, -1)
        left = np.take_along_axis(y, order[:, -1:], -1)[:, 0] - rival.max(-1)
        pairs.append((np.maximum(lead[:, 0] - left, 0), 2 * zeta))
    return pairs


def _sampling(trials, rng):
    zeta = rng.uniform(1e-3, 3, trials)
    x = rng.normal(size=(trials, VOCABULARY)) * 3
    noise = rng.uniform(-1, 1, x.shape) * zeta[:, None]
    random = np.abs(_softmax(x + noise) - _softmax(x)).sum(-1) / 2, np.tanh(zeta / 2)
    up = rng.random(x.shape) < 0.5
    up[:, 0], up[:, 1] = True, False
    mass = np.where(up, _softmax(x), 0).sum(-1)
    wanted = 1 / (1 + np.exp(zeta))
    x = x + np.where(up, np.log(wanted / (1 - wanted) * (1 - mass) / mass)[:, None], 0.0)
    noise = np.where(up, 1, -1) * zeta[:, None]
    moved = np.abs(_softmax(x + noise) - _softmax(x)).sum(-1) / 2
    return random, (moved, np.tanh(zeta / 2))


def _guidance(trials, rng):
    t, zeta = rng.uniform(0, 4, trials), rng.uniform(1e-3, 1, trials)
    claimed = (1 + 2 * t) * zeta
    pairs = []
    for a, b in (rng.uniform(-1, 1, (2, trials)), (np.ones(trials), -np.ones(trials))):
        pairs.append((np.abs((1 + t) * a * zeta - t * b * zeta), claimed))
    return pairs


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Loss of margin, total variation, guided error."""
    rng = np.random.default_rng(seed)
    return [
        summarise("argmax-margin", "loss of margin over 2 zeta", *_margin(trials, rng)),
        summarise("sampling-tv", "total variation", *_sampling(trials, rng)),
        summarise("guidance", "guided logit error", *_guidance(trials, rng)),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
