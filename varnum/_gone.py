"""What 0.1.0 had in places of its own and the house no longer uses: it works for one version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from varnum.model.backend import Array, Weights
    from varnum.model.config import VarConfig


def detached(array: Any) -> Any:
    """Without gradients."""
    return array.detach() if hasattr(array, "detach") else array


def sample(array: Any, most: int) -> Any:
    """At most `most` rows, evenly spread."""
    step = -(-int(array.shape[0]) // most)
    return array[::step] if step > 1 else array


def project_qkv(
    w: Weights, config: VarConfig, block: int, x: Array
) -> tuple[Array, Array, Array, Array]:
    """Queries, keys and values (B, H, L, d), the first two of length one where l2-normalised, and
    the factor of their logits: `project_heads` and `logit_factor` of `varnum.model.transformer`.
    """
    from varnum.model.layers import unit_vectors
    from varnum.model.transformer import logit_factor, project_heads

    q, k, v = project_heads(w, config, block, x)
    scale = logit_factor(w, config, block, q)
    return (unit_vectors(q), unit_vectors(k), v, scale) if config.attn_l2_norm else (q, k, v, scale)


def mlp(w: Weights, block: int, x: Array) -> Array:
    """Linear, GELU, linear, (B, L, C) -> (B, L, C)."""
    from varnum.model.layers import gelu
    from varnum.model.transformer import Weighted

    ops, name = Weighted(w), f"blocks.{block}.ffn"
    return ops.linear(gelu(ops.linear(x, f"{name}.fc1")), f"{name}.fc2")
