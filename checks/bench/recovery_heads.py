"""Heads for `recovery.py`: taken from a model run, enlarged by running the layer, or v = K W.

A head is (name, q, k, v, sigma, scales), float32: q, k (L, d), v (L, d_v); scales None for flat.
Enlarged heads come from running the model's first blocks on a larger pyramid with uniformly random
tokens, so q, k and v stay joint.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from lowrank_heads import correlated

from varnum.model import transformer
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend
from varnum.model.config import with_settings
from varnum.model.quantizer import teacher_maps
from varnum.model.random_weights import random_model


def key_dependent(length, largest, d=64, seed=0):
    """v = K W: correlated q, k with entries up to `largest`, W random and fixed; sigma = 8."""
    q, k = correlated(d, length, seed, largest)
    w = np.random.default_rng(seed + 1).standard_normal((d, d))
    v = k @ w
    return tuple(np.ascontiguousarray(t, dtype=np.float32) for t in (q, k, v))


def of_layers(model, depth, seed=0):
    """(layer, head, factor, q, k, v) of the first `depth` blocks, one prompt, random tokens."""
    torch_ = Backend("torch", "float32")
    config = replace(model.var, depth=depth)
    labels = np.array([0])
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, config.vocab_size, (1, config.length))
    w = {n: torch_.array(x) for n, x in model.var_weights.items()
         if not n.startswith("blocks.") or int(n.split(".")[1]) < depth}  # fmt: skip
    vae = {n: torch_.array(x) for n, x in model.vae_weights.items() if n.startswith("quantize.")}
    c = transformer.class_vector(w, config, labels)
    maps = teacher_maps(vae, model.vae, tokens)
    parts = [transformer.embed_start(w, config, c)]
    parts += [transformer.embed_map(w, config, s, m) for s, m in enumerate(maps, start=1)]
    x = parts[0].new_empty(0) if not parts else _concat(parts)
    found = []
    six = transformer.conditions(w, config, c)
    for i in range(depth):

        def attend(q, k, v, scale, blocks, i=i):
            factors = scale.reshape(-1).expand(q.shape[1])
            for h in range(q.shape[1]):
                factor = float(factors[h])
                sides = (q[0, h] * factor, k[0, h], v[0, h])
                found.append((i, h, factor, *(t.detach().numpy().copy() for t in sides)))
            return exact_attention(q, k, v, scale, blocks)

        x = transformer.transformer_block(w, config, i, x, six[i], attend, config.lengths)
    return found


def _concat(parts):
    import torch

    return torch.cat(parts, 1)


def random_d16(sides, depth=2, seed=0, cache=None):
    """Heads of a var-d16 with random weights on the pyramid `sides`: ([heads], scales)."""
    scales = tuple(s * s for s in sides)
    path = Path(cache) / f"d16-{'-'.join(map(str, sides))}-{depth}-{seed}.npz" if cache else None
    if path is not None and path.exists():
        with np.load(path) as stored:
            rows = [
                (*map(int, stored["at"][i]), float(stored["factor"][i]),
                 *(stored[f"{n}{i}"] for n in "qkv"))
                for i in range(len(stored["at"]))
            ]  # fmt: skip
        return rows, scales
    model = random_model(*with_settings("var-d16", {"patch_nums": tuple(sides)}), seed)
    rows = of_layers(model, depth, seed)
    if path is not None:
        arrays = {f"{n}{i}": t for i, row in enumerate(rows)
                  for n, t in zip("qkv", row[3:], strict=True)}  # fmt: skip
        at, factor = [row[:2] for row in rows], [row[2] for row in rows]
        np.savez(path, at=np.array(at), factor=np.array(factor), **arrays)
    return rows, scales
