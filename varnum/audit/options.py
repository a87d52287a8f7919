"""What a head could run instead of exact attention on this run: its cost, its guarantee.

Three choices: a kernel that is certified entry by entry (claim kernel-residual), with one set of
features for all scales; features whose output was compared with exact attention; and what
`varnum.attention` does by itself, which certifies every call while it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from varnum._attention import Attention, attention
from varnum.audit.fields import Row
from varnum.audit.leading_monomials import Leading, Output, certify_output, operations
from varnum.audit.ranks import Ranks, estimate_could_pay, fit_rank
from varnum.audit.task import HeadTask, Target
from varnum.cost.counts import count, pays_at
from varnum.cost.schedule import Schedule
from varnum.formulas import cost as forms
from varnum.lowrank.features import attend
from varnum.lowrank.pivots.pivot_kernel import LowRankKernel
from varnum.outward import round_up


def run_exactly(task: HeadTask, schedule: Schedule) -> Attention:
    """Exact attention in float64, and its rounding in units of V's range."""
    return _attention(task, schedule, task.targets[0], "exact")


def _attention(task: HeadTask, schedule: Schedule, target: Target, method: str) -> Attention:
    return attention(
        task.q, task.k, task.v, sigma=1 / task.scale, output_error=target.output_error,
        scales=schedule.lengths, method=method,
    )  # fmt: skip


def certified_calls(task: HeadTask, schedule: Schedule, target: Target) -> Row:
    """What `varnum.attention` would do with this head: exact where its certificate does not pay."""
    made = _attention(task, schedule, target, "auto").certificate
    return {
        "rank_attention": made.rank or schedule.length,
        "rows_attention": made.rows_exact,
        "error_attention": round_up(made.certified_error),
    }


def certified_kernel(
    task: HeadTask, schedule: Schedule, ranks: Sequence[Ranks], exactly: Attention, target: Target
) -> Row:
    """One set of features for all scales, so that one state serves them: rank, cost, guarantee."""
    d, d_v, length = task.q.shape[1], task.v.shape[1], schedule.length
    kernel, exact = None, count(schedule, d, d_v, 1).exact
    reference = max(part.reference for part in ranks)  # the whole head needs no less
    if task.every_rank or estimate_could_pay(reference, length, d, d_v, exact):
        kernel = fit_rank(task.q, task.k, task.scale, target.eps_float)
    error = 1.0 if kernel is None else attend(kernel, task.v, schedule.lengths)[1]
    if kernel is None or kernel.rank >= length or not error < 1:
        return {
            "rank_certified": length, "pivots": 0, "eps_certified": 0.0, "ops_certified": exact,
            "state_certified": forms.state.integer(r=length, d_v=d_v),
            "error_certified": round_up(exactly.certificate.certified_error),
            "pays_certified": False, "n_certified": None,
        }  # fmt: skip
    per_token = forms.pivot_scale.integer(N=1, d=d, d_v=d_v, m=kernel.pivots, r=kernel.rank)
    first = _first_n(per_token, d + d_v + 1)
    return kernel_figures(kernel, error, per_token * length, exact, d_v, first)


def kernel_figures(
    kernel: LowRankKernel, error: float, cost: int, exact: int, d_v: int, first: int | None
) -> Row:
    """The row of a kernel certified entry by entry.

    error: of its output, in units of V's range. cost, exact: operations of it and of exact
    attention. first: the size from which on it pays.
    """
    return {
        "rank_certified": kernel.rank,
        "pivots": kernel.pivots,
        "eps_certified": round_up(kernel.certified),
        "ops_certified": cost,
        "state_certified": forms.state.integer(r=kernel.rank, d_v=d_v),
        "error_certified": round_up(error),
        "pays_certified": cost < exact,
        "n_certified": first,
    }


def compared_output(
    task: HeadTask, schedule: Schedule, lead: Leading, exactly: Attention, target: Target
) -> tuple[Row, list[Row]]:
    """Features whose output keeps the target on this run: for the head, and for each scale."""
    d, d_v, lengths = task.q.shape[1], task.v.shape[1], schedule.lengths
    known = (exactly.output, exactly.certificate.certified_error)
    found = certify_output(lead, task.v, lengths, d, known, target.error_float)
    each = zip(lengths, found.low, found.errors, found.operations, strict=True)
    scales = [
        {
            "rank_output": found.rank if low else N,
            "rows_exact": 0 if low else N,
            "error_output": error,
            "ops_output": each_operations,
        }
        for N, low, error, each_operations in each
    ]
    coordinates = lead.monomials.coordinates(found.rank)
    row = {
        "rank_output": found.rank or schedule.length,
        "coordinates": coordinates,
        "degree_output": max(lead.monomials.degrees[: found.rank], default=0),
        "rows_exact": sum(scale["rows_exact"] for scale in scales),
        "error_output": max(found.errors),
        "ops_output": sum(found.operations),
        "state_output": _numbers_kept(found, schedule, d, d_v),
        "pays_output": found.rank > 0,
        "n_output": None,
    }
    if found.rank:
        keys, queries = operations((1,), coordinates, found.rank, d, d_v)
        row["n_output"] = _first_n(keys[0] + queries[0], d + d_v + 1)
    return row, scales


def _numbers_kept(found: Output, schedule: Schedule, d: int, d_v: int) -> int:
    """At most: the state, and keys and values up to the last scale that runs exactly."""
    ends = [end for end, low in zip(schedule.prefixes, found.low, strict=True) if not low]
    cache = forms.cache.integer(L=max(ends), d=d, d_v=d_v) if ends else 0
    return cache + (forms.state.integer(r=found.rank, d_v=d_v) if found.rank else 0)


def _first_n(per_token: int, exact: int) -> int:
    """First side from which on this cost per token pays on the pyramid of ratio 2, rank fixed.

    exact: operations of exact attention for one query and one key.
    """
    low, high, threshold = 0, 1, Fraction(per_token, exact)
    while not pays_at(high, 2, threshold):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if pays_at(middle, 2, threshold) else (middle, high)
    return high
