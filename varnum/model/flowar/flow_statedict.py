"""Official key names of FlowAR with their shapes, in the order of the official state dicts."""

from __future__ import annotations

import math

from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE, FlowConfig
from varnum.model.flowar.numbers import FREQUENCIES
from varnum.model.flowar.tables import TIME_FREQUENCIES
from varnum.model.statedict import Shapes, linear_shapes

MASK = "mask"
BUFFERS = frozenset({MASK})  # saved, but decided by the scales; inference does not read it


def flow_shapes(config: FlowConfig) -> Shapes:
    """Keys and shapes of the state dict, buffers included."""
    c, length = config.model_width, config.length
    parts = ("encoder", "decoder", "diffusion")
    shapes: Shapes = {f"{part}_pos_embed_learned": (1, length, c) for part in parts}
    shapes[MASK] = (1, 1, length, length)
    shapes["class_emb.weight"] = (config.classes + 1, c)
    shapes |= linear_shapes("z_proj", config.latent_channels, c) | {"z_proj_ln.weight": (c,)}
    for stage, before in zip(AR_STAGES, ({}, linear_shapes("decoder_embed", c, c)), strict=True):
        shapes |= before
        for i in range(config.depth(stage)):
            name = f"{stage}.{i}"
            shapes |= _attention(config, stage, name)
            shapes |= _mlp(config, stage, name) | linear_shapes(f"{name}.ada_lin.1", c, 6 * c)
        shapes[f"{stage.removesuffix('_blocks')}_norm.weight"] = (c,)
    return shapes | _flow_net(config)


def _flow_net(config: FlowConfig) -> Shapes:
    c, w, latent = config.model_width, config.flow_width, config.latent_channels
    shapes = linear_shapes("flownet.time_embed.mlp.0", 2 * TIME_FREQUENCIES, w)
    shapes |= linear_shapes("flownet.time_embed.mlp.2", w, w)
    shapes |= linear_shapes("flownet.cond_embed", c, w)
    shapes |= linear_shapes("flownet.input_proj", latent, w)
    for i in range(config.flow_depth):
        name = f"{FLOW_STAGE}.{i}"
        shapes |= _attention(config, FLOW_STAGE, name)
        if config.cross:
            cross = f"{name}.crossattn"
            shapes |= {f"{cross}.q.weight": (w, w), f"{cross}.kv.weight": (2 * w, c)}
            shapes |= linear_shapes(f"{cross}.proj", w, w)
            shapes[f"{cross}.{FREQUENCIES}"] = (config.head_dim(FLOW_STAGE) // 4,)
            shapes |= {f"{name}.norm2_1.weight": (w,), f"{name}.norm2_2.weight": (c,)}
        shapes |= _mlp(config, FLOW_STAGE, name)
        for ada in ("ada_lin_attn", "ada_lin_mlp") if config.cross else ("ada_lin",):
            shapes |= linear_shapes(f"{name}.{ada}", w, (3 if config.cross else 6) * w)
    shapes |= linear_shapes("flownet.final_layer.linear", w, latent)
    return shapes | linear_shapes("flownet.final_layer.adaLN_modulation.1", w, 2 * w)


def _attention(config: FlowConfig, stage: str, name: str) -> Shapes:
    width = config.width(stage)
    shapes: Shapes = {f"{name}.attn.qkv.weight": (3 * width, width)}
    if stage != FLOW_STAGE:
        shapes[f"{name}.attn.qkv.bias"] = (3 * width,)
    shapes |= linear_shapes(f"{name}.attn.proj", width, width)
    return shapes | {f"{name}.attn.{FREQUENCIES}": (config.head_dim(stage) // 4,)}


def _mlp(config: FlowConfig, stage: str, name: str) -> Shapes:
    width, hidden = config.width(stage), config.hidden(stage)
    shapes = linear_shapes(f"{name}.mlp.fc1_g", width, hidden)
    shapes |= linear_shapes(f"{name}.mlp.fc1_x", width, hidden)
    return shapes | linear_shapes(f"{name}.mlp.fc2", hidden, width)


def is_buffer(name: str) -> bool:
    """Whether a key is a buffer: in the state dict, not among the parameters."""
    return name == MASK or name.endswith(FREQUENCIES)


def parameter_count(config: FlowConfig) -> int:
    """Parameters, buffers left out.

    >>> parameter_count(FlowConfig())
    171718072
    """
    return sum(math.prod(s) for name, s in flow_shapes(config).items() if not is_buffer(name))
