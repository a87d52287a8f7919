"""Heads for the tables: synthetic, of random weights on large pyramids, capped and trained ones.

Each is (name, kind, q, k, v, sigma, scales): float32 (L, d), (L, d), (L, d_v); scales None where
every query sees every key. kind: "synthetic", "random", "capped" or "trained".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from recovery_heads import key_dependent, random_d16

from varnum.audit.layer_run import run_layers
from varnum.model.checkpoint import load_model, read_settings_file

DATA = Path(__file__).parents[2] / "tests" / "data"
SIDES = {341: (1, 2, 4, 8, 16), 5461: (1, 2, 4, 8, 16, 32, 64),
         21845: (1, 2, 4, 8, 16, 32, 64, 128)}  # fmt: skip


def trained(paths=None):
    """Every head of files with arrays q_NAME, k_NAME, v_NAME; sigma = sqrt(d)."""
    for path in paths or (DATA / "heads" / n for n in ("text_L512_d32.npz", "image_L1370_d64.npz")):
        with np.load(path) as file:
            for name in file.files:
                if name.startswith("q_"):
                    q, k, v = (file[part + name[1:]].astype(np.float32) for part in "qkv")
                    stem = f"{Path(path).stem.split('_')[0]} {name[2:].replace('_', '.')}"
                    yield stem, "trained", q, k, v, float(np.sqrt(q.shape[1])), None


def random_heads(length, count=3, cache=None):
    """Of a var-d16 with random weights on a pyramid: factors spread over those of two blocks."""
    rows, scales = random_d16(SIDES[length], cache=cache)
    for layer, head, factor, q, k, v in _spread(rows, count):
        yield f"d16 {layer}.{head} factor {factor:.2f}", "random", q, k, v, 1.0, scales


def capped_heads(length=5456, count=2, folder=DATA / "trained"):
    """Of a trained VAR whose factor was capped, enlarged jointly: the tokens of 16 digits as one.

    341 tokens each; beyond 5456 every digit is run under further labels.
    """
    settings, _ = read_settings_file(str(folder / "config.json"))
    model = load_model(str(folder / "var-capped.npz"), str(folder / "vae.npz"), settings)
    with np.load(folder / "tokens.npz") as file:
        tokens, labels = file["tokens"], file["labels"]
    turns = -(-length // tokens.size)
    tokens = np.concatenate([tokens] * turns)
    labels = np.concatenate([(labels + turn) % 10 for turn in range(turns)])
    rows = []
    for layer in run_layers(model, labels, tokens):
        for head in range(layer.q.shape[1]):
            factor = float(layer.factors[head])
            sides = (layer.q[:, head] * factor, layer.k[:, head], layer.v[:, head])
            flat = (np.concatenate(list(side)).astype(np.float32) for side in sides)
            rows.append((layer.index, head, factor, *flat))
    for layer, head, _, q, k, v in _spread(rows, count):
        yield f"capped VAR {layer}.{head}", "capped", q, k, v, 1.0, None


def synthetic(length, largest):
    """v = K W. For such values degree one is nearly exact where keys are Gaussian."""
    return f"v = K W, R = {largest:g}", "synthetic", *key_dependent(length, largest), 8.0, None


def _spread(rows, count):
    ordered = sorted(rows, key=lambda row: row[2])
    return [ordered[i] for i in np.linspace(0, len(ordered) - 1, count).astype(int)]
