"""One walk, many arithmetics: VAR's blocks and head, written once against `Ops`.

Numbers (`varnum.model.transformer.Numbers`: NumPy, torch, balls), norms and affine forms
(`varnum.propagate`) are Ops; whoever wants to look in between passes `seen`. Shapes are the
arithmetic's own business; for numbers x is (B, L, C). Source: Tian et al., arXiv 2404.02905.

Places, with i the block: `blocks.i.x` the residual stream before the block, `blocks.i.attn.y` what
its attention reads, `blocks.i.attn.qkv` its heads before any normalisation, `blocks.i.mid` the
stream after attention, `blocks.i.ffn.y` what its MLP reads, `blocks.i.out` the stream after the
block; `head.x`, `head.y` and `logits`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

X = Any  # a tensor of the arithmetic: an array, a Reach, a Form
Seen = Callable[[str, X], None]  # (place, what is there)
Norm = Callable[[X, str], X]  # (what is at a place, the place): normalised, without affine part


class Ops(Protocol):
    """What the walk asks of an arithmetic. The law: each result stands for the same real tensor.

    So a bound of `layer_norm(x, place)` holds for LayerNorm of whatever x bounds, and a walk in one
    arithmetic encloses the walk in exact numbers. Weights go by their official names.
    """

    def layer_norm(self, x: X, place: str) -> X:
        """LayerNorm without affine part of what is at `place`."""

    def modulate(self, x: X, scale: Any, shift: Any) -> X:
        """x (1 + scale) + shift, AdaLN vectors."""

    def gate(self, x: X, gamma: Any) -> X:
        """gamma x, an AdaLN vector."""

    def add(self, x: X, y: X) -> X:
        """x + y."""

    def linear(self, x: X, name: str) -> X:
        """x W^T + b with `name`.weight and `name`.bias."""

    def project(self, y: X, block: int) -> Any:
        """The heads of a block: queries, keys, values before any normalisation."""

    def attention(self, heads: Any, block: int) -> X:
        """All heads attended to and put side by side, unit q and k where the model has them."""

    def mlp(self, x: X, block: int) -> X:
        """Linear, GELU, linear."""


def unseen(place: str, x: X) -> None:
    """Nobody looks."""


def walk_attention(
    ops: Ops, i: int, x: X, three: Sequence[Any], norm: Norm, stage: str, seen: Seen
) -> X:
    """x + gamma attention(norm(x) (1 + scale) + shift); three: gamma, scale, shift."""
    gamma, scale, shift = three
    here = f"{stage}.{i}"
    seen(f"{here}.x", x)
    y = ops.modulate(norm(x, f"{here}.x"), scale, shift)
    seen(f"{here}.attn.y", y)
    heads = ops.project(y, i)
    seen(f"{here}.attn.qkv", heads)
    out = ops.linear(ops.attention(heads, i), f"{here}.attn.proj")
    x = ops.add(x, ops.gate(out, gamma))
    seen(f"{here}.mid", x)
    return x


def walk_mlp(ops: Ops, i: int, x: X, three: Sequence[Any], norm: Norm, stage: str, seen: Seen) -> X:
    """x + gamma MLP(norm(x) (1 + scale) + shift); three: gamma, scale, shift."""
    gamma, scale, shift = three
    here = f"{stage}.{i}"
    y = ops.modulate(norm(x, f"{here}.mid"), scale, shift)
    seen(f"{here}.ffn.y", y)
    x = ops.add(x, ops.gate(ops.mlp(y, i), gamma))
    seen(f"{here}.out", x)
    return x


def walk_block(ops: Ops, i: int, x: X, six: Sequence[Any], seen: Seen = unseen) -> X:
    """One pre-norm block with AdaLN; six: gamma1, gamma2, scale1, scale2, shift1, shift2."""
    return walk_prenorm(ops, i, x, six, ops.layer_norm, "blocks", seen)


def walk_prenorm(
    ops: Ops, i: int, x: X, six: Sequence[Any], norm: Norm, stage: str, seen: Seen = unseen
) -> X:
    """`walk_block` with any norm, and its places under any name."""
    gamma1, gamma2, scale1, scale2, shift1, shift2 = six
    x = walk_attention(ops, i, x, (gamma1, scale1, shift1), norm, stage, seen)
    return walk_mlp(ops, i, x, (gamma2, scale2, shift2), norm, stage, seen)


def walk_head(ops: Ops, x: X, pair: Sequence[Any], seen: Seen = unseen) -> X:
    """Logits from the residual stream; pair: scale and shift of the last AdaLN."""
    seen("head.x", x)
    y = ops.modulate(ops.layer_norm(x, "head.x"), *pair)
    seen("head.y", y)
    x = ops.linear(y, "head")
    seen("logits", x)
    return x


def walk(ops: Ops, x: X, conditions: Sequence[Sequence[Any]], seen: Seen = unseen) -> X:
    """All blocks, and the head if `conditions` ends with a pair."""
    for i, vectors in enumerate(conditions):
        if len(vectors) == 2:
            return walk_head(ops, x, vectors, seen)
        x = walk_block(ops, i, x, vectors, seen)
    return x
