"""Iterated addition in depth 2, product and inner product in depth 3, by thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from varnum.circuit.form import Form, constant, narrowed, total
from varnum.circuit.gates import Builder, Circuit


def add_columns(b: Builder, columns: Sequence[Sequence[Form]]) -> list[Form]:
    """All bits of sum_j 2^j sum(columns[j]) as gates, lowest first: two layers.

    Bit j depends on the sum modulo 2^(j+1), so on columns 0..j; it is 1 between the odd and the
    next even multiple of 2^j. From the top column on the thresholds are those of the top column.
    """
    top = len(columns) - 1
    outputs, below = [], constant(0)
    most = sum(len(column) << j for j, column in enumerate(columns))
    for j in range(most.bit_length()):
        if j <= top:
            below = total([below, *(bit * (1 << j) for bit in columns[j])])
        first = min(j, top)
        steps = [
            b.gate(below, m << j, ("threshold", first, m << (j - first)), fresh=True)
            * (1 if m % 2 else -1)
            for m in range(1, (below.high >> j) + 1)
        ]
        outputs.append(b.output(narrowed(total(steps), 0, 1), ("bit", j)))
    return outputs


def add(count: int, bits: int) -> Circuit:
    """The sum of `count` unsigned numbers of `bits` bits; inputs number by number, lowest first.

    Claim `circuit-add`: depth 2 (1 for one number), weight 2^(bits-1).
    """
    b = Builder()
    numbers = [b.bits(bits) for _ in range(count)]
    return b.finish(add_columns(b, list(zip(*numbers, strict=True))))


def conjunction(
    b: Builder, literals: Sequence[Form], name: tuple[object, ...] | None = None
) -> Form:
    """All literals are 1, in one gate; a literal is a bit or 1 - bit."""
    return b.gate(total(literals), len(literals), name)


def multiply_add(pairs: int, bits: int) -> Circuit:
    """The inner product of `pairs` pairs of unsigned numbers: x_1, y_1, x_2, y_2, .. lowest first.

    Claim `circuit-product`: depth 3 whatever the number of pairs (2 for one pair of one bit).
    """
    b = Builder()
    numbers = [(b.bits(bits), b.bits(bits)) for _ in range(pairs)]
    columns: list[list[Form]] = [[] for _ in range(2 * bits - 1)]
    for i, (x, y) in enumerate(numbers):
        for s, first in enumerate(x):
            for t, second in enumerate(y):
                columns[s + t].append(conjunction(b, [first, second], ("and", i, s, t)))
    return b.finish(add_columns(b, columns))
