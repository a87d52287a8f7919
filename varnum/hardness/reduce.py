"""Claims sat-to-ov and ov-to-hamming: a formula becomes 0/1 vectors, those become 0/1 words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.hardness.cnf import Cnf

Bits = np.typing.NDArray[np.int8]

MAX_SIDE = 2**15  # vectors per side: 30 variables that occur
MAX_ENTRIES = 2**26  # vectors times clauses of one side


@dataclass(frozen=True)
class Vectors:
    """Orthogonal vectors of a formula: it is satisfiable iff some <u_i, v_j> = 0.

    u (2^l, m), v (2^r, m): row a is the a-th assignment of the variables `left` (`right`), bit k
    of a for the k-th of them; a column per clause, 0 iff the half-assignment satisfies it.
    """

    u: Bits
    v: Bits
    left: tuple[int, ...]
    right: tuple[int, ...]

    def assignment(self, i: int, j: int) -> set[int]:
        """The literals made true by left half i and right half j."""
        halves = ((self.left, i), (self.right, j))
        return {
            name if index >> k & 1 else -name
            for names, index in halves
            for k, name in enumerate(names)
        }


def sat_to_ov(cnf: Cnf) -> Vectors:
    """Split the variables that occur in two halves; tautologies and repeated clauses drop out.

    Raises InputError beyond MAX_SIDE vectors a side or MAX_ENTRIES numbers.
    """
    kept = {c for c in cnf.clauses if not any(-literal in c for literal in c)}
    names = sorted({abs(literal) for literal in frozenset().union(*kept)})
    half = (len(names) + 1) // 2
    if half > MAX_SIDE.bit_length() - 1:
        raise InputError(
            f"cnf: {len(names)} variables occur, which needs 2^{half} vectors a side; "
            f"allowed: {2 * (MAX_SIDE.bit_length() - 1)} variables"
        )
    clauses = sorted(kept, key=sorted)  # any order will do, as long as it is the same each time
    if len(clauses) << half > MAX_ENTRIES:
        raise InputError(
            f"cnf: 2^{half} vectors times {len(clauses)} clauses; "
            f"allowed: {MAX_ENTRIES} numbers a side"
        )
    left, right = tuple(names[:half]), tuple(names[half:])
    return Vectors(_open(left, clauses), _open(right, clauses), left, right)


def _open(names: tuple[int, ...], clauses: list[frozenset[int]]) -> Bits:
    """(2^k, m): 1 where the assignment leaves the clause unsatisfied."""
    rows = np.arange(2 ** len(names), dtype=np.int64)
    result = np.ones((len(rows), len(clauses)), dtype=np.int8)
    bit = {name: (rows >> k & 1).astype(bool) for k, name in enumerate(names)}
    for column, clause in enumerate(clauses):
        for literal in clause:
            if abs(literal) in bit:
                result[bit[abs(literal)] == (literal > 0), column] = 0
    return result


def ov_to_hamming(u: Bits, v: Bits) -> tuple[Bits, Bits, int]:
    """(a, b, m) with ham(a_i, b_j) = m + 2 <u_i, v_j>: (n, m) 0/1 vectors -> (n, 3m) words.

    Two vectors are orthogonal iff their words are at distance m; otherwise it is m + 2 or more.
    """
    a = np.concatenate([u, 1 - u, np.zeros_like(u)], axis=1)
    b = 1 - np.concatenate([v, np.zeros_like(v), 1 - v], axis=1)
    return a, b, u.shape[1]


def as_bits(rows: Any, name: str) -> Bits:
    """Check a (n, m) array of zeros and ones, n >= 1; raises InputError."""
    array = np.asarray(rows)
    if array.ndim != 2 or array.shape[0] == 0 or not np.isin(array, (0, 1)).all():
        raise InputError(f"{name}: need a table (n, m) of 0 and 1 with n >= 1")
    return array.astype(np.int8)
