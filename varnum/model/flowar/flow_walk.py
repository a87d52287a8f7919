"""The walk through FlowAR's blocks, on any arithmetic: `varnum.model.walk` with RMSNorm.

Blocks of the autoregressive part and of the flow net are VAR's block with another norm, and heads
and an MLP of their own; the second architecture puts cross-attention between its halves. Places are
those of `varnum.model.walk` with the stage in front (`encoder_blocks.0.mid`); `flow.x` and `flow.y`
are the stream before and after the last norm, `velocity` the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from varnum.model.walk import Ops, Seen, X, unseen, walk_attention, walk_mlp, walk_prenorm


class FlowOps(Ops, Protocol):
    """What this walk asks of an arithmetic besides `Ops`; one object per stage.

    `project`, `attention` (with rotary positions) and `mlp` (gated) are of the stage's blocks.
    """

    def rms_norm(self, x: X, place: str) -> X:
        """x / sqrt(mean x^2 + 1e-6) of what is at `place`."""

    def weighted_norm(self, x: X, name: str) -> X:
        """`rms_norm` times `name`.weight."""

    def cross(self, y: X, states: Any, block: int) -> X:
        """Cross-attention: queries from y, keys and values as `states`; heads side by side."""


def walk_ar_block(
    ops: FlowOps, stage: str, i: int, x: X, six: Sequence[Any], seen: Seen = unseen
) -> X:
    """A block of the encoder, the decoder or (first architecture) the flow net.

    six: gamma1, gamma2, scale1, scale2, shift1, shift2.
    """
    return walk_prenorm(ops, i, x, six, ops.rms_norm, stage, seen)


def walk_cross_block(
    ops: FlowOps, stage: str, i: int, x: X, six: Sequence[Any], states: Any, seen: Seen = unseen
) -> X:
    """A flow block of the second architecture; six: gamma1, scale1, shift1, gamma2, scale2, shift2.

    The cross-attention in the middle has no gate.
    """
    here = f"{stage}.{i}"
    x = walk_attention(ops, i, x, six[:3], ops.rms_norm, stage, seen)
    y = ops.weighted_norm(x, f"{here}.norm2_1")
    seen(f"{here}.cross.y", y)
    x = ops.add(x, ops.linear(ops.cross(y, states, i), f"{here}.crossattn.proj"))
    seen(f"{here}.cross.out", x)
    return walk_mlp(ops, i, x, six[3:], ops.rms_norm, stage, seen)


def walk_velocity(ops: FlowOps, x: X, pair: Sequence[Any], seen: Seen = unseen) -> X:
    """The velocity from the flow net's stream; pair: shift and scale, in this order."""
    shift, scale = pair
    seen("flow.x", x)
    y = ops.modulate(ops.rms_norm(x, "flow.x"), scale, shift)
    seen("flow.y", y)
    x = ops.linear(y, "flownet.final_layer.linear")
    seen("velocity", x)
    return x
