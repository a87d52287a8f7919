"""Which keys each row sees, as intervals, and the parts in which an audit works.

Keys that no row sees and rows that see no key are dropped before (padding); a mask that is then no
interval per row has no parts, and only its logits are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.integrations.mask_kinds import Kind

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_LEAST_CHUNK, _CHUNKS = 32, 8  # rows of a part, unless all rows see the same keys; about so many


@dataclass(frozen=True)
class Part:
    """Some rows; `keys` are seen by all of them, `span` by any of them."""

    rows: slice
    keys: slice
    span: slice

    @property
    def edges(self) -> tuple[slice, ...]:
        """Keys of the span that not every row sees."""
        both = slice(self.span.start, self.keys.start), slice(self.keys.stop, self.span.stop)
        return tuple(edge for edge in both if edge.stop > edge.start)


@dataclass(frozen=True)
class View:
    """Row i sees keys starts[i] .. ends[i] - 1; none of them is empty. kind: of the whole mask."""

    kind: Kind
    starts: Ints
    ends: Ints
    keys: int
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.starts)

    @property
    def pairs(self) -> int:
        """Of rows and keys that they see."""
        return int((self.ends - self.starts).sum())

    @property
    def full(self) -> bool:
        """Does every row see every key?"""
        return self.pairs == self.rows * self.keys

    def seen(self, part: Part, keys: slice) -> Bools:
        """Which of these keys the rows of a part see, (rows, keys)."""
        j = np.arange(keys.start, keys.stop)
        starts, ends = self.starts[part.rows, None], self.ends[part.rows, None]
        return np.asarray((starts <= j) & (j < ends))


def view_of(mask: Bools | None, rows: int, keys: int, kind: Kind) -> View | None:
    """From a mask (rows, keys) without empty rows, None for all; None where it is no interval."""
    if mask is None or bool(mask.all()):
        all_ = np.zeros(rows, np.int64), np.full(rows, keys, np.int64)
        return View("padding" if kind == "padding" else "full", *all_, keys, (_whole(rows, keys),))
    starts = mask.argmax(1)
    ends = keys - mask[:, ::-1].argmax(1)
    if bool((mask.sum(1) != ends - starts).any()):
        return None
    if bool((np.diff(starts) < 0).any() or (np.diff(ends) < 0).any()):
        return None
    return View(kind, starts, ends, keys, tuple(_parts(starts, ends)))


def _whole(rows: int, keys: int) -> Part:
    return Part(slice(0, rows), slice(0, keys), slice(0, keys))


def _parts(starts: Ints, ends: Ints) -> list[Part]:
    """Blocks of rows that see the same keys where they are long, chunks of rows elsewhere."""
    same = np.flatnonzero(np.diff(starts) | np.diff(ends)) + 1
    bounds = [0, *same.tolist(), len(starts)]
    if len(bounds) - 1 > 4 * _CHUNKS:
        chunk = max(_LEAST_CHUNK, -(-len(starts) // _CHUNKS))
        bounds = [*range(0, len(starts), chunk), len(starts)]
    found = []
    for a, b in pairwise(bounds):
        common = slice(int(starts[a:b].max()), int(ends[a:b].min()))
        span = slice(int(starts[a:b].min()), int(ends[a:b].max()))
        if common.stop <= common.start:  # no key is seen by all: the span is all edge
            common = slice(span.start, span.start)
        found.append(Part(slice(a, b), common, span))
    return found


def kept(mask: Bools | None) -> tuple[Any, Any, Bools | None]:
    """Rows that see a key, keys that a row sees (as slices or index arrays), the mask of those."""
    if mask is None:
        return slice(None), slice(None), None
    rows, keys = mask.any(1), mask.any(0)
    return np.flatnonzero(rows), np.flatnonzero(keys), mask[rows][:, keys]
