"""A threshold circuit: inputs, sums, gates over them, outputs that are gates; and its builder.

Gates on the same weighted sum share it, so that a form is stored and evaluated once however many
thresholds are compared with it. Sizes are counted as if every gate had wires of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from varnum.circuit.form import Form, constant

Sum = tuple[tuple[int, int], ...]  # (node, weight), nodes rising; inputs first, then gates


@dataclass(frozen=True)
class Counts:
    """Size of a circuit: depth is the longest path, weight the largest |w|."""

    depth: int
    gates: int
    wires: int
    weight: int
    fan_in: int


@dataclass(frozen=True)
class Circuit:
    """`inputs` bits; gate g is node inputs + g, [sums[i] >= theta] for gates[g] = (i, theta).

    depths[g]: longest path from an input to gate g. outputs: nodes, gates only. names: what the
    builder calls a gate, where it says so.
    """

    inputs: int
    sums: tuple[Sum, ...]
    gates: tuple[tuple[int, int], ...]
    depths: tuple[int, ...]
    outputs: tuple[int, ...]
    names: dict[int, tuple[object, ...]] = field(default_factory=dict, compare=False)

    def counts(self) -> Counts:
        """Depth, gates, wires and largest weight."""
        wires = sum(len(self.sums[i]) for i, _ in self.gates)
        used = [self.sums[i] for i in {i for i, _ in self.gates}]
        weight = max((abs(w) for terms in used for _, w in terms), default=0)
        fan_in = max(map(len, used), default=0)
        depth = max((self.depths[o - self.inputs] for o in self.outputs), default=0)
        return Counts(depth, len(self.gates), wires, weight, fan_in)


class Builder:
    """Makes a circuit gate by gate; a gate that always answers the same becomes a constant."""

    def __init__(self) -> None:
        self.inputs = 0
        self._sums: dict[Sum, int] = {}
        self._interned: dict[int, tuple[Form, int, Sum]] = {}
        self._gates: dict[tuple[int, int], int] = {}
        self._depths: list[int] = []
        self._below: list[int] = []  # depth of what a sum reads
        self._names: dict[int, tuple[object, ...]] = {}

    def bits(self, count: int) -> list[Form]:
        """`count` more input bits; all inputs come before the first gate."""
        if self._gates:
            raise ValueError("inputs come before gates")
        start, self.inputs = self.inputs, self.inputs + count
        return [Form({node: 1}, 0, 0, 1) for node in range(start, self.inputs)]

    def number(self, bits: int) -> tuple[Form, list[Form]]:
        """An unsigned input of `bits` bits, lowest first, and its bits."""
        found = self.bits(bits)
        terms = {node: 1 << j for j, bit in enumerate(found) for node in bit.terms}
        return Form(terms, 0, 0, (1 << bits) - 1), found

    def depth(self, form: Form) -> int:
        """Longest path from an input to what the form sums."""
        found = (self._depths[n - self.inputs] for n in form.terms if n >= self.inputs)
        return max(found, default=0)

    def gate(
        self, form: Form, theta: int, name: tuple[object, ...] | None = None, fresh: bool = False
    ) -> Form:
        """[form >= theta]; a form that is itself a gate's output is not compared again.

        fresh: compare it all the same, so that the circuit's shape does not depend on its size.
        """
        if theta <= form.low:
            return constant(1)
        if theta > form.high:
            return constant(0)
        threshold = theta - form.const
        if len(form.terms) == 1 and threshold == 1 and not fresh:
            ((node, weight),) = form.terms.items()
            if weight == 1 and node >= self.inputs:
                return Form({node: 1}, 0, 0, 1)
        return self._node(form, threshold, name)

    def _node(self, form: Form, threshold: int, name: tuple[object, ...] | None) -> Form:
        index = self._intern(form)
        found = self._gates.get((index, threshold))
        if found is None:
            found = self.inputs + len(self._gates)
            self._depths.append(self._below[index] + 1)
            self._gates[index, threshold] = found
            if name is not None:
                self._names[found] = name
        return Form({found: 1}, 0, 0, 1)

    def _intern(self, form: Form) -> int:
        held = self._interned.get(id(form))
        if held is None or held[0] is not form:  # the form is held so that its id stays its own
            terms = tuple(sorted(form.terms.items()))
            index = self._sums.setdefault(terms, len(self._sums))
            if index == len(self._below):
                self._below.append(self.depth(form))
            held = (form, index, terms)
            self._interned[id(form)] = held
        return held[1]

    def output(self, form: Form, name: tuple[object, ...] | None = None) -> Form:
        """The value 0 or 1 of a form as a gate, also where it is an input or a constant."""
        if not (form.low >= 0 and form.high <= 1):
            raise ValueError(f"an output bit with the range {form.low}..{form.high}")
        if form.constant:  # [0 >= 0] or [0 >= 1]
            return self._node(constant(0), 1 - form.low, name)
        return self.gate(form, 1, name)

    def finish(self, outputs: list[Form]) -> Circuit:
        """The circuit; raises ValueError unless every output is a single gate."""
        nodes = []
        for form in outputs:
            gate = len(form.terms) == 1 and form.const == 0 and list(form.terms.values()) == [1]
            node = next(iter(form.terms), -1)
            if not gate or node < self.inputs:
                raise ValueError("an output is a form or an input; outputs must be gates")
            nodes.append(node)
        by_index = {index: terms for terms, index in self._sums.items()}
        sums = tuple(by_index[i] for i in range(len(by_index)))
        return Circuit(
            self.inputs, sums, tuple(self._gates), tuple(self._depths), tuple(nodes), self._names
        )
