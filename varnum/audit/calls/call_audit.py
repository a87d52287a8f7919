"""What is asked of one head of a call, and its answer: one row for every target error.

The figures are those of `varnum.audit.head_audit` where they have a meaning; None where they have
none, and then `reason` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from varnum._attention import attention
from varnum.approx.inverse import certify_largest_interval
from varnum.approx.target import relative
from varnum.audit.apriori import BALLS
from varnum.audit.calls.call_output import (
    Exactly,
    Framed,
    choose,
    exact_operations,
    fit_framed,
    most_features,
    run_exactly,
)
from varnum.audit.calls.call_task import CallTask
from varnum.audit.calls.logits import certify_call_logits
from varnum.audit.calls.view import View
from varnum.audit.degrees import certify_degree
from varnum.audit.fields import Row
from varnum.audit.measure import Measured, estimate_dimension
from varnum.audit.ranks import Ranks, certify_ranks, estimate_could_pay, fit_rank
from varnum.audit.task import Target
from varnum.balls.exact import to_text
from varnum.formulas import cost as forms
from varnum.integrations.triage import triage
from varnum.lowrank.counting import largest_degree, rank
from varnum.lowrank.features import attend
from varnum.outward import round_down, round_up
from varnum.verdict import Unknown

_MOST_D = 4096
NOT_HERE = (
    "dimension", "rank_certified", "pivots", "eps_certified", "ops_certified", "state_certified",
    "error_certified", "pays_certified", "n_certified", "rank_lower", "rank_reference",
    "rank_output", "coordinates", "degree_output", "rows_exact", "error_output", "ops_output",
    "state_output", "pays_output", "n_output", "rank_attention", "rows_attention",
    "error_attention", "error_exact", "degree_spread", "rank_spread", "triage",
)  # fmt: skip


def audit_call(task: CallTask) -> list[Row]:
    """The rows of a head, one per target."""
    with BALLS:
        measured, centred = certify_call_logits(task)
        if task.reason or task.view is None:
            return [_bare(task, measured, centred, target) for target in task.targets]
        view, d, d_v = task.view, task.q.shape[1], task.v.shape[1]
        framed = fit_framed(task, most_features(view, d, d_v))
        exactly = run_exactly(task, view)
        return [
            _row(task, view, measured, centred, framed, exactly, target) for target in task.targets
        ]


def _bare(task: CallTask, measured: Sequence[Measured], centred: bool, target: Target) -> Row:
    """Logits alone."""
    pairs = len(task.q) * len(task.k) if task.mask is None else int(task.mask.sum())
    common = _common(task, measured, centred, target, pairs)
    part = {
        "tokens": len(task.q), "prefix": len(task.k), "M": common["M"], "spread": common["spread"],
        **dict.fromkeys(_OF_PARTS), "ops_exact": common["ops_exact"], "cache": common["cache"],
    }  # fmt: skip
    return {**common, **dict.fromkeys(NOT_HERE), "scales": [part]}


_OF_PARTS = (
    "degree_spread", "rank_spread", "rank_certified", "pivots", "rank_lower", "rank_reference",
    "ops_certified", "state_certified", "pays_certified", "rank_output", "rows_exact",
    "error_output", "ops_output",
)  # fmt: skip


def _common(
    task: CallTask, measured: Sequence[Measured], centred: bool, target: Target, pairs: int
) -> Row:
    """What every row has: logits, and what a bound of them proves."""
    d, d_v = task.q.shape[1], task.v.shape[1]
    exact = forms.exact_scale.integer(N=1, L_k=pairs, d=d, d_v=d_v)
    return {
        **task.names,
        "reason": task.reason or None,
        "output_error": to_text(target.output_error),
        "eps": float(target.eps),
        "d": d,
        "M": [
            round_down(max(m.M.low for m in measured)),
            round_up(max(m.M.high for m in measured)),
        ],
        "spread": [
            round_down(max(m.spread.low for m in measured)),
            round_up(max(m.spread.high for m in measured)),
        ],
        "centred": centred,
        "ops_exact": exact,
        "cache": forms.cache.integer(L=len(task.k), d=d, d_v=d_v),
        **_apriori(task, target, exact, pairs),
    }


def _apriori(task: CallTask, target: Target, exact: int, pairs: int) -> Row:
    """Degree, rank and cost for the bound of the logits, where one is known; what would pay."""
    d, d_v, tokens = task.q.shape[1], task.v.shape[1], max(len(task.q), len(task.k))
    unit = forms.lowrank_scale.integer(N=tokens, r=1, d_v=d_v)
    found: Row = {
        "cap": _text(_cap((exact - 1) // unit, d, target.eps)),
        "M_apriori": None, "M_rounded": None,
        **dict.fromkeys(
            ("degree_apriori", "degree_minimal", "rank_apriori", "ops_apriori", "state_apriori",
             "error_apriori", "pays_apriori", "n_apriori", "d_max")
        ),
    }  # fmt: skip
    if task.bound is None or task.bias is not None or task.softcap is not None:
        return found
    degree = certify_degree(task.bound, target.eps)
    r = rank(d, degree.degree)
    operations_ = forms.lowrank_scale.integer(N=tokens, r=r, d_v=d_v)
    per_token = forms.lowrank_scale.integer(N=1, r=r, d_v=d_v)
    return found | {
        "M_apriori": round_up(task.bound),
        "M_rounded": to_text(degree.M),
        "degree_apriori": degree.degree,
        "degree_minimal": degree.minimal,
        "rank_apriori": r,
        "ops_apriori": operations_,
        "state_apriori": forms.state.integer(r=r, d_v=d_v),
        "error_apriori": float(target.output_error),
        "pays_apriori": operations_ < exact,
        "n_apriori": _least_length(task.view, per_token, d + d_v + 1),
        "d_max": _largest_dimension(pairs, tokens, degree.degree),
    }  # fmt: skip


def _least_length(view: View | None, per_token: int, pair: int) -> int | None:
    """The least L of the same mask at which this cost per token is below exact attention's."""
    if view is None or view.kind in ("window", "boolean"):
        return None
    if view.full:
        return per_token // pair + 1  # L pair > per_token
    return 2 * per_token // pair  # (L + 1)/2 pair > per_token


def _largest_dimension(pairs: int, tokens: int, degree: int) -> int:
    best = 0
    for d in range(1, _MOST_D + 1):
        exact = forms.exact_scale.integer(N=1, L_k=pairs, d=d, d_v=d)
        if forms.lowrank_scale.integer(N=tokens, r=rank(d, degree), d_v=d) >= exact:
            if degree >= 1:
                break
        else:
            best = d
    return best


@lru_cache(maxsize=256)
def _cap(most: int, d: int, eps: Fraction) -> Fraction | None:
    degree = largest_degree(d, most)
    if degree is None:
        return None
    found = certify_largest_interval(relative, degree, eps, digits=4)
    return None if isinstance(found, Unknown) else found.size


def _row(
    task: CallTask, view: View, measured: Sequence[Measured], centred: bool, framed: Framed,
    exactly: Exactly, target: Target,
) -> Row:  # fmt: skip
    d = task.q.shape[1]
    ranks = [
        certify_ranks(task.q[p.rows], task.k[keys], task.scale, target.eps_float,
                      task.v.shape[1], task.every_rank)
        for p in view.parts for keys in [p.keys if p.keys.stop > p.keys.start else p.span]
    ]  # fmt: skip
    common = _common(task, measured, centred, target, view.pairs)
    output, by_part = _compared(task, view, framed, exactly, target)
    each = zip(view.parts, measured, ranks, by_part, strict=True)
    parts = [
        {
            "tokens": p.rows.stop - p.rows.start,
            "prefix": p.span.stop - p.span.start,
            "M": [round_down(m.M.low), round_up(m.M.high)],
            "spread": [round_down(m.spread.low), round_up(m.spread.high)],
            **_at_spread(m.spread.high, d, target),
            **_part_kernel(task, view, r, part),
            "cache": forms.cache.integer(L=p.span.stop - p.span.start, d=d, d_v=task.v.shape[1]),
            **part,
        }
        for p, m, r, part in each
    ]  # fmt: skip
    return {
        **common,
        "dimension": float(f"{estimate_dimension(task.q, task.k):.5g}"),
        **_at_spread(max(m.spread.high for m in measured), d, target),
        **_kernel(task, view, ranks, exactly, target, common["ops_exact"]),
        "rank_lower": max(part.lower for part in ranks),
        "rank_reference": max(part.reference for part in ranks),
        **output,
        **_own_attention(task, view, exactly, target),
        "error_exact": round_up(exactly.error),
        "triage": _triage(task, view, target),
        "scales": parts,
    }


def _at_spread(spread: float, d: int, target: Target) -> Row:
    degree = certify_degree(Fraction(spread), target.eps).degree
    return {"degree_spread": degree, "rank_spread": rank(d, degree)}


def _part_kernel(task: CallTask, view: View, ranks: Ranks, part: Row) -> Row:
    """One part by itself; with edges nothing is certified today."""
    d, d_v, exact = task.q.shape[1], task.v.shape[1], part["ops_exact"]
    certified = exact
    if ranks.kernel is not None and view.full:
        tokens = max(len(task.q), len(task.k))
        sizes = {"m": ranks.pivots, "r": ranks.certified}
        certified = forms.pivot_scale.integer(N=tokens, d=d, d_v=d_v, **sizes)
    return {
        "rank_certified": ranks.certified,
        "pivots": ranks.pivots,
        "rank_lower": ranks.lower,
        "rank_reference": ranks.reference,
        "ops_certified": certified,
        "state_certified": forms.state.integer(r=ranks.certified, d_v=d_v),
        "pays_certified": certified < exact,
    }


def _kernel(
    task: CallTask, view: View, ranks: Sequence[Ranks], exactly: Exactly, target: Target, exact: int
) -> Row:
    """A kernel certified entry by entry; where all rows see all keys, else exact attention."""
    d, d_v, length = task.q.shape[1], task.v.shape[1], max(len(task.q), len(task.k))
    kernel, error = ranks[0].kernel if view.full else None, 1.0
    reference = max(part.reference for part in ranks)
    hopeful = task.every_rank or estimate_could_pay(reference, length, d, d_v, exact)
    if view.full and kernel is None and hopeful:
        kernel = fit_rank(task.q, task.k, task.scale, target.eps_float)
    if kernel is not None:
        error = attend(kernel, task.v)[1]
    if kernel is None or kernel.rank >= min(len(task.q), len(task.k)) or not error < 1:
        return {
            "rank_certified": len(task.k), "pivots": 0, "eps_certified": 0.0,
            "ops_certified": exact, "error_certified": round_up(exactly.error),
            "state_certified": forms.state.integer(r=len(task.k), d_v=d_v),
            "pays_certified": False, "n_certified": None,
        }  # fmt: skip
    per_token = forms.pivot_scale.integer(N=1, d=d, d_v=d_v, m=kernel.pivots, r=kernel.rank)
    return {
        "rank_certified": kernel.rank,
        "pivots": kernel.pivots,
        "eps_certified": round_up(kernel.certified),
        "ops_certified": per_token * length,
        "state_certified": forms.state.integer(r=kernel.rank, d_v=d_v),
        "error_certified": round_up(error),
        "pays_certified": per_token * length < exact,
        "n_certified": _least_length(view, per_token, d + d_v + 1),
    }


def _compared(
    task: CallTask, view: View, framed: Framed, exactly: Exactly, target: Target
) -> tuple[Row, list[Row]]:
    d, d_v = task.q.shape[1], task.v.shape[1]
    found = choose(framed, task, view, exactly, target.error_float)
    exact = exact_operations(view, d, d_v)
    monomials = framed.lead.monomials
    parts = [
        {
            "rank_output": found.rank if low else p.rows.stop - p.rows.start,
            "rows_exact": 0 if low else p.rows.stop - p.rows.start,
            "error_output": error,
            "ops_output": operations_,
            "ops_exact": whole,
        }
        for p, low, error, operations_, whole in zip(
            view.parts, found.low, found.errors, found.operations, exact, strict=True
        )
    ]
    ends = [p.span.stop for p, low in zip(view.parts, found.low, strict=True) if not low]
    cache = forms.cache.integer(L=max(ends), d=d, d_v=d_v) if ends else 0
    coordinates = monomials.coordinates(found.rank)
    return {
        "rank_output": found.rank or len(task.k),
        "coordinates": coordinates,
        "degree_output": max(monomials.degrees[: found.rank], default=0),
        "rows_exact": sum(part["rows_exact"] for part in parts),
        "error_output": max(found.errors),
        "ops_output": sum(found.operations),
        "state_output": cache + (forms.state.integer(r=found.rank, d_v=d_v) if found.rank else 0),
        "pays_output": found.rank > 0,
        "n_output": _n_output(view, coordinates, found.rank, d, d_v) if found.rank else None,
    }, parts


def _n_output(view: View, coordinates: int, r: int, d: int, d_v: int) -> int | None:
    sizes = {"c": coordinates, "r": r, "d": d, "d_v": d_v}
    per_token = forms.leading_keys.integer(N=1, **sizes) + forms.leading_queries.integer(
        N=1, **sizes
    )
    return _least_length(view, per_token, d + d_v + 1)


def _own_attention(task: CallTask, view: View, exactly: Exactly, target: Target) -> Row:
    """What `varnum.attention` does with this head: it takes low rank where all see all."""
    exact = {
        "rank_attention": len(task.k), "rows_attention": len(task.q),
        "error_attention": round_up(exactly.error),
    }  # fmt: skip
    if not view.full:
        return exact
    made = attention(
        task.q, task.k, task.v, sigma=1 / task.scale, output_error=target.output_error
    ).certificate
    return {
        "rank_attention": made.rank or len(task.k),
        "rows_attention": made.rows_exact,
        "error_attention": round_up(made.certified_error),
    }


def _triage(task: CallTask, view: View, target: Target) -> str:
    mask: Any = None
    if not view.full:
        whole = slice(0, view.rows)
        mask = view.seen(type(view.parts[0])(whole, whole, whole), slice(0, view.keys))
    found = triage(
        task.q, task.k, task.v, scale=task.scale, output_error=target.output_error, mask=mask
    )
    return str(found.verdict)


def _text(value: Fraction | None) -> str | None:
    return None if value is None else to_text(value)
