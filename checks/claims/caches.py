"""evict-mass, evict-identity, merge-error, evict-floor, kv-capacity-scale, kv-sparse-rows.

Every query of a small random cache is a case; the adversary climbs: it moves keys, values and
queries of the case with the largest ratio and keeps what makes it larger.
"""

from __future__ import annotations

import sys

import mpmath
import numpy as np

from varnum.hardness.caches import scale as at
from varnum.hardness.caches.sparsity import sparse_bits
from varnum.lowrank.clusters import Clusters
from varnum.lowrank.clusters.cluster_summary import KEPT
from varnum.proof.checking import Measurement, main, summarise

QUERIES = 32
CLAIMS = (
    ("merge-error", "error of the merged output"),
    ("evict-mass", "mass of the dropped rows"),
    ("evict-identity", "error of the output without them"),
)


def _case(rng, least=1, far=0.7):
    """Keys, values, labels, queries: 1 to 3 clusters of `least` to 5 rows, 0 to 3 rows kept."""
    sizes = [*rng.integers(least, 6, rng.integers(1, 4)), rng.integers(0, 4)]
    labels = np.repeat([*range(len(sizes) - 1), KEPT], sizes)
    d, d_v = (int(n) for n in rng.integers(1, 4, 2))
    k = rng.normal(size=(len(labels), d)) * 10 ** rng.uniform(-1, 0.5)
    v = rng.normal(size=(len(labels), d_v))
    if rng.random() < 0.5:
        v[:, 0] = k[:, 0]  # values that follow the keys
    return k, v, labels, rng.normal(size=(QUERIES, d)) * 10 ** rng.uniform(-1, far)


def _exact(q, k, v):
    logits = (q @ k.T).astype(np.longdouble)
    w = np.exp(logits - logits.max(1, keepdims=True))
    w /= w.sum(1, keepdims=True)
    return w @ v, w


def _judge(k, v, labels, q):
    """For each claim (measured, claimed), (QUERIES,) each; columns at their worst ratio."""
    found = Clusters.of(k, v, labels, sigma=1.0).attend(q)
    out, w = _exact(q, k, v)
    gone = w[:, labels != KEPT].sum(1)
    pairs = [(np.abs(found.output - out), found.error)]
    if (labels == KEPT).any():
        pairs.append((np.abs(found.dropped - out), found.dropped_error))
    else:  # nothing left: no output to judge
        pairs.append((np.zeros_like(found.error), np.ones_like(found.error)))
    worst = []
    for measured, claimed in pairs:
        column = (measured / np.maximum(claimed, 1e-300)).argmax(1)[:, None]
        worst.append([np.take_along_axis(x, column, 1)[:, 0] for x in (measured, claimed)])
    return worst[0], (gone.astype(float), found.mass[:, 1]), worst[1], (found.mass[:, 0], gone)


def _climb(rng, which, steps):
    """Move the case of the largest ratio; all cases tried are returned."""
    best, top, tried = _case(rng, least=2, far=0), 0.0, []
    spread = 0.3
    for _ in range(steps):
        k, v, labels, q = best
        moved = (
            k + spread * rng.normal(size=k.shape) * (rng.random(k.shape) < 0.5),
            v + spread * rng.normal(size=v.shape) * (rng.random(v.shape) < 0.5),
            labels,
            q[rng.integers(QUERIES)] * (1 + spread * rng.normal(size=(QUERIES, 1)))
            + 0.3 * spread * rng.normal(size=q.shape),
        )
        measured, claimed = _judge(*moved)[which]
        tried.append((measured, claimed))
        ratio = float((measured / np.maximum(claimed, 1e-300)).max())
        if ratio > top:
            top, pick = ratio, int((measured / np.maximum(claimed, 1e-300)).argmax())
            best = (*moved[:3], np.repeat(moved[3][pick][None], QUERIES, 0))
        else:
            spread = max(spread * 0.97, 1e-4)
    return tried


def _joined(pairs):
    return tuple(np.concatenate([np.asarray(p[i], dtype=float) for p in pairs]) for i in (0, 1))


def _clusters(rng, trials):
    rounds = -(-trials // QUERIES)
    random = [_judge(*_case(rng)) for _ in range(rounds)]
    found = []
    for which, (claim, what) in enumerate(CLAIMS):
        adversarial = []
        while len(adversarial) < rounds:
            adversarial += _climb(rng, which, min(200, rounds))
        pairs = [case[which] for case in random]
        found.append(summarise(claim, what, _joined(pairs), _joined(adversarial)))
    below = _joined([case[3] for case in random])
    found.append(summarise("evict-mass", "lower bound over the mass", below, below))
    return found


def _floors(rng, trials):
    """The floor against the best answer: caches that differ in the dropped value, their middle."""
    random, adversarial = [[], []], [[], []]
    while len(random[0]) < trials:
        n, d, s = int(rng.integers(2, 12)), int(rng.integers(2, 6)), float(rng.uniform(0.1, 8))
        attention = at.attention_of(at.unit_keys(n, d, int(rng.integers(2**31))), s)
        own = at.own_mass(attention)
        for count in range(1, n + 1):
            dropped = rng.permutation(n)[:count]
            reached = max(attention.P[j, j] for j in dropped) / 2
            random[0].append(at.evict_floor(own, count))
            random[1].append(reached)
            dropped = np.argsort(own)[:count]  # the policy's best choice attains it
            adversarial[0].append(at.evict_floor(own, count))
            adversarial[1].append(max(attention.P[j, j] for j in dropped) / 2)
    return tuple(map(np.array, random)), tuple(map(np.array, adversarial))


def _tables(rng, trials):
    """Two value tables differ in some answer by at least twice the error that forces the bits."""
    random, adversarial = [[], []], [[], []]
    while len(random[0]) < trials:
        n, b, s = int(rng.integers(2, 9)), int(rng.integers(1, 5)), float(rng.uniform(0.2, 8))
        q, E = 2**b - 1, np.exp(s)
        limit = float(at.orthonormal_error(n, at.Fraction(s), b))
        D = rng.integers(-q, q + 1, (64, n)) / q
        D = D[(D != 0).any(1)]
        P = (np.full((n, n), 1.0) + (E - 1) * np.eye(n)) / (E + n - 1)
        random[0] += [2 * limit] * len(D)
        random[1] += list(np.abs(D @ P).max(1))
        worst = np.zeros(n)
        worst[:2] = 1 / q, -1 / q
        adversarial[0].append(2 * limit)
        adversarial[1].append(np.abs(P @ worst).max())
    return tuple(map(np.array, random)), tuple(map(np.array, adversarial))


def _bits(rng, trials):
    """log2 of the number of tables, in 60 digits, against the bits; powers of two fit exactly."""
    random, adversarial = [[], []], [[], []]
    with mpmath.workdps(60):
        for _ in range(max(1, trials // 20)):
            rows, d_v, b = (int(k) for k in rng.integers(1, (400, 40, 9)))
            a = int(rng.integers(0, d_v + 1))
            for place, used in ((random, a), (adversarial, d_v)):
                q = 2**b - 1
                count = sum(mpmath.binomial(d_v, j) * mpmath.mpf(q) ** j for j in range(used + 1))
                bits = rows * mpmath.log(count, 2)
                place[0].append(float(bits))
                place[1].append(float(sparse_bits(rows, d_v, used, b)))
                assert bits > sparse_bits(rows, d_v, used, b) - 1  # one bit fewer is too few
    return tuple(map(np.array, random)), tuple(map(np.array, adversarial))


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Random caches and climbing ones; `trials` cases of each kind for each bound."""
    rng = np.random.default_rng(seed)
    return [
        *_clusters(rng, trials),
        summarise("evict-floor", "floor over the best answer's error", *_floors(rng, trials)),
        summarise("kv-sparse-rows", "log2 of tables over bits", *_bits(rng, trials)),
        summarise("kv-capacity-scale", "limit over the tables' distance", *_tables(rng, trials)),
    ]


if __name__ == "__main__":
    sys.exit(main(measure))
