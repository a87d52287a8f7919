"""The stages of a VAR image, counted (claim cost-stages): maps, reconstruction, decoder.

One operation is a multiply-add, a multiplication or an exp of attention, as everywhere; of the
other layers the multiply-adds of matrix products, convolutions and resampling are counted, and
what works entry by entry (norms, activations, residuals) is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from varnum.balls.exact import round_decimal
from varnum.balls.scalar import ball, lower, precision
from varnum.formulas import cost as forms
from varnum.lowrank.counting import largest_degree
from varnum.model.config import VaeConfig, VarConfig

TAPS = 4  # of the bicubic kernel, per axis


@dataclass(frozen=True)
class Stage:
    """One stage of one image: operations of attention and of all else; `heads` heads of width d.

    `keys` of a query at the end; heads 0 and d, keys None where a stage has no attention.
    """

    name: str
    attention: int
    other: int
    heads: int = 0
    d: int | None = None
    keys: int | None = None
    tokens: int = 0

    @property
    def total(self) -> int:
        """Attention and all else."""
        return self.attention + self.other

    @property
    def largest_rank(self) -> int | None:
        """The largest rank at which low-rank attention takes fewer operations; None without any."""
        if self.d is None:
            return None
        one = forms.lowrank_scale.integer(N=self.tokens, r=1, d_v=self.d) * self.heads
        return (self.attention - 1) // one


def stages(var: VarConfig, vae: VaeConfig) -> tuple[Stage, Stage, Stage]:
    """Token maps, reconstruction and decoder of one image, without guidance's second half."""
    return token_maps(var), reconstruction(vae), decoder(vae)


def token_maps(c: VarConfig) -> Stage:
    """Stage 1: the transformer over all scales, each scale seeing the ones before."""
    attention, seen = 0, 0
    for tokens in c.lengths:
        seen += tokens
        attention += forms.exact_scale.integer(N=tokens, L_k=seen, d=c.head_dim, d_v=c.head_dim)
    heads, width, length = c.depth * c.num_heads, c.embed_dim, c.length
    per_token = c.depth * (4 * width**2 + 2 * width * c.hidden) + width * c.vocab_size
    embed = (length - c.lengths[0]) * c.Cvae * width
    condition = (6 if c.shared_aln else 6 * c.depth) * width**2 + 2 * width**2
    other = length * per_token + embed + condition
    return Stage("token maps", heads * attention, other, heads, c.head_dim, length, length)


def reconstruction(c: VaeConfig) -> Stage:
    """Stage 2: every map up to P x P, a convolution each, their sum, and down to the next map."""
    side, width = c.latent, c.Cvae
    other = 0
    for k, p in enumerate(c.patch_nums):
        if p != side:
            other += TAPS * (side * p + side * side) * width  # rows, then columns
        other += 9 * width**2 * side**2  # phi
        if k + 1 < len(c.patch_nums) and (after := c.patch_nums[k + 1]) != side:
            other += window(side, after) * (side + after) * width
    return Stage("reconstruction", 0, other)


def window(size: int, after: int) -> int:
    """Entries read along one axis of an area reduction from `size` to `after`."""
    return sum(-(-(o + 1) * size // after) - o * size // after for o in range(after))


def decoder(c: VaeConfig) -> Stage:
    """Stage 3: the VQVAE's decoder; its attention is one head over all P^2 pixels."""
    pixels, d = c.latent**2, c.ch * c.ch_mult[-1]
    blocks = c.num_res_blocks + 2
    attention = blocks * forms.exact_scale.integer(N=pixels, L_k=pixels, d=d, d_v=d)
    other = sum(taps * a * b * area for a, b, taps, area in convolutions(c))
    return Stage("decoder", attention, other, blocks, d, pixels, pixels)


def convolutions(c: VaeConfig) -> Iterator[tuple[int, int, int, int]]:
    """(channels in, channels out, taps, output pixels) of the decoder's convolutions."""
    levels, area = len(c.ch_mult), c.latent**2
    top = c.ch * c.ch_mult[-1]

    def residual(a: int, b: int) -> Iterator[tuple[int, int, int, int]]:
        yield a, b, 9, area
        yield b, b, 9, area
        if a != b:
            yield a, b, 1, area

    def attention(a: int) -> Iterator[tuple[int, int, int, int]]:
        yield a, 3 * a, 1, area
        yield a, a, 1, area

    yield c.Cvae, c.Cvae, c.quant_conv_ks**2, area
    yield c.Cvae, top, 9, area
    yield from residual(top, top)
    yield from attention(top)
    yield from residual(top, top)
    width = top
    for level in reversed(range(levels)):
        for _ in range(c.num_res_blocks + 1):
            yield from residual(width, c.ch * c.ch_mult[level])
            width = c.ch * c.ch_mult[level]
            if level == levels - 1:
                yield from attention(width)
        if level > 0:
            area *= 4
            yield width, width, 9, area
    yield width, 3, 9, area


def answers(var: VarConfig, vae: VaeConfig, eps: Fraction) -> list[dict[str, Any]]:
    """Per stage: operations, the largest rank and degree that pay, and c and b* at this error.

    c = d/ln N and b* (Taylor, the midpoint of an enclosure) at N keys: low rank is below quadratic
    in N for M < b* ln N. None where a stage has no attention.
    """
    return [_answer(stage, eps) for stage in stages(var, vae)]


def _answer(stage: Stage, eps: Fraction) -> dict[str, Any]:
    found: dict[str, Any] = {
        "stage": stage.name,
        "operations": stage.total,
        "attention": stage.attention,
        "heads": stage.heads,
        "d": stage.d,
        "keys": stage.keys,
        "largest_rank": stage.largest_rank,
    }
    if stage.d is None or stage.keys is None or stage.largest_rank is None:
        return found | {"largest_degree": None, "c": None, "b_star": None}
    from varnum.cost.regime import b_star  # its formulas take a while to build

    with precision(256):
        log = ball(stage.keys).log()
        c, p = (
            Fraction(round_decimal(lower(x), 18, up=False))
            for x in (ball(stage.d) / log, ball(1 / eps).log() / log)
        )
    star = float(ball(b_star(c, p)[0]).mid())
    degree = largest_degree(stage.d, stage.largest_rank)
    return found | {"largest_degree": degree, "c": float(c), "b_star": star}
