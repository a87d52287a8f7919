"""Versions of flowar-wrap that are not claimed, each run on the layers to show where it breaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from varnum.hardness.decide import THRESHOLD
from varnum.hardness.flowar_run import evaluate_flowar_wrapped, input_of
from varnum.hardness.flowar_wrap import FlowWrapped, channels, flowar_wrap
from varnum.hardness.head import ov_head
from varnum.hardness.wrong import Wrong


def wrong_flowar_versions() -> tuple[Wrong, ...]:
    """Run every wrong version on a fixed small instance."""
    none = flowar_wrap(ov_head(np.ones((4, 6), np.int8), np.ones((4, 6), np.int8)))
    return (_fast(none), _unbalanced(), _earlier_open(none), _label(none))


def _flagged(wrapped: FlowWrapped) -> tuple[int, str]:
    outputs = evaluate_flowar_wrapped(wrapped).values
    wrong = int((outputs > THRESHOLD).sum())
    return wrong, f"{wrong} of {len(outputs)} rows without partner are reported to have one"


def _fast(wrapped: FlowWrapped) -> Wrong:
    wrong, said = _flagged(flowar_wrap(wrapped.head, fast=True))
    return Wrong(
        "any pairs of a head will do",
        "pairs that turn more than a quarter turn over the map change the sign of a product",
        said,
        wrong > 0,
    )


def _unbalanced() -> Wrong:
    """Partner channels emptied, weights set for a token with one entry in q and none in k."""
    ones = np.array([[1, 1, 1, 0, 0, 0]] * 4, np.int8), np.array([[0, 0, 1, 1, 1, 1]] * 4, np.int8)
    own = flowar_wrap(ov_head(*ones))
    at, width = channels(own), own.config.model_width
    empty = [*range(at.D, 2 * at.D), *range(at.key + at.D, at.value), at.value + 1]
    source, qkv = own.source.copy(), own.weights["encoder_blocks.0.attn.qkv.weight"].copy()
    source[:, :, empty] = 0
    qkv[: 2 * width] *= np.sqrt(4 / (2 * at.D + 3))  # its squares sum to 4
    light = own.weights | {"encoder_blocks.0.attn.qkv.weight": qkv}
    wrong, said = _flagged(replace(own, source=source, weights=light))
    return Wrong(
        "RMSNorm needs no balance",
        "a token with more ones has a larger RMS, which shrinks its logits",
        said,
        wrong > 0,
    )


def _earlier_open(wrapped: FlowWrapped) -> Wrong:
    gate = channels(wrapped).gate
    positions = wrapped.weights["encoder_pos_embed_learned"].copy()
    positions[:, 1 : 1 + wrapped.earlier.shape[1], gate : gate + 2] = 0, 1
    opened = wrapped.weights | {"encoder_pos_embed_learned": positions}
    wrong, said = _flagged(replace(wrapped, weights=opened))
    return Wrong(
        "the scales between need no gate",
        "their cached keys vote too: with other values they outvote the dummy key",
        said,
        wrong > 0,
    )


def _label(wrapped: FlowWrapped) -> Wrong:
    inputs = wrapped.config.classes + 1
    free = int(np.count_nonzero(input_of(wrapped)))
    return Wrong(
        "hardness from a class label with fixed weights and noise",
        "a label has finitely many values: a table of all answers is constant time",
        f"{inputs} inputs against {free} free numbers of this instance",
        inputs < 2 ** min(free, 60),
    )
