"""What a floating-point run of the blocks adds, by norms: claim `float-forward` walked.

The Ops of `varnum.propagate.var_model.Norms` with every rounding counted (`varnum.propagate.
rounding`). Both runs have the same input, weights and AdaLN vectors; one computes exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.balls.scalar import arb, ball, precision, upper
from varnum.errors import InputError
from varnum.model.walk import walk
from varnum.propagate import forward_rounding as r
from varnum.propagate.forward_rounding import Arithmetic
from varnum.propagate.run_enclosure import Ranges
from varnum.propagate.transfer import Reach
from varnum.propagate.var_model import BITS, BlockNorms, HeadNorms, Norms, side_by_side, within

_FACTOR = 3  # roundings of the logits' factor 1/(4 sqrt d) and of its product with q


@dataclass(frozen=True)
class Rounding:
    """|computed - exact| <= error entrywise, at the end of the walk."""

    error: Fraction


def certify_rounding(
    blocks: Sequence[BlockNorms],
    head: HeadNorms | None,
    start: Reach,
    norm_eps: Fraction,
    arithmetic: Arithmetic,
    keys: int,
    ranges: Ranges,
) -> Rounding:
    """Bound the error of a run in `arithmetic`; keys: the most that a row of attention sees.

    start: of the exact input, with error 0; ranges: enclosed on the exact run (`certify_ranges`).
    Raises InputError where a LayerNorm's deviation is not above its errors, and for l2-normalised
    heads, whose rounding is not covered.
    """
    if any(w.l2_norm for w in blocks):
        raise InputError("float-forward: l2-normalised heads are not covered")
    with precision(BITS):
        ops = RoundedNorms(blocks, head, norm_eps, arithmetic, keys, ranges)
        conditions: list[tuple[arb, ...]] = [(*w.gates, *w.factors, *w.shifts) for w in blocks]
        if head is not None:
            conditions.append((head.factor, head.shift))
        end: Reach = walk(ops, start, conditions)
        return Rounding(upper(end.error))


class RoundedNorms(Norms):
    """Norms of a run in floating point: each step adds what it rounds."""

    def __init__(
        self,
        blocks: Sequence[BlockNorms],
        head: HeadNorms | None,
        norm_eps: Fraction,
        arithmetic: Arithmetic,
        keys: int,
        known: Ranges,
    ) -> None:
        super().__init__(blocks, head, Fraction(0), norm_eps, known)
        self.arithmetic, self.keys = arithmetic, keys

    def layer_norm(self, x: Reach, place: str) -> Reach:
        """`forward_rounding.layer_norm`."""
        return r.layer_norm(x, self.known.s_min.get(place, self.floor), self.arithmetic)

    def modulate(self, x: Reach, scale: arb, shift: arb) -> Reach:
        """`forward_rounding.modulate`."""
        return r.modulate(x, scale, shift, self.arithmetic)

    def gate(self, x: Reach, gamma: arb) -> Reach:
        """A product has one rounding, three are counted."""
        return r.modulate(x, gamma, 0, self.arithmetic)

    def add(self, x: Reach, y: Reach) -> Reach:
        """`forward_rounding.add`."""
        return r.add(x, y, self.arithmetic)

    def linear(self, x: Reach, name: str) -> Reach:
        """`forward_rounding.linear`."""
        return r.linear(x, self.maps[name], self.arithmetic)

    def mlp(self, x: Reach, block: int) -> Reach:
        """Linear, `forward_rounding.gelu`, linear."""
        name = f"blocks.{block}.ffn"
        inner = r.gelu(self.linear(x, f"{name}.fc1"), self.arithmetic)
        return self.linear(inner, f"{name}.fc2")

    def project(self, y: Reach, block: int) -> list[list[Reach]]:
        """Per head q, k, v; the ranges known of the exact run bound the exact sizes."""
        here = f"blocks.{block}"
        return [
            [
                within(r.linear(y, m, self.arithmetic), self.known, here, part, h)
                for part, m in zip("qkv", maps, strict=True)
            ]
            for h, maps in enumerate(self.blocks[block].heads)
        ]

    def attention(self, heads: list[list[Reach]], block: int) -> Reach:
        """`forward_rounding.attention` of every head; the factor's own rounding is charged to q."""
        outs = [
            r.attention(
                r.rounded(q, _FACTOR, self.arithmetic), k, v, ball(scale), 0, self.keys,
                self.arithmetic,
            )
            for (q, k, v), scale in zip(heads, self.blocks[block].scales, strict=True)
        ]  # fmt: skip
        return side_by_side(outs)
