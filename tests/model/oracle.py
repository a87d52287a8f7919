"""VAR in plain torch, written from the architecture's description, sharing no code with varnum.

Takes the state dicts (torch tensors) and a dict of settings; uses torch's own layers and one
explicit mask for teacher forcing.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F


class Oracle:
    def __init__(self, var, vae, w, vw):
        self.var, self.vae, self.w, self.vw = var, vae, w, vw
        n = 4
        ticks = np.linspace(1 / 3 / n, 1 - 1 / 3 / n, n)
        k = len(var.patch_nums)
        self.last = k - 1
        self.phis = [int(np.argmin(np.abs(ticks - s / (k - 1)))) for s in range(k)]

    # transformer

    def class_vector(self, labels):
        labels = torch.as_tensor(labels)
        return self.w["class_emb.weight"][torch.where(labels < 0, self.var.num_classes, labels)]

    def six(self, i, c):
        if self.var.shared_aln:
            g = self.affine("shared_ada_lin.1", F.silu(c)).view(-1, 1, 6, self.var.embed_dim)
            return (self.w[f"blocks.{i}.ada_gss"] + g).unbind(2)
        g = self.affine(f"blocks.{i}.ada_lin.1", F.silu(c))
        return g.view(-1, 1, 6, self.var.embed_dim).unbind(2)

    def affine(self, name, x):
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def norm(self, x):
        return F.layer_norm(x, x.shape[-1:], eps=self.var.norm_eps)

    def attention(self, i, x, mask):
        w, heads = self.w, self.var.num_heads
        b, length, width = x.shape
        name = f"blocks.{i}.attn."
        bias = torch.cat([w[name + "q_bias"], w[name + "zero_k_bias"], w[name + "v_bias"]])
        qkv = F.linear(x, w[name + "mat_qkv.weight"], bias)
        q, k, v = qkv.view(b, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        scale = 0.25 / (width // heads) ** 0.5
        if self.var.attn_l2_norm:
            cap = float(torch.log(torch.tensor(100.0, dtype=torch.float32)))
            q = F.normalize(q, dim=-1) * w[name + "scale_mul_1H11"].clamp_max(cap).exp()
            k, scale = F.normalize(k, dim=-1), 1.0
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        return self.affine(name + "proj", out.transpose(1, 2).reshape(b, length, width))

    def block(self, i, x, c, mask):
        g1, g2, s1, s2, b1, b2 = self.six(i, c)
        x = x + g1 * self.attention(i, self.norm(x) * (1 + s1) + b1, mask)
        y = self.affine(f"blocks.{i}.ffn.fc1", self.norm(x) * (1 + s2) + b2)
        return x + g2 * self.affine(f"blocks.{i}.ffn.fc2", F.gelu(y, approximate="tanh"))

    def mask(self):
        level = torch.cat([torch.full((p * p,), s) for s, p in enumerate(self.var.patch_nums)])
        visible = level[:, None] >= level[None, :]
        zeros = torch.zeros(visible.shape, dtype=self.w["pos_1LC"].dtype)
        return zeros.masked_fill(~visible, float("-inf"))

    def logits(self, labels, maps, scales=None):
        """Logits (B, L, V) of the first `scales` scales (default all) from maps of s >= 1."""
        scales = scales or len(self.var.patch_nums)
        c = self.class_vector(labels)
        first = self.var.patch_nums[0] ** 2
        start = c[:, None].expand(-1, first, -1) + self.w["pos_start"]
        x = torch.cat([start, *(self.affine("word_embed", m) for m in maps[: scales - 1])], dim=1)
        length = x.shape[1]
        levels = [torch.full((p * p,), s) for s, p in enumerate(self.var.patch_nums[:scales])]
        x = x + self.w["lvl_embed.weight"][torch.cat(levels)] + self.w["pos_1LC"][:, :length]
        mask = self.mask()[:length, :length]
        for i in range(self.var.depth):
            x = self.block(i, x, c, mask)
        scale, shift = self.affine("head_nm.ada_lin.1", F.silu(c))[:, None].chunk(2, dim=-1)
        return self.affine("head", self.norm(x) * (1 + scale) + shift)

    # quantizer

    def term(self, s, tokens):
        p, side = self.var.patch_nums[s], self.var.patch_nums[-1]
        h = self.vw["quantize.embedding.weight"][tokens].transpose(1, 2)
        h = h.reshape(len(tokens), -1, p, p)
        if s < self.last:
            h = F.interpolate(h, size=(side, side), mode="bicubic")
        name = f"quantize.quant_resi.qresi_ls.{self.phis[s]}."
        smooth = F.conv2d(h, self.vw[name + "weight"], self.vw[name + "bias"], padding=1)
        return 0.5 * h + 0.5 * smooth

    def maps(self, tokens):
        sizes = [p * p for p in self.var.patch_nums]
        f_hat, result = 0, []
        for s, t in enumerate(torch.as_tensor(tokens).split(sizes, dim=1)[:-1]):
            f_hat = f_hat + self.term(s, t)
            p = self.var.patch_nums[s + 1]
            small = F.interpolate(f_hat, size=(p, p), mode="area")
            result.append(small.flatten(2).transpose(1, 2))
        return result, f_hat

    def generate(self, labels, cfg):
        """Greedy generation without a cache: every scale from scratch, masked."""
        k, batch = len(self.var.patch_nums), len(labels)
        both = np.concatenate([labels, np.full(batch, -1)])
        tokens, logits, f_hat, maps = [], [], 0, []
        for s in range(k):
            t = cfg * s / (k - 1)
            doubled = [torch.cat([m, m]) for m in maps]
            raw = self.logits(both, doubled, s + 1)[:, -(self.var.patch_nums[s] ** 2) :]
            logits.append((1 + t) * raw[:batch] - t * raw[batch:])
            tokens.append(logits[-1].argmax(-1))
            f_hat = f_hat + self.term(s, tokens[-1])
            if s < k - 1:
                p = self.var.patch_nums[s + 1]
                maps.append(F.interpolate(f_hat, size=(p, p), mode="area").flatten(2).mT)
        return tokens, logits, f_hat

    def tokenize(self, latent):
        codes, result = self.vw["quantize.embedding.weight"], []
        for s, p in enumerate(self.var.patch_nums):
            z = F.interpolate(latent, size=(p, p), mode="area") if s < self.last else latent
            z = z.flatten(2).mT[..., None, :]  # (B, p^2, 1, Cvae)
            result.append(((z - codes) ** 2).sum(-1).argmin(-1))
            latent = latent - self.term(s, result[-1])
        return result

    # VQVAE

    def conv(self, name, x, **how):
        weight = self.vw[f"{name}.weight"]
        how = how or {"padding": weight.shape[-1] // 2}
        return F.conv2d(x, weight, self.vw[f"{name}.bias"], **how)

    def gn(self, name, x):
        return F.group_norm(x, 32, self.vw[f"{name}.weight"], self.vw[f"{name}.bias"], eps=1e-6)

    def res(self, name, x):
        y = self.conv(f"{name}.conv1", F.silu(self.gn(f"{name}.norm1", x)))
        y = self.conv(f"{name}.conv2", F.silu(self.gn(f"{name}.norm2", y)))
        if f"{name}.nin_shortcut.weight" in self.vw:
            x = self.conv(f"{name}.nin_shortcut", x)
        return x + y

    def attn(self, name, x):
        b, n, h, w = x.shape
        q, k, v = self.conv(f"{name}.qkv", self.gn(f"{name}.norm", x)).flatten(2).chunk(3, dim=1)
        weights = torch.softmax(q.mT @ k * n**-0.5, dim=-1)  # (b, queries, keys)
        return x + self.conv(f"{name}.proj_out", (v @ weights.mT).view(b, n, h, w))

    def mid(self, name, x):
        x = self.attn(f"{name}.attn_1", self.res(f"{name}.block_1", x))
        return self.res(f"{name}.block_2", x)

    def decode(self, f_hat):
        top = len(self.vae.ch_mult) - 1
        x = self.conv("decoder.conv_in", self.conv("post_quant_conv", f_hat))
        x = self.mid("decoder.mid", x)
        for level in range(top, -1, -1):
            for i in range(self.vae.num_res_blocks + 1):
                x = self.res(f"decoder.up.{level}.block.{i}", x)
                x = self.attn(f"decoder.up.{level}.attn.{i}", x) if level == top else x
            if level:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = self.conv(f"decoder.up.{level}.upsample.conv", x)
        return self.conv("decoder.conv_out", F.silu(self.gn("decoder.norm_out", x)))

    def encode(self, image):
        top = len(self.vae.ch_mult) - 1
        x = self.conv("encoder.conv_in", image)
        for level in range(top + 1):
            for i in range(self.vae.num_res_blocks):
                x = self.res(f"encoder.down.{level}.block.{i}", x)
                x = self.attn(f"encoder.down.{level}.attn.{i}", x) if level == top else x
            if level < top:
                padded = F.pad(x, (0, 1, 0, 1))
                x = self.conv(f"encoder.down.{level}.downsample.conv", padded, stride=2)
        x = self.mid("encoder.mid", x)
        x = self.conv("encoder.conv_out", F.silu(self.gn("encoder.norm_out", x)))
        return self.conv("quant_conv", x)
