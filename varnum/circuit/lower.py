"""Lower side: what no single gate computes, and majority from one softmax head.

Claims `circuit-lower`, `majority-head`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.circuit.evaluate import all_inputs, evaluate
from varnum.circuit.gates import Circuit

Bits = npt.NDArray[np.bool_]
MOST_INPUTS = 12
FEW_INPUTS = 8  # where the search takes no time


@dataclass(frozen=True)
class Summable:
    """Two inputs where a bit is 1 and two where it is 0, with equal sums entry by entry.

    A gate [w.x >= t] would have w.(a + b) >= 2t > w.(c + d): there is none.
    """

    ones: tuple[tuple[int, ...], tuple[int, ...]]
    zeros: tuple[tuple[int, ...], tuple[int, ...]]

    def holds(self, value: dict[tuple[int, ...], int]) -> bool:
        """Check by hand: values and sums."""
        sums = [tuple(map(sum, zip(*pair, strict=True))) for pair in (self.ones, self.zeros)]
        right = all(value[x] == 1 for x in self.ones) and all(value[x] == 0 for x in self.zeros)
        return right and sums[0] == sums[1]


def certify_not_one_gate(table: Bits) -> Summable | None:
    """A certificate that this function of n <= 12 bits, given on all inputs, is no single gate.

    table: (2^n,), input i has bit j set if i >> j & 1. None: there is no certificate of four
    inputs, and nothing is said.
    """
    n = len(table).bit_length() - 1
    if len(table) != 1 << n or n > MOST_INPUTS:
        raise ValueError(f"a table of 2^n <= 2^{MOST_INPUTS} values, got {len(table)}")
    x = all_inputs(n).astype(np.int64)
    code = x @ 3 ** np.arange(n)  # sums of two codes tell the sums of two inputs apart
    ones, zeros = np.flatnonzero(table), np.flatnonzero(~np.asarray(table, bool))
    for a in ones:
        sums = code[a] + code[ones]
        wanted = set(sums.tolist())
        for c in zeros:
            hit = np.flatnonzero(np.isin(code[c] + code[zeros], list(wanted)))
            if hit.size:
                d = zeros[hit[0]]
                b = ones[np.flatnonzero(sums == code[c] + code[d])[0]]
                rows = [tuple(map(int, x[i])) for i in (a, b, c, d)]
                return Summable((rows[0], rows[1]), (rows[2], rows[3]))
    return None


def count_not_one_gate(circuit: Circuit) -> int | None:
    """How many output bits have such a certificate; None beyond 8 inputs."""
    if circuit.inputs > FEW_INPUTS:
        return None
    outputs = evaluate(circuit, all_inputs(circuit.inputs))
    return sum(certify_not_one_gate(column) is not None for column in outputs.T)


def majority_by_head(values: Bits) -> Fraction:
    """The output of a head with queries 0 on values 0 and 1: their mean, exactly.

    Claim `majority-head`: above 1/2 iff most are 1, and at least 1/(2N) away from 1/2 for odd N.
    """
    return Fraction(int(np.sum(values)), len(values))
