"""The VQVAE around the quantizer: convolutional encoder and decoder with attention at the bottom.

Weights under the official key names. Source: the public code of Tian et al., arXiv 2404.02905.
"""

from __future__ import annotations

from fractions import Fraction

from varnum.model.attention import Kernel, exact_attention
from varnum.model.backend import Array, Weights, const, namespace
from varnum.model.config import VaeConfig
from varnum.model.interpolation import nearest_double
from varnum.model.layers import conv2d, group_norm, pad_map, silu


def conv(w: Weights, name: str, x: Array, stride: int = 1) -> Array:
    """The named convolution, padded so that stride 1 keeps the size: (B, I, h, w) -> (B, O, ..)."""
    weight = w[f"{name}.weight"]
    padding = weight.shape[-1] // 2 if stride == 1 else 0
    return conv2d(x, weight, w[f"{name}.bias"], stride, padding)


def norm(w: Weights, name: str, x: Array) -> Array:
    """The named GroupNorm with 32 groups: (B, C, h, w) -> the same shape."""
    return group_norm(x, w[f"{name}.weight"], w[f"{name}.bias"])


def res_block(w: Weights, name: str, x: Array) -> Array:
    """conv2(SiLU(norm2(conv1(SiLU(norm1(x)))))) + shortcut: (B, a, h, w) -> (B, b, h, w)."""
    y = conv(w, f"{name}.conv1", silu(norm(w, f"{name}.norm1", x)))
    y = conv(w, f"{name}.conv2", silu(norm(w, f"{name}.norm2", y)))
    shortcut = f"{name}.nin_shortcut"
    return y + (conv(w, shortcut, x) if f"{shortcut}.weight" in w else x)


def attn_block(w: Weights, name: str, x: Array, attend: Kernel = exact_attention) -> Array:
    """x + proj_out(attention(norm(x))), one head over the h w pixels: (B, C, h, w) -> the same."""
    xp = namespace(x)
    batch, channels, height, width = x.shape
    qkv = conv(w, f"{name}.qkv", norm(w, f"{name}.norm", x))  # (B, 3C, h, w)
    qkv = xp.reshape(qkv, (batch, 3, channels, height * width))
    q, k, v = (xp.permute_dims(qkv[:, j : j + 1, :, :], (0, 1, 3, 2)) for j in range(3))
    n = xp.ones_like(q[:1, :, :1, :1]) * channels  # (1, 1, 1, 1)
    out = attend(q, k, v, 1 / xp.sqrt(n), None)  # (B, 1, h w, C)
    out = xp.reshape(xp.permute_dims(out, (0, 1, 3, 2)), x.shape)
    return x + conv(w, f"{name}.proj_out", out)


def middle(w: Weights, name: str, x: Array, attend: Kernel) -> Array:
    """ResBlock, AttnBlock, ResBlock at the coarsest level."""
    x = res_block(w, f"{name}.block_1", x)
    x = attn_block(w, f"{name}.attn_1", x, attend)
    return res_block(w, f"{name}.block_2", x)


def encode(w: Weights, config: VaeConfig, image: Array, attend: Kernel = exact_attention) -> Array:
    """Latent map (B, Cvae, P, P) of an image (B, 3, h, w) in [-1, 1]."""
    levels = len(config.ch_mult)
    x = conv(w, "encoder.conv_in", image)
    for level in range(levels):
        for i in range(config.num_res_blocks):
            x = res_block(w, f"encoder.down.{level}.block.{i}", x)
            if level == levels - 1:
                x = attn_block(w, f"encoder.down.{level}.attn.{i}", x, attend)
        if level < levels - 1:  # one column right, one row below, then stride 2
            x = conv(w, f"encoder.down.{level}.downsample.conv", pad_map(x, 0, 1, 0, 1), stride=2)
    x = middle(w, "encoder.mid", x, attend)
    x = conv(w, "encoder.conv_out", silu(norm(w, "encoder.norm_out", x)))
    return conv(w, "quant_conv", x)


def decode(w: Weights, config: VaeConfig, f_hat: Array, attend: Kernel = exact_attention) -> Array:
    """Raw image (B, 3, h, w) of a latent map (B, Cvae, P, P), before clamping."""
    levels = len(config.ch_mult)
    x = conv(w, "decoder.conv_in", conv(w, "post_quant_conv", f_hat))
    x = middle(w, "decoder.mid", x, attend)
    for level in reversed(range(levels)):
        for i in range(config.num_res_blocks + 1):
            x = res_block(w, f"decoder.up.{level}.block.{i}", x)
            if level == levels - 1:
                x = attn_block(w, f"decoder.up.{level}.attn.{i}", x, attend)
        if level > 0:
            x = conv(w, f"decoder.up.{level}.upsample.conv", nearest_double(x))
    return conv(w, "decoder.conv_out", silu(norm(w, "decoder.norm_out", x)))


def to_unit_image(raw: Array) -> Array:
    """Clamp to [-1, 1] and map to [0, 1]."""
    return (namespace(raw).clip(raw, -1, 1) + 1) * const(raw, Fraction(1, 2))
