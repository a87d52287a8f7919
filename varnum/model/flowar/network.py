"""FlowAR's two networks: the transformer over scales, and the flow net on the tokens of one.

Weights are a plain dict under the official key names. B batch, N tokens of a scale, L of all
scales, C width of the transformer, w of the flow net, c latent channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from varnum.errors import InputError
from varnum.model.backend import Array, Ints, Weights, host_array, namespace, take_rows
from varnum.model.flowar import tables
from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE, FlowConfig
from varnum.model.flowar.flow_walk import walk_ar_block, walk_cross_block, walk_velocity
from varnum.model.flowar.numbers import (
    EXACT,
    FlowNumbers,
    Kernels,
    States,
    condition_vectors,
)
from varnum.model.layers import linear, silu
from varnum.model.transformer import Cache
from varnum.model.walk import Seen, unseen


def class_vector(w: Weights, config: FlowConfig, labels: Ints) -> Array:
    """Class vectors (B, C); a negative label and `classes` both mean "no class"."""
    labels = np.asarray(labels, dtype=np.int64)
    if labels.size == 0 or labels.max() > config.classes:
        raise InputError(
            f"labels: {labels.tolist()} out of range; allowed: 0 to {config.classes - 1}, "
            f"{config.classes} or a negative number for no class"
        )
    return take_rows(w["class_emb.weight"], np.where(labels < 0, config.classes, labels))


# --- the transformer ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Tokens:
    """Which tokens of the sequence a pass sees: all of the scales from `first` to before `stop`."""

    first: int
    stop: int

    def rows(self, config: FlowConfig) -> slice:
        """Their rows of a position embedding (1, L, C)."""
        ends = [0, *accumulate(config.lengths)]
        return slice(ends[self.first], ends[self.stop])


def embed_map(w: Weights, tokens: Array) -> Array:
    """z_proj of a resampled map: (B, N, c) -> (B, N, C)."""
    return linear(tokens, w["z_proj.weight"], w["z_proj.bias"])


def conditions(w: Weights, config: FlowConfig, c: Array) -> dict[str, list[list[Array]]]:
    """Stage -> AdaLN vectors of its blocks from the class vector (B, C), (B, 1, C) each."""
    active = silu(c)[:, None, :]
    return {
        stage: [
            condition_vectors(w, f"{stage}.{i}.ada_lin.1", active, 6)
            for i in range(config.depth(stage))
        ]
        for stage in AR_STAGES
    }


def transformer(
    w: Weights,
    config: FlowConfig,
    x: Array,
    sixes: dict[str, list[list[Array]]],
    tokens: Tokens,
    kernels: Kernels = EXACT,
    caches: dict[str, Cache] | None = None,
    seen: Seen = unseen,
) -> Array:
    """The flow net's condition z (B, N, C) of some scales from their embedded input (B, N, C).

    One scale with a cache per stage, or all scales at once without.
    """
    rows = tokens.rows(config)
    sides = config.scales[tokens.first : tokens.stop]
    blocks = None if caches else tuple(h * h for h in sides)
    for stage, norm_in, norm_out in zip(
        AR_STAGES, ("z_proj_ln", None), ("encoder_norm", "decoder_norm"), strict=True
    ):
        cache = caches[stage] if caches else None
        ops = FlowNumbers(w, config, stage, sides, kernels.ar, blocks, cache)
        if norm_in is None:
            x = ops.linear(x, "decoder_embed")
        x = x + w[f"{stage.removesuffix('_blocks')}_pos_embed_learned"][:, rows, :]
        if norm_in is not None:
            x = ops.weighted_norm(x, norm_in)
        for i, six in enumerate(sixes[stage]):
            x = walk_ar_block(ops, stage, i, x, six, seen)
        x = ops.weighted_norm(x, norm_out)
    return x + w["diffusion_pos_embed_learned"][:, rows, :]


# --- the flow net -------------------------------------------------------------------------------


def time_embedding(w: Weights, t_int: Ints) -> Array:
    """te (len(t_int), w): linear, SiLU, linear of cosines, then sines, 128 frequencies each."""
    name = "flownet.time_embed.mlp"
    weight = w[f"{name}.0.weight"]
    products = np.asarray(t_int, dtype=np.float64)[:, None] * tables.time_frequencies()  # exact
    turned = host_array(weight, products)
    xp = namespace(turned)
    waves = xp.concat([xp.cos(turned), xp.sin(turned)], axis=1)
    if hasattr(xp, "float64"):
        waves = xp.astype(waves, weight.dtype)
    hidden = silu(linear(waves, weight, w[f"{name}.0.bias"]))
    return linear(hidden, w[f"{name}.2.weight"], w[f"{name}.2.bias"])


@dataclass
class Flow:
    """The flow net on the N tokens of one scale, with all that depends on z alone."""

    w: Weights
    config: FlowConfig
    ops: FlowNumbers
    condition: Array  # (B, N, w)
    states: list[States]  # of cross-attention, per block

    @classmethod
    def of(
        cls, w: Weights, config: FlowConfig, z: Array, side: int, kernels: Kernels = EXACT
    ) -> Flow:
        """For the condition z (B, N, C) of a map of this side."""
        ops = FlowNumbers(
            w, config, FLOW_STAGE, (side,), kernels.flow_self, attend_cross=kernels.flow_cross
        )
        blocks = range(config.flow_depth if config.cross else 0)
        states = [ops.cross_states(z, i) for i in blocks]
        return cls(w, config, ops, ops.linear(z, "flownet.cond_embed"), states)

    def first(self, batch: int) -> Flow:
        """The same on the first rows of the batch alone."""
        states = [(k[:batch], v[:batch]) for k, v in self.states]
        return replace(self, condition=self.condition[:batch], states=states)

    def velocity(self, x: Array, te: Array, seen: Seen = unseen) -> Array:
        """v (B, N, c) at latents x (B, N, c) and time embedding te (B or 1, w)."""
        ops = self.ops
        active = silu(te[:, None, :] + self.condition)  # (B, N, w)
        x = ops.linear(x, "flownet.input_proj")
        for i in range(self.config.flow_depth):
            name = f"{FLOW_STAGE}.{i}"
            if self.config.cross:
                alone = condition_vectors(self.w, f"{name}.ada_lin_attn", silu(te)[:, None, :], 3)
                three = condition_vectors(self.w, f"{name}.ada_lin_mlp", active, 3)
                six = [*alone, *three]
                x = walk_cross_block(ops, FLOW_STAGE, i, x, six, self.states[i], seen)
            else:
                six = condition_vectors(self.w, f"{name}.ada_lin", active, 6)
                x = walk_ar_block(ops, FLOW_STAGE, i, x, six, seen)
        final = "flownet.final_layer.adaLN_modulation.1"
        return walk_velocity(ops, x, condition_vectors(self.w, final, active, 2), seen)
