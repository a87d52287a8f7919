"""Claim var-wrap: a head's instance inside the last scale of a VAR pyramid, on the real layers.

The source map (n/2 x n/2) is constant on 4 x 4 blocks; x2 half-pixel bicubic then reproduces the
block exactly at rows and columns 3, 4 mod 8. One such position per block is kept; position
embeddings put -s on a channel that the key projection copies to c coordinates, which gates every
other position and every earlier scale. Token maps and position embeddings are inputs here: nothing
is claimed about a class label with fixed weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.scalar import precision, upper
from varnum.errors import InputError
from varnum.floats.softmax_error import softmax_head_error
from varnum.formulas import hardness as forms
from varnum.formulas.core import to_exact
from varnum.hardness.decide import Outputs
from varnum.hardness.head import Head
from varnum.model.attention import exact_attention
from varnum.model.config import VarConfig
from varnum.model.interpolation import bicubic
from varnum.model.quantizer import as_tokens
from varnum.model.transformer import self_attention

ALLOWED = Fraction(117, 1000)  # less than 1/8: the gated positions keep 1/100 of the dummy's weight
SIDES = (16, 32, 64)
HYPOTHESES = (
    "the last token map before up-sampling is an input, constant on 4 x 4 blocks",
    "the position embeddings are inputs: they gate all other positions and all earlier scales",
    "the attention weights are inputs: they select blocks of a token's channels",
    "up-sampling is x2 half-pixel bicubic (Keys parameter -3/4)",
)
_AREA = to_exact(forms.LEBESGUE**2, {})  # Lambda^2, both axes


@dataclass(frozen=True)
class Wrapped:
    """A head as the input of one attention layer.

    source (1, C, n/2, n/2) token map before up-sampling; positions (1, n^2, C) embeddings of the
    last scale; earlier (1, L - n^2, C) tokens of the scales before, embeddings included; `kept`
    flat indices of one position per block, the dummy's last; M bounds every logit of the layer.
    """

    head: Head
    config: VarConfig
    weights: dict[str, Any]
    source: Any
    positions: Any
    earlier: Any
    kept: Any
    gates: int
    M: Fraction


def wrap(head: Head, side: int | None = None, seed: int = 0) -> Wrapped:
    """Place a head in the smallest pyramid 1, 2, 4, .., n (or n = side) that holds it.

    n^2/64 blocks must hold every query and key and the dummy; earlier scales hold the same
    rows, shuffled, with other values. Raises InputError where no n up to 64 does.
    """
    blocks = max(len(head.queries), head.n) + 1
    sides = [n for n in SIDES if side in (None, n) and (n // 8) ** 2 >= blocks]
    if not sides:
        raise InputError(
            f"side: {blocks} blocks do not fit; n is one of {SIDES} and holds (n/8)^2 of them"
        )
    n = sides[0]
    patches = tuple(2**k for k in range(n.bit_length()))
    length = sum(p * p for p in patches)
    with precision(128):
        penalty = upper(forms.wrap_penalty.ball(M=head.M, L=length))
    gates = math.ceil(penalty / head.rate)
    head, config = _resized(head, gates, patches)
    bound = _AREA**2 * head.M + gates * head.rate  # any query with any key, both interpolated
    kept = kept_positions(n, blocks)
    return Wrapped(
        head,
        config,
        _weights(head.queries.shape[1], gates, config.embed_dim),
        _source(head, n, config.embed_dim),
        _positions(head, n, config.embed_dim, kept),
        _earlier(head, length - n * n, config.embed_dim, seed),
        kept,
        gates,
        bound,
    )


def tokens_of(wrapped: Wrapped) -> Any:
    """The layer's input (1, L, C): earlier scales, then the up-sampled map plus embeddings."""
    n = wrapped.config.patch_nums[-1]
    last = as_tokens(bicubic(wrapped.source, n)) + wrapped.positions
    return np.concatenate([wrapped.earlier, last], axis=1)


def evaluate_wrapped(wrapped: Wrapped) -> Outputs:
    """Run the layer and read the kept positions: (nq,) outputs with their rounding bound.

    With s of 24 bits the up-sampling, the projections and their sums are exact in float64, so only
    the attention rounds; values are within [-2, 2] and weights sum to 1, which doubles the bound.
    """
    x = tokens_of(wrapped)
    config = wrapped.config
    out = self_attention(wrapped.weights, config, 0, x, exact_attention, config.lengths)
    rows = out[0, -config.lengths[-1] :, 0][wrapped.kept[: len(wrapped.head.queries)]]
    error = 2 * softmax_head_error(wrapped.M, config.head_dim, config.length)
    return Outputs(rows, error, "var-wrap", ALLOWED)


def _resized(head: Head, gates: int, patches: tuple[int, ...]) -> tuple[Head, VarConfig]:
    """The head with the layer's sigma = 4 sqrt(C), C a square, and s cut to 24 bits, upwards."""
    d = head.queries.shape[1]
    root = math.isqrt(max(2 * d + 3, d + gates) - 1) + 1
    config = VarConfig(patches, 1, root * root, 1, attn_l2_norm=False)
    sigma = Fraction(4 * root)
    s = math.sqrt(head.rate * sigma)
    mantissa, exponent = math.frexp(s)
    s = math.ldexp(math.ceil(mantissa * 2**24) + 1, exponent - 24)
    return replace(head, s=s, sigma=sigma), config


def _weights(d: int, gates: int, width: int) -> dict[str, Any]:
    """Block-selecting projections; channels: query d, key d, gate, one, value."""
    gate, one, value = 2 * d, 2 * d + 1, 2 * d + 2
    q, k, v = (np.zeros((width, width)) for _ in "qkv")
    q[np.arange(d), np.arange(d)] = 1
    k[np.arange(d), d + np.arange(d)] = 1
    q[d : d + gates, one] = 1
    k[d : d + gates, gate] = 1
    v[0, value] = 1
    zero = np.zeros(width)
    return {
        "blocks.0.attn.mat_qkv.weight": np.concatenate([q, k, v]),
        "blocks.0.attn.q_bias": zero,
        "blocks.0.attn.zero_k_bias": zero,
        "blocks.0.attn.v_bias": zero,
        "blocks.0.attn.proj.weight": np.eye(width),
        "blocks.0.attn.proj.bias": zero,
    }


def kept_positions(n: int, blocks: int) -> Any:
    """Flat index of the position (3, 3) mod 8 of each of the first blocks, row-major."""
    rows, columns = np.divmod(np.arange(blocks), n // 8)
    return (8 * rows + 3) * n + 8 * columns + 3


def _source(head: Head, n: int, width: int) -> Any:
    d, blocks = head.queries.shape[1], max(len(head.queries), head.n) + 1
    content = np.zeros(((n // 8) ** 2, width))
    content[: len(head.queries), :d] = head.s * head.queries
    content[: head.n, d : 2 * d] = head.s * head.keys[:-1]
    content[blocks - 1, d : 2 * d] = head.s * head.keys[-1]
    content[:, 2 * d + 1] = head.s
    content[: head.n, 2 * d + 2] = 1
    grid = content.reshape(n // 8, n // 8, width).transpose(2, 0, 1)
    return np.kron(grid, np.ones((4, 4)))[None]


def _positions(head: Head, n: int, width: int, kept: Any) -> Any:
    """-s on the gate channel, 0 at the blocks in use (a block without a key stays gated)."""
    gate = 2 * head.queries.shape[1]
    result = np.zeros((1, n * n, width))
    result[:, :, gate] = -head.s
    result[:, kept[: head.n], gate] = 0
    result[:, kept[-1], gate] = 0
    return result


def _earlier(head: Head, length: int, width: int, seed: int) -> Any:
    """Gated tokens of the scales before: the instance's own rows, shuffled, values 0 or 1."""
    rng = np.random.default_rng(seed)
    d = head.queries.shape[1]
    result = np.zeros((1, length, width))
    result[0, :, :d] = head.s * rng.choice(head.queries, length)
    result[0, :, d : 2 * d] = head.s * rng.choice(head.keys, length)
    result[0, :, 2 * d] = -head.s
    result[0, :, 2 * d + 1] = head.s
    result[0, :, 2 * d + 2] = rng.integers(0, 2, length)
    return result
