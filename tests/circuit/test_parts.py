"""Circuits on all their inputs, counts against formulas, and false versions that are seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from varnum.circuit import (
    arith,
    block_circuit,
    exp,
    floats,
    generation_circuit,
    head_circuit,
    parts,
    reference,
)
from varnum.circuit.evaluate import all_inputs, evaluate
from varnum.circuit.gates import Builder, Circuit
from varnum.errors import InputError
from varnum.formulas import circuit as formulas

SMALL: dict[str, tuple[Callable[[], parts.Part], int | None]] = {
    "add 2 1": (lambda: parts.add(2, 1), 2),
    "add 1 5": (lambda: parts.add(1, 5), 1),
    "add 4 3": (lambda: parts.add(4, 3), 2),
    "add 12 1": (lambda: parts.add(12, 1), 2),
    "multiply 1 1": (lambda: parts.multiply(1, 1), 2),
    "multiply 1 6": (lambda: parts.multiply(1, 6), 3),
    "multiply 2 3": (lambda: parts.multiply(2, 3), 3),
    "sum 3 3 2": (lambda: parts.floating("sum", 3, 3, 2), 3),
    "sum 4 2 1": (lambda: parts.floating("sum", 4, 2, 1), 3),
    "product 3 3": (lambda: parts.floating("product", 2, 3, 3), 3),
    "product 2 1": (lambda: parts.floating("product", 2, 2, 1), 3),
    "quotient 4 3": (lambda: parts.floating("quotient", 2, 4, 3), 3),
    "exp 4": (lambda: parts.exponential(4, False), 4),
    "exp table": (lambda: parts.exponential(9, True), 2),
    "head 2 2 3": (lambda: parts.softmax_head(2, 2, 3, 4), 4),
    "head 4 1 3": (lambda: parts.softmax_head(4, 1, 3, 4), 4),
    "head 3 1 4": (lambda: parts.softmax_head(3, 1, 4, 4), 4),
    "head 2 1 2": (lambda: parts.softmax_head(2, 1, 2, 4), 4),
    "head 3 1 3, 6": (lambda: parts.softmax_head(3, 1, 3, 6), 6),
    "plain": (lambda: parts.transformer_block(2, 2, 2, "plain"), 10),
    "l2": (lambda: parts.transformer_block(2, 2, 2, "l2"), 12),
    "rms": (lambda: parts.transformer_block(3, 2, 2, "rms"), 11),
    "generate 2": (lambda: parts.generation((1, 2), 2, 2), 22),
    "generate 3": (lambda: parts.generation((1, 2), 3, 2), 24),
}


@pytest.mark.parametrize("name", SMALL)
def test_all_inputs_depth_and_formula(name: str) -> None:
    make, depth = SMALL[name]
    part = make()
    made = part.build()
    seen = parts.compare(part, made, 1 << 15)
    assert seen.all
    assert seen.different == 0
    assert seen.checked > 0
    counts = made.counts()
    assert counts.depth == depth
    if part.gates is not None:
        assert counts.gates <= part.gates if part.at_most else counts.gates == part.gates


@pytest.mark.parametrize(("N", "p"), [(1, 1), (2, 3), (7, 4), (64, 16), (680, 8), (64, 24)])
def test_sums_by_formula_and_on_random_inputs(N: int, p: int) -> None:
    part, made = parts.add(N, p), arith.add(N, p)
    counts = made.counts()
    assert counts.gates == formulas.add_gates(N, p) == formulas.column_gates([N] * p)
    assert counts.wires == formulas.add_wires(N, p)
    assert counts.weight == 1 << (p - 1)
    assert parts.compare(part, made, 32).different == 0


@pytest.mark.parametrize(("d", "p"), [(1, 8), (3, 3), (16, 8), (5, 2)])
def test_products_by_formula_and_on_random_inputs(d: int, p: int) -> None:
    part, made = parts.multiply(d, p), arith.multiply_add(d, p)
    counts = made.counts()
    assert counts.gates == formulas.product_gates(d, p)
    assert counts.wires == formulas.product_wires(d, p)
    assert parts.compare(part, made, 64).different == 0


def attainable(made: Circuit, x: Any) -> dict[int, np.ndarray]:
    """Per sum the values it takes on these inputs, by running every gate as an output."""
    everything = replace(made, outputs=tuple(range(made.inputs, made.inputs + len(made.gates))))
    nodes = np.concatenate([x, evaluate(everything, x)], axis=1).astype(np.int64)
    found = {}
    for i, terms in enumerate(made.sums):
        if terms:
            where, weights = zip(*terms, strict=True)
            found[i] = np.unique(nodes[:, where] @ np.array(weights))
    return found


@pytest.mark.parametrize("name", ["add 4 3", "multiply 1 6", "sum 4 2 1", "quotient 4 3"])
def test_every_threshold_moved_across_an_attained_value_is_seen(name: str) -> None:
    """A threshold between two attained values is the same gate wherever it lies there."""
    part = SMALL[name][0]()
    made = part.build()
    x = all_inputs(made.inputs)
    expected, allowed = part.reference(x)
    if allowed is not None:
        x, expected = x[allowed], expected[allowed]
    values = attainable(made, x)
    for g, (index, theta) in list(enumerate(made.gates))[:: max(1, len(made.gates) // 25)]:
        for moved in (values[index][values[index] >= theta][:1] + 1,
                      values[index][values[index] < theta][-1:]):  # fmt: skip
            if moved.size == 0:
                continue
            gates = list(made.gates)
            gates[g] = (index, int(moved[0]))
            wrong = evaluate(replace(made, gates=tuple(gates)), x)
            assert (wrong != expected).any(), (g, theta, int(moved[0]))


def test_ties_away_from_even_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(low: int, high: int, even: bool, scale: Fraction = Fraction(1)) -> int:
        return honest(low, high, True, scale)

    honest = floats.boundary
    monkeypatch.setattr(floats, "boundary", away)
    part = parts.floating("sum", 3, 3, 2)
    assert parts.compare(part, part.build(), 1 << 15).different > 0


@pytest.mark.parametrize(
    ("p", "k", "N", "different"), [(3, 2, 3, 5358), (2, 2, 4, 17106), (2, 1, 3, 36)]
)
def test_sums_in_index_order_are_another_function(p: int, k: int, N: int, different: int) -> None:
    x = all_inputs(N * (p + k))
    made = floats.float_sum(N, floats.Format(p, k))
    ordered = reference.float_sum_in_order(x, p, k)
    assert int((evaluate(made, x) != ordered).any(axis=1).sum()) == different


def test_a_sum_with_too_few_thresholds_is_seen() -> None:
    """All bits kept, but N thresholds for each bit: right for one bit each, wrong beyond."""
    part, made = parts.add(3, 2), arith.add(3, 2)
    few = [g for g, name in made.names.items() if name[0] == "threshold" and int(name[2]) > 3]  # type: ignore[call-overload]
    assert few
    gates = [
        (i, 10**6) if made.inputs + g in few else (i, theta)
        for g, (i, theta) in enumerate(made.gates)
    ]
    assert parts.compare(part, replace(made, gates=tuple(gates)), 1 << 10).different > 0


def test_a_dropped_settle_layer_is_seen() -> None:
    """Bits read off the first layer: all but those that are one gate are wrong somewhere."""
    part, made = parts.add(4, 2), arith.add(4, 2)
    x = all_inputs(made.inputs)
    expected, _ = part.reference(x)
    for j, node in enumerate(made.outputs):
        index, _ = made.gates[node - made.inputs]
        reads = [n for n, _ in made.sums[index] if n >= made.inputs]
        for unsettled in reads:
            outputs = tuple(unsettled if i == j else o for i, o in enumerate(made.outputs))
            assert (evaluate(replace(made, outputs=outputs), x) != expected).any()


def test_a_constant_of_exp_that_is_one_more_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    part, x = parts.exponential(4, False), all_inputs(4)
    expected, _ = part.reference(x)
    assert (evaluate(part.build(), x) == expected).all()
    honest = exp.rounded_exp
    monkeypatch.setattr(exp, "rounded_exp", lambda *args: honest(*args) + 1)
    assert (evaluate(parts.exponential(4, False).build(), x) != expected).any()


def test_a_generation_with_other_noise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    part = parts.generation((1, 2), 2, 2)  # its reference keeps the noise of now
    monkeypatch.setattr(generation_circuit, "NOISE", 1)
    assert parts.compare(part, part.build(), 512).different > 0


def real_error(made: head_circuit.Head) -> float:
    """Largest |output / 2^g - softmax| over all inputs, in float64."""
    low, high = made.logits
    table = np.array([made.table[S] for S in range(low, high + 1)])
    size = (made.tokens, made.width, made.bits)
    A, W = np.array(made.A), np.array(made.W)
    x = all_inputs(made.tokens * made.width * made.bits)
    out = reference.head_outputs(x, *size, A, W, table, low, made.g) / 2**made.g
    return float(abs(out - reference.real_head(x, *size, A, W, float(made.scale))).max())


@pytest.mark.parametrize("M", ["1/2", "2", "3"])
def test_the_real_softmax_is_within_the_bound(M: str) -> None:
    made = head_circuit.Head(3, 1, 3, f=6, g=3, M=Fraction(M))
    error, bound = real_error(made), float(head_circuit.real_bound(made))
    assert bound / 8 < error <= bound


def test_without_enough_bits_of_exp_there_is_no_bound() -> None:
    """f = 2, logits -20 and -10: both weights are 1, attention is uniform."""
    made = head_circuit.Head(2, 1, 2, f=2, g=3, A=((-1,),), M=Fraction(20))
    assert {made.exp(S) for S in range(-9, -4)} == {1}
    with pytest.raises(ValueError, match="too few"):
        head_circuit.real_bound(made)
    assert real_error(made) > 1.5 * (3 * np.tanh(np.arctanh(1 / 4) / 2) + 1 / 8)  # delta = 1/4


@pytest.mark.parametrize("kind", block_circuit.KINDS)
def test_a_block_has_its_layers_before_bits(kind: str) -> None:
    b = Builder()
    made = block_circuit.Block(2, 2, 2, kind)
    x = [[b.number(2)[0] for _ in range(2)] for _ in range(2)]
    x = block_circuit.mlp_half(b, made, block_circuit.attention_half(b, made, x, [], []))
    assert max(b.depth(e) for row in x for e in row) == block_circuit.KINDS[kind]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: parts.add(0, 1), "count"),
        (lambda: parts.add(10**6, 4096), "wires to store"),
        (lambda: parts.floating("root", 2, 3, 2), "operation"),
        (lambda: parts.softmax_head(2, 1, 2, 5), "depth"),
        (lambda: parts.softmax_head(64, 16, 6, 4), "wires to store"),
        (lambda: parts.transformer_block(2, 2, 2, "gpt"), "kind"),
        (lambda: parts.generation((2, 1), 2, 2), "sides"),
        (lambda: parts.generation((1, 2, 3, 4), 2, 2), "at most 14 tokens"),
    ],
)
def test_bad_sizes_are_named(make: Callable[[], parts.Part], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


@pytest.mark.parametrize("depth", [4, 6])
@pytest.mark.parametrize(
    ("A", "W"), [(((1, 2), (2, -1)), ((1, 0),)), (((1, 1), (-1, 0)), ((1, 2), (0, 1)))]
)
def test_a_heads_formula_holds_for_any_weights(depth: int, A: Any, W: Any) -> None:
    for size in ((1, 2, 2), (3, 2, 2)):
        made = head_circuit.Head(*size, A=A, W=W)
        assert head_circuit.head_circuit(made, depth).counts().gates == head_circuit.formula_gates(
            made, depth
        )
