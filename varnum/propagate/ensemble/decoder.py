"""The VQVAE's decoder on clouds: from f_hat to the raw image (claim ensemble-sites).

A place is one token of all its numbers, (1, R, C h w) with one ball group; only attention has a
token per pixel. Every layer ends in a place, so each starts from samples alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from varnum.floats.rounding import gamma
from varnum.model.config import VaeConfig
from varnum.model.layers import conv2d
from varnum.propagate.ensemble import sites
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, U, l2
from varnum.propagate.ensemble.cloud_attention import head
from varnum.propagate.ensemble.dense import dense
from varnum.propagate.ensemble.ops import Logits, layer_norm
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.smooth_activations import SLOPE_ERROR, smooth_silu
from varnum.propagate.forms import Floats
from varnum.propagate.vqvae_norms import GROUPS
from varnum.tensor import Tensor

_EPS = 1e-6  # of GroupNorm


class Decoder:
    """`varnum.model.vqvae.decode` on clouds; `side`: of the map at the present place."""

    def __init__(
        self, weights: Mapping[str, Tensor], config: VaeConfig, ensemble: Ensemble
    ) -> None:
        self.weights, self.config, self.ensemble = weights, config, ensemble
        self.side = config.latent

    def w(self, name: str) -> Floats:
        """A weight in float64; float32 and float16 widen exactly."""
        return np.asarray(self.weights[name], dtype=np.float64)

    def decode(self, x: Cloud) -> Logits:
        """From the place of f_hat to the raw image."""
        levels = len(self.config.ch_mult)
        x = self.conv(self.conv(x, "post_quant_conv"), "decoder.conv_in")
        x = self.res_block(x, "decoder.mid.block_1")
        x = self.attn_block(x, "decoder.mid.attn_1")
        x = self.res_block(x, "decoder.mid.block_2")
        for level in reversed(range(levels)):
            for i in range(self.config.num_res_blocks + 1):
                x = self.res_block(x, f"decoder.up.{level}.block.{i}")
                if level == levels - 1:
                    x = self.attn_block(x, f"decoder.up.{level}.attn.{i}")
            if level > 0:
                x = self.conv(self.double(x), f"decoder.up.{level}.upsample.conv")
        x = self.silu(self.norm(x, "decoder.norm_out"), "decoder.norm_out, SiLU")
        x = self.linear(x, "decoder.conv_out")
        bound = self.ensemble.forms(x.samples, x.err, 0) + x.entry
        return Logits(x.centre, bound * UP)

    def res_block(self, x: Cloud, name: str) -> Cloud:
        """conv2(SiLU(norm2(conv1(SiLU(norm1(x)))))) + shortcut."""
        y = self.silu(self.norm(x, f"{name}.norm1"), f"{name}, SiLU 1")
        y = self.conv(y, f"{name}.conv1")
        y = self.silu(self.norm(y, f"{name}.norm2"), f"{name}, SiLU 2")
        y = self.linear(y, f"{name}.conv2")
        shortcut = f"{name}.nin_shortcut"
        x = self.linear(x, shortcut) if f"{shortcut}.weight" in self.weights else x
        return self.add(x, y, name)

    def add(self, x: Cloud, y: Cloud, where: str) -> Cloud:
        """J = I; y's samples are overwritten."""
        centre = x.centre + y.centre
        y.samples[:] += x.samples
        entry = (x.entry + y.entry + 2 * U * np.abs(centre)) * UP
        err = (x.err + y.err + 2 * U * l2(y.samples)) * UP
        both = Cloud(centre, y.samples, entry, (x.ball + y.ball) * UP, err)
        return self.ensemble.inject(both, where)

    def conv(self, x: Cloud, name: str) -> Cloud:
        """A convolution that ends in a place."""
        return self.ensemble.inject(self.linear(x, name), name)

    def linear(self, x: Cloud, name: str) -> Cloud:
        """A padded convolution by unfolding; J is itself, its rounding that of its terms."""
        weight, bias = self.w(f"{name}.weight"), self.w(f"{name}.bias")
        size, none, count = np.abs(weight), np.zeros(len(bias)), weight[0].size

        def apply(values: Floats, kernel: Floats, shift: Floats) -> Floats:
            image = values.reshape(1, weight.shape[1], self.side, self.side)
            out = conv2d(image, kernel, shift, padding=weight.shape[-1] // 2)
            return np.asarray(out).reshape(-1)

        centre = apply(x.centre, weight, bias)[None]
        entry = gamma(count + 2) * apply(np.abs(x.centre), size, np.abs(bias))[None] * UP
        rows = x.samples.shape[1]
        samples = np.empty((1, rows, centre.shape[1]))
        for row in range(rows):
            samples[0, row] = apply(x.samples[0, row], weight, none)
        # rows and columns of the matrix of |conv| sum to at most these
        norm = np.sqrt(size.sum((1, 2, 3)).max() * size.sum((0, 2, 3)).max()) * UP
        err = gamma(count + 2) * norm * l2(x.samples) * UP
        return Cloud(centre, samples, entry, np.zeros(1), err)

    def norm(self, x: Cloud, name: str) -> Cloud:
        """GroupNorm: LayerNorm of each group, then J = diag(weight)."""
        rows = x.samples.shape[1]
        groups = Cloud(
            x.centre.reshape(GROUPS, -1),
            x.samples.reshape(rows, GROUPS, -1).swapaxes(0, 1),
            np.zeros((GROUPS, x.centre.size // GROUPS)),
            np.zeros(GROUPS),
            np.zeros((GROUPS, rows)),
        )
        y, _ = layer_norm(self.ensemble, groups, _EPS, name, self.side)
        weight = np.repeat(self.w(f"{name}.weight"), self.side**2).reshape(GROUPS, -1)
        bias = np.repeat(self.w(f"{name}.bias"), self.side**2).reshape(GROUPS, -1)
        size = np.abs(weight)
        most = size.max(-1)
        centre = y.centre * weight + bias
        entry = (gamma(3) * (np.abs(y.centre) * size + np.abs(bias)) + size * y.entry) * UP
        y.samples *= weight[:, None]
        err = most[:, None] * y.err + 2 * U * l2(y.samples)
        whole = Cloud(
            centre.reshape(1, -1),
            y.samples.swapaxes(0, 1).reshape(1, rows, -1),
            entry.reshape(1, -1),
            l2((most * y.ball)[None]),
            l2(err.T)[None],
        )
        return self.ensemble.inject(whole, name)

    def silu(self, x: Cloud, where: str) -> Cloud:
        """J = diag(SiLU'); the rest by `sites.bent`."""
        if not (np.abs(x.centre) <= 700).all():
            raise ArithmeticError(f"{where}: beyond 700")
        f = smooth_silu(x.centre)
        reach = self.ensemble.forms(x.samples, x.err, 0)
        ball = l2(sites.bent(f.second, reach, sites.SILU_SECOND, sites.SILU_THIRD))
        err = SLOPE_ERROR * l2(x.samples) * UP
        x.samples *= f.slope[:, None]
        return self.ensemble.inject(Cloud(f.value, x.samples, f.error, ball, err), where)

    def attn_block(self, x: Cloud, name: str) -> Cloud:
        """x + proj_out(attention(norm(x))): one head over all pixels, scale C^(-1/2)."""
        y = self._pixels(self.norm(x, f"{name}.norm"))
        count, rows, width = y.samples.shape
        weight = self.w(f"{name}.qkv.weight")[:, :, 0, 0].reshape(3, width, width)
        bias = self.w(f"{name}.qkv.bias").reshape(3, width)
        q, k, v = (dense(y, weight[part], bias[part]) for part in range(3))
        q = self.ensemble.inject(q, f"{name}, q")
        k = self.ensemble.inject(k, f"{name}, k")
        out = bare(self.ensemble, np.zeros((count, width)), np.zeros((count, width)))
        scale, all_columns = 1 / float(np.sqrt(width)), slice(0, width)
        head(self.ensemble, q, k, v, scale, 0.0, (count,), name, out, all_columns)
        proj = self.w(f"{name}.proj_out.weight")[:, :, 0, 0]
        moved = dense(out, proj, self.w(f"{name}.proj_out.bias"))
        whole = Cloud(
            moved.centre.T.reshape(1, -1),
            np.ascontiguousarray(moved.samples.transpose(1, 2, 0)).reshape(1, rows, -1),
            moved.entry.T.reshape(1, -1),
            np.zeros(1),
            l2(moved.err.T)[None],
        )
        return self.add(x, whole, name)

    def _pixels(self, x: Cloud) -> Cloud:
        """A place with nothing uncovered, as a token (C,) per pixel."""
        count, rows = self.side**2, x.samples.shape[1]
        centre = x.centre.reshape(-1, count).T
        samples = x.samples.reshape(rows, -1, count).transpose(2, 0, 1)
        cloud = bare(self.ensemble, centre, np.zeros_like(centre))
        cloud.samples[:] = samples
        return cloud

    def double(self, x: Cloud) -> Cloud:
        """Each pixel four times: exact, and the same symbols in all four."""

        def grown(values: Floats) -> Floats:
            image = values.reshape(-1, self.side, self.side)
            return image.repeat(2, axis=1).repeat(2, axis=2)

        rows = x.samples.shape[1]
        centre = grown(x.centre).reshape(1, -1)
        wide = bare(self.ensemble, centre, np.zeros_like(centre))
        wide.samples[0] = grown(x.samples).reshape(rows, -1)
        self.side *= 2
        return wide


def bare(ensemble: Ensemble, centre: Floats, entry: Floats) -> Cloud:
    """A place before any noise: samples of zero."""
    count, width = centre.shape
    rows = ensemble.rows
    return Cloud(
        centre,
        np.zeros((count, rows, width)),
        entry,
        np.zeros(count),
        np.zeros((count, rows)),
    )
