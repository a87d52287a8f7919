"""Longest paths by several counts at once: the maximal vectors, a Pareto front.

A vector counts (std, sum, prod, exp, sqrt, erf) along one path of an operation graph. A path is
longest if no other has at least as much of everything.
"""

from __future__ import annotations

from collections.abc import Iterable

Vector = tuple[int, int, int, int, int, int]
Front = frozenset[Vector]

KINDS = ("std", "sum", "prod", "exp", "sqrt", "erf")
ZERO: Vector = (0,) * 6
START: Front = frozenset({ZERO})


def maximal(vectors: Iterable[Vector]) -> Front:
    """Those that no other one dominates."""
    kept: list[Vector] = []
    for v in sorted(set(vectors), reverse=True):  # whatever dominates v comes before it
        if not any(all(a >= b for a, b in zip(w, v, strict=True)) for w in kept):
            kept.append(v)
    return frozenset(kept)


def further(front: Front, **steps: int) -> Front:
    """The same paths with more operations, by kind."""
    more = [steps.get(kind, 0) for kind in KINDS]
    return frozenset(tuple(a + b for a, b in zip(v, more, strict=True)) for v in front)  # type: ignore[misc]


def cost(front: Front, weights: dict[str, int]) -> int:
    """The largest weighted length, e.g. threshold layers at so many a kind."""
    return max(
        sum(count * weights.get(kind, 0) for kind, count in zip(KINDS, v, strict=True))
        for v in front
    )


def as_objects(front: Front) -> list[dict[str, int]]:
    """Longest std first, one object a path."""
    return [dict(zip(KINDS, v, strict=True)) for v in sorted(front, reverse=True)]


def text(front: Front) -> str:
    """`12 std + 3 sum | 11 std + 4 sum`; kinds that occur nowhere are left out."""
    used = [i for i in range(len(KINDS)) if any(v[i] for v in front)]
    return " | ".join(
        " + ".join(f"{v[i]} {KINDS[i]}" for i in used) for v in sorted(front, reverse=True)
    )
