"""Sums over the keys seen so far, and what the features leave of them: one group of queries.

Keys come in once (`add`) and memory does not grow with them; queries are answered from the sums,
each row with its bound (`attend`). Claim recovery: proofs/recovery.md.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import beside, caster, empty, join, light, namespace, row_squares
from varnum.floats.guard import certified, certifying
from varnum.floats.inputs import check_tokens, owned
from varnum.floats.rounding import EXP_ULPS, TINY, UNIT, dtype_name, gamma, up
from varnum.floats.turns import Turns
from varnum.floats.values import ValueRange
from varnum.lowrank.recovery.blocks import Keys, block_norms, to_host
from varnum.lowrank.recovery.lens import Lens
from varnum.lowrank.recovery.recovery_bound import Limits, row_bounds
from varnum.lowrank.recovery.recovery_features import (
    Tops,
    features,
    length,
    rank_of,
    rest,
    squares,
    within,
)
from varnum.tensor import Array, Tensor, Whole

_U = UNIT["float64"]
CHUNK = 2048  # queries at a time
PART = 2048  # keys at a time, or one block
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


@dataclass(frozen=True)
class Open:
    """Keys (m, d) and values (m, d_v) of the block under way: query i sees the first ends[i]."""

    k: Tensor
    v: Tensor
    ends: Whole  # (n,)

    def rows(self, rows: Whole) -> Open:
        """For some of the queries."""
        return Open(self.k, self.v, self.ends[rows])


class RecoveryState:
    """One lens, blocks of `block` keys, products of coordinates (`tops`); values less v0."""

    @certified
    def __init__(self, lens: Lens, block: int, tops: Tops, v0: Tensor, sharp: bool = True) -> None:
        self.lens, self.block, self.tops = lens, block, within(tops, lens.width)
        self.sharp = sharp
        self.v0 = v0  # (d_v,) in the working dtype
        self.rank = rank_of(lens.width, self.tops)
        self._turns = Turns("RecoveryState")
        columns = int(v0.shape[0]) + 1
        self._done = Sums(np.zeros((self.rank, columns)), np.zeros(columns), np.zeros(columns))
        self._open: list[tuple[Tensor, Tensor]] = []  # keys that do not fill a block yet
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

    def add(self, k: Tensor, v: Tensor, spread: ValueRange | None = None) -> None:
        """Take in keys (n, d) and values (n, d_v); what waits for a full block are copies."""
        self.check(k, v)
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

    def _joined(self, *more: Tensor) -> tuple[Tensor, Tensor]:
        parts = [*self._open, more] if more else self._open
        return join([part[0] for part in parts]), join([part[1] for part in parts])

    def check(self, tokens: Tensor, v: Tensor | None = None) -> None:
        """Raise InputError unless these are queries (n, d), or with `v` (n, d_v) keys."""
        self._check("q" if v is None else "k", tokens, int(self.lens.q0.shape[0]))
        if v is None:
            return
        self._check("v", v, int(self.v0.shape[0]))
        if tokens.shape[0] != v.shape[0]:
            raise InputError(f"v: {v.shape[0]} tokens, but k has {tokens.shape[0]}")

    def _check(self, name: str, array: Tensor, width: int) -> None:
        check_tokens(name, array, width, self.lens.query_map)

    def _sums(self, k: Tensor, v: Tensor) -> Sums:
        """Of these keys alone, in blocks of which each takes every nb-th of them."""
        n, lens = int(k.shape[0]), self.lens
        blocks = _prime(-(-n // self.block))
        inside = -(-n // blocks)  # keys per block
        at_once = max(1, min(blocks, PART // inside))
        columns = int(v.shape[1]) + 1
        widths = (int(k.shape[1]), lens.width + 1, columns, self.rank)
        room = _Room(at_once, inside, widths, k)
        total = Sums(np.zeros((self.rank, columns)), np.zeros(columns), np.zeros(columns))
        for first in range(0, blocks, at_once):
            some = slice(first, min(first + at_once, blocks))
            count = some.stop - first
            _gather(k, lens.k0, blocks, some, room.parts[0][:count])
            u = room.parts[2][:count]
            u[:, :, 0] = 1
            u[max(n - (inside - 1) * blocks - first, 0) :, -1, 0] = 0  # where there is no key
            _gather(v, self.v0, blocks, some, u[:, :, 1:])
            total = total.plus(self._part(room.rows(count), inside))
        total.count = n
        return total

    def _part(self, room: tuple[Tensor, ...], inside: int) -> Sums:
        """Whole blocks: centred keys (n, d), room for their image, 1 and values, for features."""
        centred, image, u, weighted = room
        lens, width, xp = self.lens, self.lens.width, namespace(centred)
        xp.matmul(centred, lens.key_map, out=image)
        image[:, width] -= lens.shift
        y, exponents = image[:, :width], image[:, width]
        features(y, self.tops, weighted)
        weighted *= xp.exp(exponents)[:, None]
        keys = Keys(y, exponents, weighted, u, inside, self.tops, self.sharp)
        norms, sizes, state, square, most = block_norms(keys)
        host = to_host(exponents)
        far_l = float(abs(host).max())
        if not (float(host.max()) < _FAR and far_l == far_l):
            norms = norms + np.inf
        far_y = up(math.sqrt(square))
        return Sums(state, norms, sizes, self._farthest(centred), far_y, far_l, most)

    def _farthest(self, centred: Tensor) -> float:
        """Not below the largest |k - k0|: the computed difference is off by u of itself."""
        d, unit = int(centred.shape[1]), self.lens.unit
        square = float(light(row_squares(centred)).max()) + d * TINY[dtype_name(centred)]
        return up(math.sqrt(square) * (1 + (d + 8) * unit))

    def sums(self) -> Sums:
        """Over all keys seen so far, those that wait included, as a block of their own."""
        if self._all is None:
            waiting = self._sums(*self._joined()) if self._open else None
            self._all = self._done if waiting is None else self._done.plus(waiting)
        return self._all

    def attend(
        self, q: Tensor, seen: ValueRange | None = None, own: Open | None = None
    ) -> tuple[Tensor, Array]:
        """Output (n, d_v) for q (n, d) over all keys added, and its bound (n,), infinite for none.

        In units of the range of `seen`, by default that of the values added and of `own`; (n, d_v)
        ranges are a row's own, of no less than it sees. `own`: more keys, of which each query sees
        some; they are weighed exactly.
        """
        if self._range is None:
            raise InputError("attend: keys come first; call add")
        self.check(q)
        with self._turns.one(), certifying(q):
            if seen is None:  # read in turn: another thread may have added keys
                seen = self._range if own is None else self._range.including(own.v)
            limits = Limits.of(self.sums(), seen, self.v0, self.parts, caster(q))
            block = None if own is None else _Weighed(self, own)
            size = int(q.shape[0])
            out, error = empty((size, int(self.v0.shape[0])), q), np.empty(size)
            columns, width = int(out.shape[1]), int(q.shape[1])
            widths = (width, self.lens.width, columns + 1, columns, self.rank if self.tops else 0)
            step = CHUNK if limits.shared and own is None else size
            room = [empty((min(size, step), some), q) for some in widths]
            for start in range(0, size, step):
                part = slice(start, start + step)
                here = [one[: len(q[part])] for one in room]
                error[part] = self._attend(q[part], out[part], limits, block, *here)
        seen.mend(out)
        return out, error

    def _attend(
        self, q: Tensor, out: Tensor, limits: Limits, block: _Weighed | None,
        centred: Tensor, x: Tensor, sums: Tensor, size: Tensor, f: Tensor,
    ) -> Array:  # fmt: skip
        lens, xp = self.lens, namespace(q)
        xp.subtract(q, lens.q0, out=centred)
        xp.matmul(centred, lens.query_map, out=x)
        unit, d = lens.unit, int(q.shape[1])
        lengths = np.asarray(to_host(row_squares(centred)), dtype=np.float64)
        far_q = np.sqrt(lengths + d * TINY[dtype_name(q)]) * (1 + (d + 8) * unit)
        high, lows = squares(x, self.tops)
        keys = self.sums()
        reach = (keys.far_k, keys.far_y, keys.far_l)
        far_x = np.sqrt(high) * (1 + 4 * _U)
        extra = None
        if block is not None:
            far_k, far_y, far_l = block.reach
            reach = (max(reach[0], far_k), max(reach[1], far_y), max(reach[2], far_l))
            extra = block.of(x, far_x)
        zeta = lens.logit_error(far_q, far_x, *reach)
        if self.tops:
            features(x, self.tops, f)
        root = np.sqrt(rest(high, lows)) * (1 + 4 * _U)
        given = (x, f if self.tops else None, root, length(high, self.tops), zeta)
        return row_bounds(limits, *given, out, sums, size, extra)


class _Weighed:
    """The keys of an open block under a lens."""

    def __init__(self, state: RecoveryState, own: Open) -> None:
        lens, width = state.lens, state.lens.width
        self.ends, self.unit = own.ends, lens.unit
        centred = own.k - lens.k0
        image = centred @ lens.key_map
        image[:, width] -= lens.shift
        self.y, self.exponents = image[:, :width], image[:, width]
        self.u = empty((int(own.k.shape[0]), int(own.v.shape[1]) + 1), own.v)
        self.u[:, 0] = 1
        self.u[:, 1:] = own.v - state.v0
        far_y = up(math.sqrt(float(squares(self.y, ())[0].max())))
        self.reach = (state._farthest(centred), far_y, float(abs(self.exponents).max()))

    def of(self, x: Tensor, far_x: Array) -> tuple[Tensor, Array, Array]:
        """Their part of the sums (n, d_v + 1), its error for |u| <= 1 (n,), mass from below."""
        xp, unit, count = namespace(x), self.unit, int(self.y.shape[0])
        weights = x @ self.y.swapaxes(0, 1)
        weights += self.exponents
        xp.exp(weights, out=weights)
        weights[beside(np.arange(count)[None, :] >= self.ends[:, None], x)] = 0
        found = weights @ self.u
        _, far_y, far_l = self.reach
        slip = gamma(int(x.shape[1]) + 8, unit) * far_x * far_y + 4 * unit * far_l
        slip = np.where(slip <= 0.05, 1.05 * slip, np.inf)
        slip += gamma(count + 2 * EXP_ULPS + 8, unit)
        mass = np.array(to_host(found[:, 0]), dtype=np.float64)
        lost = count * TINY[dtype_name(x)] / unit
        return found, slip * (mass * (1 + 2 * slip) + lost), mass * (1 - 2 * slip) - lost


class _Room:
    """Scratch for some blocks of keys: centred keys, their image, values, weighted features."""

    def __init__(self, blocks: int, inside: int, widths: tuple[int, ...], like: Tensor) -> None:
        self.parts = tuple(empty((blocks, inside, width), like) for width in widths)

    def rows(self, count: int) -> tuple[Tensor, ...]:
        """Of the first `count` blocks, (rows, width) each."""
        return tuple(p[:count].reshape(count * p.shape[1], p.shape[2]) for p in self.parts)


def _gather(array: Tensor, origin: Tensor, blocks: int, some: slice, out: Tensor) -> None:
    """Rows of the blocks `some` less origin, (.., inside, c): key j is in block j mod blocks.

    Where the last row of a block has no key, it is 0.
    """
    xp, columns = namespace(array), int(array.shape[1])
    whole = int(out.shape[1]) - 1
    last = whole * blocks
    if whole:
        rows = array[:last].reshape(whole, blocks, columns)[:, some].swapaxes(0, 1)
        xp.subtract(rows, origin, out=out[:, :whole])
    rest = array[last + some.start : last + some.stop]
    out[len(rest) :, whole] = 0
    if len(rest):
        xp.subtract(rest, origin, out=out[: len(rest), whole])


def _prime(least: int) -> int:
    """The first prime from here on; 1 and 2 as they are.

    A block takes every so manyth key: no images of one size then meet it at the same place.
    """
    found = least
    while found > 2 and any(found % part == 0 for part in range(2, math.isqrt(found) + 1)):
        found += 1
    return found
