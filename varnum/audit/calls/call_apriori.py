"""What a bound of a call's logits proves before it runs: degree, rank, cost; and what would pay."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from varnum.approx.inverse import certify_largest_interval
from varnum.approx.target import relative
from varnum.audit.calls.call_task import CallTask
from varnum.audit.calls.view import View
from varnum.audit.degrees import certify_degree
from varnum.audit.fields import Row
from varnum.audit.task import Target
from varnum.balls.exact import to_text
from varnum.formulas import cost as forms
from varnum.lowrank.counting import largest_degree, rank
from varnum.outward import round_up
from varnum.verdict import Unknown

_MOST_D = 4096


def apriori_figures(task: CallTask, target: Target, exact: int, pairs: int) -> Row:
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
        "n_apriori": least_length(task.view, per_token, d + d_v + 1),
        "d_max": _largest_dimension(pairs, tokens, degree.degree),
    }  # fmt: skip


def least_length(view: View | None, per_token: int, pair: int) -> int | None:
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


def _text(value: Fraction | None) -> str | None:
    return None if value is None else to_text(value)
