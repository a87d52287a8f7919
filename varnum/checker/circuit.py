"""Re-run a threshold circuit from its file: every gate, with Python integers.

What is checked: the form (integers only, a gate after all it reads, outputs that are gates, nothing
changed), the counts of the file, and the outputs: for "add" and "multiply" against integer
arithmetic done here, otherwise against the outputs listed in the file. All inputs are tried where
2^inputs times the wires allows it; else some, and the sentence says how many.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .certificate import Malformed
from .proof import NotProved

SCHEMA = "varnum/circuit-file/1"
MAX_BYTES = 1 << 26
MAX_WEIGHT_BITS = 1 << 14
WORK = 30_000_000  # wires read in all: well within a minute
_HEX = re.compile(r"0x(0|[1-9a-f][0-9a-f]*)")
SOME = 64  # inputs tried where not all can be


class Cases(NamedTuple):
    """The table of a file: inputs, and the outputs they give."""

    inputs: list[int]
    outputs: list[int]


class Circuit(NamedTuple):
    """inputs bits; gate g is node inputs + g: [sum of sums[gates[g][0]] >= gates[g][1]]."""

    function: dict[str, object]
    inputs: int
    sums: list[list[tuple[int, int]]]
    gates: list[tuple[int, int]]
    outputs: list[int]
    counts: dict[str, int]
    cases: Cases | None
    digest: str


class Replayed(NamedTuple):
    """What a file says and what was seen: `tried` inputs, `all` of them or not."""

    circuit: Circuit
    tried: int
    all: bool
    against: str

    def __str__(self) -> str:
        name = " ".join(f"{key} {value}" for key, value in self.circuit.function.items())
        held = ", ".join(f"{key} {value}" for key, value in self.circuit.counts.items())
        of = "all" if self.all else "these"
        return (
            f"circuit ({name}): {held}; {of} {self.tried} inputs give the outputs of {self.against}"
        )


def is_circuit(data: bytes) -> bool:
    """Whether a file calls itself a circuit; its form is not looked at."""
    return b'"schema":"' + SCHEMA.encode() + b'"' in data


def read(data: bytes) -> Circuit:
    """Read a circuit file; Malformed (one line) unless it is exactly in the allowed form."""
    _expect(len(data) <= MAX_BYTES, "file", f"at most {MAX_BYTES} bytes")
    try:
        top = json.loads(data.decode("ascii"))
        body = {key: value for key, value in top.items() if key != "digest"}
        digest = "sha256:" + hashlib.sha256(_canonical(body)).hexdigest()
        same = data == _canonical({**body, "digest": digest})
    except (ValueError, RecursionError, AttributeError):
        raise Malformed("file: expected JSON in ASCII") from None
    _expect(same, "bytes and digest", "the canonical form of the content, unchanged")
    keys = "schema function inputs sums gates outputs counts cases digest"
    _expect(set(top) == set(keys.split()), "circuit", f"the keys {keys}")
    _expect(top["schema"] == SCHEMA, "schema", SCHEMA)
    inputs = top["inputs"]
    _expect(type(inputs) is int and 1 <= inputs <= 10**7, "inputs", "a whole number from 1")
    sums = [_terms(terms) for terms in _list(top["sums"], "sums")]
    gates = []
    for g, gate in enumerate(_list(top["gates"], "gates")):
        pair = _whole(gate, "gate", "[sum, threshold], integers")
        _expect(len(pair) == 2 and 0 <= pair[0] < len(sums), "gate", "[sum, threshold], integers")
        of, threshold = pair
        last = sums[of][-1][0] if sums[of] else -1
        _expect(last < inputs + g, "gate", "a gate that reads only inputs and earlier gates")
        _expect(threshold.bit_length() <= MAX_WEIGHT_BITS, "threshold", "fewer bits")
        gates.append((of, threshold))
    outputs = _whole(_list(top["outputs"], "outputs"), "outputs", "gates, at least one")
    fine = all(inputs <= o < inputs + len(gates) for o in outputs)
    _expect(fine and len(outputs) > 0, "outputs", "gates, at least one")
    counts, function = top["counts"], top["function"]
    named = type(counts) is dict and set(counts) == {"depth", "gates", "wires", "weight"}
    _expect(named and all(type(c) is int for c in counts.values()), "counts", "four integers")
    _expect(type(function) is dict and type(function.get("name")) is str, "function", "a name")
    _expect(all(map(_plain, [*function, *function.values()])), "function", "words and numbers")
    return Circuit(
        function,
        inputs,
        sums,
        gates,
        outputs,
        counts,
        _cases(top["cases"], function, inputs),
        top["digest"],
    )


def replay(circuit: Circuit) -> Replayed:
    """Run it; NotProved names the first input with a wrong output, or the wrong count."""
    for key, value in count(circuit).items():
        if circuit.counts[key] != value:
            raise NotProved(f"{key} is {value}, the file says {circuit.counts[key]}")
    used = {index for index, _ in circuit.gates}
    once = circuit.inputs + len(circuit.gates) + sum(len(circuit.sums[i]) for i in used)
    most = max(1, WORK // once)
    if circuit.cases is None:
        right, complete, inputs = _by_arithmetic(circuit, most)
        against = "integer arithmetic"
    else:
        listed = dict(zip(circuit.cases.inputs, circuit.cases.outputs, strict=True))
        complete = len(listed) == 1 << circuit.inputs and len(listed) <= most
        right, inputs, against = listed.__getitem__, iter(list(listed)[:most]), "the file's table"
    tried = 0
    for x in inputs:
        got = run(circuit, x)
        if got != right(x):
            raise NotProved(f"input {x:#x} gives {got:#x}, right is {right(x):#x}")
        tried += 1
    return Replayed(circuit, tried, complete, against)


def count(circuit: Circuit) -> dict[str, int]:
    """Depth of the outputs, gates, wires (each gate its own), largest |weight|."""
    depths, of_sum = [0] * circuit.inputs, dict[int, int]()
    for index, _ in circuit.gates:
        if index not in of_sum:
            of_sum[index] = 1 + max((depths[node] for node, _ in circuit.sums[index]), default=0)
        depths.append(of_sum[index])
    used = {index for index, _ in circuit.gates}  # a sum may serve many gates
    return {
        "depth": max(depths[o] for o in circuit.outputs),
        "gates": len(circuit.gates),
        "wires": sum(len(circuit.sums[index]) for index, _ in circuit.gates),
        "weight": max((abs(w) for i in used for _, w in circuit.sums[i]), default=0),
    }


def run(circuit: Circuit, x: int) -> int:
    """The outputs, as a number, of the input bits of x; a sum is added up once."""
    values = [x >> i & 1 for i in range(circuit.inputs)]
    found: dict[int, int] = {}
    for index, threshold in circuit.gates:
        if index not in found:
            found[index] = sum(w for node, w in circuit.sums[index] if values[node])
        values.append(int(found[index] >= threshold))
    return sum(values[o] << j for j, o in enumerate(circuit.outputs))


def _by_arithmetic(circuit: Circuit, most: int) -> tuple[Callable[[int], int], bool, Iterator[int]]:
    f = circuit.function
    number, bits, product = f.get("count"), f.get("bits"), f["name"] == "multiply"
    named = set(f) == {"name", "count", "bits"} and f["name"] in ("add", "multiply")
    if type(number) is not int or type(bits) is not int or not (named and number >= 1 <= bits):
        raise Malformed("function: expected add or multiply with count and bits, or cases")
    _expect(circuit.inputs == number * bits * (1 + product), "inputs", "count times bits")
    largest = number * ((1 << bits) - 1) ** (1 + product)
    _expect(len(circuit.outputs) == largest.bit_length(), "outputs", "every bit of the result")

    def right(x: int) -> int:
        words = [x >> bits * i & (1 << bits) - 1 for i in range(circuit.inputs // bits)]
        if product:
            return sum(words[i] * words[i + 1] for i in range(0, len(words), 2))
        return sum(words)

    if circuit.inputs < 63 and 1 << circuit.inputs <= most:
        return right, True, iter(range(1 << circuit.inputs))
    rng = random.Random(circuit.digest)  # inputs that the file's own author could not choose
    return right, False, (rng.getrandbits(circuit.inputs) for _ in range(min(SOME, most)))


def _cases(cases: object, function: dict[str, object], inputs: int) -> Cases | None:
    """The table of the file; add and multiply have none: their results are computed here."""
    if cases is None:
        return None
    _expect(function["name"] not in ("add", "multiply"), "cases", "null for add and multiply")
    if type(cases) is not dict or set(cases) != {"all", "inputs", "outputs"}:
        raise Malformed("cases: expected 3 keys")
    found = Cases(_numbers(cases, "inputs"), _numbers(cases, "outputs"))
    within = all(x.bit_length() <= inputs for x in found.inputs)
    _expect(within, "cases inputs", "bits of the inputs alone")
    same = len(found.inputs) == len(found.outputs) > 0
    _expect(same and len(set(found.inputs)) == len(found.inputs), "cases", "distinct pairs")
    return found


def _numbers(cases: dict[str, object], key: str) -> list[int]:
    texts = _list(cases[key], key)
    fine = [t for t in texts if type(t) is str and len(t) < 10**5 and _HEX.fullmatch(t)]
    _expect(len(fine) == len(texts), f"cases {key}", "hexadecimal texts 0x.. in their one form")
    return [int(t, 16) for t in fine]


def _plain(value: object) -> bool:
    """What may be printed: an integer, a truth value, a short word, a list of integers."""
    if type(value) is list:
        return len(value) < 100 and all(type(x) is int for x in value)
    return type(value) in (int, bool) or (
        type(value) is str
        and len(value) < 40
        and value.isascii()
        and value.replace("_", "").isalnum()
    )


def _terms(value: object) -> list[tuple[int, int]]:
    flat = _whole(_list(value, "sum"), "sum", "node, weight, ..")
    _expect(len(flat) % 2 == 0, "sum", "node, weight, ..")
    nodes, weights = flat[::2], flat[1::2]
    rising = all(a < b for a, b in zip([-1, *nodes], nodes, strict=False))
    _expect(rising, "sum", "rising nodes from 0")
    _expect(all(w.bit_length() <= MAX_WEIGHT_BITS for w in weights), "weight", "fewer bits")
    return list(zip(nodes, weights, strict=True))


def _list(value: object, where: str) -> list[object]:
    if type(value) is list:
        return list(value)
    raise Malformed(f"{where}: expected a list")


def _whole(value: object, where: str, what: str) -> list[int]:
    """A list of integers, truth values refused."""
    if type(value) is list and all(type(x) is int for x in value):
        return list(value)
    raise Malformed(f"{where}: expected {what}")


def _canonical(content: dict[str, object]) -> bytes:
    return (json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n").encode("ascii")


def _expect(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise Malformed(f"{where}: expected {what}")
