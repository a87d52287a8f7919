"""Run the instance inside FlowAR on the real layers, and read its answers (claim flowar-wrap)."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.floats.rounding import EXACT_U
from varnum.floats.softmax_error import softmax_head_error
from varnum.hardness.decide import Outputs
from varnum.hardness.flowar_wrap import ALLOWED, STAGE, FlowWrapped, channels
from varnum.model.attention import exact_attention
from varnum.model.flowar.flow_config import AR_STAGES
from varnum.model.flowar.flow_sampling import through
from varnum.model.flowar.flow_statedict import BUFFERS, flow_shapes
from varnum.model.flowar.network import Tokens, embed_map, transformer
from varnum.model.flowar.numbers import Kernels

_ROUNDINGS = 64  # of one product q_c k_c, besides sums: roots, quotients, projections, turns


def input_of(wrapped: FlowWrapped) -> Any:
    """What the transformer is fed (1, L, C): the class, the inputs between, the up-sampled map."""
    config, w = wrapped.config, wrapped.weights
    n = config.scales[-1]
    last = through(wrapped.source, n // 2, config.resample_through_sampling, n)
    between = np.concatenate([wrapped.earlier, last], axis=1)
    return np.concatenate([w["class_emb.weight"][:1, None, :], embed_map(w, between)], axis=1)


def evaluate_flowar_wrapped(wrapped: FlowWrapped, whole: bool = False) -> Outputs:
    """Run the model's transformer up to the first attention and read the kept rows: (nq,).

    whole: every query and all that follows, with zero weights; otherwise the attention kernel
    answers the kept rows alone (the same numbers) and the run ends there. Sources and selecting
    weights are 0, 1, -1, so up-sampling and z_proj are exact; outputs are means of values whose
    absolute mean is at most 1.02. Rounding: proofs/flowar-wrap.md.
    """
    rows = wrapped.kept[: len(wrapped.head.queries)]
    middle = run_transformer(wrapped, None if whole else rows)
    values = middle[0, rows, channels(wrapped).out]
    return Outputs(values, rounding_of(wrapped), "flowar-wrap", ALLOWED - wrapped.error)


def rounding_of(wrapped: FlowWrapped) -> Fraction:
    """Bound of |float64 - exact| of a kept output."""
    config = wrapped.config
    count = config.model_width + _ROUNDINGS  # sums of squares, halved by the root, of two norms
    error = softmax_head_error(wrapped.M, config.model_width + count, config.length)
    return 2 * error + 2 * count * EXACT_U


class _Reached(Exception):
    """The stream after the first attention is there."""


def run_transformer(wrapped: FlowWrapped, rows: Any = None) -> Any:
    """The stream (1, L, C) after the first block's attention; rows: the queries that matter."""
    config, found = wrapped.config, []
    w = wrapped.weights if rows is not None else _completed(wrapped)

    def kernel(q: Any, k: Any, v: Any, scale: Any, blocks: Any) -> Any:
        out = np.zeros((*q.shape[:3], v.shape[3]))
        out[:, :, rows] = exact_attention(q[:, :, rows], k, v, scale, None)
        return out

    def seen(place: str, x: Any) -> None:
        if place == f"{STAGE}.0.mid":
            found.append(x)
            if rows is not None:
                raise _Reached

    active = w[f"{STAGE}.0.ada_lin.1.bias"].reshape(6, 1, 1, -1)
    sixes = {STAGE: [list(active)], AR_STAGES[1]: [list(0 * active)]}
    kernels = Kernels() if rows is None else Kernels(ar=kernel)
    tokens = Tokens(0, len(config.scales))
    with suppress(_Reached):
        transformer(w, config, input_of(wrapped), sixes, tokens, kernels, seen=seen)
    return found[0]


def _completed(wrapped: FlowWrapped) -> dict[str, Any]:
    """All weights of the transformer, zero where the instance has none."""
    shapes = flow_shapes(wrapped.config)
    zeros = {
        name: np.zeros(shape)
        for name, shape in shapes.items()
        if name not in BUFFERS and not name.startswith("flownet")
    }
    return zeros | wrapped.weights
