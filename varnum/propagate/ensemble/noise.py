"""Noise by counter: what (seed, try, place, token) draw does not depend on earlier draws.

Philox-4x64 of NumPy, its key a hash of seed and try, its counter (0, 0, token, place); taken as a
random function (an assumption that every report names).
"""

from __future__ import annotations

import hashlib

import numpy as np

from varnum.propagate.forms import Floats

_SMALL = 2.0**-20


class Noise:
    """Draws of one try: `gauss` samples of N(0, I) first, then `cauchy` ones of N(0, I)/|N|."""

    def __init__(self, seed: bytes, attempt: int, gauss: int, cauchy: int = 0) -> None:
        digest = hashlib.sha256(b"varnum noise|%d|" % attempt + seed).digest()
        self._key = np.frombuffer(digest[:16], dtype=np.uint64)
        self.gauss, self.cauchy = gauss, cauchy

    def draw(self, place: int, token: int, width: int, parts: int) -> Floats:
        """One token's noise at one place, (samples, width) in `parts` equal groups of coordinates.

        Gauss: independent N(0, 1). Cauchy: the normals of each group over one |N| of its own.
        """
        return np.asarray(self.block(place, token, 1, width, parts)[0])

    def block(self, place: int, first: int, count: int, width: int, parts: int) -> Floats:
        """`count` tokens at once, (count, samples, width): one stream, which starts at `first`."""
        bits = np.random.Philox(key=self._key, counter=[0, 0, first, place])
        generator = np.random.Generator(bits)
        normal = generator.standard_normal((count, self.gauss + self.cauchy, width))
        if self.cauchy:
            below = denominators(generator, (count, self.cauchy, parts))
            normal[:, self.gauss :] /= np.repeat(below, width // parts, axis=-1)
        return normal


def denominators(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """|N(0, 1)| with relative accuracy: below 2^-20 it is drawn again, uniform with its exponent.

    The density is flat there to 2^-41 of itself, so a draw costs 2^-61 in total variation.
    """
    value = np.abs(generator.standard_normal(shape))
    small = value < _SMALL
    count = int(small.sum())
    if count:
        exponent = generator.geometric(0.5, count)  # U in [2^-e, 2^(1-e)) with chance 2^-e
        mantissa = 1 + generator.random(count)
        value[small] = np.ldexp(_SMALL * mantissa, -exponent.astype(np.int32))
    return np.asarray(value)
