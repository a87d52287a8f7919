"""What is asked of one head, and its answer: one row of the report for every target error.

A row is a plain dict, the same bits wherever it is computed: it holds no times and no names of
machines. `varnum.audit.fields` says of every number in it what it is and what it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from varnum._attention import Attention
from varnum.audit.apriori import BALLS, certify_logit_bound
from varnum.audit.degrees import at_spread, certify_cap, certify_degree, certify_dimension
from varnum.audit.fields import Row
from varnum.audit.leading_monomials import Leading, fit_leading, most_features
from varnum.audit.measure import Measured, certify_logits, estimate_dimension, parts_of
from varnum.audit.options import certified_calls, certified_kernel, compared_output, run_exactly
from varnum.audit.ranks import Ranks, certify_ranks
from varnum.audit.task import HeadTask, Target
from varnum.balls.exact import to_text
from varnum.cost.counts import count, crossover
from varnum.cost.schedule import Schedule
from varnum.formulas import cost as forms
from varnum.lowrank.counting import rank
from varnum.outward import round_down, round_up


def audit_head(task: HeadTask) -> list[Row]:
    """The rows of a head, one per target."""
    with BALLS:
        M = _up(certify_logit_bound(task.weights))
        schedule = Schedule(task.sides)
        mean = task.q.mean(0)
        both = [
            certify_logits(task.q, task.k, task.scale, schedule.lengths, c)
            for c in (0 * mean, mean)
        ]
        plain, moved = (max(m.spread.high for m in measured) for measured in both)
        measured = both[moved < plain]  # centring the queries can help or hurt
        exact = run_exactly(task, schedule)
        count = most_features(schedule.lengths, task.q.shape[1], task.v.shape[1])
        lead = fit_leading(task.q, task.k, task.scale, count)
        return [
            {**_row(task, M, measured, exact, lead, target), "centred": moved < plain}
            for target in task.targets
        ]


def _row(
    task: HeadTask, M: float, measured: Sequence[Measured], exact: Attention, lead: Leading,
    target: Target,
) -> Row:  # fmt: skip
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
    output, by_scale = compared_output(task, schedule, lead, exact, target)
    scales = [one | other for one, other in zip(scales, by_scale, strict=True)]
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
        **at_spread(max(m.spread.high for m in measured), d, target.eps),
        **certified_kernel(task, schedule, ranks, exact, target),
        **output,
        **certified_calls(task, schedule, target),
        "rank_lower": max(part.lower for part in ranks),
        "rank_reference": max(part.reference for part in ranks),
        "ops_exact": cost.exact,
        "ops_apriori": cost.lowrank,
        "cache": cost.cache,
        "state_apriori": cost.state,
        "error_exact": round_up(exact.certificate.certified_error),
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
        "M": [round_down(measured.M.low), round_up(measured.M.high)],
        "spread": [round_down(measured.spread.low), round_up(measured.spread.high)],
        **at_spread(measured.spread.high, d, target.eps),
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


def _up(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) >= value else float(np.nextafter(near, np.inf))


def _text(value: Fraction | None) -> str | None:
    return None if value is None else to_text(value)
