"""Claim flowar-wrap, in the flow net of the first architecture: the condition writes the tokens.

AdaLN's shift is a linear map of SiLU(te + cond_embed(z)), one vector per token, and its scale can
be -1: what the attention of the first block sees is then whatever z says, at every evaluation. All
n^2 positions of the map hold a query and a key; the last one is the dummy. Only heads whose
products have one sign and whose dummy key is 0 (ov-head) are taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.scalar import ball, precision, upper
from varnum.errors import InputError
from varnum.floats.rounding import EXACT_U
from varnum.floats.softmax_error import softmax_head_error
from varnum.formulas import hardness as forms
from varnum.hardness.decide import Outputs
from varnum.hardness.flowar_wrap import ONE_SIGN, slow_slots
from varnum.hardness.head import Head
from varnum.model.flowar.flow_config import FLOW_STAGE, FlowConfig
from varnum.model.flowar.flow_sampling import FlowSettings, indices
from varnum.model.flowar.flow_statedict import flow_shapes
from varnum.model.flowar.network import Flow, time_embedding
from varnum.model.flowar.tables import rope_frequencies
from varnum.model.layers import silu

WIDTH = 124  # of the flow net: one head, floor(w / 64), and a multiple of 4
SIDES = (4, 8, 16, 32)
HYPOTHESES = (
    "the condition z of the flow net is an input at every position",
    "its weights are inputs: they select channels, the time embedding is 0, AdaLN's scale is -1",
)
_ONE = 1.278464542761074  # SiLU of it is 1, up to rounding
_ROUNDINGS = 64


@dataclass(frozen=True)
class FlowHead:
    """A head in the flow net: z (1, n^2, w), `M` of every pair, the rows of the queries."""

    head: Head
    config: FlowConfig
    weights: dict[str, Any]
    z: Any
    M: Fraction


def flowar_flow(head: Head, side: int | None = None, fast: bool = False) -> FlowHead:
    """Place a head on the smallest map, n = 4, 8, 16 or 32 (or n = side), that holds it.

    n^2 - 1 keys: the head's, repeated where there are fewer; rate for that many. Raises InputError
    where it does not fit, or the head's products or dummy key are not those of ov-head.
    """
    D = head.queries.shape[1]
    if (head.queries < 0).any() or (head.keys > 0).any() or head.keys[-1].any():
        raise InputError("head: in the flow net only ov-head's: products <= 0, dummy key 0")
    most = max(len(head.queries), head.n)
    sides = [n for n in SIDES if side in (None, n) and n * n - 1 >= most]
    slots = slow_slots(WIDTH, ONE_SIGN, fast)
    if not sides or len(slots) < D:
        raise InputError(
            f"side: {most} keys of {D} coordinates do not fit; n is one of {SIDES} and holds n^2 - "
            f"1 of them, of at most {len(slots)} coordinates"
        )
    n = sides[0]
    tokens = n * n
    with precision(128):
        asked = max(head.rate, upper(forms.ov_rate.ball(n=tokens - 1))) / ONE_SIGN
        root = ball(WIDTH).sqrt()
        w = math.sqrt(float(upper(ball(asked) * root))) * (1 + 2.0**-40)
        rate = upper(ball(Fraction(w)) ** 2 / root)
    patches = tuple(2**k for k in range(n.bit_length()))
    config = FlowConfig(
        patches, WIDTH, 1, 1, 1, 1, 1, WIDTH, classes=1, mlp_hidden_ar=1, mlp_hidden_flow=1
    )
    return FlowHead(
        head, config, _weights(config, D, slots[:D], w), _condition(head, tokens, D),
        rate * head.width,
    )  # fmt: skip


def _weights(config: FlowConfig, D: int, slots: Any, w: float) -> dict[str, Any]:
    """Zeros, and what selects: channels q (D), k (D), value; the output goes to the last."""
    found = {
        name: np.zeros(shape)
        for name, shape in flow_shapes(config).items()
        if name.startswith("flownet")
    }
    block = f"{FLOW_STAGE}.0"
    one = float(silu(np.array([_ONE]))[0])
    found["flownet.cond_embed.weight"] = np.eye(WIDTH)
    ada, bias = found[f"{block}.ada_lin.weight"], found[f"{block}.ada_lin.bias"]
    bias[:WIDTH] = 1  # gamma1
    bias[2 * WIDTH : 3 * WIDTH] = -1  # scale1
    ada[4 * WIDTH : 5 * WIDTH] = np.eye(WIDTH) / one  # shift1
    qkv = found[f"{block}.attn.qkv.weight"]
    qkv[slots, np.arange(D)] = w
    qkv[WIDTH + slots, D + np.arange(D)] = -w
    qkv[2 * WIDTH, 2 * D] = 1
    found[f"{block}.attn.proj.weight"][WIDTH - 1, 0] = 1
    found[f"{block}.attn.rope.freqs"] = rope_frequencies(WIDTH).astype(np.float64)
    return found


def _condition(head: Head, tokens: int, D: int) -> Any:
    """z: _ONE where an entry is +-1, 0 elsewhere; keys repeated, the last token is the dummy."""
    z = np.zeros((1, tokens, WIDTH))
    z[0, : len(head.queries), :D] = head.queries
    again = np.arange(tokens - 1) % head.n
    z[0, :-1, D : 2 * D] = -head.keys[again]
    z[0, :-1, 2 * D] = 1
    return z * _ONE


def evaluate_flowar_flow(flow: FlowHead, num_steps: int = 2) -> Outputs:
    """Run the flow net at every time of the sampler; the outputs of the last, (nq,).

    Raises ArithmeticError if two evaluations differ: the time embedding is 0, so they must not.
    """
    settings = FlowSettings(num_steps)
    w, config = flow.weights, flow.config
    side = config.scales[-1]
    net = Flow.of(w, config, flow.z, side)
    te = time_embedding(w, indices(settings))
    x = np.random.default_rng(0).standard_normal((1, side * side, config.latent_channels))
    rows = len(flow.head.queries)
    found: list[Any] = []
    for i in range(len(te)):
        seen: dict[str, Any] = {}
        net.velocity(x, te[i : i + 1], seen.__setitem__)
        found.append(seen[f"{FLOW_STAGE}.0.mid"][0, :rows, WIDTH - 1])
    if any((values != found[0]).any() for values in found):
        raise ArithmeticError("two evaluations of the flow net differ")
    error = softmax_head_error(flow.M, WIDTH + _ROUNDINGS, side * side)
    return Outputs(found[-1], error + 2 * _ROUNDINGS * EXACT_U, "flowar-flow")
