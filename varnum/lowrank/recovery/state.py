"""Sums over the keys seen so far, and what the features leave of them: one group of queries.

Keys come in once (`add`) and memory does not grow with them; queries are answered from the sums,
each row with its bound (`attend`). Claim recovery: proofs/recovery.md.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.errors import InputError
from varnum.floats.arrays import caster, empty, join, light, namespace, row_squares
from varnum.floats.guard import certified, certifying
from varnum.floats.inputs import kind_of, owned
from varnum.floats.rounding import TINY, UNIT, dtype_name, up
from varnum.floats.turns import Turns
from varnum.floats.values import ValueRange
from varnum.lowrank.recovery.blocks import Keys, block_norms, to_host
from varnum.lowrank.recovery.bound import SUM, Limits, row_bounds
from varnum.lowrank.recovery.features import features, length, rank_of, rest, squares
from varnum.lowrank.recovery.lens import Lens

Array = npt.NDArray[Any]
_U = UNIT["float64"]
CHUNK = 8192  # queries at a time
_FAR = 80.0  # exponents beyond this are not trusted: e^80 is near the end of float32


@dataclass
class Sums:
    """Over some keys: of c f(y) u, and bounds; numbers and (d_v + 1,) arrays in float64."""

    state: Array  # (rank, d_v + 1)
    norms: Array  # sum over blocks of s_B(u)
    sizes: Array  # sum of c |f| |u|
    far_k: float = 0.0
    far_y: float = 0.0
    far_l: float = 0.0
    most: float = 0.0  # largest |u|
    count: int = 0

    def plus(self, other: Sums) -> Sums:
        """Over both."""
        more = 1 + 2 * _U
        return Sums(
            self.state + other.state,
            (self.norms + other.norms) * more,
            (self.sizes + other.sizes) * more,
            max(self.far_k, other.far_k),
            max(self.far_y, other.far_y),
            max(self.far_l, other.far_l),
            max(self.most, other.most),
            self.count + other.count,
        )


class RecoveryState:
    """One lens, blocks of `block` keys, products of the first `top` coordinates; values less v0."""

    @certified
    def __init__(self, lens: Lens, block: int, top: int, v0: Any) -> None:
        self.lens, self.block, self.top = lens, block, min(top, lens.width)
        self.v0 = v0  # (d_v,) in the working dtype
        self.rank = rank_of(lens.width, self.top)
        self._turns = Turns("RecoveryState")
        columns = int(v0.shape[0]) + 1
        self._done = Sums(np.zeros((self.rank, columns)), np.zeros(columns), np.zeros(columns))
        self._open: list[tuple[Any, Any]] = []  # keys that do not fill a block yet
        self._waiting = 0
        self._all: Sums | None = None
        self._range: ValueRange | None = None
        self.parts = 0

    def __copy__(self) -> RecoveryState:
        """A copy goes its own way."""
        return deepcopy(self)

    @property
    def keys(self) -> int:
        """Seen so far."""
        return self._done.count + self._waiting

    @property
    def values(self) -> ValueRange | None:
        """Range of the values seen so far."""
        return self._range

    def add(self, k: Any, v: Any, spread: ValueRange | None = None) -> None:
        """Take in keys (n, d) and values (n, d_v); what waits for a full block are copies."""
        self._check("k", k, int(self.lens.q0.shape[0]))
        self._check("v", v, int(self.v0.shape[0]))
        if k.shape[0] != v.shape[0]:
            raise InputError(f"v: {v.shape[0]} tokens, but k has {k.shape[0]}")
        with self._turns.one(), certifying(k):
            self._turns.change()
            self._all = None
            if spread is not None:
                self._range = spread
            else:
                self._range = ValueRange.of(v) if self._range is None else self._range.including(v)
            if self._waiting + int(k.shape[0]) < self.block:
                self._open.append((owned(k), owned(v)))
                self._waiting += int(k.shape[0])
                return
            if self._open:
                k, v = self._joined(k, v)
            self._done = self._done.plus(self._sums(k, v))
            self._open, self._waiting = [], 0
            self.parts += 1

    def _joined(self, *more: Any) -> tuple[Any, Any]:
        parts = [*self._open, more] if more else self._open
        return join([part[0] for part in parts]), join([part[1] for part in parts])

    def _check(self, name: str, array: Any, width: int) -> None:
        like = self.lens.query_map
        if type(array) is not type(like) or array.dtype != like.dtype:
            raise InputError(
                f"{name}: {kind_of(array)} is not {kind_of(like)} of {dtype_name(like)}"
            )
        if len(array.shape) != 2 or array.shape[0] < 1 or array.shape[1] != width:
            raise InputError(f"{name}: shape {tuple(array.shape)}; allowed: (n, {width}), n >= 1")

    def _sums(self, k: Any, v: Any) -> Sums:
        """Of these keys alone, in blocks of which each takes every nb-th of them."""
        lens = self.lens
        n, width = int(k.shape[0]), lens.width
        blocks = -(-n // self.block)
        inside = -(-n // blocks)  # keys per block
        centred, image = lens.keys(k)
        far_k = self._farthest(centred)
        image[:, width] -= lens.shift
        u = empty((n, int(v.shape[1]) + 1), v)
        u[:, 0] = 1
        u[:, 1:] = v - self.v0
        image, u = (_in_blocks(part, blocks, inside) for part in (image, u))
        y, exponents = image[:, :width], image[:, width]
        weighted = features(y, self.top)
        weighted *= namespace(k).exp(exponents)[:, None]
        keys = Keys(y, exponents, weighted, u, inside, self.top)
        norms, sizes = block_norms(keys)
        high, _ = squares(y, 0)
        far_y = up(math.sqrt(float(high.max())))
        host = to_host(exponents)
        far_l = float(abs(host).max())
        if not (float(host.max()) < _FAR and far_l == far_l):
            norms = norms + np.inf
        most = float(abs(u).max())
        state = self._products(weighted, u)
        return Sums(state, norms, sizes, far_k, far_y, far_l, most, n)

    def _farthest(self, centred: Any) -> float:
        """Not below the largest |k - k0|: the computed difference is off by u of itself."""
        d, unit = int(centred.shape[1]), self.lens.unit
        square = float(light(row_squares(centred)).max()) + d * TINY[dtype_name(centred)]
        return up(math.sqrt(square) * (1 + (d + 8) * unit))

    def _products(self, weighted: Any, u: Any) -> Array:
        total = np.zeros((int(weighted.shape[1]), int(u.shape[1])))
        for start in range(0, int(u.shape[0]), SUM):
            part = slice(start, start + SUM)
            total += to_host(weighted[part].T @ u[part])
        return total

    def sums(self) -> Sums:
        """Over all keys seen so far, those that wait included, as a block of their own."""
        if self._all is None:
            waiting = self._sums(*self._joined()) if self._open else None
            self._all = self._done if waiting is None else self._done.plus(waiting)
        return self._all

    def attend(self, q: Any, seen: ValueRange | None = None) -> tuple[Any, Array]:
        """Output (n, d_v) for q (n, d) over all keys added, and its bound (n,), infinite for none.

        In units of the range of `seen`, by default that of the values added.
        """
        if self._range is None:
            raise InputError("attend: keys come first; call add")
        self._check("q", q, int(self.lens.q0.shape[0]))
        seen = self._range if seen is None else seen
        with self._turns.one(), certifying(q):
            limits = Limits.of(self.sums(), seen, self.v0, self.parts, caster(q))
            size = int(q.shape[0])
            out, error = empty((size, int(self.v0.shape[0])), q), np.empty(size)
            for start in range(0, size, CHUNK):
                part = slice(start, start + CHUNK)
                error[part] = self._attend(q[part], out[part], limits)
        seen.mend(out)
        return out, error

    def _attend(self, q: Any, out: Any, limits: Limits) -> Array:
        lens = self.lens
        centred, x = lens.queries(q)
        unit, d = lens.unit, int(q.shape[1])
        far_q = np.sqrt(np.asarray(to_host(row_squares(centred)), dtype=np.float64)
                        + d * TINY[dtype_name(q)]) * (1 + (d + 8) * unit)  # fmt: skip
        high, low = squares(x, self.top)
        keys = self.sums()
        reach = (keys.far_k, keys.far_y, keys.far_l)
        zeta = lens.logit_error(far_q, np.sqrt(high) * (1 + 4 * _U), *reach)
        f = features(x, self.top) if self.top else None
        root = np.sqrt(rest(high, low)) * (1 + 4 * _U)
        return row_bounds(limits, x, f, root, length(high, self.top), zeta, out)


def _in_blocks(array: Any, blocks: int, inside: int) -> Any:
    """(n, c) -> (blocks * inside, c): key j goes to block j mod blocks; zeros fill the last."""
    n, columns = int(array.shape[0]), int(array.shape[1])
    if blocks == 1:
        return array
    if n < blocks * inside:
        filled = empty((blocks * inside, columns), array)
        filled[:n], filled[n:] = array, 0
        array = filled
    turned = array.reshape(inside, blocks, columns).swapaxes(0, 1)
    made = empty((blocks, inside, columns), array)
    made[...] = turned
    return made.reshape(blocks * inside, columns)
