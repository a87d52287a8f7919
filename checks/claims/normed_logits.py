"""normed-logits: the largest logit of normalised queries and keys, without and with rotations.

Adversary: both tokens along the coordinate (or, turned by the rotation, the pair of coordinates)
whose weights have the largest product; a layer norm's biases along one another.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from varnum.audit.calls.logit_bound import logit_bound
from varnum.proof.checking import Measurement, main, summarise

Pairs = tuple[list[float], list[float]]
KINDS = ((None, "no rotation"), ("half", "pairs i, i + d/2"), ("interleaved", "pairs 2i, 2i + 1"))


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Largest |q.k|/sqrt(d) of heads of 2 to 16 coordinates, 50 trials for each."""
    rng = np.random.default_rng(seed)
    found = []
    for rope, what in KINDS:
        random, worst = [], []
        for _ in range(max(4, trials // 50)):
            d = 2 * int(rng.integers(1, 9))
            wq, wk = rng.uniform(-2, 2, (2, d))
            bound = float(logit_bound(q_norm=("rms", wq), k_norm=("rms", wk), rope=rope))
            x, y = _rms(rng.standard_normal((50, d))), _rms(rng.standard_normal((50, d)))
            turn = rng.uniform(0, 2 * np.pi, d // 2)
            logits = np.sum(_turn(x * wq, turn, rope) * (y * wk), axis=1)
            random.append((float(np.abs(logits).max()) / np.sqrt(d), bound))
            worst.append((_worst(wq, wk, rope) / np.sqrt(d), bound))
        found.append(summarise("normed-logits", f"rms, {what}", _split(random), _split(worst)))
    return [*found, _layer(rng, max(4, trials // 50))]


def _split(pairs: list[tuple[float, float]]) -> Pairs:
    return [p[0] for p in pairs], [p[1] for p in pairs]


def _rms(x: Any) -> Any:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True))


def _partners(d: int, rope: str | None) -> Any:
    i = np.arange(d // 2)
    return (i, i + d // 2) if rope == "half" else (2 * i, 2 * i + 1)


def _turn(x: Any, angle: Any, rope: str | None) -> Any:
    if rope is None:
        return x
    a, b = _partners(x.shape[-1], rope)
    out = np.empty_like(x)
    out[..., a] = np.cos(angle) * x[..., a] - np.sin(angle) * x[..., b]
    out[..., b] = np.sin(angle) * x[..., a] + np.cos(angle) * x[..., b]
    return out


def _worst(wq: Any, wk: Any, rope: str | None) -> float:
    """A pair of tokens that reaches the bound: a quarter turn takes a coordinate to its partner."""
    d = len(wq)
    groups = [[i] for i in range(d)] if rope is None else np.stack(_partners(d, rope), 1).tolist()
    best = 0.0
    for group in groups:
        i, j = (max(group, key=lambda c, w=w: abs(w[c])) for w in (wq, wk))
        x, y = np.zeros(d), np.zeros(d)
        x[i] = y[j] = np.sqrt(d)
        q, k = x * wq, y * wk
        if i != j:
            q = _turn(q, np.full(d // 2, np.pi / 2), rope)
        best = max(best, abs(float(q @ k)))
    return best


def _layer(rng: np.random.Generator, heads: int) -> Measurement:
    random, worst = [], []
    for _ in range(heads):
        d = int(rng.integers(2, 12))
        w, b = np.ones(d), np.zeros(d)
        b[0] = rng.uniform(0.1, 2)
        bound = float(logit_bound(q_norm=("layer", w, b), k_norm=("layer", w, b)))
        x = rng.standard_normal((50, d))
        x = _rms(x - x.mean(-1, keepdims=True)) + b
        random.append((float(np.abs(x @ x.T).max()) / np.sqrt(d), bound))
        peak = -np.ones(d)
        peak[0] = d - 1
        top = _rms(peak - peak.mean()) + b
        worst.append((float(top @ top) / np.sqrt(d), bound))
    return summarise("normed-logits", "layer, with biases", _split(random), _split(worst))


if __name__ == "__main__":
    sys.exit(main(measure))
