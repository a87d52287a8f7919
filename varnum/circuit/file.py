"""Write a circuit as a file that `varnum check` re-runs with the standard library alone."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from varnum.circuit.evaluate import all_inputs
from varnum.circuit.gates import Circuit
from varnum.circuit.parts import Bits, Part
from varnum.errors import InputError

SCHEMA = "varnum/circuit-file/1"
CASES = 1 << 12  # inputs listed with their outputs, where no arithmetic says what is right
MOST_TERMS = 2_000_000  # wires written
BY_ARITHMETIC = ("add", "multiply")  # the checker computes these itself


def circuit_file(part: Part, circuit: Circuit, seed: int = 0) -> bytes:
    """The canonical bytes: sums, gates in order, outputs, counts, and what the circuit computes.

    Sums are lists node, weight, node, weight, ..; inputs are nodes 0 .. inputs - 1, gate g the node
    inputs + g. Raises InputError where the file would be too large.
    """
    counts = circuit.counts()
    if sum(map(len, circuit.sums)) > MOST_TERMS:
        raise InputError(f"write: more than {MOST_TERMS} wires to write; take a smaller circuit")
    content: dict[str, object] = {
        "schema": SCHEMA,
        "function": {"name": part.name, **part.sizes},
        "inputs": circuit.inputs,
        "sums": [[x for term in terms for x in term] for terms in circuit.sums],
        "gates": [list(gate) for gate in circuit.gates],
        "outputs": list(circuit.outputs),
        "counts": {
            "depth": counts.depth, "gates": counts.gates, "wires": counts.wires,
            "weight": counts.weight,
        },
        "cases": None if part.name in BY_ARITHMETIC else _cases(part, circuit.inputs, seed),
    }  # fmt: skip
    body = _canonical(content)
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    return _canonical({**content, "digest": digest})


def _canonical(content: dict[str, object]) -> bytes:
    return (json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n").encode("ascii")


def _cases(part: Part, inputs: int, seed: int) -> dict[str, object]:
    """Inputs and right outputs as hexadecimal numbers, bit 0 first: all inputs, or some."""
    every = inputs < 63 and 1 << inputs <= CASES
    rows = all_inputs(inputs) if every else _some(inputs, seed)
    outputs, allowed = part.reference(rows)
    if allowed is not None:
        rows, outputs = rows[allowed], outputs[allowed]
    return {"all": every and allowed is None, "inputs": _hex(rows), "outputs": _hex(outputs)}


def _some(inputs: int, seed: int) -> Bits:
    return np.random.default_rng(seed).integers(0, 2, (256, inputs)).astype(bool)


def _hex(rows: Bits) -> list[str]:
    return [hex(sum(1 << int(j) for j in np.flatnonzero(row))) for row in rows]
