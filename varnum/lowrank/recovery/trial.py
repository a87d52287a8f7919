"""What a setting would do, judged on a few sampled tokens; nothing rests on it.

Block norms of a sample of keys, at two block sizes, tell those of any size: with s_B(u) the norm of
a sum of b vectors, (s_B/b)^2 is about mean^2 + variance/b. The bounds of sampled rows follow,
without rounding.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from varnum.floats.arrays import to_numpy
from varnum.lowrank.recovery.lens import Lens
from varnum.lowrank.recovery.recovery_features import Tops, features, rest, squares
from varnum.tensor import Array

_LARGE, _SMALL = 256, 64  # block sizes that are looked at
_BEYOND = 0.13  # for each doubling past them: what two numbers tell is too good, by so much


class Trial:
    """Sampled q (n, d), k (m, d), v (m, d_v) less v0, under one lens, as NumPy arrays."""

    def __init__(
        self, lens: Lens, q: Array, k: Array, v: Array, spread: Array, v0: Array | None = None
    ) -> None:
        width = lens.width
        self.x = (q - to_numpy(lens.q0)) @ to_numpy(lens.query_map)
        count = len(k) // _LARGE or 1
        size = min(len(k), _LARGE)
        k, v = (_turned(part, count, size) for part in (k, v))
        image = (k - to_numpy(lens.k0)) @ to_numpy(lens.key_map)
        self.y, exponents = image[..., :width], image[..., width:] - lens.shift
        v0 = v.mean((0, 1)) if v0 is None else v0
        self.u = np.concatenate([np.ones_like(exponents), v - v0], 2)
        self.weight = np.exp(exponents)
        logits = self.y @ self.y.swapaxes(1, 2)
        self.pairs = self.weight * self.weight.swapaxes(1, 2)
        weighted = np.exp(logits + exponents + exponents.swapaxes(1, 2))
        self.left = weighted - self.pairs * (1 + logits)
        self.inverse = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1), 0)
        self.keys = count * size

    def with_products(self, tops: Tops) -> Rows:
        """With products of the first coordinates."""
        left, logits, seen = self.left, self.left, 0
        for m, n in enumerate(tops, start=2):
            if n != seen:
                a, seen = self.y[..., :n], n
                logits = a @ a.swapaxes(1, 2)
            power = logits * logits
            for _ in range(m - 2):  # an order of magnitude faster than logits**m
                power *= logits
            power *= self.pairs
            power *= 1 / factorial(m)
            left = left - power
        size = left.shape[1]
        whole = _norms(left, self.u)
        parts = max(1, size // _SMALL)
        inner = size // parts
        some = [slice(i * inner, (i + 1) * inner) for i in range(parts)]
        small = np.mean([_norms(left[:, s, s], self.u[:, s]) for s in some], 0)
        slope = np.maximum(small - whole, 0) / max(1 / inner - 1 / size, 1e-9)
        mean = np.maximum(whole - slope / size, 0)
        flat = self.y.reshape(-1, self.y.shape[2])
        weighted = features(flat, tops) * self.weight.reshape(-1, 1)
        state = weighted.T @ self.u.reshape(len(flat), -1) / self.keys
        return Rows(self.x, tops, state, mean, slope, self.inverse)


class Rows:
    """Bounds of the sampled rows for any block size; sums are per key."""

    def __init__(
        self, x: Array, tops: Tops, state: Array, mean: Array, variance: Array, inverse: Array
    ) -> None:
        width = x.shape[1]
        sums = features(x, tops) @ state
        self.root = np.sqrt(rest(*squares(x, tops)))
        self.below = sums[:, 0].astype(np.float64)
        self.jensen = state[0, 0] * np.exp((x @ state[1 : 1 + width, 0]) / state[0, 0])
        self.shift = abs(sums[:, 1:] / sums[:, :1]) * inverse.astype(x.dtype)
        self.mean, self.variance, self.inverse = mean, variance, inverse

    def bounds(self, block: int) -> Array:
        """(n,) expected."""
        norms = np.sqrt(self.mean + self.variance / block)
        norms *= 1 + _BEYOND * max(np.log2(block / _LARGE), 0.0)
        scaled = (norms[1:] * self.inverse).astype(self.shift.dtype)
        reach = (self.shift * self.shift.dtype.type(norms[0]) + scaled).max(1)
        least = np.maximum(self.below - self.root * norms[0], self.jensen)
        return np.asarray(self.root * reach / np.maximum(least, 1e-300))

    def median(self, block: int) -> float:
        """Of the expected bounds."""
        return float(np.median(self.bounds(block)))


def _turned(array: Array, count: int, size: int) -> Array:
    """(count, size, c): block B takes rows B, B + count, .."""
    whole = array[: count * size].reshape(size, count, -1)
    return np.ascontiguousarray(whole.swapaxes(0, 1))


def _norms(left: Array, u: Array) -> Array:
    """Mean over blocks of (s_B(u)/b)^2, (d_v + 1,)."""
    forms = ((left @ u) * u).sum(1)
    return np.asarray(np.maximum(forms, 0).mean(0) / left.shape[1] ** 2, dtype=np.float64)
