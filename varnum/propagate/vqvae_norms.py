"""The released VQVAE in norms: reconstruction F = sum_k phi_k(up_k(r_k)) and the decoder.

A priori: weights enter through their norms, every GroupNorm has s >= sqrt(eps). With unchanged
tokens (claim argmax-margin) the maps are unchanged and the errors here start at zero; a perturbed
f_hat, or a kernel error in the decoder's attention, is what these functions carry to the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from varnum.balls.scalar import arb, ball, precision
from varnum.errors import InputError
from varnum.model.config import VaeConfig
from varnum.model.quantizer import phi_index, phi_names
from varnum.propagate import transfer as t
from varnum.propagate.interpolation_growth import growth
from varnum.propagate.transfer import Reach
from varnum.tensor import Doubles, Tensor

_BITS = 256
GROUPS = 32
NORM_EPS = Fraction(1, 10**6)


def certify_reconstruction(
    weights: Mapping[str, Tensor], config: VaeConfig, maps: list[Reach]
) -> Reach:
    """Reach of f_hat from those of the K maps r_k (codebook rows, or continuous), entrywise."""
    if not maps:
        raise InputError("maps: none given; one per scale is needed")
    names = phi_names(config)
    with precision(_BITS):
        total: Reach | None = None
        for scale, x in enumerate(maps):
            name = names[phi_index(scale, len(maps), len(names))]
            kept = 1 - Fraction(str(config.quant_resi))
            phi = t.conv_operator(_a(weights, f"{name}.weight"), _a(weights, f"{name}.bias"), kept)
            if scale < len(maps) - 1:
                x = t.interpolate(x, growth(config.patch_nums[scale], config.latent))
            term = t.conv(x, phi)
            total = term if total is None else t.add(total, term)
    assert total is not None
    return total


def certify_decoder(
    weights: Mapping[str, Tensor],
    config: VaeConfig,
    f_hat: Reach,
    eps: Fraction,
    s_min: Mapping[str, Fraction] | None = None,
) -> Reach:
    """Reach of the raw image from that of f_hat, for a kernel error eps in every attention.

    s_min: lower bounds of s per GroupNorm name, where better ones than sqrt(eps_GN) are known.
    """
    if not 0 <= eps < 1:
        raise InputError(f"eps: {eps} is not allowed; 0 <= eps < 1")
    with precision(_BITS):
        walk = _Decoder(weights, config, eps, s_min or {})
        return walk.decode(f_hat)


def _a(weights: Mapping[str, Tensor], name: str) -> Doubles:
    return np.asarray(weights[name], dtype=np.float64)


class _Decoder:
    """varnum.model.vqvae.decode, layer by layer."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        config: VaeConfig,
        eps: Fraction,
        s_min: Mapping[str, Fraction],
    ) -> None:
        self.w, self.config, self.eps, self.s_min = weights, config, eps, s_min
        self.side = config.latent

    def conv(self, name: str, x: Reach) -> Reach:
        weight, bias = _a(self.w, f"{name}.weight"), _a(self.w, f"{name}.bias")
        return t.conv(x, t.conv_operator(weight, bias))

    def norm(self, name: str, x: Reach) -> Reach:
        """Claim groupnorm: c is channels per group times positions; then scale and shift."""
        size = x.width // GROUPS * self.side**2
        if size < 2:
            return Reach.of(x.width, _top(_a(self.w, f"{name}.bias")))  # one entry: always 0
        floor = ball(self.s_min.get(name, 0)).max(ball(NORM_EPS).sqrt())
        group = Reach.of(size, x.size, x.error)
        out = t.layer_norm(group, floor)
        weight, bias = _top(_a(self.w, f"{name}.weight")), _top(_a(self.w, f"{name}.bias"))
        return Reach.of(x.width, weight * out.size + bias, weight * out.error)

    def res_block(self, name: str, x: Reach) -> Reach:
        y = t.activation(self.norm(f"{name}.norm1", x), t.SILU_SLOPE)
        y = t.activation(self.norm(f"{name}.norm2", self.conv(f"{name}.conv1", y)), t.SILU_SLOPE)
        y = self.conv(f"{name}.conv2", y)
        shortcut = f"{name}.nin_shortcut"
        return t.add(y, self.conv(shortcut, x) if f"{shortcut}.weight" in self.w else x)

    def attn_block(self, name: str, x: Reach) -> Reach:
        y = self.norm(f"{name}.norm", x)
        weight, bias = _a(self.w, f"{name}.qkv.weight")[:, :, 0, 0], _a(self.w, f"{name}.qkv.bias")
        parts = zip(np.split(weight, 3), np.split(bias, 3), strict=True)
        q, k, v = (t.linear(y, t.operator(w, b)) for w, b in parts)
        out = t.attention(v, t.logit_error(q, k, 1 / arb(x.width).sqrt()), self.eps)
        w, b = (
            _a(self.w, f"{name}.proj_out.weight")[:, :, 0, 0],
            _a(self.w, f"{name}.proj_out.bias"),
        )
        return t.add(x, t.linear(out, t.operator(w, b)))

    def decode(self, f_hat: Reach) -> Reach:
        levels = len(self.config.ch_mult)
        x = self.conv("decoder.conv_in", self.conv("post_quant_conv", f_hat))
        x = self.res_block("decoder.mid.block_1", x)
        x = self.attn_block("decoder.mid.attn_1", x)
        x = self.res_block("decoder.mid.block_2", x)
        for level in reversed(range(levels)):
            for i in range(self.config.num_res_blocks + 1):
                x = self.res_block(f"decoder.up.{level}.block.{i}", x)
                if level == levels - 1:
                    x = self.attn_block(f"decoder.up.{level}.attn.{i}", x)
            if level > 0:
                x = self.conv(f"decoder.up.{level}.upsample.conv", t.nearest(x))
                self.side *= 2
        y = t.activation(self.norm("decoder.norm_out", x), t.SILU_SLOPE)
        return self.conv("decoder.conv_out", y)


def _top(values: Doubles) -> arb:
    return ball(Fraction(float(np.abs(values).max())))
