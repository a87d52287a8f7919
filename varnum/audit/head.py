"""What is asked of one head, and its answer: one row of the report for every target error.

A row is a plain dict, the same bits wherever it is computed: it holds no times and no names of
machines. `ASSURANCE` says for every number in it what it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum._attention import attention
from varnum.audit.apriori import BALLS, NormalisedHead, PlainHead, certify_logit_bound
from varnum.audit.degrees import certify_cap, certify_degree, certify_dimension
from varnum.audit.measure import Measured, certify_logits, estimate_dimension, parts_of
from varnum.audit.numbers import above, below
from varnum.audit.ranks import Ranks, certify_ranks, estimate_could_pay, fit_rank
from varnum.balls.exact import to_text
from varnum.cost.counts import count, crossover, pays_at
from varnum.cost.schedule import Schedule
from varnum.formulas import cost as forms
from varnum.formulas import softmax as softmax_forms
from varnum.lowrank.factors import attend
from varnum.lowrank.ranks import rank

Floats = npt.NDArray[np.float64]
Row = dict[str, Any]

PROVED, RUN, MEASURED, ESTIMATED = "proved", "proved for this run", "measured", "estimated"

# what each number of a row, and of its scales, rests on
ASSURANCE = {
    "M_apriori": PROVED,
    "M": RUN,
    "spread": RUN,
    "dimension": ESTIMATED,
    "degree_apriori": PROVED,
    "degree_minimal": PROVED,
    "rank_apriori": PROVED,
    "degree_spread": RUN,
    "rank_spread": RUN,
    "rank_certified": RUN,
    "rank_lower": RUN,
    "rank_reference": ESTIMATED,
    "pivots": MEASURED,
    "eps_certified": RUN,
    "ops_exact": PROVED,
    "ops_apriori": PROVED,
    "ops_certified": PROVED,
    "cache": PROVED,
    "state_apriori": PROVED,
    "state_certified": PROVED,
    "error_exact": RUN,
    "error_apriori": PROVED,
    "error_certified": RUN,
    "pays_apriori": PROVED,
    "pays_certified": RUN,
    "n_apriori": PROVED,
    "n_certified": ESTIMATED,
    "cap": PROVED,
    "d_max": PROVED,
}


@dataclass(frozen=True)
class Target:
    """An output error and the kernel error that keeps it (claim softmax-relative), exactly."""

    output_error: Fraction
    eps: Fraction

    @classmethod
    def of(cls, output_error: Fraction) -> Target:
        """0 < output_error < 1."""
        return cls(output_error, softmax_forms.budget_eps.exact(tau=output_error))

    @property
    def eps_float(self) -> float:
        """A float below eps."""
        return float(np.nextafter(float(self.eps), 0.0))


@dataclass(frozen=True)
class HeadTask:
    """One head of one layer on one prompt: everything its rows depend on. q, k, v (L, d)."""

    names: dict[str, Any]  # model, prompt, label, layer, head: copied into the rows
    q: Floats
    k: Floats
    v: Floats
    scale: float
    weights: NormalisedHead | PlainHead
    sides: tuple[int, ...]
    targets: tuple[Target, ...]
    every_rank: bool = False  # fit pivots even where they cannot pay


def audit_head(task: HeadTask) -> list[Row]:
    """The rows of a head, one per target."""
    with BALLS:
        M = _up(certify_logit_bound(task.weights))
        lengths = Schedule(task.sides).lengths
        mean = task.q.mean(0)
        both = [certify_logits(task.q, task.k, task.scale, lengths, c) for c in (0 * mean, mean)]
        plain, moved = (max(m.spread.high for m in measured) for measured in both)
        measured = both[moved < plain]  # centring the queries can help or hurt
        return [
            {**_row(task, M, measured, target), "centred": moved < plain} for target in task.targets
        ]


def _row(task: HeadTask, M: float, measured: Sequence[Measured], target: Target) -> Row:
    schedule, (d, d_v) = Schedule(task.sides), (task.q.shape[1], task.v.shape[1])
    apriori = certify_degree(Fraction(M), target.eps)
    r = rank(d, apriori.degree)
    cost = count(schedule, d, d_v, r)
    ranks = [
        certify_ranks(
            task.q[queries], task.k[keys], task.scale, target.eps_float, d_v, task.every_rank
        )
        for queries, keys in parts_of(schedule.lengths)
    ]
    scales = [_scale(schedule, s, d, d_v, measured[s], ranks[s], target) for s in range(len(ranks))]
    return {
        **task.names,
        "output_error": to_text(target.output_error),
        "eps": float(target.eps),
        "d": d,
        "M_apriori": M,
        "M_rounded": to_text(apriori.M),
        "M": [max(s["M"][0] for s in scales), max(s["M"][1] for s in scales)],
        "spread": [max(s["spread"][0] for s in scales), max(s["spread"][1] for s in scales)],
        "dimension": float(f"{estimate_dimension(task.q, task.k):.5g}"),
        "degree_apriori": apriori.degree,
        "degree_minimal": apriori.minimal,
        "rank_apriori": r,
        **_degree_at_spread(max(m.spread.high for m in measured), d, target),
        **_whole(task, schedule, ranks, target),
        "rank_lower": max(part.lower for part in ranks),
        "rank_reference": max(part.reference for part in ranks),
        "ops_exact": cost.exact,
        "ops_apriori": cost.lowrank,
        "cache": cost.cache,
        "state_apriori": cost.state,
        "error_apriori": float(target.output_error),
        "pays_apriori": cost.pays,
        "n_apriori": crossover(d, d_v, r),
        "cap": _text(certify_cap(schedule, d, d_v, target.eps)),
        "d_max": certify_dimension(schedule, apriori.M, target.eps),
        "scales": scales,
    }


def _scale(
    schedule: Schedule, s: int, d: int, d_v: int, measured: Measured, ranks: Ranks, target: Target
) -> Row:
    """One scale by itself: the queries of its map against all keys up to it."""
    tokens, prefix = schedule.lengths[s], schedule.prefixes[s]
    exact = forms.exact_scale.integer(N=tokens, L_k=prefix, d=d, d_v=d_v)
    certified = exact
    if ranks.kernel is not None:  # every token up to here counted as a query too: an upper bound
        sizes = {"m": ranks.pivots, "r": ranks.certified}
        certified = forms.pivot_scale.integer(N=prefix, d=d, d_v=d_v, **sizes)
    return {
        "side": schedule.sides[s],
        "tokens": tokens,
        "prefix": prefix,
        "M": [below(measured.M.low), above(measured.M.high)],
        "spread": [below(measured.spread.low), above(measured.spread.high)],
        **_degree_at_spread(measured.spread.high, d, target),
        "rank_certified": ranks.certified,
        "pivots": ranks.pivots,
        "rank_lower": ranks.lower,
        "rank_reference": ranks.reference,
        "ops_exact": exact,
        "ops_certified": certified,
        "cache": forms.cache.integer(L=prefix, d=d, d_v=d_v),
        "state_certified": forms.state.integer(r=ranks.certified, d_v=d_v),
        "pays_certified": certified < exact,
    }


def _degree_at_spread(spread: float, d: int, target: Target) -> Row:
    degree = certify_degree(Fraction(spread), target.eps).degree
    return {"degree_spread": degree, "rank_spread": rank(d, degree)}


def _whole(task: HeadTask, schedule: Schedule, ranks: Sequence[Ranks], target: Target) -> Row:
    """One set of features for all scales, so that one state serves them: rank, cost, guarantee."""
    d, d_v, length = task.q.shape[1], task.v.shape[1], schedule.length
    kernel, exact = None, count(schedule, d, d_v, 1).exact
    reference = max(part.reference for part in ranks)  # the whole head needs no less
    if task.every_rank or estimate_could_pay(reference, length, d, d_v, exact):
        kernel = fit_rank(task.q, task.k, task.scale, target.eps_float)
    row = {"error_exact": _exact_error(task, schedule, target)}
    error = 1.0 if kernel is None else attend(kernel, task.v, schedule.lengths)[1]
    if kernel is None or kernel.rank >= length or not error < 1:
        state = forms.state.integer(r=length, d_v=d_v)
        return row | {
            "rank_certified": length, "pivots": 0, "eps_certified": 0.0, "ops_certified": exact,
            "state_certified": state, "error_certified": row["error_exact"],
            "pays_certified": False, "n_certified": None,
        }  # fmt: skip
    per_token = forms.pivot_scale.integer(N=1, d=d, d_v=d_v, m=kernel.pivots, r=kernel.rank)
    operations = per_token * length
    return row | {
        "rank_certified": kernel.rank,
        "pivots": kernel.pivots,
        "eps_certified": above(kernel.certified),
        "ops_certified": operations,
        "state_certified": forms.state.integer(r=kernel.rank, d_v=d_v),
        "error_certified": above(error),
        "pays_certified": operations < exact,
        "n_certified": _first_n(Fraction(per_token, d + d_v + 1)),
    }


def _first_n(threshold: Fraction) -> int:
    """First side from which on this cost per token pays on the pyramid of ratio 2, rank fixed."""
    low, high = 0, 1
    while not pays_at(high, 2, threshold):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if pays_at(middle, 2, threshold) else (middle, high)
    return high


def _exact_error(task: HeadTask, schedule: Schedule, target: Target) -> float:
    """What exact attention in float64 guarantees: its rounding, in units of V's range."""
    found = attention(
        task.q, task.k, task.v, sigma=1 / task.scale, output_error=target.output_error,
        scales=schedule.lengths, method="exact",
    )  # fmt: skip
    return above(found.certificate.certified_error)


def _up(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) >= value else float(np.nextafter(near, np.inf))


def _text(value: Fraction | None) -> str | None:
    return None if value is None else to_text(value)
