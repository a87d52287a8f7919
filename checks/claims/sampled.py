"""sampled-guarantee: how often the two bounds are wrong, counted exactly over all samples.

A population of two error sizes, 0 and a, a share p of them a, makes the number of draws of a
binomial: the chance of a wrong bound is a finite sum. Adversary: shares just above a value of the
bound of the share, where the chance is as large as it gets.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from math import comb

import numpy as np

from varnum.proof.checking import Measurement, main, summarise
from varnum.sampled.mean import mean_above
from varnum.sampled.share import share_above

ROWS = 24
CHANCES = (Fraction(1, 10), Fraction(1, 1000))


def wrong_share(bounds, share: float) -> float:
    """Chance that the bound of a sample is below the share."""
    return sum(_chance(x, share) for x in range(ROWS + 1) if bounds[x] < share)


def wrong_mean(bounds, share: float, size: float) -> float:
    """The same for the mean share * size."""
    return sum(_chance(x, share) for x in range(ROWS + 1) if bounds[x] < share * size)


def _chance(x: int, share: float) -> float:
    return comb(ROWS, x) * share**x * (1 - share) ** (ROWS - x)


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Chance to be wrong against the chance that is printed."""
    rng = np.random.default_rng(seed)
    shares = rng.random(max(trials // 20, 10))
    found = []
    for chance in CHANCES:
        by_share = [float(share_above(x, ROWS, chance)) for x in range(ROWS + 1)]
        corners = [value * (1 + 1e-9) for value in by_share[:-1]]
        claimed = float(chance)
        pairs = [
            (np.array([wrong_share(by_share, p) for p in some]), np.full(len(some), claimed))
            for some in (shares, corners)
        ]
        found.append(summarise("sampled-guarantee", f"share, chance {claimed}", *pairs))
        pairs = []
        for sizes in (rng.random(4), (1.0, 0.5, 0.01)):
            wrong = []
            for size in sizes:
                draws = [[size] * x + [0.0] * (ROWS - x) for x in range(ROWS + 1)]
                by_mean = [float(mean_above(one, chance)) for one in draws]
                edges = [value * (1 + 1e-9) / size for value in by_mean if value < size]
                wrong += [wrong_mean(by_mean, p, size) for p in (*shares[:20], *edges)]
            pairs.append((np.array(wrong), np.full(len(wrong), claimed)))
        found.append(summarise("sampled-guarantee", f"mean, chance {claimed}", *pairs))
    return found


if __name__ == "__main__":
    sys.exit(main(measure))
