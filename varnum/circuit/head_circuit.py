"""One softmax head from token bits to output bits: depth 4, and depth 6 with fewer gates.

Tokens x_i of C unsigned numbers of p bits; projections are hard-wired integers:
S_ij = x_i A x_j, v_j = W x_j, E(S) = max(1, round(2^f e^(S/scale))), and the output is
floor(2^g sum_j E_ij v_j / sum_j E_ij), exactly. No maximum is subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from varnum.balls.scalar import ball, certainly_at_most, precision, upper
from varnum.circuit.arith import conjunction
from varnum.circuit.exp import rounded_exp
from varnum.circuit.form import Form, constant, total, weighted
from varnum.circuit.gates import Builder, Circuit
from varnum.circuit.lemmas import bit_of, ratio_steps, settle, telescope, telescope_and

Matrix = tuple[tuple[int, ...], ...]
LOGIT = 2  # default largest |S/scale|


def some_matrix(rows: int, columns: int) -> Matrix:
    """Small weights of either sign: 1 on the diagonal, -1 right above, 0 elsewhere."""
    return tuple(
        tuple(1 if i == j else -1 if j == i + 1 else 0 for j in range(columns)) for i in range(rows)
    )


@dataclass(frozen=True)
class Head:
    """Sizes and hard-wired weights; A (C, C), W (outputs, C)."""

    tokens: int
    width: int
    bits: int
    f: int = 6
    g: int = 0
    A: Matrix = field(default=())
    W: Matrix = field(default=())
    M: Fraction = Fraction(LOGIT)

    def __post_init__(self) -> None:
        square = some_matrix(self.width, self.width)
        object.__setattr__(self, "A", self.A or square)
        object.__setattr__(self, "W", self.W or square)

    @property
    def logits(self) -> tuple[int, int]:
        """Range of S."""
        top = ((1 << self.bits) - 1) ** 2
        entries = [w for row in self.A for w in row]
        return top * sum(min(w, 0) for w in entries), top * sum(max(w, 0) for w in entries)

    @property
    def scale(self) -> Fraction:
        """S/scale lies in [-M, M]."""
        return Fraction(max(map(abs, self.logits)), 1) / self.M

    @cached_property
    def table(self) -> dict[int, int]:
        """E(S) on the range of S."""
        low, high = self.logits
        return {S: self.exp(S) for S in range(low, high + 1)}

    def exp(self, S: int) -> int:
        """E(S) = max(1, round(2^f e^(S/scale)))."""
        x = Fraction(S) / self.scale
        return max(1, rounded_exp(x.numerator, x.denominator, self.f))

    def value_range(self, row: int) -> tuple[int, int]:
        """Range of one entry of v."""
        top = (1 << self.bits) - 1
        return (
            top * sum(min(w, 0) for w in self.W[row]),
            top * sum(max(w, 0) for w in self.W[row]),
        )

    def output_range(self, row: int) -> tuple[int, int]:
        """Range of 2^g output."""
        low, high = self.value_range(row)
        return low << self.g, high << self.g


def head_circuit(head: Head, depth: int = 4) -> Circuit:
    """Output bits of all tokens and rows of W, each the bits of output - least output.

    Claim `circuit-head`. depth 4: [S >= m and value bit]; depth 6: the bits of E first.
    """
    if depth not in (4, 6):
        raise ValueError(f"a head has depth 4 or 6, not {depth}")
    b = Builder()
    x = [[b.bits(head.bits) for _ in range(head.width)] for _ in range(head.tokens)]
    logits = [[_logit(b, head, xi, xj) for xj in x] for xi in x]
    weigh = _products if depth == 4 else _products_of_bits
    outputs: list[Form] = []
    for row in logits:
        sums = [weigh(b, head, S, xj) for S, xj in zip(row, x, strict=True)]
        below = total(E for E, _ in sums)
        for c in range(len(head.W)):
            above = total(values[c] for _, values in sums)
            low, high = head.output_range(c)
            outputs += settle(b, ratio_steps(b, above * (1 << head.g), below, low, high))
    return b.finish(outputs)


def _logit(
    b: Builder, head: Head, x: Sequence[Sequence[Form]], y: Sequence[Sequence[Form]]
) -> Form:
    """x A y over conjunctions of bits; where x is y, both orders of a pair are one gate."""
    weights: dict[tuple[int, int], int] = {}
    bits = {}
    for c, row in enumerate(head.A):
        for d, w in enumerate(row):
            for s, first in enumerate(x[c]):
                for t, second in enumerate(y[d]):
                    (i,), (j,) = first.terms, second.terms
                    key = (min(i, j), max(i, j))
                    bits[i], bits[j] = first, second
                    weights[key] = weights.get(key, 0) + (w << (s + t))
    terms = [
        (bits[i] if i == j else conjunction(b, [bits[i], bits[j]])) * w
        for (i, j), w in weights.items()
        if w
    ]
    low, high = head.logits
    found = total(terms)
    return Form(found.terms, found.const, max(low, found.low), min(high, found.high))


def _products(
    b: Builder, head: Head, S: Form, token: Sequence[Sequence[Form]]
) -> tuple[Form, list[Form]]:
    """E(S) and E(S) v, in the one layer after S (claim `threshold-and`)."""
    used = [any(row[d] for row in head.W) for d in range(head.width)]
    each = [
        weighted((telescope_and(b, S, head.table.__getitem__, bit), 1 << a)
                 for a, bit in enumerate(token[d])) if used[d] else constant(0)
        for d in range(head.width)
    ]  # fmt: skip
    E = telescope(b, S, head.table.__getitem__)
    return E, [total(e * w for e, w in zip(each, row, strict=True)) for row in head.W]


def _products_of_bits(
    b: Builder, head: Head, S: Form, token: Sequence[Sequence[Form]]
) -> tuple[Form, list[Form]]:
    """The same by the bits of E, three layers after S."""
    length = max(head.table[m] for m in range(S.low, S.high + 1)).bit_length()
    bits = [b.output(telescope(b, S, bit_of(head.table, j))) for j in range(length)]
    E = weighted((bit, 1 << j) for j, bit in enumerate(bits))
    E = Form(E.terms, E.const, 1, E.high)  # E >= 1 for every S
    used = [any(row[d] for row in head.W) for d in range(head.width)]
    each = [
        weighted((conjunction(b, [e, v]), 1 << (j + a))
                 for j, e in enumerate(bits) for a, v in enumerate(token[d])) if used[d]
        else constant(0)
        for d in range(head.width)
    ]  # fmt: skip
    return E, [total(e * w for e, w in zip(each, row, strict=True)) for row in head.W]


def formula_gates(head: Head, depth: int = 4) -> int:
    """Gates of the circuit from sizes and weights, without building it.

    Conjunctions; thresholds of E, with each value bit (depth 4), or bits of E and their
    conjunctions with value bits (depth 6); quotients and their bits.
    """
    N, C = head.tokens, head.width
    pairs = [(c, d) for c in range(C) for d in range(C)]
    symmetric = all(head.A[c][d] == head.A[d][c] for c, d in pairs)
    values = sum(any(row[d] for row in head.W) for d in range(C)) * head.bits
    others = N * (N - 1) // (2 if symmetric else 1)
    kinds = [(head.logits, others, N * (N - 1)), (_own_range(head), N, N)]  # range, forms, uses
    kinds = kinds[N == 1 :]
    if depth == 4:
        middle = sum(_changes(head, *ends) * (n + uses * values) for ends, n, uses in kinds)
    else:
        found = [_bits(head, *ends) for ends, _, _ in kinds]
        middle = sum(
            n * (_changes(head, *ends) + settled) + uses * length * values
            for (ends, n, uses), (length, settled, _) in zip(kinds, found, strict=True)
        )
        middle += len(set().union(*(fixed for _, _, fixed in found)))
    spans = [high - low for low, high in map(head.output_range, range(len(head.W)))]
    return _conjunctions(head) + middle + N * sum(s + s.bit_length() - 1 for s in spans)


def _conjunctions(head: Head) -> int:
    """Products of two bits in all S_ij: of two tokens, and of one with itself."""
    N, C, p, A = head.tokens, head.width, head.bits, head.A
    pairs = [(c, d) for c in range(C) for d in range(C)]
    across = sum(A[c][d] != 0 or A[d][c] != 0 for c, d in pairs) * p * p
    within = sum(A[c][c] != 0 for c in range(C)) * (p * (p - 1) // 2)
    within += sum(A[c][d] + A[d][c] != 0 for c, d in pairs if c < d) * p * p
    return N * (N - 1) // 2 * across + N * within


def _bits(head: Head, low: int, high: int) -> tuple[int, int, set[int]]:
    """Bits of E on a range: how many, gates that settle them, values of those that never change."""
    E = [head.table[S] for S in range(low, high + 1)]
    length, settled, fixed = max(E).bit_length(), 0, set[int]()
    for j in range(length):
        bits = [e >> j & 1 for e in E]
        turns = sum(a != b for a, b in pairwise(bits))
        if turns == 0:
            fixed.add(bits[0])
        settled += turns > 1 or (turns == 1 and bits[0] == 1)
    return length, settled, fixed


def real_bound(head: Head) -> Fraction:
    """A rational above |output / 2^g - real softmax|: claim `circuit-head`.

    Every weight has relative error <= delta = 2^-f e^M/2 <= 1/4, so with `softmax-relative` the
    quotient moves by at most rho(v) tanh(artanh(delta)/2), and rounding down by less than 2^-g.
    Raises ValueError where 2^f < 2 e^M: then there is no bound.
    """
    with precision(64):
        delta = ball(head.M).exp() / (2 << head.f)
        if not certainly_at_most(delta, ball("1/4")):
            raise ValueError(f"f = {head.f} bits of E are too few for |S/scale| <= {head.M}")
        rho = max(high - low for low, high in map(head.value_range, range(len(head.W))))
        return upper((delta.atanh() / 2).tanh() * rho) + Fraction(1, 1 << head.g)


def _own_range(head: Head) -> tuple[int, int]:
    """Range of S_ii as its form has it: opposite weights of a pair cancel."""
    low, high = head.logits
    top = ((1 << head.bits) - 1) ** 2
    found = [head.A[c][c] for c in range(head.width)]
    found += [head.A[c][d] + head.A[d][c] for c in range(head.width) for d in range(c)]
    return (max(low, top * sum(min(w, 0) for w in found)),
            min(high, top * sum(max(w, 0) for w in found)))  # fmt: skip


def _changes(head: Head, low: int, high: int) -> int:
    """Change points of E on a range, B."""
    return sum(head.table[m] != head.table[m - 1] for m in range(low + 1, high + 1))
