"""Run a circuit on many inputs at once. Knows gates only: no form, no builder, no reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.circuit.gates import Circuit, Sum

Bits = npt.NDArray[np.bool_]
_CHUNK = 1 << 13  # inputs at once
_EXACT = 1 << 53  # float64 sums of integers are exact below
_WIDE = 1 << 62


def evaluate(circuit: Circuit, inputs: Bits) -> Bits:
    """Outputs (batch, outputs) for inputs (batch, inputs)."""
    inputs = np.asarray(inputs, dtype=bool)
    if inputs.ndim != 2 or inputs.shape[1] != circuit.inputs:
        raise ValueError(f"inputs: expected (batch, {circuit.inputs}), got {inputs.shape}")
    parts = [_run(circuit, inputs[i : i + _CHUNK]) for i in range(0, len(inputs), _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, len(circuit.outputs)), bool)


def _run(circuit: Circuit, inputs: Bits) -> Bits:
    values = np.zeros((circuit.inputs + len(circuit.gates), len(inputs)), dtype=np.int8)
    values[: circuit.inputs] = inputs.T
    groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for g, (index, theta) in enumerate(circuit.gates):
        groups[circuit.depths[g], index].append((g, theta))
    for (_, index), members in sorted(groups.items()):
        sums = _sum(circuit.sums[index], values)
        for g, theta in members:
            values[circuit.inputs + g] = sums >= theta
    return values[list(circuit.outputs)].T.astype(bool)


def _sum(terms: Sum, values: npt.NDArray[np.int8]) -> Any:
    """The weighted sum, exact: float64 products below 2^53, int64 below 2^62, else integers."""
    if not terms:
        return np.zeros(values.shape[1], dtype=np.int64)
    nodes, weights = zip(*terms, strict=True)
    size = sum(map(abs, weights))
    rows = values[list(nodes)]
    if size < _EXACT and len(terms) > 8:
        return np.asarray(weights, dtype=np.float64) @ rows.astype(np.float64)
    if size < _WIDE:
        return np.asarray(weights, dtype=np.int64) @ rows.astype(np.int64)
    return np.asarray(weights, dtype=object) @ rows.astype(object)


def all_inputs(count: int, start: int = 0, stop: int | None = None) -> Bits:
    """Rows start..stop (default: all 2^count) of the truth table, bit 0 first: (rows, count)."""
    numbers = np.arange(start, (1 << count) if stop is None else stop, dtype=np.int64)
    return (numbers[:, None] >> np.arange(count) & 1).astype(bool)


def chunks(count: int, size: int = 1 << 15) -> Iterator[Bits]:
    """All 2^count inputs, `size` at a time."""
    for start in range(0, 1 << count, size):
        yield all_inputs(count, start, min(start + size, 1 << count))


def pack(bits: Bits) -> npt.NDArray[Any]:
    """Numbers (batch) from bits (batch, n), lowest first; Python integers beyond 62 bits."""
    kind: Any = np.int64 if bits.shape[1] <= 62 else object
    weights = np.array([1 << j for j in range(bits.shape[1])], dtype=kind)
    return np.asarray(bits.astype(kind) @ weights)


def unpack(numbers: Any, count: int) -> Bits:
    """Bits (batch, count), lowest first, of non-negative integers of any size."""
    return np.array([[int(n) >> j & 1 for j in range(count)] for n in numbers], dtype=bool).reshape(
        -1, count
    )
