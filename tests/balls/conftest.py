"""Boxes of balls and exact rational points inside them."""

import random
from fractions import Fraction

import numpy as np
import pytest
from flint import arb, fmpq

from varnum.balls.array import BallArray


class Box:
    """Balls with known rational midpoints and radii, shape `shape`."""

    def __init__(self, rng, shape, low=-4, high=4, widest=0.5):
        self.rng, self.shape, size = rng, shape, int(np.prod(shape))
        self.mid = [Fraction(rng.randrange(low * 64, high * 64 + 1), 64) for _ in range(size)]
        scale = [rng.choice([0, widest / 1024, widest]) for _ in range(size)]
        self.rad = [Fraction(int(s * 2**20 * rng.random()), 2**20) for s in scale]
        pairs = zip(self.mid, self.rad, strict=True)
        self.balls = BallArray(self._shaped([arb(self._q(m), self._q(r)) for m, r in pairs]))

    def points(self):
        """One exact point of each ball, the ends often."""
        ts = [self.rng.choice([-1, 1, Fraction(self.rng.randint(-99, 99), 99)]) for _ in self.mid]
        return self._shaped([m + t * r for m, r, t in zip(self.mid, self.rad, ts, strict=True)])

    @staticmethod
    def _q(value):
        return fmpq(value.numerator, value.denominator)

    def _shaped(self, entries):
        return np.fromiter(entries, dtype=object, count=len(entries)).reshape(self.shape)


@pytest.fixture(scope="session")
def box():
    """box(seed, shape, ...) -> Box."""
    return lambda seed, *args, **options: Box(random.Random(seed), *args, **options)
