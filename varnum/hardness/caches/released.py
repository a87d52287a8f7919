"""Sizes of released models, as far as a cache is concerned.

VAR: the presets of `varnum.model.config`. Infinity: arXiv 2412.04431 and its public code, square
images of one megapixel; the text it attends to is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from varnum.cost.schedule import Schedule
from varnum.errors import InputError
from varnum.hardness.kv import cached_rows
from varnum.model.config import PRESETS

INFINITY_1M = (1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64)


@dataclass(frozen=True)
class Size:
    """heads: all heads of all layers; d_v entries a value; the pyramid's sides."""

    name: str
    heads: int
    d_v: int
    schedule: Schedule

    @property
    def rows(self) -> int:
        """Rows cached before the last scale."""
        return cached_rows(self.schedule)


def _infinity(name: str, depth: int, width: int, heads: int) -> Size:
    return Size(name, depth * heads, width // heads, Schedule(INFINITY_1M))


SIZES: dict[str, Size] = {
    name: Size(name, c.depth * c.num_heads, c.head_dim, Schedule(c.patch_nums))
    for name, (c, _) in PRESETS.items()
    if name.startswith("var-d")
} | {
    size.name: size
    for size in (
        _infinity("infinity-125m", 12, 768, 8),
        _infinity("infinity-2b", 32, 2048, 16),
        _infinity("infinity-8b", 40, 3584, 28),
    )
}


def size_of(name: str) -> Size:
    """A released size by name; raises InputError that lists the names.

    >>> size_of("infinity-2b").rows, size_of("var-d16").rows
    (6425, 424)
    """
    if name not in SIZES:
        raise InputError(f"model: no {name!r}; known: {', '.join(SIZES)}, all")
    return SIZES[name]
