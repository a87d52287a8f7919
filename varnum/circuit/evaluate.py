"""Run a circuit on many inputs at once. Knows gates only: no form, no builder, no reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from varnum.circuit.gates import Circuit

Bits = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.number]
_CHUNK = 1 << 11  # inputs at once
_LIMITS = ((1 << 24, np.float32), (1 << 53, np.float64), (1 << 62, np.int64))  # exact below


@dataclass(frozen=True)
class _Step:
    """Gates of one depth whose sums have the same wires: one matrix product for all of them."""

    nodes: npt.NDArray[np.int64]  # (k)
    weights: Numbers  # (sums, k), of a type in which the products are exact
    rows: npt.NDArray[np.int64]  # (gates) which sum
    thresholds: Numbers  # (gates, 1)
    results: npt.NDArray[np.int64]  # (gates) nodes


def evaluate(circuit: Circuit, inputs: Bits) -> Bits:
    """Outputs (batch, outputs) for inputs (batch, inputs), every sum exact."""
    inputs = np.asarray(inputs, dtype=bool)
    if inputs.ndim != 2 or inputs.shape[1] != circuit.inputs:
        raise ValueError(f"inputs: expected (batch, {circuit.inputs}), got {inputs.shape}")
    steps = _plan(circuit)
    parts = [_run(circuit, steps, inputs[i : i + _CHUNK]) for i in range(0, len(inputs), _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, len(circuit.outputs)), bool)


def _plan(circuit: Circuit) -> list[_Step]:
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    kinds: dict[tuple[int, ...], int] = {}  # the wires of a sum -> a number
    kind_of = [
        kinds.setdefault(tuple(node for node, _ in terms), len(kinds)) for terms in circuit.sums
    ]
    for g, (index, _) in enumerate(circuit.gates):
        groups[circuit.depths[g], kind_of[index]].append(g)
    wires = list(kinds)
    steps = []
    for (_, number), members in sorted(groups.items()):
        nodes = wires[number]
        sums = sorted({circuit.gates[g][0] for g in members})
        size = max(sum(abs(w) for _, w in circuit.sums[i]) for i in sums)
        largest = max(abs(circuit.gates[g][1]) for g in members)
        kind: type[np.number] | type[object] = next(
            (kind for most, kind in _LIMITS if max(size, largest) < most), object
        )
        row_of = {index: row for row, index in enumerate(sums)}
        steps.append(
            _Step(
                np.array(nodes, dtype=np.int64),
                np.array([[w for _, w in circuit.sums[i]] for i in sums], dtype=kind),
                np.array([row_of[circuit.gates[g][0]] for g in members]),
                np.array([[circuit.gates[g][1]] for g in members], dtype=kind),
                np.array(members) + circuit.inputs,
            )
        )
    return steps


def _run(circuit: Circuit, steps: list[_Step], inputs: Bits) -> Bits:
    values = np.zeros((circuit.inputs + len(circuit.gates), len(inputs)), dtype=np.int8)
    values[: circuit.inputs] = inputs.T
    for step in steps:
        sums = step.weights @ values[step.nodes].astype(step.weights.dtype)
        values[step.results] = sums[step.rows] >= step.thresholds
    return values[list(circuit.outputs)].T.astype(bool)


def all_inputs(count: int, start: int = 0, stop: int | None = None) -> Bits:
    """Rows start..stop (default: all 2^count) of the truth table, bit 0 first: (rows, count)."""
    numbers = np.arange(start, (1 << count) if stop is None else stop, dtype=np.int64)
    return (numbers[:, None] >> np.arange(count) & 1).astype(bool)


def chunks(count: int, size: int = 1 << 15) -> Iterator[Bits]:
    """All 2^count inputs, `size` at a time."""
    for start in range(0, 1 << count, size):
        yield all_inputs(count, start, min(start + size, 1 << count))
