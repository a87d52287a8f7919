"""error-over-inputs and generation-tv: chances by exact recursion, distances by enumeration.

Adversary of the first: a true share just at what is excluded. Of the second: laws of two tokens of
which the first form tried, E[min(1, sum TV)], is false.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from varnum.proof.checking import Measurement, main, summarise
from varnum.sampled.prompts import parting
from varnum.sampled.stop import certainly_rare

DRAWS = 60


def wrongly_stopped(share: Fraction, true: float, chance: Fraction) -> float:
    """Probability that DRAWS draws at a true share ever stop the test of `share`."""
    alive = np.array([1.0])  # alive[bad]: not stopped so far
    wrong = 0.0
    for n in range(1, DRAWS + 1):
        after = np.zeros(n + 1)
        after[:-1] += alive * (1 - true)
        after[1:] += alive * true
        for bad in range(n + 1):
            if certainly_rare(bad, n - bad, share, chance):
                wrong += after[bad]
                after[bad] = 0.0
        alive = after
    return wrong


def laws(rng: np.random.Generator, size: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(p1 (V,), p2 (V, V)) of a first token and of a second one given it."""
    return rng.dirichlet([0.5] * size), rng.dirichlet([0.5] * size, size)


def distances(p, q) -> tuple[float, float, float]:
    """(total variation, E_p of what `parting` returns, E_p[min(1, TV_1 + TV_2)])."""
    joint, other = p[0][:, None] * p[1], q[0][:, None] * q[1]
    exact = np.abs(joint - other).sum() / 2
    mean = 0.0
    for (i, j), weight in np.ndenumerate(joint):
        if weight > 0:
            logs = np.log(np.array([q[0][i] / p[0][i], q[1][i, j] / p[1][i, j]]))
            mean += weight * parting(logs)
    first = np.abs(p[0] - q[0]).sum() / 2
    second = np.abs(p[1] - q[1]).sum(1) / 2
    return float(exact), float(mean), float((p[0] * np.minimum(1, first + second)).sum())


COUNTER = (  # the law of two tokens and another: 0.83 apart, the false form says 0.70
    (np.array([0.5, 0.5]), np.array([[0.95, 0.05], [0.5, 0.5]])),
    (np.array([0.9, 0.1]), np.array([[0.05, 0.95], [0.5, 0.5]])),
)


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Chances to be wrong, and distances, each against what is claimed."""
    rng = np.random.default_rng(seed)
    found = []
    for chance in (Fraction(1, 10), Fraction(1, 100)):
        shares = [Fraction(int(n), 100) for n in rng.integers(10, 90, max(trials // 2000, 2))]
        pairs = [
            (np.array([wrongly_stopped(s, min(1.0, float(s) * f), chance) for s in shares]),
             np.full(len(shares), float(chance)))
            for f in (1.2, 1.0)
        ]  # fmt: skip
        found.append(summarise("error-over-inputs", f"stopped wrongly, chance {chance}", *pairs))
    some = [distances(laws(rng), laws(rng)) for _ in range(max(trials // 20, 20))]
    near = [distances(*COUNTER)]
    pairs = [
        (np.array([d[0] for d in part]), np.array([d[1] for d in part])) for part in (some, near)
    ]
    found.append(summarise("generation-tv", "two tokens, by enumeration", *pairs))
    return found


if __name__ == "__main__":
    sys.exit(main(measure))
