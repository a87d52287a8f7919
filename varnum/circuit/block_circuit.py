"""One transformer block in fixed point, as a circuit: VAR (plain or l2-normalised heads), FlowAR.

Pre-norm, one head, exact residual: x <- 2^g x + W_o attention(norm x), x <- x + W_2 mlp(norm x).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from varnum.circuit.form import Form
from varnum.circuit.gates import Builder, Circuit
from varnum.circuit.head_circuit import Matrix, some_matrix
from varnum.circuit.layer_circuits import (
    Fixed,
    Row,
    attend,
    matvec,
    normalise,
    rounded_gelu,
)
from varnum.circuit.lemmas import bits_of, multiply, telescope

KINDS = {"plain": 8, "l2": 10, "rms": 9}  # layers of gates, outputs as forms


@dataclass(frozen=True)
class Block:
    """Sizes; `kind` plain: LayerNorm and GELU; l2: unit q and k; rms: RMSNorm and gated GELU(erf).

    Input: tokens x width unsigned numbers of `bits` bits.
    """

    tokens: int
    width: int
    bits: int
    kind: str = "plain"
    fixed: Fixed = field(default_factory=Fixed)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")

    @property
    def q_weight(self) -> Matrix:
        """(C, C), hard-wired; also the output projection and the first MLP matrix."""
        return some_matrix(self.width, self.width)

    @property
    def k_weight(self) -> Matrix:
        """(C, C): the transposed pattern; also the values and the second MLP matrix."""
        return tuple(zip(*some_matrix(self.width, self.width), strict=True))

    @cached_property
    def exp_table(self) -> dict[int, int]:
        """E on the range of the logits."""
        if self.kind == "l2":
            most = self.width * self.fixed.unit_bound()[1] ** 2
        else:
            bound = self.fixed.norm_bound(self.width)[1]
            sizes = [sum(map(abs, r)) * sum(map(abs, s)) * bound**2
                     for r, s in zip(self.q_weight, self.k_weight, strict=True)]  # fmt: skip
            most = sum(sizes)
        return self.fixed.exp_table(most)


def keys_and_values(b: Builder, block: Block, y: Row) -> tuple[Row, Row, Row]:
    """q, k, v of one normalised token: no layer, or 2 for unit q and k."""
    q, k, v = (matvec(w, y) for w in (block.q_weight, block.k_weight, block.k_weight))
    if block.kind == "l2":
        bound = block.fixed.unit_bound()
        q, k = (normalise(b, e, *bound, centred=False) for e in (q, k))
    return q, k, v


def attention_half(
    b: Builder, block: Block, x: list[Row], keys: list[Row], values: list[Row]
) -> list[Row]:
    """2^g x + W_o attention(norm x); appends this scale's keys and values to the cache."""
    bound = block.fixed.norm_bound(block.width)
    made = [
        keys_and_values(b, block, normalise(b, row, *bound, centred=block.kind != "rms"))
        for row in x
    ]
    keys += [k for _, k, _ in made]
    values += [v for _, _, v in made]
    out = []
    for row, (q, _, _) in zip(x, made, strict=True):
        update = matvec(block.q_weight, attend(b, q, keys, values, block.exp_table))
        out.append([e * (1 << block.fixed.g) + u for e, u in zip(row, update, strict=True)])
    return out


def mlp_half(b: Builder, block: Block, x: list[Row]) -> list[Row]:
    """x + W_2 GELU(W_1 norm x), or with the gate 2^g x + W_2 (GELU(W_1 y) * W_g y)."""
    bound, g = block.fixed.norm_bound(block.width), block.fixed.g
    gated = block.kind == "rms"
    out = []
    for row in x:
        y = normalise(b, row, *bound, centred=not gated)
        hidden = matvec(block.q_weight, y)
        active = [telescope(b, h, lambda m: rounded_gelu(m, g, gated)) for h in hidden]
        if gated:
            other = matvec(block.k_weight, y)
            active = [multiply(b, a, h) for a, h in zip(active, other, strict=True)]
            row = [e * (1 << g) for e in row]
        update = matvec(block.k_weight, active)
        out.append([e + u for e, u in zip(row, update, strict=True)])
    return out


def block_circuit(block: Block) -> Circuit:
    """All bits of every entry after the block (minus its least value): KINDS[kind] + 2 layers.

    Claim `circuit-block`: 8, 10 or 9 layers give forms; one more rounds, one settles the bits.
    """
    b = Builder()
    x = [[b.number(block.bits)[0] for _ in range(block.width)] for _ in range(block.tokens)]
    x = mlp_half(b, block, attention_half(b, block, x, [], []))
    return b.finish([bit for row in x for e in row for bit in bits_of(b, e)])


def block_ranges(block: Block) -> list[tuple[int, int]]:
    """Proved range of every entry after the block, token by token."""
    b = Builder()
    x = [[b.number(block.bits)[0] for _ in range(block.width)] for _ in range(block.tokens)]
    found: list[list[Form]] = mlp_half(b, block, attention_half(b, block, x, [], []))
    return [(e.low, e.high) for row in found for e in row]
