"""Attention of FlowAR, module by module (claim flowar-cost): pairs, operations, states, crossover.

Three kinds of attention with three costs: the autoregressive part sees all scales so far, once; the
flow net sees one scale, at every evaluation of the sampler; its cross-attention has keys and values
that depend on the condition alone, so their state is built once per scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from varnum.cost.counts import crossover_at
from varnum.cost.sampler import Sampler
from varnum.cost.schedule import Schedule, geometric_sides
from varnum.errors import InputError
from varnum.formulas import cost as forms
from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE, FlowConfig, flow_preset

AR, SELF, CROSS = "AR", "flow self", "flow cross"


@dataclass(frozen=True)
class FlowSizes:
    """What of a FlowAR model its attention's cost depends on; `cross`: the second architecture."""

    name: str
    blocks: int  # encoder and decoder
    heads: int
    head_dim: int
    flow_blocks: int
    flow_heads: int
    flow_head_dim: int
    cross: bool
    sampler: Sampler
    schedule: Schedule


def sizes_of(name: str, config: FlowConfig, sampler: Sampler) -> FlowSizes:
    """What of a configuration enters; encoder and decoder have heads of one width."""
    encoder, decoder = AR_STAGES
    if config.head_dim(encoder) != config.head_dim(decoder):
        raise InputError("heads: encoder and decoder have heads of different widths")
    return FlowSizes(
        name,
        config.encoder_depth + config.decoder_depth,
        config.heads(encoder),
        config.head_dim(encoder),
        config.flow_depth,
        config.flow_heads,
        config.head_dim(FLOW_STAGE),
        config.cross,
        sampler,
        Schedule(config.scales),
    )


SAMPLERS = {  # those of the released evaluation
    "flowar-s": Sampler(25, Fraction("4.3"), Fraction("0.9")),
    "flowar-l": Sampler(25, Fraction("2.4"), Fraction("0.9")),
    "flowar-h": Sampler(50, Fraction("2.4"), Fraction("0.7")),
}
RELEASED = {name: sizes_of(name, flow_preset(name), sampler) for name, sampler in SAMPLERS.items()}


def flow_sizes(name: str) -> FlowSizes:
    """A released model by name; raises InputError that lists the names."""
    if name not in RELEASED:
        raise InputError(f"model: {name!r} is not known; one of {', '.join(RELEASED)}")
    return RELEASED[name]


@dataclass(frozen=True)
class Module:
    """One kind of attention: `heads` of them, each run `evaluations` times per image and scale.

    lengths: keys that a query of each scale sees. All counts are of one guidance half.
    """

    kind: str
    heads: int
    evaluations: int
    head_dim: int
    tokens: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def keys(self) -> int:
        """Keys of a query of the last scale."""
        return self.lengths[-1]

    @property
    def pairs(self) -> int:
        """Query-key pairs per image, all heads and evaluations."""
        once = sum(n * seen for n, seen in zip(self.tokens, self.lengths, strict=True))
        return self.heads * self.evaluations * once

    @property
    def exact(self) -> int:
        """Operations per image of exact attention: d + d_v + 1 a pair."""
        d = self.head_dim
        return forms.exact_scale.integer(N=self.pairs, L_k=1, d=d, d_v=d)

    def lowrank(self, r: int) -> int:
        """Operations per image at rank r."""
        return self.heads * sum(self.tokens) * self.per_token(r)

    def per_token(self, r: int) -> int:
        """Operations per token and head at rank r, all evaluations together."""
        if self.kind != CROSS:
            return self.evaluations * forms.lowrank_scale.integer(N=1, r=r, d_v=self.head_dim)
        keys = forms.reused_keys.integer(N=1, r=r, d_v=self.head_dim)
        queries = forms.reused_queries.integer(N=1, r=r, d_v=self.head_dim)
        return keys + self.evaluations * queries

    def threshold(self, r: int) -> Fraction:
        """Low rank costs less exactly where pairs per token, in one evaluation, exceed this."""
        exact = forms.exact_scale.integer(N=1, L_k=1, d=self.head_dim, d_v=self.head_dim)
        return Fraction(self.per_token(r), exact * self.evaluations)

    def largest_rank(self) -> int:
        """The largest rank at which low rank still costs less; 0 if none."""
        return (self.exact - 1) // self.lowrank(1)

    def crossover(self, r: int, alpha: int = 2) -> int | None:
        """The least n such that low rank costs less at every n from there on, at this rank."""
        if self.kind == AR:
            return crossover_at(self.threshold(r), alpha)
        return flow_crossover_at(self.threshold(r), alpha)


def modules(sizes: FlowSizes) -> tuple[Module, ...]:
    """AR, flow self and, in the second architecture, flow cross."""
    tokens, T = sizes.schedule.lengths, sizes.sampler.evaluations
    ar = Module(
        AR, sizes.blocks * sizes.heads, 1, sizes.head_dim, tokens, sizes.schedule.prefixes
    )  # fmt: skip
    flow = sizes.flow_blocks * sizes.flow_heads
    found = [ar, Module(SELF, flow, T, sizes.flow_head_dim, tokens, tokens)]
    if sizes.cross:
        found.append(Module(CROSS, flow, T, sizes.flow_head_dim, tokens, tokens))
    return tuple(found)


def guided_pairs(sizes: FlowSizes) -> int:
    """Query-key pairs per image that guidance adds: the null half, where it is evaluated."""
    if sizes.sampler.cfg <= 1:
        return 0
    ar, *flow = modules(sizes)
    scales = len(sizes.schedule.sides)
    once = sum(
        n * n * sizes.sampler.guided(k, scales) for k, n in enumerate(sizes.schedule.lengths)
    )
    return ar.pairs + sum(module.heads for module in flow) * once


# --- crossover where a query sees one scale alone ------------------------------------------------


def flow_crossover_at(threshold: Fraction, alpha: int = 2) -> int | None:
    """The least n with S(m) > threshold L(m) for every m >= n on the geometric pyramid.

    S = sum N_k^2, L = sum N_k. S/L need not rise with n, but the lower bound `_floor` does, and
    from where it exceeds the threshold the search walks down. None past 10^4 digits.
    """
    if threshold > Fraction(10) ** 20_000:
        return None
    low, high = 0, 1
    while _floor(high, alpha) <= threshold:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _floor(middle, alpha) > threshold else (middle, high)
    while high > 1 and flow_pays_at(high - 1, alpha, threshold):
        high -= 1
    return high


def flow_pays_at(n: int, alpha: int, threshold: Fraction) -> bool:
    """S(n) > threshold L(n), counted."""
    lengths = [h * h for h in geometric_sides(n, alpha)]
    return sum(N * N for N in lengths) > threshold * sum(lengths)


def _floor(n: int, alpha: int) -> Fraction:
    """A lower bound of S/L that rises with n >= 1.

    With J + 1 sides n/alpha^j <= h_j < n/alpha^j + 1, alpha^J >= n and J + 1 <= log2 n + 2:
    S >= n^4 (1 - (alpha n)^-4)/(1 - alpha^-4), L <= n^2/(1 - alpha^-2) + 2n/(1 - 1/alpha) + J + 1.
    """
    a = Fraction(1, alpha)
    top = Fraction(n**4) * (1 - Fraction(1, (alpha * n) ** 4)) / (1 - a**4)
    return top / (n * n / (1 - a**2) + 2 * n / (1 - a) + n.bit_length() + 2)


def asymptotic_pairs(evaluations: int, alpha: int = 2) -> tuple[Fraction, Fraction]:
    """(AR, flow): coefficients of n^4 in the pairs of one head on the geometric pyramid.

    AR: (L^2 + S)/2 with L = n^2/(1 - alpha^-2), S = n^4/(1 - alpha^-4): 64/45 at alpha = 2. Flow:
    T S: 16/15 T.
    """
    square, fourth = 1 - Fraction(1, alpha**2), 1 - Fraction(1, alpha**4)
    return (1 / square**2 + 1 / fourth) / 2, evaluations / fourth
