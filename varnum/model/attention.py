"""The slot for an attention kernel, and the exact kernel that fills it by default.

A kernel is any callable `attend(q, k, v, scale, blocks) -> out`:

- q (B, H, Lq, d), k (B, H, Lk, d), v (B, H, Lk, dv), out (B, H, Lq, dv)
- scale: array (1, H, 1, 1) or (1, 1, 1, 1); the logits are scale * q.k
- blocks: None, every query sees every key; or lengths (N_1, .., N_K) that sum to Lq = Lk, and a
  query of block s sees the keys of blocks 1..s (the block-causal mask of VAR, section 3.2 of
  arXiv 2404.02905, without ever forming an L x L mask).
"""

from __future__ import annotations

import sys
from itertools import accumulate
from typing import Protocol

from varnum.model.backend import Array, namespace, torch_kernels
from varnum.model.layers import softmax


class Kernel(Protocol):
    """What the attention slot takes."""

    def __call__(
        self, q: Array, k: Array, v: Array, scale: Array, blocks: tuple[int, ...] | None
    ) -> Array:
        """Attention output (B, H, Lq, dv)."""


def exact_attention(
    q: Array, k: Array, v: Array, scale: Array, blocks: tuple[int, ...] | None = None
) -> Array:
    """softmax(scale q k^T) v, block by block; on torch by its fused kernel."""
    q = q * scale
    if blocks is None:
        return _full(q, k, v)
    ends = list(accumulate(blocks))
    parts = [
        _full(q[:, :, end - length : end, :], k[:, :, :end, :], v[:, :, :end, :])
        for length, end in zip(blocks, ends, strict=True)
    ]
    return namespace(q).concat(parts, axis=2)


def _full(q: Array, k: Array, v: Array) -> Array:
    if torch_kernels(q) is not None:  # not by torch.nn.functional's name: others may replace that
        return sys.modules["torch"]._C._nn.scaled_dot_product_attention(q, k, v, scale=1.0)
    xp = namespace(q)
    logits = xp.matmul(q, xp.permute_dims(k, (0, 1, 3, 2)))  # (B, H, Lq, Lk)
    return xp.matmul(softmax(logits), v)  # (B, H, Lq, dv)
