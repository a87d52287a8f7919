"""seth-head, ov-head, sat-to-ov, ov-to-hamming, var-wrap: outputs on both sides of 3/8.

Measured is how far a row without partner comes up to its limit (1/4), or a row with one comes down
to 1/2, as an output; both ends are attained by the adversary's instances: all keys exactly at t',
one key exactly at t and the others far. Wrong verdicts count as violations.
"""

from __future__ import annotations

import random
import sys
from fractions import Fraction

import numpy as np

from varnum.hardness.cnf import Cnf
from varnum.hardness.decide import evaluate_exact, inject, rows_with_partner
from varnum.hardness.head import ov_head, seth_head
from varnum.hardness.reduce import ov_to_hamming, sat_to_ov
from varnum.hardness.solve import solve_sat
from varnum.hardness.wrap import evaluate_wrapped, wrap
from varnum.proof.checking import Measurement, main, summarise

LIMIT = Fraction("0.1249")
LIMIT_WRAPPED = Fraction("0.1169")


def _sides(values, near, far):
    """(measured, claimed): 1 - out <= 1/2 for rows with a partner, out <= 1/4 for those without."""
    measured = np.concatenate([1 - values[near], values[far]])
    return measured, np.concatenate([np.full(near.sum(), 0.5), np.full(far.sum(), 0.25)])


def _run(head, near, far, evaluate=evaluate_exact, limit=LIMIT):
    """Sides of one head; a wrong verdict at the limit counts as an output of -1 or 2."""
    outputs = evaluate(head)
    flagged = np.isin(np.arange(len(near)), rows_with_partner(inject(outputs, limit)))
    values = np.where(near & ~flagged, -1.0, np.where(far & flagged, 2.0, outputs.values))
    return _sides(values, near, far)


def _hamming(rng, trials):
    parts = []
    while sum(len(p[0]) for p in parts) < trials:
        m, n = int(rng.integers(2, 40)), int(rng.integers(1, 40))
        x, y = (rng.choice([-1, 1], (n, m)).astype(np.int8) for _ in "xy")
        nearest = (x[:, None] != y[None]).sum(axis=2).min(axis=1)
        t = int(np.clip(np.median(nearest) + rng.integers(-1, 2), 0, m - 1))
        far = t + int(rng.integers(1, m - t + 1))
        parts.append(_run(seth_head(x, y, t, far), nearest <= t, nearest >= far))
    return tuple(np.concatenate(side) for side in zip(*parts, strict=True))


def _hamming_worst(rng, trials):
    """Even trials: all keys exactly at t'; odd trials: one exactly at t, the others opposite."""
    parts = []
    for trial in range(trials):
        m, n = int(rng.integers(2, 40)), int(rng.integers(1, 40))
        t = int(rng.integers(0, m))
        far = int(rng.integers(t + 1, m + 1))
        x = rng.choice([-1, 1], (1, m)).astype(np.int8)
        y = np.repeat(x if trial % 2 == 0 else -x, n, axis=0)
        if trial % 2:
            y[0] = x
        flips = [rng.choice(m, far if trial % 2 == 0 else t, replace=False) for _ in range(n)]
        for row in range(n if trial % 2 == 0 else 1):
            y[row, flips[row]] *= -1
        near = np.array([trial % 2 == 1])
        parts.append(_run(seth_head(x, y, t, far), near, ~near))
    return tuple(np.concatenate(side) for side in zip(*parts, strict=True))


def _orthogonal(rng, trials, ones, evaluate=evaluate_exact, limit=LIMIT, size=30):
    parts = []
    while sum(len(p[0]) for p in parts) < trials:
        m, n = int(rng.integers(1, 12)), int(rng.integers(1, size))
        u, v = ((rng.random((n, m)) < ones).astype(np.int8) for _ in "uv")
        if ones == 1:  # all products exactly 1
            u, v = np.eye(m, dtype=np.int8)[rng.integers(0, m, n)], np.ones((n, m), np.int8)
        near = (u.astype(int) @ v.T.astype(int) == 0).any(axis=1)
        parts.append(_run(ov_head(u, v), near, ~near, evaluate, limit))
    return tuple(np.concatenate(side) for side in zip(*parts, strict=True))


def _formulas(trials, seed):
    """Disagreements with exhaustive search, and with the other route: measured 0 or 1."""
    rng = random.Random(seed)
    wrong = []
    for _ in range(trials):
        names = rng.randint(3, 10)
        clauses = tuple(
            frozenset(rng.choice((-1, 1)) * v for v in rng.sample(range(1, names + 1), 3))
            for _ in range(round(names * rng.uniform(3.5, 5)))
        )
        cnf = Cnf(names, clauses)
        truth = any(
            cnf.satisfied_by({v if code >> v - 1 & 1 else -v for v in range(1, names + 1)})
            for code in range(2**names)
        )
        answers = [solve_sat(cnf, LIMIT, via).satisfiable for via in ("ov", "hamming")]
        wrong.append(float(any(answer != truth for answer in answers)))
    return np.array(wrong), np.zeros(trials)


def _gap(u, v):
    """|ham - (m + 2 <u, v>)|, claimed 0: u, v (trials, m) bits."""
    a, b, m = ov_to_hamming(u, v)
    gap = np.abs((a != b).sum(axis=1) - m - 2 * (u * v).sum(axis=1))
    return gap.astype(float), np.zeros(len(u))


def _identity(rng, trials):
    return _gap(*(rng.integers(0, 2, (trials, 9)).astype(np.int8) for _ in "uv"))


def _identity_all(m=6):
    codes = np.arange(4**m)[:, None] >> np.arange(2 * m) & 1
    return _gap(codes[:, :m].astype(np.int8), codes[:, m:].astype(np.int8))


def _clauses(rng, trials):
    """<u_i, v_j> against the number of clauses the joined assignment leaves open: |difference|."""
    gaps = []
    while len(gaps) < trials:
        clauses = tuple(
            frozenset(int(s * v) for s, v in zip(rng.choice([-1, 1], 3), row, strict=True))
            for row in (rng.choice(8, 3, replace=False) + 1 for _ in range(12))
        )
        vectors = sat_to_ov(Cnf(8, clauses))
        for i in range(len(vectors.u)):
            j = int(rng.integers(len(vectors.v)))
            true = vectors.assignment(i, j)
            unmet = sum(clause.isdisjoint(true) for clause in set(clauses))
            gaps.append(abs(unmet - int(vectors.u[i].astype(int) @ vectors.v[j].astype(int))))
    return np.array(gaps, dtype=float), np.zeros(len(gaps))


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """All claims of the reductions; formulas and pyramids are fewer, each is a whole run."""
    rng = np.random.default_rng(seed)
    few = max(4, trials // 50)

    def wrapped(head):
        return evaluate_wrapped(wrap(head))

    return [
        summarise("seth-head", "output", _hamming(rng, trials), _hamming_worst(rng, trials)),
        summarise(
            "ov-head", "output", _orthogonal(rng, trials, 0.5), _orthogonal(rng, trials, 1)
        ),
        summarise(
            "sat-to-ov", "clauses; verdicts", _clauses(rng, trials), _formulas(few, seed)
        ),
        summarise("ov-to-hamming", "distance", _identity(rng, trials), _identity_all()),
        # 0.01 of junk moves an output by at most 0.0080 (far side) and 0.0041 (near side)
        summarise(
            "var-wrap", "output, junk included",
            _slack(_orthogonal(rng, few, 0.5, wrapped, LIMIT_WRAPPED, 4)),
            _slack(_orthogonal(rng, few, 1, wrapped, LIMIT_WRAPPED, 4)),
        ),
    ]  # fmt: skip


def _slack(pair):
    measured, claimed = pair
    return measured, np.where(claimed == 0.25, 0.375 - 0.117, 1 - 0.375 - 0.117)


if __name__ == "__main__":
    sys.exit(main(measure))
