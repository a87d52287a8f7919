"""What `varnum kv --evict` answers: every head and stage, the worst of them, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from varnum.hardness.caches.eviction import Eviction, Judged, evict, stages
from varnum.hardness.caches.heads import Head
from varnum.outward import float_down, float_up

WORST = ("error_certified", "error_measured", "mass_certified", "mass_measured",
         "dropped_certified", "dropped_measured")  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Which queries are judged: all (an encoder), those after a causal cut, scale by scale."""

    cut: int | None = None
    scales: tuple[int, ...] = ()


def report(
    heads: Iterable[Head], layout: Layout, how: Eviction, say: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the answer, arrays per query). Errors are over V's range per column, the worst column."""
    rows: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for head in heads:
        say(f"head {head.name}")
        timeline = stages(head, cut=layout.cut, scales=layout.scales)
        judged = evict(head, timeline, how)
        rows.append(_head(head, judged, how))
        for i, one in enumerate(judged):
            place = f"{head.name}_{i}" if len(judged) > 1 else head.name
            arrays |= {
                f"error_{place}": one.error,
                f"error_measured_{place}": one.error_measured,
                f"mass_{place}": one.mass,
                f"mass_measured_{place}": one.mass_measured,
            }
    worst = {name: max(row[name] for row in rows) for name in WORST}
    worst["floor"] = max(row["floor"] for row in rows)
    return worst | {"heads": rows}, arrays


def by_stage(heads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each stage the worst of all heads, named by its scale (the first is scale 2)."""
    found = []
    for i, first in enumerate(heads[0]["stages"]):
        worst = {name: max(head["stages"][i][name] for head in heads) for name in (*WORST, "floor")}
        found.append(first | worst | {"name": i + 2})
    return found


def _head(head: Head, judged: Sequence[Judged], how: Eviction) -> dict[str, Any]:
    """One head: the worst of its stages, then each stage."""
    parts = [_stage(one) for one in judged]
    worst = {name: max(part[name] for part in parts) for name in (*WORST, "floor")}
    d, d_v = head.k.shape[1], head.v.shape[1]
    last = judged[-1]
    merged = last.clusters * (1 + d + d_v)
    return {
        "name": head.name,
        "queries": sum(len(one.error) for one in judged),
        **worst,
        "numbers_full": last.rows * (d + d_v),
        "numbers_cache": last.kept * (d + d_v) + merged,
        "stages": parts,
    }


def _stage(one: Judged) -> dict[str, Any]:
    return {
        "rows": one.rows,
        "kept": one.kept,
        "clusters": one.clusters,
        "queries": len(one.error),
        "error_certified": float_up(one.error.max()),
        "error_measured": float(one.error_measured.max()),
        "error_certified_mean": float_up(_mean_up(one.error)),
        "error_measured_mean": float(one.error_measured.mean()),
        "mass_certified": float_up(one.mass.max()),
        "mass_measured": float(one.mass_measured.max()),
        "mass_certified_mean": float_up(_mean_up(one.mass)),
        "mass_measured_mean": float(one.mass_measured.mean()),
        "dropped_certified": float_up(one.dropped.max()),
        "dropped_measured": float(one.dropped_measured.max()),
        "floor": float_down(one.floor),
    }


def _mean_up(values: Any) -> float:
    """Not below the mean of non-negative numbers."""
    return float(np.mean(values)) * (1 + (len(values) + 4) * 2.0**-52)
