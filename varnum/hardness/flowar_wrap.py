"""Claim flowar-wrap: a head's instance inside the last scale of FlowAR, on the real layers.

The geometry is var-wrap's: a source that is constant on 4 x 4 blocks, x2 half-pixel bicubic, one
clean position per block, all others and all earlier scales gated by their position embeddings. The
dummy key is the first token (the class). RMSNorm is made harmless by a partner channel per channel,
so that every clean token has one and the same RMS; RoPE by pairs that turn by less than a quarter
turn over the whole map, of which the first channel alone is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls.scalar import ball, lower, precision, upper
from varnum.errors import InputError
from varnum.formulas import hardness as forms
from varnum.formulas.core import to_exact
from varnum.hardness.head import Head
from varnum.hardness.wrap import kept_positions
from varnum.model.flowar.flow_config import AR_STAGES, FlowConfig
from varnum.model.flowar.numbers import EPS
from varnum.model.flowar.rope import EXTENT
from varnum.model.flowar.tables import rope_frequencies

ALLOWED = Fraction(115, 1000)  # less than 1/8: the gated positions keep 1/100 of the dummy's weight
SIDES = (16, 32, 64)
WIDEST = 6400  # channels
HYPOTHESES = (
    "the last token map before up-sampling is an input, constant on 4 x 4 blocks, of any channels",
    "the position embeddings are inputs: they gate all other positions and all earlier scales",
    "the class embedding is an input: it is the dummy key",
    "the attention weights are inputs: they select channels; AdaLN's scale and shift are 0",
    "resampling through n x n, as in the released sampler at n = 16: x2 half-pixel bicubic",
)
ONE_SIGN = Fraction(9, 10)  # least cosine of a turn where all products of a pair have one sign
SPENT = Fraction(1, 20)  # logit change that turns may make where they have not
_AREA = to_exact(forms.LEBESGUE**2, {})  # Lambda^2, both axes
STAGE = AR_STAGES[0]


@dataclass(frozen=True)
class FlowWrapped:
    """A head as the input of FlowAR's first block.

    source (1, (n/2)^2, c) the map before up-sampling; earlier (1, L - n^2 - 1, c) inputs of the
    scales between; `kept` rows of the sequence, one per block; cosine: least cosine of a turn; M
    bounds sum |q_c k_c| / sqrt(d), before turns, of every kept query with every key; `error` what
    turns may cost in the output.
    """

    head: Head
    config: FlowConfig
    weights: dict[str, Any]
    source: Any
    earlier: Any
    kept: Any
    gates: int
    cosine: Fraction
    M: Fraction
    error: Fraction


def flowar_wrap(
    head: Head, side: int | None = None, seed: int = 0, fast: bool = False
) -> FlowWrapped:
    """Place a head in the smallest pyramid 1, 2, 4, .., n (or n = side) that holds it.

    (n/8)^2 blocks must hold every query and every key. fast: the false version, which takes the
    pairs that turn most. Raises InputError where no n up to 64, or no width up to 6400, does.
    """
    blocks = max(len(head.queries), head.n)
    sides = [n for n in SIDES if side in (None, n) and (n // 8) ** 2 >= blocks]
    if not sides:
        raise InputError(
            f"side: {blocks} blocks do not fit; n is one of {SIDES} and holds (n/8)^2 of them"
        )
    n = sides[0]
    patches = tuple(2**k for k in range(n.bit_length()))
    length = sum(p * p for p in patches)
    D = head.queries.shape[1]
    one_sign = bool((head.queries >= 0).all() and (head.keys <= 0).all())
    cosine = ONE_SIGN if one_sign else 1 - SPENT / max(head.M, SPENT)
    rate = head.rate / cosine if one_sign else head.rate
    cost = Fraction(0) if one_sign else SPENT * Fraction(51, 100)  # tanh(SPENT/2) and the junk
    gates = _gates(rate, head.width, cosine, D, length)
    slots, root = _slots(D + gates, 4 * D + 6, cosine, fast)
    scale, rate = _weight(rate, root, 2 * D + 3)
    lightest = _squared_ratio(D)
    content = rate * head.width
    total = upper(ball(lightest).sqrt()) * (_AREA * content + gates * rate)
    layout = Channels(D)
    config = FlowConfig(
        patches, root * root, 1, 1, 1, 1, 1, 64, latent_channels=layout.map_channels, classes=1,
        mlp_hidden_ar=1, mlp_hidden_flow=1, resample_through_sampling=n,
    )  # fmt: skip
    kept = length - n * n + kept_positions(n, blocks)
    return FlowWrapped(
        head, config, _weights(head, config, layout, slots, scale, gates, kept),
        _source(head, n, layout), _earlier(head, length - n * n - 1, layout, seed), kept, gates,
        cosine, total, cost,
    )  # fmt: skip


@dataclass(frozen=True)
class Channels:
    """Of a token: q, partners, k, partners, value and partner, one, gate and partner, out."""

    D: int

    @property
    def map_channels(self) -> int:
        """Those of the map; the rest belongs to the positions, and `out` to nobody."""
        return 4 * self.D + 3

    @property
    def key(self) -> int:
        """First of the keys."""
        return 2 * self.D

    @property
    def value(self) -> int:
        """Of the value; its partner is next."""
        return 4 * self.D

    @property
    def one(self) -> int:
        """Of the constant."""
        return 4 * self.D + 2

    @property
    def gate(self) -> int:
        """Of the gate; its partner is next."""
        return 4 * self.D + 3

    @property
    def out(self) -> int:
        """Where the attention's output is read."""
        return 4 * self.D + 5

    def rows(self, queries: Any, keys: Any, values: Any) -> Any:
        """(n, c): each entry e beside 1 - |e|, so that each pair has length 1."""
        pairs = [queries, 1 - np.abs(queries), keys, 1 - np.abs(keys)]
        pairs += [values[:, None], 1 - values[:, None], np.ones((len(values), 1))]
        return np.concatenate(pairs, axis=1).astype(np.float64)


def channels(wrapped: FlowWrapped) -> Channels:
    """The channels of its tokens."""
    return Channels(wrapped.head.queries.shape[1])


def _squared_ratio(D: int) -> Fraction:
    """(clean mean square) / (least mean square of a gated token): 2 D + 3 against one and gate."""
    return Fraction(2 * D + 3, 2)


def _gates(rate: Fraction, width: int, cosine: Fraction, D: int, length: int) -> int:
    """Copies of the gate: lambda (c rate cos - Lambda^2 M) >= M + ln(100 lambda' L), lambda the
    least, lambda' the largest factor by which RMSNorm scales a gated token against a clean one.
    """
    M = rate * width
    with precision(128):
        junk = ball(100 * length) * ball(_squared_ratio(D)).sqrt()
        penalty = forms.flowar_penalty.ball(M=M, junk=junk, cosine=cosine)
        return math.ceil(upper(penalty / ball(rate)))


def slow_slots(d: int, cosine: Fraction, fast: bool) -> Any:
    """First channels of the pairs of a head of width d whose turn over a map has at least this
    cosine; fast: of all pairs, those that turn most first."""
    with precision(128):
        turn = float(lower(ball(cosine).acos()))
    far = EXTENT * rope_frequencies(d).astype(np.float64) * (1 + 2.0**-40)
    pairs = np.arange(d // 4) if fast else np.nonzero(far <= turn)[0]
    both = np.stack([2 * pairs, d // 2 + 2 * pairs], axis=1)  # by the row, by the column
    return both.ravel()


def _slots(count: int, channels: int, cosine: Fraction, fast: bool) -> tuple[Any, int]:
    """Slots of so many coordinates, and the root of d, the head's width: even, d >= channels."""
    for root in range(2, math.isqrt(WIDEST) + 1, 2):
        if root * root >= channels:
            slots = slow_slots(root * root, cosine, fast)
            if len(slots) >= count:
                return slots[:count], root
    raise InputError(
        f"side: {count} coordinates need more than {WIDEST} channels to turn slowly enough"
    )


def _weight(rate: Fraction, root: int, squares: int) -> tuple[float, Fraction]:
    """The entry w of both projections, the rate w^2 kappa^2 / root that it makes (at least this).

    kappa: what the two norms make of 1 in a clean token, whose squares sum to `squares`.
    """
    eps = EPS
    with precision(128):
        mean = ball(Fraction(squares, root * root))
        kappa2 = 1 / (mean * (1 + ball(eps)) + ball(eps) ** 2)
        w = math.sqrt(float(upper(ball(rate) * root / kappa2))) * (1 + 2.0**-40)
        made = upper(ball(Fraction(w)) ** 2 * kappa2 / root)
    return w, made


def _weights(
    head: Head, config: FlowConfig, at: Channels, slots: Any, w: float, gates: int, kept: Any
) -> dict[str, Any]:
    """Block-selecting projections, gate 1 for attention, gates in the position embeddings."""
    width, D = config.model_width, at.D
    q, k, v, proj = (np.zeros((width, width)) for _ in range(4))
    q[slots[:D], np.arange(D)] = w
    k[slots[:D], at.key + np.arange(D)] = w
    q[slots[D:], at.one] = w
    k[slots[D:], at.gate] = w
    with precision(128):
        mean = ball(Fraction(2 * D + 3, width))
        v[0, at.value] = float((mean * (1 + ball(EPS)) + ball(EPS) ** 2).sqrt().mid())  # 1/kappa
    proj[at.out, 0] = 1
    modulation = np.zeros(6 * width)
    modulation[:width] = 1  # gamma1
    positions = np.zeros((1, config.length, width))
    positions[:, :, at.gate] = -1
    for row in (0, *kept[: head.n]):
        positions[:, row, at.gate : at.gate + 2] = 0, 1
    token = np.zeros((2, width))
    token[:, : at.map_channels] = at.rows(
        np.zeros((1, D)), head.keys[-1:].astype(np.float64), np.zeros(1)
    )
    block = f"{STAGE}.0"
    return {
        "class_emb.weight": token,
        "z_proj.weight": np.eye(width, at.map_channels),
        "z_proj.bias": np.zeros(width),
        "z_proj_ln.weight": np.ones(width),
        "encoder_pos_embed_learned": positions,
        f"{block}.ada_lin.1.weight": np.zeros((6 * width, width)),
        f"{block}.ada_lin.1.bias": modulation,
        f"{block}.attn.qkv.weight": np.concatenate([q, k, v]),
        f"{block}.attn.qkv.bias": np.zeros(3 * width),
        f"{block}.attn.proj.weight": proj,
        f"{block}.attn.proj.bias": np.zeros(width),
        f"{block}.attn.rope.freqs": rope_frequencies(width).astype(np.float64),
    }


def _source(head: Head, n: int, at: Channels) -> Any:
    """The map n/2 x n/2 as tokens (1, (n/2)^2, c), constant on 4 x 4 blocks."""
    blocks, count = (n // 8) ** 2, len(head.queries)
    queries, keys = np.zeros((blocks, at.D)), np.zeros((blocks, at.D))
    values = np.zeros(blocks)
    queries[:count], keys[: head.n], values[: head.n] = head.queries, head.keys[:-1], 1
    grid = at.rows(queries, keys, values).reshape(n // 8, n // 8, at.map_channels)
    return np.kron(grid, np.ones((4, 4, 1))).reshape(1, (n // 2) ** 2, at.map_channels)


def _earlier(head: Head, length: int, at: Channels, seed: int) -> Any:
    """Gated tokens of the scales between: the instance's own rows, shuffled, values 0 or 1."""
    rng = np.random.default_rng(seed)
    rows = at.rows(
        rng.choice(head.queries, length).astype(np.float64),
        rng.choice(head.keys, length).astype(np.float64),
        rng.integers(0, 2, length).astype(np.float64),
    )
    return rows[None]
