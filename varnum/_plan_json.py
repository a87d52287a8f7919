"""A plan as JSON: every field, null where there is none, with the reason beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from varnum.balls.exact import to_text
from varnum.envelope import envelope, plain
from varnum.outward import float_down, float_up
from varnum.verdict import Unknown

if TYPE_CHECKING:
    from varnum._plan import Plan

SCHEMA = "varnum/bound/2"
FAR = "it has more than ten thousand digits"


def document(answer: Plan) -> dict[str, Any]:
    """The whole document of `varnum bound --json`."""
    found = envelope(
        SCHEMA, content(answer), verdict="proved" if answer.proved_minimal else "unknown",
        assurance="proved", exit_code=0 if answer.proved_minimal else 3,
    )  # fmt: skip
    whole: dict[str, Any] = plain(found)
    return whole


def reasons(answer: Plan) -> dict[str, str]:
    """Why a field is null, for exactly the fields that are."""
    given = dict(answer.reasons)
    if answer.pays is not None:
        given.pop("pays", None)
    if answer.question.d is not None and answer.crossover_n_at_most is None:
        given["crossover_n"] = given["crossover_n_at_most"] = FAR
    return given


def content(answer: Plan) -> dict[str, Any]:
    """Every field of the answer; null where there is none, with the reason in `reasons`."""
    q, cost, error = answer.question, answer.cost, answer.minimax_error
    taylor = answer.degree_taylor
    size = "M" if q.error == "relative" else "W"
    return {
        "error": q.error,
        "M": to_text(q.M_high if q.error == "relative" else q.M_high / 2),
        "W": None if q.error == "relative" else to_text(q.M_high),
        "interval": {"size": size, "low": to_text(q.M_low), "high": to_text(q.M_high)},
        "eps": to_text(q.eps),
        "output_error": None if q.output_error is None else to_text(q.output_error),
        "d": q.d,
        "d_v": q.d_v,
        "sigma": q.sigma,
        "model": q.model,
        "schedule": None if q.schedule is None else list(q.schedule.sides),
        "degree": answer.degree,
        "degree_proved_minimal": answer.proved_minimal,
        "degree_taylor": None if isinstance(taylor, Unknown) else taylor,
        "degree_closed_form": answer.degree_closed_form,
        "degree_curve_estimate": answer.degree_curve,
        "minimax_error": None if error is None else [float_down(error[0]), float_up(error[1])],
        "rank": answer.rank,
        "rank_published": answer.rank_published,
        "cost": None
        if cost is None
        else {
            "unit": "multiply-adds, multiplications and exps, per head",
            "exact": cost.exact,
            "lowrank": cost.lowrank,
            "per_scale": [vars(scale) for scale in cost.scales],
        },
        "memory": None
        if cost is None
        else {
            "unit": "numbers kept, per head",
            "cache": cost.cache,
            "cache_before_last": cost.cache_before_last,
            "state": cost.state,
        },
        "regime": answer.regime,
        "crossover_n": answer.crossover_n,
        "crossover_n_at_most": answer.crossover_n_at_most,
        "crossover_family": f"geometric pyramid, ratio {q.alpha}, same d, M and error",
        "pays": answer.pays,
        "stages": answer.stages,
        "reasons": reasons(answer),
    }
