"""The VAR transformer: from a class label and the maps of the coarser scales to logits.

Weights are a plain dict under the official key names. Source: Tian et al., arXiv 2404.02905,
section 3.2 and its public code. B batch, L tokens, C width, H heads, d = C/H, V vocabulary,
K scales.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from varnum._moved import moved_names
from varnum.errors import InputError
from varnum.model.attention import Kernel, exact_attention
from varnum.model.backend import Array, Ints, Weights, const, namespace, take_rows
from varnum.model.config import VarConfig
from varnum.model.layers import gelu, layer_norm, linear, modulate, silu, unit_vectors
from varnum.model.walk import Seen, unseen, walk_block, walk_head

if not TYPE_CHECKING:  # project_qkv and mlp of 0.1.0
    __getattr__ = moved_names(__name__, "varnum._gone")

# log 100 as the official code has it: rounded to float32, so the cap is 100.0000064.., not 100.
MAX_LOG_SCALE = Fraction(float(np.float32(math.log(100))))

Watch = Callable[[int, Array], None]  # (number of blocks done, residual stream (B, L, C))


@dataclass
class Cache:
    """Keys and values of the scales done so far, one pair per block, (B, H, L so far, d) each."""

    keys: list[Array]
    values: list[Array]

    @classmethod
    def empty(cls) -> Cache:
        """A cache before the first scale."""
        return cls([], [])

    def extend(self, block: int, k: Array, v: Array) -> tuple[Array, Array]:
        """Append the keys and values of one scale, return all of the block."""
        if block == len(self.keys):
            self.keys.append(k)
            self.values.append(v)
        else:
            xp = namespace(k)
            self.keys[block] = xp.concat([self.keys[block], k], axis=2)
            self.values[block] = xp.concat([self.values[block], v], axis=2)
        return self.keys[block], self.values[block]


def class_vector(w: Weights, config: VarConfig, labels: Ints) -> Array:
    """Class vectors c (B, C); a negative label and `num_classes` both mean "no class"."""
    labels = np.asarray(labels, dtype=np.int64)
    if labels.size == 0 or labels.max() > config.num_classes:
        raise InputError(
            f"labels: {labels.tolist()} out of range; allowed: 0 to {config.num_classes - 1}, "
            f"{config.num_classes} or a negative number for no class"
        )
    return take_rows(w["class_emb.weight"], np.where(labels < 0, config.num_classes, labels))


def positions(w: Weights, config: VarConfig, scale: int) -> Array:
    """Level plus position embedding of the tokens of one scale, (1, p_s^2, C)."""
    start = sum(config.lengths[:scale])
    here = w["pos_1LC"][:, start : start + config.lengths[scale], :]
    return here + w["lvl_embed.weight"][None, scale : scale + 1, :]


def embed_start(w: Weights, config: VarConfig, c: Array) -> Array:
    """Tokens of the first scale: the class vector, (B, C) -> (B, p_0^2, C)."""
    return c[:, None, :] + w["pos_start"] + positions(w, config, 0)


def embed_map(w: Weights, config: VarConfig, scale: int, tokens: Array) -> Array:
    """Tokens of scale s >= 1 from the area-downsampled f_hat, (B, p_s^2, Cvae) -> (B, p_s^2, C)."""
    x = linear(tokens, w["word_embed.weight"], w["word_embed.bias"])
    return x + positions(w, config, scale)


def conditions(w: Weights, config: VarConfig, c: Array) -> list[tuple[Array, ...]]:
    """AdaLN vectors of every block: gamma1, gamma2, scale1, scale2, shift1, shift2, each (B, 1, C).

    Separate AdaLN: a linear layer of SiLU(c) per block; shared: one for all, plus `ada_gss`.
    """
    xp = namespace(c)
    sixfold = (c.shape[0], 1, 6, config.embed_dim)

    def six_of(name: str) -> Array:
        return xp.reshape(linear(silu(c), w[f"{name}.weight"], w[f"{name}.bias"]), sixfold)

    shared = six_of("shared_ada_lin.1") if config.shared_aln else None
    result = []
    for i in range(config.depth):
        if shared is None:
            six = six_of(f"blocks.{i}.ada_lin.1")
        else:
            six = w[f"blocks.{i}.ada_gss"] + shared
        result.append(tuple(six[:, :, j, :] for j in range(6)))
    return result


def project_heads(
    w: Weights, config: VarConfig, block: int, x: Array
) -> tuple[Array, Array, Array]:
    """Queries, keys and values of one block as its linear map gives them, (B, H, L, d) each."""
    xp = namespace(x)
    name = f"blocks.{block}.attn"
    bias = xp.concat([w[f"{name}.q_bias"], w[f"{name}.zero_k_bias"], w[f"{name}.v_bias"]], axis=0)
    q, k, v = split_heads(linear(x, w[f"{name}.mat_qkv.weight"], bias), 3, config.num_heads)
    return q, k, v


def split_heads(x: Array, parts: int, heads: int) -> list[Array]:
    """Parts side by side, each with its heads: (B, L, parts H d) -> (B, H, L, d) each."""
    xp = namespace(x)
    x = xp.reshape(x, (x.shape[0], x.shape[1], parts, heads, x.shape[2] // (parts * heads)))
    return [xp.permute_dims(x[:, :, j, :, :], (0, 2, 1, 3)) for j in range(parts)]


def join_heads(x: Array) -> Array:
    """(B, H, L, d) -> (B, L, H d)."""
    xp = namespace(x)
    return xp.reshape(xp.permute_dims(x, (0, 2, 1, 3)), (x.shape[0], x.shape[2], -1))


def logit_factor(w: Weights, config: VarConfig, block: int, like: Array) -> Array:
    """The factor of a block's logits, (1, H or 1, 1, 1), in the kind of `like` (B, H, L, d).

    Plain: 1/(4 sqrt d). l2-normalised q and k: exp(min(scale_mul, log 100)).
    """
    xp = namespace(like)
    if config.attn_l2_norm:
        log_scale = w[f"blocks.{block}.attn.scale_mul_1H11"]
        cap = xp.ones_like(log_scale) * const(like, MAX_LOG_SCALE)
        return xp.exp(xp.minimum(log_scale, cap))
    return root_factor(like, Fraction(1, 4))


def root_factor(like: Array, factor: Fraction) -> Array:
    """factor / sqrt(d), (1, 1, 1, 1), in the kind of `like` (B, H, L, d)."""
    xp = namespace(like)
    d = xp.ones_like(like[:1, :1, :1, :1]) * like.shape[3]
    return const(like, factor) / xp.sqrt(d)


@dataclass
class Weighted:
    """The Ops that no model of numbers changes: AdaLN, sums, and linear maps by their names."""

    w: Weights

    def modulate(self, x: Array, scale: Array, shift: Array) -> Array:
        """`layers.modulate`."""
        return modulate(x, scale, shift)

    def gate(self, x: Array, gamma: Array) -> Array:
        """gamma x."""
        return gamma * x

    def add(self, x: Array, y: Array) -> Array:
        """x + y."""
        return x + y

    def linear(self, x: Array, name: str) -> Array:
        """`layers.linear` with the weights of that name, and the bias where there is one."""
        return linear(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))


@dataclass
class Numbers(Weighted):
    """The Ops of numbers, on NumPy, torch and ball arrays: x (B, L, C), heads (B, H, L, d).

    With a cache, the keys and values of earlier scales come from it (already normalised).
    """

    config: VarConfig
    attend: Kernel = exact_attention
    blocks: tuple[int, ...] | None = None
    cache: Cache | None = None

    def layer_norm(self, x: Array, place: str) -> Array:
        """`layers.layer_norm`."""
        return layer_norm(x, self.config.norm_eps)

    def project(self, y: Array, block: int) -> tuple[Array, Array, Array]:
        """q, k, v (B, H, L, d)."""
        return project_heads(self.w, self.config, block, y)

    def attention(self, heads: tuple[Array, Array, Array], block: int) -> Array:
        """(B, H, L, d) three times -> (B, L, C)."""
        q, k, v = heads
        scale = logit_factor(self.w, self.config, block, q)
        if self.config.attn_l2_norm:
            q, k = unit_vectors(q), unit_vectors(k)
        if self.cache is not None:
            k, v = self.cache.extend(block, k, v)
        return join_heads(self.attend(q, k, v, scale, self.blocks))

    def mlp(self, x: Array, block: int) -> Array:
        """(B, L, C) -> (B, L, C) through 4C."""
        name = f"blocks.{block}.ffn"
        return self.linear(gelu(self.linear(x, f"{name}.fc1")), f"{name}.fc2")


def self_attention(
    w: Weights,
    config: VarConfig,
    block: int,
    x: Array,
    attend: Kernel = exact_attention,
    blocks: tuple[int, ...] | None = None,
    cache: Cache | None = None,
) -> Array:
    """Multi-head attention of one block with its projection: (B, L, C) -> (B, L, C)."""
    ops = Numbers(w, config, attend, blocks, cache)
    return ops.linear(ops.attention(ops.project(x, block), block), f"blocks.{block}.attn.proj")


def transformer_block(
    w: Weights,
    config: VarConfig,
    block: int,
    x: Array,
    six: tuple[Array, ...],
    attend: Kernel = exact_attention,
    blocks: tuple[int, ...] | None = None,
    cache: Cache | None = None,
    seen: Seen = unseen,
) -> Array:
    """One block (`walk_block`) on numbers: (B, L, C) -> (B, L, C)."""
    return walk_block(Numbers(w, config, attend, blocks, cache), block, x, six, seen)


def head_vectors(w: Weights, config: VarConfig, c: Array) -> tuple[Array, Array]:
    """Scale and shift of the head's AdaLN from the plain class vector (B, C), (B, 1, C) each."""
    two = linear(silu(c), w["head_nm.ada_lin.1.weight"], w["head_nm.ada_lin.1.bias"])
    two = namespace(c).reshape(two, (c.shape[0], 1, 2, config.embed_dim))
    return two[:, :, 0, :], two[:, :, 1, :]


def head(w: Weights, config: VarConfig, x: Array, c: Array) -> Array:
    """Logits (B, L, V) from the residual stream (B, L, C) and the plain class vector (B, C)."""
    return walk_head(Numbers(w, config), x, head_vectors(w, config, c))


def teacher_forced(
    w: Weights,
    config: VarConfig,
    labels: Ints,
    maps: list[Array],
    attend: Kernel = exact_attention,
    watch: Watch | None = None,
) -> Array:
    """Logits (B, L, V) of all scales at once.

    `maps`: for every scale s >= 1 the downsampled f_hat as tokens, (B, p_s^2, Cvae) each (see
    `quantizer.teacher_maps`). `watch` sees the residual stream before the first block and after
    each.
    """
    c = class_vector(w, config, labels)
    parts = [embed_start(w, config, c)]
    parts += [embed_map(w, config, s, tokens) for s, tokens in enumerate(maps, start=1)]
    x = namespace(c).concat(parts, axis=1)  # (B, L, C)
    if watch is not None:
        watch(0, x)
    for i, six in enumerate(conditions(w, config, c)):
        x = transformer_block(w, config, i, x, six, attend, blocks=config.lengths)
        if watch is not None:
            watch(i + 1, x)
    return head(w, config, x, c)


def next_scale_logits(
    w: Weights,
    config: VarConfig,
    x: Array,
    c: Array,
    sixes: list[tuple[Array, ...]],
    cache: Cache,
    attend: Kernel = exact_attention,
    watch: Watch | None = None,
) -> Array:
    """Logits (B, l, V) of one scale from its input tokens (B, l, C); grows the cache."""
    for i, six in enumerate(sixes):
        x = transformer_block(w, config, i, x, six, attend, cache=cache)
        if watch is not None:
            watch(i + 1, x)
    return head(w, config, x, c)
