"""Run a model layer by layer on given tokens, in float64, keeping one layer at a time.

Besides the weights as they were stored, memory holds the residual stream, one layer's weights in
float64 and its queries, keys and values. B prompts, L tokens, C width, H heads, d = C/H.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.audit.apriori import NormalisedHead, PlainHead
from varnum.model import transformer
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend, Ints, Weights
from varnum.model.config import VarConfig
from varnum.model.generate import Model, Settings, check_model_tokens, generate
from varnum.model.quantizer import teacher_maps

Floats = npt.NDArray[np.float64]
DOUBLE = Backend("numpy", "float64")


@dataclass(frozen=True)
class Layer:
    """What one layer's attention was given: q, k, v (B, H, L, d), factor (H,) of the logits."""

    index: int
    x: Floats  # the residual stream before the layer, (B, L, C)
    y: Floats  # what its attention reads, normalised and modulated, (B, L, C)
    middle: Floats  # the residual stream after its attention, (B, L, C)
    after: Floats  # and after the layer, (B, L, C)
    q: Floats
    k: Floats
    v: Floats
    factors: Floats
    config: VarConfig  # of this layer alone
    weights: Weights  # of this layer alone, in float64
    six: tuple[Floats, ...]  # AdaLN vectors, (B, 1, C) each

    def head_weights(self, prompt: int, head: int) -> NormalisedHead | PlainHead:
        """What bounds the logits of a head a priori."""
        name, d, width = "blocks.0.attn", self.config.head_dim, self.config.embed_dim
        if self.config.attn_l2_norm:
            logs = np.asarray(self.weights[f"{name}.scale_mul_1H11"]).reshape(-1)
            return NormalisedHead(float(logs[head]), d)
        rows = slice(head * d, (head + 1) * d)
        both = self.weights[f"{name}.mat_qkv.weight"]
        bias = np.asarray(self.weights[f"{name}.q_bias"])[rows]
        _, _, scale, _, shift, _ = (x[prompt, 0] for x in self.six)
        return PlainHead(both[:width][rows], both[width : 2 * width][rows], bias, scale, shift)


def run_layers(
    model: Model, labels: Ints, tokens: Ints, say: Callable[[str], None] = lambda _: None
) -> Iterator[Layer]:
    """Teacher-forced on tokens (B, L): yields each layer before its output goes into the next."""
    config = model.var
    check_model_tokens(model, labels, tokens)
    c, x = _start(model, labels, tokens)
    for i in range(config.depth):
        say(f"layer {i + 1} of {config.depth}")
        w, alone = layer_weights(model.var_weights, i), replace(config, depth=1)
        six = transformer.conditions(w, alone, c)[0]
        given: list[tuple[Floats, Floats, Floats, Floats]] = []
        at: dict[str, Floats] = {}

        def attend(q: Any, k: Any, v: Any, scale: Any, blocks: Any, seen: Any = given) -> Any:
            seen.append((q, k, v, np.broadcast_to(scale.reshape(-1), q.shape[1:2])))
            return exact_attention(q, k, v, scale, blocks)

        after = transformer.transformer_block(
            w, alone, 0, x, six, attend, config.lengths, seen=at.__setitem__
        )
        y, middle = at["blocks.0.attn.y"], at["blocks.0.mid"]
        yield Layer(i, x, y, middle, after, *given[0], config=alone, weights=w, six=six)
        x = after


def layer_weights(weights: Weights, index: int) -> Weights:
    """One block's weights in float64, under the names of block 0."""
    prefix = f"blocks.{index}."
    return {
        name.replace(prefix, "blocks.0."): DOUBLE.array(x)
        for name, x in weights.items()
        if name.startswith((prefix, "shared_ada_lin."))
    }


def _start(model: Model, labels: Ints, tokens: Ints) -> tuple[Floats, Floats]:
    """Class vectors (B, C) and the input of the first block (B, L, C)."""
    config = model.var
    names = ("class_emb", "pos_start", "pos_1LC", "lvl_embed", "word_embed")
    w = {n: DOUBLE.array(x) for n, x in model.var_weights.items() if n.split(".")[0] in names}
    vae = {n: DOUBLE.array(x) for n, x in model.vae_weights.items() if n.startswith("quantize.")}
    c = transformer.class_vector(w, config, labels)
    maps = teacher_maps(vae, model.vae, tokens)
    parts = [transformer.embed_start(w, config, c)]
    parts += [transformer.embed_map(w, config, s, m) for s, m in enumerate(maps, start=1)]
    return c, np.concatenate(parts, axis=1)


def generate_tokens(
    model: Model, labels: Ints, settings: Settings, say: Callable[[str], None] = lambda _: None
) -> Ints:
    """Tokens (B, L) that the model itself generates, in float32 unless it is stored in float64."""
    wide = any(str(x.dtype).endswith("float64") for x in model.var_weights.values())
    placed = model.to(Backend("numpy", "float64" if wide else "float32"))
    found = []
    for s, scale in enumerate(generate(placed, labels, settings)):
        say(f"generating, scale {s + 1} of {model.var.scales}")
        found.append(scale.tokens)
    return np.concatenate(found, axis=1)
