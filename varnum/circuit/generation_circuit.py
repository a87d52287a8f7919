"""A whole tiny VAR generation as one circuit: from a class vector and noise bits to all tokens.

Per scale: position embedding, one block over the cached keys and values, LayerNorm, logits, noise,
the largest logit (first of equals), codebook, bicubic to the last side, sum, area pooling, rounding
where the resampled map is not whole, word embedding. Input: the class vector, `width` numbers of
`bits` bits, then a noise bit for every token. Coefficients are integers and part of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from varnum.circuit.block_circuit import Block, attention_half, mlp_half
from varnum.circuit.form import Form, constant, total
from varnum.circuit.gates import Builder, Circuit
from varnum.circuit.head_circuit import Matrix
from varnum.circuit.layer_circuits import Row, matvec, normalise
from varnum.circuit.lemmas import telescope
from varnum.errors import InputError
from varnum.model.interpolation import area_matrix, bicubic_matrix

NOISE = 3  # what a noise bit adds to the logit of the token it favours, times the token's number


@dataclass(frozen=True)
class Generation:
    """Sides of the maps, vocabulary V, width C of tokens and codes, bits of a class entry."""

    sides: tuple[int, ...] = (1, 2)
    vocabulary: int = 2
    width: int = 2
    bits: int = 2

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.sides, self.sides[1:], strict=False))
        if not (self.sides and self.sides[0] == 1 and rising):
            raise InputError("sides: rising numbers that start with 1, e.g. 1,2")
        if self.vocabulary < 2:
            raise InputError(f"vocabulary: at least 2, got {self.vocabulary}")

    @property
    def tokens(self) -> int:
        """Tokens of all scales."""
        return sum(p * p for p in self.sides)

    @property
    def inputs(self) -> int:
        """Input bits: the class vector and one noise bit a token."""
        return self.width * self.bits + self.tokens

    @cached_property
    def block(self) -> Block:
        """The one transformer block; its tokens are those of a scale."""
        return Block(1, self.width, self.bits)

    @cached_property
    def codebook(self) -> Matrix:
        """(V, C) small integers of either sign, rows distinct."""
        return tuple(
            tuple((v + 1) * (1 if (v + c) % 2 else -1) for c in range(self.width))
            for v in range(self.vocabulary)
        )

    @cached_property
    def head(self) -> Matrix:
        """(V, C) hard-wired weights of the logits."""
        return tuple(
            tuple((v * (c + 2) + c) % 5 - 2 for c in range(self.width))
            for v in range(self.vocabulary)
        )

    def position(self, token: int) -> list[int]:
        """(C): position and level embedding of one token, counted over all scales."""
        return [(token * (c + 1) + c) % 3 - 1 for c in range(self.width)]

    def up(self, side: int) -> tuple[Matrix, int]:
        """Bicubic from side to the last side, one axis: integers and their unit, 1 or 1/4."""
        return _fixed(bicubic_matrix(side, self.sides[-1]), 2)

    def down(self, side: int) -> tuple[Matrix, int]:
        """Area pooling from the last side, one axis: integers and their unit, 1 or 1/2."""
        return _fixed(area_matrix(self.sides[-1], side), 1)

    @cached_property
    def map_unit(self) -> int:
        """f_hat is kept in units of 1 over this, the finest of all scales."""
        return max(self.up(side)[1] for side in self.sides[:-1]) ** 2 if self.sides[1:] else 1


def _fixed(matrix: tuple[tuple[Fraction, ...], ...], bits: int) -> tuple[Matrix, int]:
    """A matrix times 2^bits, rounded to integers; times 1 where it is whole already."""
    unit = 1 if all(w.denominator == 1 for row in matrix for w in row) else 1 << bits
    return tuple(tuple(round(w * unit) for w in row) for row in matrix), unit


def choose(b: Builder, logits: Row) -> Row:
    """One-hot of the largest entry, first of equals: 1 layer for two, else 2."""
    V = len(logits)
    beats = {
        (u, v): b.gate(logits[v] - logits[u], 1) for u in range(V) for v in range(u + 1, V)
    }  # [entry v > entry u], u < v
    if V == 2:
        return [1 - beats[0, 1], b.output(beats[0, 1])]
    wins = [
        [beats[u, v] if u < v else 1 - beats[v, u] for u in range(V) if u != v] for v in range(V)
    ]
    return [b.output(b.gate(total(w), V - 1)) for w in wins]


def spread(generation: Generation, maps: list[Form], side: int) -> list[Form]:
    """(side^2) -> (P^2), bicubic in units of 1/map_unit: no layer."""
    matrix, unit = generation.up(side)
    factor = generation.map_unit // unit**2
    return [e * factor for e in _two_axes(matrix, maps, side)]


def _two_axes(matrix: Matrix, x: list[Form], side: int) -> list[Form]:
    pairs = [(i, j) for i in range(side) for j in range(side)]
    return [
        total(x[i * side + j] * (row[i] * column[j]) for i, j in pairs if row[i] * column[j])
        for row in matrix
        for column in matrix
    ]


def next_map(b: Builder, generation: Generation, f_hat: list[Form], side: int) -> list[Form]:
    """(P^2) -> (side^2), whole numbers: area pooling, and one layer if there is a rest to round."""
    matrix, unit = generation.down(side)
    divisor = generation.map_unit * unit**2
    pooled = _two_axes(matrix, f_hat, generation.sides[-1])
    if divisor == 1:
        return pooled
    return [telescope(b, e, lambda m: (2 * m + divisor) // (2 * divisor)) for e in pooled]


def generation_circuit(generation: Generation) -> Circuit:
    """Outputs, token by token: its one-hot, or for V = 2 the token itself.

    Claim `circuit-generate`: 8 layers a block, 2 LayerNorm, 1 compare, 1 for V > 2, 1 for rounding.
    """
    b = Builder()
    block, C = generation.block, generation.width
    label = [b.number(generation.bits)[0] for _ in range(C)]
    noise = b.bits(generation.tokens)
    keys: list[Row] = []
    values: list[Row] = []
    f_hat = [[constant(0)] * generation.sides[-1] ** 2 for _ in range(C)]
    x, start, outputs = [label], 0, list[Form]()
    for side in generation.sides:
        x = [[e + s for e, s in zip(row, generation.position(start + t), strict=True)]
             for t, row in enumerate(x)]  # fmt: skip
        x = mlp_half(b, block, attention_half(b, block, x, keys, values))
        chosen = [_token(b, generation, row, noise[start + t]) for t, row in enumerate(x)]
        outputs += [e for one in chosen for e in (one[1:] if generation.vocabulary == 2 else one)]
        start += side * side
        for c in range(C):
            code = [total(e * generation.codebook[v][c] for v, e in enumerate(one))
                    for one in chosen]  # fmt: skip
            added = spread(generation, code, side)
            f_hat[c] = [e + a for e, a in zip(f_hat[c], added, strict=True)]
        following = generation.sides[generation.sides.index(side) + 1 :][:1]
        for new in following:
            maps = [next_map(b, generation, channel, new) for channel in f_hat]
            x = [matvec(block.q_weight, list(token)) for token in zip(*maps, strict=True)]
    return b.finish(outputs)


def _token(b: Builder, generation: Generation, x: Row, noise: Form) -> Row:
    """LayerNorm, logits, noise, largest: one-hot (V)."""
    y = normalise(b, x, *generation.block.fixed.norm_bound(generation.width))
    logits = [logit + noise * (NOISE * v) for v, logit in enumerate(matvec(generation.head, y))]
    return choose(b, logits)
