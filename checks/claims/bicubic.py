"""bicubic-lebesgue: growth of the maximum under Keys interpolation of the reference model.

Adversary: the input with the signs of the largest row, an outer product; attained exactly.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np

from varnum.model.interpolation import bicubic
from varnum.proof.checking import Measurement, main, on, summarise
from varnum.propagate.interpolation_growth import extremal_input, growth, smallest_weight, supremum

GROUP = 50


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Largest output of an input in [-1, 1] against the exact constant of its sizes."""
    rng = np.random.default_rng(seed)
    random, adversarial, least = [], [], []
    grow = on(device, bicubic)
    for _ in range(-(-trials // GROUP)):
        small = int(rng.integers(1, 12))
        large = int(rng.integers(small, 33))
        a = [Fraction(-3, 4), Fraction(-1, 2)][int(rng.integers(2))]
        claimed = np.full(GROUP, float(growth(small, large, a)))
        x = rng.uniform(-1, 1, (GROUP, small, small))
        random.append((np.abs(grow(x, large, a)).max((1, 2)), claimed))
        signs = np.array(extremal_input(small, large, a), dtype=float)
        x = np.outer(signs, signs) * np.ones((GROUP, 1, 1))
        flip = rng.random(x.shape) < np.linspace(0, 0.3, GROUP)[:, None, None]
        adversarial.append((np.abs(grow(np.where(flip, -x, x), large, a)).max((1, 2)), claimed))
        if growth(small, large, a) > supremum(a) or smallest_weight(small, large, a) < 4 * a / 27:
            least.append((small, large))
    pairs = [tuple(np.concatenate(p) for p in zip(*s, strict=True)) for s in (random, adversarial)]
    found = summarise("bicubic-lebesgue", "growth of the maximum, exact constant", *pairs)
    if least:
        raise AssertionError(f"a schedule beyond the supremum: {least}")
    return [found]


if __name__ == "__main__":
    sys.exit(main(measure, on_gpu=True))
