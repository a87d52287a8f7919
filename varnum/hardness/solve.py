"""SAT and closest pairs through softmax heads; what is found is checked exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.errors import InputError
from varnum.hardness.cnf import Cnf
from varnum.hardness.decide import Evaluate, Outputs, evaluate_exact, inject, rows_with_partner
from varnum.hardness.head import Head, ov_head, seth_head
from varnum.hardness.reduce import Bits, Vectors, as_bits, ov_to_hamming, sat_to_ov

ROUTES = ("ov", "hamming")


@dataclass(frozen=True)
class SatAnswer:
    """A verdict; `assignment` lists one literal per variable where satisfiable."""

    satisfiable: bool
    assignment: tuple[int, ...] | None
    head: Head
    outputs: Outputs
    clauses: int


@dataclass(frozen=True)
class ClosestAnswer:
    """The least Hamming distance between the two sides, and a pair (i, j) that has it."""

    distance: int
    pair: tuple[int, int]
    heads: tuple[Head, ...]
    error: Fraction


def solve_sat(
    cnf: Cnf,
    error: Fraction = Fraction(0),
    via: str = "ov",
    sigma: Fraction | None = None,
    evaluate: Evaluate = evaluate_exact,
) -> SatAnswer:
    """Decide a formula with one softmax head whose outputs are off by `error` each.

    "Satisfiable" comes with an assignment checked against every clause; "unsatisfiable" rests on
    sat-to-ov, the head's claim and the rounding bound. Raises InputError where error + rounding
    reach 1/8.
    """
    if via not in ROUTES:
        raise InputError(f"via: no {via!r}; known: {', '.join(ROUTES)}")
    vectors = sat_to_ov(cnf)
    head = _sat_head(vectors, via, sigma)
    outputs = inject(evaluate(head), error)
    rows = rows_with_partner(outputs)
    clauses = vectors.u.shape[1]
    if len(rows) == 0:
        return SatAnswer(False, None, head, outputs, clauses)
    found = _verified(cnf, vectors, int(rows[0]))
    return SatAnswer(True, found, head, outputs, clauses)


def _sat_head(vectors: Vectors, via: str, sigma: Fraction | None) -> Head:
    if via == "ov":
        return ov_head(vectors.u, vectors.v, sigma)
    a, b, near = ov_to_hamming(vectors.u, vectors.v)
    return seth_head(1 - 2 * a, 1 - 2 * b, near, near + 2, sigma)


def _verified(cnf: Cnf, vectors: Vectors, row: int) -> tuple[int, ...]:
    """The partner of a row in one pass over the other side, checked against the formula."""
    common = vectors.v.astype(np.int64) @ vectors.u[row].astype(np.int64)
    partners = np.nonzero(common == 0)[0]
    if len(partners) == 0:
        raise ArithmeticError("a row was flagged without a partner: the evaluation broke its bound")
    true = vectors.assignment(row, int(partners[0]))
    free = {-name for name in range(1, cnf.variables + 1) if not {name, -name} & true}
    if not cnf.satisfied_by(true | free):
        raise ArithmeticError("the assignment found does not satisfy the formula")
    return tuple(sorted(true | free, key=abs))


def closest(
    x: object,
    y: object,
    error: Fraction = Fraction(0),
    sigma: Fraction | None = None,
    evaluate: Evaluate = evaluate_exact,
) -> ClosestAnswer:
    """Closest pair between 0/1 words x (nx, m) and y (ny, m) by bisection on the distance.

    Every step is one head with t' = t + 1, which is no promise at all: distances are whole. The
    pair's distance is counted exactly; that none is closer rests on seth-head and rounding.
    """
    a, b = as_bits(x, "first side"), as_bits(y, "second side")
    if a.shape[1] != b.shape[1]:
        raise InputError(f"words: {a.shape[1]} bits on one side, {b.shape[1]} on the other")
    low, high, heads, row, worst = 0, a.shape[1], [], 0, Fraction(0)
    while low < high:  # some pair within high; none below low
        middle = (low + high) // 2
        head = seth_head(1 - 2 * a, 1 - 2 * b, middle, middle + 1, sigma)
        outputs = inject(evaluate(head), error)
        rows = rows_with_partner(outputs)
        heads.append(head)
        worst = max(worst, outputs.error)
        if len(rows):
            high, row = middle, int(rows[0])
        else:
            low = middle + 1
    distances = (a[row] != b).sum(axis=1)
    j = int(distances.argmin())
    if int(distances[j]) != low:
        raise ArithmeticError("the closest pair found is not as close as claimed")
    return ClosestAnswer(low, (row, j), tuple(heads), worst)


def is_near(x: Bits, y: Bits, t: int, t_far: int, error: Fraction = Fraction(0)) -> bool:
    """Under the promise "some distance <= t or all >= t_far": which of the two. One head."""
    head = seth_head(1 - 2 * x, 1 - 2 * y, t, t_far)
    return len(rows_with_partner(inject(evaluate_exact(head), error))) > 0
