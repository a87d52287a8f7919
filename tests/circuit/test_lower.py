"""The lower side and uniformity: certificates checked apart, programs against built circuits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from varnum.circuit import arith, floats, head_circuit, lower, uniform
from varnum.circuit.evaluate import all_inputs, evaluate
from varnum.circuit.gates import Circuit
from varnum.model.attention import exact_attention


def table(made: Circuit, output: int) -> np.ndarray:
    return evaluate(made, all_inputs(made.inputs))[:, output]


@pytest.mark.parametrize("output", range(4))
def test_no_output_bit_of_a_head_is_one_gate(output: int) -> None:
    made = head_circuit.head_circuit(head_circuit.Head(2, 1, 3))
    values = table(made, output)
    found = lower.certify_not_one_gate(values)
    assert found is not None
    held = dict(zip(map(tuple, all_inputs(6).astype(int).tolist()), values.tolist(), strict=True))
    assert found.holds(held)
    assert not replace(found, ones=found.zeros, zeros=found.ones).holds(held)
    other = (found.zeros[0], tuple(1 - b for b in found.zeros[1]))
    assert not replace(found, zeros=other).holds(held)


def test_a_single_gate_has_no_certificate() -> None:
    x = all_inputs(5).astype(int)
    for weights, theta in (((1, 1, 1, 1, 1), 3), ((5, -2, 3, 1, -1), 2), ((1, 2, 4, 8, 16), 11)):
        assert lower.certify_not_one_gate(x @ np.array(weights) >= theta) is None
    assert lower.certify_not_one_gate(x[:, 0] != x[:, 1]) is not None
    with pytest.raises(ValueError, match="a table of"):
        lower.certify_not_one_gate(np.zeros(3, bool))


def test_output_bits_are_counted() -> None:
    """Of 2 + 2 bits added, the highest bit is one gate of the inputs; no other is."""
    assert lower.count_not_one_gate(arith.add(2, 2)) == 2
    assert lower.count_not_one_gate(arith.add(3, 3)) is None


@pytest.mark.parametrize("N", [1, 3, 7, 11])
def test_a_head_computes_majority_and_keeps_its_distance(N: int) -> None:
    x = all_inputs(N)
    majority = x.sum(axis=1) > N / 2
    exact = [lower.majority_by_head(row) for row in x]
    assert [value > Fraction(1, 2) for value in exact] == majority.tolist()
    assert min(abs(value - Fraction(1, 2)) for value in exact) == Fraction(1, 2 * N)
    q, k = np.zeros((1, 1, 1, 4)), np.random.default_rng(0).standard_normal((1, 1, N, 4))
    one = np.ones((1, 1, 1, 1))
    for row, value in zip(x[:: max(1, len(x) // 50)], exact[:: max(1, len(x) // 50)], strict=True):
        out = exact_attention(q, k, row.astype(float)[None, None, :, None], one)
        assert abs(float(out[0, 0, 0, 0]) - float(value)) < 1e-12


CIRCUITS = {
    "add": [((N, p), arith.add(N, p)) for N, p in ((2, 1), (3, 2), (5, 3), (1, 4), (4, 4))],
    "multiply": [((d, p), arith.multiply_add(d, p)) for d, p in ((1, 1), (1, 3), (2, 2), (3, 3))],
    "float": [
        ((N, p, k), floats.float_sum(N, floats.Format(p, k)))
        for N, p, k in ((2, 2, 1), (3, 3, 2), (2, 2, 3))
    ],
}


def wires(kind: str, sizes: tuple[int, ...], made: Circuit) -> int:
    """How many pairs (node, gate) disagree with the program."""
    width = sizes[1] + (sizes[2] if kind == "float" else 0)
    names = {i: ("x", i // width, i % width) for i in range(made.inputs)} | dict(made.names)
    assert len(names) == made.inputs + len(made.gates)
    wrong = 0
    for g, (index, _) in enumerate(made.gates):
        held = dict(made.sums[index])
        for node, name in names.items():
            said = uniform.wire(kind, sizes, name, names[made.inputs + g])
            wrong += said != held.get(node, 0)
    return wrong


@pytest.mark.parametrize("kind", CIRCUITS)
def test_the_program_knows_every_wire(kind: str) -> None:
    for sizes, made in CIRCUITS[kind]:
        assert wires(kind, sizes, made) == 0


@pytest.mark.parametrize("kind", CIRCUITS)
def test_a_wrong_program_is_seen(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uniform, "_alternates", lambda m, j: 1 if m % (1 << j) == 0 else 0)
    sizes, made = CIRCUITS[kind][1]
    assert wires(kind, sizes, made) > 0


def test_the_program_is_short() -> None:
    text = Path(uniform.__file__).read_text().split("Name = ")[1]
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) < 60
