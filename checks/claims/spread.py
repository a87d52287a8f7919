"""output-spread: errors in units of the exact output's own spread against the certified ones.

Adversary: a column of +-s against +-(s - e), where the bound is attained.
"""

from __future__ import annotations

import sys

import numpy as np

from varnum._spread import spread_error
from varnum.proof.checking import Measurement, main, summarise


def measured(computed, exact) -> float:
    """Largest error over the exact standard deviation, the largest over columns."""
    return float((np.abs(computed - exact).max(0) / exact.std(0)).max())


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Error in spreads against its bound."""
    rng = np.random.default_rng(seed)
    random, corners = [], []
    values = np.array([[0.0, 0.0], [1.0, 1.0]])  # columns of range 1
    for _ in range(max(trials // 10, 20)):
        size = rng.uniform(0.01, 0.3)
        computed = rng.normal(size=(int(rng.integers(2, 50)), 2)) * rng.uniform(0.1, 2)
        exact = computed + rng.uniform(-size, size, computed.shape)
        random.append((measured(computed, exact), spread_error(computed, values, size)))
        signs = np.array([[1.0, -1.0], [-1.0, 1.0]])
        spread = size * rng.uniform(1.01, 20)
        pair = measured(spread * signs, (spread - size) * signs)
        corners.append((pair, spread_error(spread * signs, values, size)))
    pairs = [tuple(np.array(part).T) for part in (random, corners)]
    return [summarise("output-spread", "error over the exact spread", *pairs)]


if __name__ == "__main__":
    sys.exit(main(measure))
