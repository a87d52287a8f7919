"""Official key names with their shapes, and checks of a state dict against them.

The order is that of the official state dicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.quantizer import phi_names

Shapes = dict[str, tuple[int, ...]]

# Saved with the weights, but decided by the sizes; inference does not read them.
MASK = "attn_bias_for_masking"
LEVELS = "lvl_1L"
HITS = "quantize.ema_vocab_hit_SV"
BUFFERS = frozenset({MASK, LEVELS, HITS})


def var_shapes(config: VarConfig) -> Shapes:
    """Keys and shapes of the transformer's state dict."""
    c, v, length = config.embed_dim, config.vocab_size, config.length
    shapes: Shapes = {
        "pos_start": (1, config.lengths[0], c),
        "pos_1LC": (1, length, c),
        LEVELS: (1, length),
        MASK: (1, 1, length, length),
        **linear_shapes("word_embed", config.Cvae, c),
        "class_emb.weight": (config.num_classes + 1, c),
        "lvl_embed.weight": (config.scales, c),
    }
    if config.shared_aln:
        shapes |= linear_shapes("shared_ada_lin.1", c, 6 * c)
    for i in range(config.depth):
        name = f"blocks.{i}"
        if config.shared_aln:
            shapes[f"{name}.ada_gss"] = (1, 1, 6, c)
        if config.attn_l2_norm:
            shapes[f"{name}.attn.scale_mul_1H11"] = (1, config.num_heads, 1, 1)
        for bias in ("q_bias", "v_bias", "zero_k_bias"):
            shapes[f"{name}.attn.{bias}"] = (c,)
        shapes[f"{name}.attn.mat_qkv.weight"] = (3 * c, c)
        shapes |= linear_shapes(f"{name}.attn.proj", c, c)
        shapes |= linear_shapes(f"{name}.ffn.fc1", c, config.hidden)
        shapes |= linear_shapes(f"{name}.ffn.fc2", config.hidden, c)
        if not config.shared_aln:
            shapes |= linear_shapes(f"{name}.ada_lin.1", c, 6 * c)
    return shapes | linear_shapes("head_nm.ada_lin.1", c, 2 * c) | linear_shapes("head", c, v)


def decoder_only(state: Mapping[str, Any]) -> bool:
    """Whether a VQVAE's state dict leaves out the encoder, which no token map needs."""
    return not any(name.startswith(("encoder.", "quant_conv.")) for name in state)


def vae_shapes(config: VaeConfig, decoder_alone: bool = False) -> Shapes:
    """Keys and shapes of the VQVAE's state dict; `decoder_alone`: what generation needs of it."""
    z, ks = config.Cvae, config.quant_conv_ks
    shapes = _decoder(config) if decoder_alone else {**_encoder(config), **_decoder(config)}
    shapes[HITS] = (len(config.patch_nums), config.vocab_size)
    for name in phi_names(config):
        shapes |= _conv(name, z, z)
    shapes["quantize.embedding.weight"] = (config.vocab_size, z)
    if not decoder_alone:
        shapes |= _conv("quant_conv", z, z, ks)
    return shapes | _conv("post_quant_conv", z, z, ks)


def linear_shapes(name: str, inputs: int, outputs: int) -> Shapes:
    """Weight and bias of a linear map."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _conv(name: str, inputs: int, outputs: int, k: int = 3) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, k, k), f"{name}.bias": (outputs,)}


def _norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def _res_block(name: str, a: int, b: int) -> Shapes:
    shapes = _norm(f"{name}.norm1", a) | _conv(f"{name}.conv1", a, b)
    shapes |= _norm(f"{name}.norm2", b) | _conv(f"{name}.conv2", b, b)
    return shapes if a == b else shapes | _conv(f"{name}.nin_shortcut", a, b, 1)


def _attn_block(name: str, n: int) -> Shapes:
    shapes = _norm(f"{name}.norm", n) | _conv(f"{name}.qkv", n, 3 * n, 1)
    return shapes | _conv(f"{name}.proj_out", n, n, 1)


def _level(name: str, a: int, b: int, blocks: int, attention: bool) -> Shapes:
    shapes: Shapes = {}
    for i in range(blocks):
        shapes |= _res_block(f"{name}.block.{i}", a if i == 0 else b, b)
    for i in range(blocks if attention else 0):
        shapes |= _attn_block(f"{name}.attn.{i}", b)
    return shapes


def _middle(name: str, n: int) -> Shapes:
    shapes = _res_block(f"{name}.block_1", n, n) | _attn_block(f"{name}.attn_1", n)
    return shapes | _res_block(f"{name}.block_2", n, n)


def _encoder(config: VaeConfig) -> Shapes:
    widths = [config.ch * m for m in config.ch_mult]
    shapes, before = _conv("encoder.conv_in", 3, config.ch), config.ch
    for level, width in enumerate(widths):
        name, last = f"encoder.down.{level}", level == len(widths) - 1
        shapes |= _level(name, before, width, config.num_res_blocks, attention=last)
        if not last:
            shapes |= _conv(f"{name}.downsample.conv", width, width)
        before = width
    shapes |= _middle("encoder.mid", before) | _norm("encoder.norm_out", before)
    return shapes | _conv("encoder.conv_out", before, config.Cvae)


def _decoder(config: VaeConfig) -> Shapes:
    widths = [config.ch * m for m in config.ch_mult]
    top = len(widths) - 1
    shapes = _conv("decoder.conv_in", config.Cvae, widths[top]) | _middle(
        "decoder.mid", widths[top]
    )
    for level, width in enumerate(widths):  # listed from fine to coarse, run the other way
        before = widths[min(level + 1, top)]
        name, blocks = f"decoder.up.{level}", config.num_res_blocks + 1
        shapes |= _level(name, before, width, blocks, attention=level == top)
        if level > 0:
            shapes |= _conv(f"{name}.upsample.conv", width, width)
    return shapes | _norm("decoder.norm_out", widths[0]) | _conv("decoder.conv_out", widths[0], 3)


# --- checks -------------------------------------------------------------------------------------


def check_state(
    state: Mapping[str, Any], shapes: Shapes, where: str, buffers: frozenset[str] = BUFFERS
) -> None:
    """Raise InputError, one line naming `where`, unless keys, shapes and values are all right.

    `buffers`: names whose values are not numbers to compute with.
    """
    for text, names in (
        ("missing", [name for name in shapes if name not in state]),
        ("not part of this model", [name for name in state if name not in shapes]),
    ):
        if names:
            raise InputError(
                f"{where}: {len(names)} key(s) {text}, first {names[0]!r}; "
                f"expected exactly {len(shapes)} keys"
            )
    for name, shape in shapes.items():
        found = tuple(state[name].shape)
        if found != shape and not (name == HITS and found[1:] == shape[1:]):
            raise InputError(f"{where}: {name} has shape {found}, expected {shape}")
    for name in state:
        if name not in buffers:
            _check_values(state[name], f"{where}: {name}")


def _check_values(x: Any, where: str) -> None:
    is_torch = hasattr(x, "is_floating_point")
    if not (x.is_floating_point() if is_torch else x.dtype.kind == "f"):
        raise InputError(f"{where} has dtype {x.dtype}, expected floating-point numbers")
    if is_torch and x.itemsize == 1:
        x = x.float()  # torch asks nothing of 8-bit numbers
    if not bool((x.isfinite() if is_torch else np.isfinite(x)).all()):
        raise InputError(f"{where} holds NaN or infinity; weights must be finite")


def expected_levels(config: VarConfig) -> np.typing.NDArray[np.int64]:
    """The saved scale index of every token, (1, L)."""
    return np.repeat(np.arange(config.scales), config.lengths)[None, :]


def without_buffers(state: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that inference reads."""
    return {name: x for name, x in state.items() if name not in BUFFERS}
