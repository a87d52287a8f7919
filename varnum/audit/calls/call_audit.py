"""What is asked of one head of a call, and its answer: one row for every target error.

The figures are those of `varnum.audit.head_audit` where they have a meaning; None where they have
none, and then `reason` says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from varnum.audit.apriori import BALLS
from varnum.audit.calls.call_apriori import apriori_figures
from varnum.audit.calls.call_options import (
    certified_kernel,
    compared_output,
    own_attention,
    part_kernel,
    triage_verdict,
)
from varnum.audit.calls.call_output import Exactly, Framed, fit_framed, most_features, run_exactly
from varnum.audit.calls.call_task import CallTask
from varnum.audit.calls.logits import certify_call_logits
from varnum.audit.calls.view import View
from varnum.audit.degrees import at_spread
from varnum.audit.fields import Field, Row, of
from varnum.audit.measure import Measured, estimate_dimension
from varnum.audit.ranks import certify_ranks
from varnum.audit.task import Target
from varnum.balls.exact import to_text
from varnum.formulas import cost as forms
from varnum.outward import round_down, round_up

_OF_BARE = (  # in this order in a row
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
            return [_whole(_bare(task, measured, centred, target)) for target in task.targets]
        view, d, d_v = task.view, task.q.shape[1], task.v.shape[1]
        framed = fit_framed(task, most_features(view, d, d_v))
        exactly = run_exactly(task, view)
        return [
            _whole(_row(task, view, measured, centred, framed, exactly, target))
            for target in task.targets
        ]


def _whole(row: Row) -> Row:
    """With None for each figure of heads and scales that has no meaning here."""

    def filled(part: Row, scope: str) -> Row:
        return part | {name: None for name, field in of(scope).items() if _absent(field, part)}

    return filled(row, "call") | {"scales": [filled(part, "part") for part in row["scales"]]}


def _absent(field: Field, part: Row) -> bool:
    return field.assurance is not None and field.name not in part


def _bare(task: CallTask, measured: Sequence[Measured], centred: bool, target: Target) -> Row:
    """Logits alone."""
    pairs = len(task.q) * len(task.k) if task.mask is None else int(task.mask.sum())
    common = _common(task, measured, centred, target, pairs)
    part = {
        "tokens": len(task.q), "prefix": len(task.k), "M": common["M"], "spread": common["spread"],
        **dict.fromkeys(_OF_PARTS), "ops_exact": common["ops_exact"], "cache": common["cache"],
    }  # fmt: skip
    return {**common, **dict.fromkeys(_OF_BARE), "scales": [part]}


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
        **apriori_figures(task, target, exact, pairs),
    }


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
    output, by_part = compared_output(task, view, framed, exactly, target)
    each = zip(view.parts, measured, ranks, by_part, strict=True)
    parts = [
        {
            "tokens": p.rows.stop - p.rows.start,
            "prefix": p.span.stop - p.span.start,
            "M": [round_down(m.M.low), round_up(m.M.high)],
            "spread": [round_down(m.spread.low), round_up(m.spread.high)],
            **at_spread(m.spread.high, d, target.eps),
            **part_kernel(task, view, r, part),
            "cache": forms.cache.integer(L=p.span.stop - p.span.start, d=d, d_v=task.v.shape[1]),
            **part,
        }
        for p, m, r, part in each
    ]  # fmt: skip
    return {
        **common,
        "dimension": float(f"{estimate_dimension(task.q, task.k):.5g}"),
        **at_spread(max(m.spread.high for m in measured), d, target.eps),
        **certified_kernel(task, view, ranks, exactly, target, common["ops_exact"]),
        "rank_lower": max(part.lower for part in ranks),
        "rank_reference": max(part.reference for part in ranks),
        **output,
        **own_attention(task, view, exactly, target),
        "error_exact": round_up(exactly.error),
        "triage": triage_verdict(task, view, target),
        "scales": parts,
    }
