"""kv-capacity, kv-lowrank, kv-recompute: reading errors against 1/(4q), wrong bits at the limit.

Measured is the error of reading one row before any attention error, over V's range; the adversary
takes orthonormal keys and one row opposite to all others, which attains the claim.
"""

from __future__ import annotations

import sys

import numpy as np

from varnum.hardness.keys import KINDS, make_keys
from varnum.hardness.kv import certify_capacity, id_bits, states
from varnum.hardness.readback import attend_rows, opposite_values, random_values, read_back
from varnum.proof.checking import Measurement, main, summarise


def _reading(keys, values, b):
    """(measured, claimed) per value; a wrong value at the limit counts as an error of 1."""
    q = 2**b - 1
    out, rounding = attend_rows(keys, values, b)
    wrong = read_back(keys, values, b).wrong_values
    measured = np.abs(out - values).ravel() / q + (1.0 if wrong else 0.0)
    return measured, np.full(measured.shape, float(1 / (4 * q) + float(rounding) / q))


def _join(parts):
    return tuple(np.concatenate(side) for side in zip(*parts, strict=True))


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Random bits and all kinds of keys; the opposite row; sizes of states."""
    rng = np.random.default_rng(seed)
    random, worst = [], []
    while sum(len(p[0]) for p in random) < trials:
        rows, b = int(rng.integers(2, 80)), int(rng.integers(1, 9))
        kind = KINDS[int(rng.integers(3))]
        keys = make_keys(kind, rows, 48 if kind == "random" else None, int(rng.integers(2**31)))
        random.append(_reading(keys, random_values(rows, 8, b, int(rng.integers(2**31))), b))
    while sum(len(p[0]) for p in worst) < trials:
        rows, b = int(rng.integers(2, 80)), int(rng.integers(1, 9))
        worst.append(_reading(make_keys("orthonormal", rows), opposite_values(rows, 8, b), b))
    return [
        summarise("kv-capacity", "reading error over V's range", _join(random), _join(worst)),
        summarise(
            "kv-lowrank", "bits over r (d_v + 1) width", _ranks(rng, trials), _ranks(rng, trials, 1)
        ),
        summarise("kv-recompute", "log2 V over bits per id", _ids(rng, trials), _ids_worst()),
    ]


def _ranks(rng, trials, d_v=None):
    """N d_v b <= r (d_v + 1) width at the least rank; d_v = 1 fits exactly most often."""
    measured, claimed = [], []
    for _ in range(trials):
        rows, columns, b, width = (int(rng.integers(1, 60)) for _ in range(4))
        capacity = certify_capacity(rows, d_v or columns, min(b, 24), 0)
        rank = states(capacity, None, 4096, None, width)["rank_floor"]
        measured.append(capacity.bits)
        claimed.append(rank * (capacity.d_v + 1) * width)
    return np.array(measured, dtype=float), np.array(claimed, dtype=float)


def _ids(rng, trials):
    """A token id carries log2 V bits and is stored in ceil(log2 V)."""
    vocabularies = rng.integers(2, 10**6, trials)
    return np.log2(vocabularies), np.array([id_bits(int(v)) for v in vocabularies], dtype=float)


def _ids_worst():
    powers = [2**k for k in range(1, 30)]
    return np.log2(powers), np.array([id_bits(v) for v in powers], dtype=float)


if __name__ == "__main__":
    sys.exit(main(measure))
