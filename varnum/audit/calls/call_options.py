"""What a head of a call could run instead of exact attention: `varnum.audit.options` for calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from varnum._attention import attention
from varnum.audit.calls.call_apriori import least_length
from varnum.audit.calls.call_output import Exactly, Framed, choose, exact_operations
from varnum.audit.calls.call_task import CallTask
from varnum.audit.calls.view import View
from varnum.audit.fields import Row
from varnum.audit.options import kernel_figures
from varnum.audit.ranks import Ranks, estimate_could_pay, fit_rank
from varnum.audit.task import Target
from varnum.formulas import cost as forms
from varnum.integrations.triage import triage
from varnum.lowrank.features import attend
from varnum.outward import round_up


def part_kernel(task: CallTask, view: View, ranks: Ranks, part: Row) -> Row:
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


def certified_kernel(
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
    least = least_length(view, per_token, d + d_v + 1)
    return kernel_figures(kernel, error, per_token * length, exact, d_v, least)


def compared_output(
    task: CallTask, view: View, framed: Framed, exactly: Exactly, target: Target
) -> tuple[Row, list[Row]]:
    """Features whose output keeps the target on this call: for the head, and for each part."""
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
    return least_length(view, per_token, d + d_v + 1)


def own_attention(task: CallTask, view: View, exactly: Exactly, target: Target) -> Row:
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


def triage_verdict(task: CallTask, view: View, target: Target) -> str:
    """What a quick look guesses of this head."""
    mask: Any = None
    if not view.full:
        whole = slice(0, view.rows)
        mask = view.seen(type(view.parts[0])(whole, whole, whole), slice(0, view.keys))
    found = triage(
        task.q, task.k, task.v, scale=task.scale, output_error=target.output_error, mask=mask
    )
    return str(found.verdict)
