"""Versions of var-wrap that are not claimed, each run on the layers to show where it breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from varnum.hardness.decide import THRESHOLD
from varnum.hardness.head import ov_head
from varnum.hardness.wrap import Wrapped, evaluate_wrapped, tokens_of, wrap
from varnum.model.attention import exact_attention
from varnum.model.interpolation import bicubic
from varnum.model.quantizer import as_tokens
from varnum.model.transformer import self_attention


@dataclass(frozen=True)
class Wrong:
    """A version, why it fails, what was measured; `fails` says that the measurement shows it."""

    version: str
    why: str
    measured: str
    fails: bool


def wrong_versions() -> tuple[Wrong, ...]:
    """Run every wrong version on a fixed small instance."""
    none = wrap(ov_head(np.ones((3, 2), np.int8), np.ones((3, 2), np.int8)))
    one = np.eye(4, dtype=np.int8)
    each = wrap(ov_head(1 - one, one))  # each row has exactly one partner
    return (
        _earlier_open(none),
        _positions_open(each),
        _other_positions(each),
        _single_source(each),
        _label(each),
    )


def _earlier_open(wrapped: Wrapped) -> Wrong:
    earlier = wrapped.earlier.copy()
    earlier[:, :, 2 * wrapped.head.queries.shape[1]] = 0
    outputs = evaluate_wrapped(replace(wrapped, earlier=earlier)).values
    wrong = int((outputs > THRESHOLD).sum())
    return Wrong(
        "the earlier scales need no gate",
        "their tokens are keys too: with other values they outvote the dummy key",
        f"{wrong} of {len(outputs)} rows without partner are reported to have one",
        wrong > 0,
    )


def _positions_open(wrapped: Wrapped) -> Wrong:
    positions = wrapped.positions.copy()
    positions[:, :, 2 * wrapped.head.queries.shape[1]] = 0
    outputs = evaluate_wrapped(replace(wrapped, positions=positions)).values
    wrong = int((outputs < THRESHOLD).sum())
    return Wrong(
        "the other positions of the last scale need no gate",
        "interpolated and empty positions are keys too and drown the one partner",
        f"{wrong} of {len(outputs)} rows with a partner are reported to have none",
        wrong > 0,
    )


def _other_positions(wrapped: Wrapped) -> Wrong:
    n = wrapped.config.patch_nums[-1]
    block = np.kron(wrapped.source[0, :, ::4, ::4], np.ones((8, 8)))[None]
    off = np.abs(bicubic(wrapped.source, n) - block)[0].max(axis=0) / wrapped.head.s
    exact = off[3::8][:, 3::8].max()
    worst = off[0::8][:, 0::8].max()
    return Wrong(
        "any position of a block may be read",
        "only rows and columns 3, 4 mod 8 see a single block through the four bicubic taps",
        f"largest deviation over s: {exact:g} at 3 mod 8, {worst:.3g} at 0 mod 8",
        bool(exact == 0 and worst > 0.01),
    )


def _single_source(wrapped: Wrapped) -> Wrong:
    n = wrapped.config.patch_nums[-1]
    one = wrapped.source[:, :, :1, :1]
    x = as_tokens(bicubic(one, n))
    out = self_attention(wrapped.weights, wrapped.config, 0, x, exact_attention, None)
    spread = float(np.ptp(out[0, :, 0]))
    return Wrong(
        "the map comes from 1 x 1 without position embeddings",
        "up-sampling a constant is constant: all tokens are equal, so every output is the value",
        f"spread of the outputs over {n * n} positions: {spread:.1e}",
        spread < 1e-12,
    )


def _label(wrapped: Wrapped) -> Wrong:
    inputs = wrapped.config.num_classes + 1
    free = int(np.count_nonzero(tokens_of(wrapped)))
    return Wrong(
        "hardness from a class label with fixed weights",
        "a label has finitely many values: a table of all answers is constant time",
        f"{inputs} inputs against {free} free numbers of this instance",
        inputs < 2 ** min(free, 60),
    )
