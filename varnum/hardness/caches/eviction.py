"""Claims evict-identity, evict-mass, merge-error at work: a head, a policy, a cut or many.

A stage is a moment at which queries are judged: rows before the cut are the cache, of which the
policy keeps a share and drops or merges the rest for good; rows after it are seen as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.hardness.caches.heads import Head
from varnum.hardness.caches.policies import choose, softmax_rows
from varnum.lowrank.clusters import Clusters, group
from varnum.lowrank.clusters.cluster_summary import KEPT, over_range

AUDIT = 64


@dataclass(frozen=True)
class Eviction:
    """keep: share of the rows, exact; merge: clusters for the rest, 0 drops it; seed: of choices.

    Where nothing is merged, AUDIT clusters serve the certificate alone.
    """

    keep: Fraction
    policy: str = "h2o"
    merge: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Stage:
    """Cached rows 0 .. cut-1; queries first .. last-1 are judged and see rows cut .. own(i)-1 too.

    causal: own(i) = i + 1 (each later row for itself); else own(i) = end for all. cut = L with all
    queries judged: an encoder, whose queries all see the cache and nothing else.
    """

    cut: int
    first: int
    last: int
    end: int
    causal: bool = False


def stages(head: Head, *, cut: int | None = None, scales: Sequence[int] = ()) -> list[Stage]:
    """One stage of an encoder; one after a causal cut; one a scale from the second on.

    Raises InputError where the head's lengths do not fit.
    """
    rows = len(head.k)
    if scales:
        ends = list(accumulate(scales))
        if len(scales) < 2 or not ends[-1] == rows == len(head.q):
            raise InputError(
                f"schedule: {ends[-1]} tokens in {len(scales)} scales; needed are two scales or "
                f"more and as many tokens as queries ({len(head.q)}) and keys ({rows})"
            )
        return [Stage(a, a, b, b) for a, b in pairwise(ends)]
    if cut is None:
        return [Stage(rows, 0, len(head.q), rows)]
    if not 1 <= cut < rows or len(head.q) != rows:
        raise InputError(f"cut: {cut} is not allowed; 1 to {rows - 1}, and as many queries as keys")
    return [Stage(cut, cut, rows, rows, causal=True)]


@dataclass(frozen=True)
class Judged:
    """One stage: what was kept, and per query (L_q,) bounds beside measurements, over V's range.

    error: of the merged output, or of the dropped one where nothing is merged; mass: of the rows
    dropped or merged, certified from above; floor: error that a policy blind to values cannot avoid
    on some values and these queries, half of the mass certified from below.
    """

    rows: int
    kept: int
    clusters: int
    error: Any
    error_measured: Any
    dropped: Any
    dropped_measured: Any
    mass: Any
    mass_measured: Any
    floor: float


def evict(head: Head, timeline: Sequence[Stage], how: Eviction) -> list[Judged]:
    """Judge every stage in order; rows once dropped stay dropped, clusters only grow."""
    check(how)
    labels = np.full(len(head.k), KEPT)
    centres: list[tuple[Any, Any]] = []
    alive = np.zeros(0, dtype=np.int64)
    before, judged = 0, []
    for stage in timeline:
        alive = np.concatenate([alive, np.arange(before, stage.cut)])
        count = math.floor(how.keep * stage.cut)
        kept = choose(how.policy, alive, count, _masses(head, stage, timeline), how.seed)
        fresh = np.setdiff1d(alive, kept)
        alive, before = kept, stage.cut
        _merge(head, fresh, labels, centres, how, Fraction(stage.cut, timeline[-1].cut))
        judged.append(_judge(head, stage, labels, centres, how))
    return judged


def _merge(
    head: Head, fresh: Any, labels: Any, centres: list[tuple[Any, Any]], how: Eviction,
    share: Fraction,
) -> None:  # fmt: skip
    """Label the rows that leave now: new clusters up to a share of the budget, then the nearest."""
    if not len(fresh):
        return
    budget = max(1, math.floor((how.merge or AUDIT) * share))
    new = budget - len(centres)
    if new > 0:
        found = group(head.k[fresh], head.v[fresh], new, seed=how.seed) + len(centres)
        for c in range(len(centres), int(found.max()) + 1):
            rows = fresh[found == c]
            centres.append((head.k[rows].mean(0), head.v[rows].mean(0)))
        labels[fresh] = found
        return
    keys = np.stack([m for m, _ in centres])
    labels[fresh] = ((head.k[fresh][:, None] - keys) ** 2).sum(2).argmin(1)


def _masses(head: Head, stage: Stage, timeline: Sequence[Stage]) -> Any:
    """Softmax rows of the queries seen before the stage, each over the cached rows it sees."""
    if stage.cut == len(head.k):  # an encoder: its queries are all there is
        return softmax_rows(head.q, head.k, head.sigma)
    ends = np.array([s.cut for s in timeline if s.cut <= stage.cut])
    rows = np.arange(stage.cut)
    own = rows if stage.causal else ends[np.searchsorted(ends, rows, side="right")] - 1
    return softmax_rows(head.q[: stage.cut], head.k[: stage.cut], head.sigma, rows <= own[:, None])


def _judge(
    head: Head, stage: Stage, labels: Any, centres: list[tuple[Any, Any]], how: Eviction
) -> Judged:
    q, k, v = head.q[stage.first : stage.last], head.k, head.v
    own = labels[: stage.cut]
    cache = Clusters.between(centres, k.shape[1], v.shape[1], head.sigma)
    cache.add(k[: stage.cut], v[: stage.cut], own)
    more, seen = None, None
    if stage.end > stage.cut:
        more = (k[stage.cut : stage.end], v[stage.cut : stage.end])
        if stage.causal:
            seen = np.tri(len(q), dtype=bool)
    found = cache.attend(q, more=more, mask=seen)
    exact, gone = _measured(q, k[: stage.end], v[: stage.end], head.sigma, own, seen)
    error = np.abs(found.output - exact)
    lost = np.where(np.isfinite(found.dropped), np.abs(found.dropped - exact), found.range)
    merged = how.merge > 0
    return Judged(
        rows=stage.cut,
        kept=int((own == KEPT).sum()),
        clusters=len(centres) if merged else 0,
        error=found.bound if merged else found.dropped_bound,
        error_measured=over_range(error if merged else lost, found.range),
        dropped=found.dropped_bound,
        dropped_measured=over_range(lost, found.range),
        mass=found.mass[:, 1],
        mass_measured=gone,
        floor=float(found.mass[:, 0].max() / 2),
    )


def _measured(q: Any, k: Any, v: Any, sigma: float, own: Any, seen: Any) -> tuple[Any, Any]:
    """Exact output in float64 and the mass on rows that are not kept; nothing is bounded here."""
    mask = None
    if seen is not None:
        mask = np.concatenate([np.ones((len(q), len(own)), bool), seen], axis=1)
    P = softmax_rows(q, k, sigma, mask)
    return P @ v, P[:, : len(own)][:, own != KEPT].sum(1)


def check(how: Eviction) -> None:
    """Raises InputError for a share outside [0, 1], a negative number of clusters or seed."""
    if not 0 <= how.keep <= 1:
        raise InputError(f"keep: {float(how.keep):g} is not allowed; 0 to 1")
    if not 0 <= how.merge <= 4096:
        raise InputError(f"merge: {how.merge} is not allowed; 0 to 4096 clusters")
    if how.seed < 0:
        raise InputError(f"seed: {how.seed} is not allowed; 0 or more")
