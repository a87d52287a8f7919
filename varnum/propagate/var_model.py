"""The released architecture in norms: `end-to-end` (a priori), `norm-composition` (given run).

Both walk the same recurrence over the layers; what differs is where ranges come from: from the
norms alone, or enclosed on one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from varnum.balls.scalar import arb, ball, precision, upper
from varnum.errors import InputError
from varnum.model.config import VarConfig
from varnum.model.transformer import MAX_LOG_SCALE
from varnum.model.walk import walk
from varnum.outward import float_up
from varnum.propagate import transfer as t
from varnum.propagate.forms import UP, Floats
from varnum.propagate.run_enclosure import Ranges, head_place
from varnum.propagate.transfer import Operator, Reach
from varnum.tensor import Tensor

BITS = 256  # budgets can be far below 2^-53


@dataclass(frozen=True)
class BlockNorms:
    """Norms of one block: per head (q, k, v) maps and the logits' factor, then the rest."""

    heads: tuple[tuple[Operator, Operator, Operator], ...]
    scales: tuple[arb, ...]
    l2_norm: bool
    proj: Operator
    fc1: Operator
    fc2: Operator
    gates: tuple[arb, arb]
    factors: tuple[arb, arb]
    shifts: tuple[arb, arb]


@dataclass(frozen=True)
class HeadNorms:
    """Norms of the last LayerNorm's modulation and of the map to logits."""

    factor: arb
    shift: arb
    out: Operator


@dataclass(frozen=True)
class Step:
    """One row of the report: the layer, its error, the logit error and logit size of attention.

    domain: where the layer's kernel is evaluated, |logit| <= M + zeta or what bounds them anyway.
    """

    layer: str
    error: Fraction
    amplification: float
    zeta: Fraction = Fraction(0)
    logits: Fraction = Fraction(0)
    domain: Fraction = Fraction(0)


@dataclass(frozen=True)
class Composition:
    """The final reach and the way there. `domain`: where kernels are evaluated, all layers."""

    reach: Reach
    steps: tuple[Step, ...]

    @property
    def domain(self) -> Fraction:
        """Half width on which the polynomial must hold (claim kernel-domain)."""
        return max(s.domain for s in self.steps)


def block_norms(
    weights: Mapping[str, Tensor], config: VarConfig, block: int, six: Sequence[Floats]
) -> BlockNorms:
    """Norms of a block of given weights; six: its AdaLN vectors (C,)."""
    name, d = f"blocks.{block}.attn", config.head_dim
    qkv = np.asarray(weights[f"{name}.mat_qkv.weight"], float)
    parts = [weights[f"{name}.{key}"] for key in ("q_bias", "zero_k_bias", "v_bias")]
    bias = np.concatenate([np.asarray(b, float) for b in parts])
    heads, scales = [], []
    for head in range(config.num_heads):
        firsts = [j * config.embed_dim + head * d for j in range(3)]
        rows = [slice(first, first + d) for first in firsts]
        q, k, v = (t.operator(qkv[r], bias[r]) for r in rows)
        heads.append((q, k, v))
        if config.attn_l2_norm:
            log_scale = float(np.asarray(weights[f"{name}.scale_mul_1H11"]).reshape(-1)[head])
            scales.append(ball(min(Fraction(log_scale), MAX_LOG_SCALE)).exp())
        else:
            scales.append(1 / (4 * arb(d).sqrt()))
    g1, g2, c1, c2, s1, s2 = (np.asarray(v, float).ravel() for v in six)

    def map_(key: str) -> Operator:
        w, b = weights[f"blocks.{block}.{key}.weight"], weights[f"blocks.{block}.{key}.bias"]
        return t.operator(np.asarray(w, float), np.asarray(b, float))

    return BlockNorms(
        tuple(heads),
        tuple(scales),
        config.attn_l2_norm,
        map_("attn.proj"),
        map_("ffn.fc1"),
        map_("ffn.fc2"),
        (_top(g1), _top(g2)),
        (_top(1 + c1), _top(1 + c2)),
        (_top(s1), _top(s2)),
    )


def head_norms(weights: Mapping[str, Tensor], pair: Sequence[Floats]) -> HeadNorms:
    """Norms of the head; pair: scale and shift (C,)."""
    scale, shift = (np.asarray(v, float).ravel() for v in pair)
    weight, bias = (np.asarray(weights[f"head.{key}"], float) for key in ("weight", "bias"))
    return HeadNorms(_top(1 + scale), _top(shift), t.operator(weight, bias))


def _top(values: Floats) -> arb:
    return ball(Fraction(float(np.abs(values).max()) * UP))


def certify_composition(
    blocks: Sequence[BlockNorms],
    head: HeadNorms | None,
    start: Reach,
    eps: Fraction,
    norm_eps: Fraction,
    ranges: Ranges | None = None,
) -> Composition:
    """Error of the residual stream or of the logits for a kernel error eps in every layer.

    Without `ranges` (a priori) s >= sqrt(eps_LN) is all that is known and l2-normalised heads move
    by at most 2; with them the bounds hold for that run. Entrywise and per token in l2.
    """
    if not 0 <= eps < 1 or norm_eps < 0:
        raise InputError(f"eps: {eps} and norm_eps {norm_eps} are not allowed; 0 <= eps < 1, >= 0")
    with precision(BITS):
        return _compose(blocks, head, start, eps, norm_eps, ranges or Ranges())


def _compose(
    blocks: Sequence[BlockNorms],
    head: HeadNorms | None,
    start: Reach,
    eps: Fraction,
    norm_eps: Fraction,
    known: Ranges,
) -> Composition:
    ops = Norms(blocks, head, eps, norm_eps, known)
    conditions: list[tuple[arb, ...]] = [(*w.gates, *w.factors, *w.shifts) for w in blocks]
    if head is not None:
        conditions.append((head.factor, head.shift))
    steps, before = [], start

    def record(place: str, x: Reach) -> None:
        nonlocal before
        layer = _layer(place)
        if layer is None:
            return
        old, new = upper(before.error), upper(x.error)
        gain = float_up(new / old) if old > 0 else float("inf")
        steps.append(Step(layer, new, gain, *(ops.logits if "attention" in layer else ())))
        before = x

    return Composition(walk(ops, start, conditions, record), tuple(steps))


def _layer(place: str) -> str | None:
    """The name in the report of what ends at a place."""
    if place == "logits":
        return "head"
    kind = {"mid": "attention", "out": "mlp"}.get(place.rpartition(".")[2])
    return None if kind is None else f"{kind} {place.split('.')[1]}"


class Norms:
    """The Ops of norms: x is a Reach, AdaLN vectors are bounds of |1 + scale|, |shift|, |gate|.

    logits: of the last attention (logit error, logit size, half width of the kernel's domain).
    """

    def __init__(
        self,
        blocks: Sequence[BlockNorms],
        head: HeadNorms | None,
        eps: Fraction,
        norm_eps: Fraction,
        known: Ranges,
    ) -> None:
        self.blocks, self.eps, self.known = blocks, eps, known
        self.floor = ball(norm_eps).sqrt()
        self.maps = {} if head is None else {"head": head.out}
        for i, w in enumerate(blocks):
            self.maps |= {f"blocks.{i}.attn.proj": w.proj}
            self.maps |= {f"blocks.{i}.ffn.fc1": w.fc1, f"blocks.{i}.ffn.fc2": w.fc2}
        self.logits: tuple[Fraction, Fraction, Fraction] = (Fraction(0),) * 3

    def layer_norm(self, x: Reach, place: str) -> Reach:
        """Claim `layernorm-lipschitz`, with the smallest s known there."""
        return t.layer_norm(x, self.known.s_min.get(place, self.floor))

    def modulate(self, x: Reach, scale: arb, shift: arb) -> Reach:
        """Claim `adaln`."""
        return t.modulate(x, scale, shift)

    def gate(self, x: Reach, gamma: arb) -> Reach:
        """Claim `adaln` without a shift."""
        return t.modulate(x, gamma)

    def add(self, x: Reach, y: Reach) -> Reach:
        """Claim `residual`."""
        return t.add(x, y)

    def linear(self, x: Reach, name: str) -> Reach:
        """Claim `linear`."""
        return t.linear(x, self.maps[name])

    def mlp(self, x: Reach, block: int) -> Reach:
        """Claims `linear`, `gelu-lipschitz`."""
        name = f"blocks.{block}.ffn"
        inner = t.activation(self.linear(x, f"{name}.fc1"), t.GELU_SLOPE)
        return self.linear(inner, f"{name}.fc2")

    def project(self, y: Reach, block: int) -> list[list[Reach]]:
        """Per head q, k, v, within what is known of the run."""
        here = f"blocks.{block}"
        return [
            [
                within(t.linear(y, m), self.known, here, part, h)
                for part, m in zip("qkv", maps, strict=True)
            ]
            for h, maps in enumerate(self.blocks[block].heads)
        ]

    def attention(self, heads: list[list[Reach]], block: int) -> Reach:
        """All heads side by side (claim `attention-lipschitz`); keeps the largest of `logits`."""
        w, here = self.blocks[block], f"blocks.{block}"
        outs, zetas, sizes = [], [], []
        for h, ((q, k, v), scale) in enumerate(zip(heads, w.scales, strict=True)):
            zeta = t.logit_error(q, k, scale)
            if w.l2_norm:
                least = self.known.min_norm
                q = t.unit_vectors(q, least.get(head_place(here, "q", h), arb(0)))
                k = t.unit_vectors(k, least.get(head_place(here, "k", h), arb(0)))
                zeta = t.unit_logit_error(q, k, scale)
            outs.append(t.attention(v, zeta, self.eps))
            zetas.append(upper(zeta))
            sizes.append(upper(t.logit_size(q, k, scale)))
        moved, size = max(zetas), max(sizes)
        # unit vectors stay unit
        domain = max(map(upper, w.scales)) if w.l2_norm else size + moved
        self.logits = (moved, size, domain)
        return side_by_side(outs)


def side_by_side(outs: Sequence[Reach]) -> Reach:
    """The heads of one block as one tensor."""
    return Reach(
        sum(o.width for o in outs),
        _largest([o.size for o in outs]),
        sum((o.norm**2 for o in outs), arb(0)).sqrt(),
        _largest([o.error for o in outs]),
        sum((o.norm_error**2 for o in outs), arb(0)).sqrt(),
    ).tidy()


def _largest(values: list[arb]) -> arb:
    return ball(max(upper(v) for v in values))


def within(x: Reach, known: Ranges, block: str, part: str, head: int) -> Reach:
    """x with the sizes that were enclosed on the run, where they were."""
    measured = known.reach.get(head_place(block, part, head))
    return x if measured is None else replace(x, size=measured.size, norm=measured.norm).tidy()
