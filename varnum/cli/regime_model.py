"""`varnum regime --model`: the exponents of each part of a model that has attention."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from varnum.cli.envelope import print_envelope
from varnum.text import aligned, filled

if TYPE_CHECKING:
    from varnum._plan import Plan

NAMES = ("b", "c", "p", "rho", "b_star")
NO_CAP = "no cap: give --M"
LAST = (
    "Attention of a part costs keys^(1 + rho + o(1)): below quadratic where rho < 1, that is M < "
    "b* ln keys. n^(2 + o(1)) for the image needs it in every part that has attention."
)


def regime_model(model: str, M: str | None, eps: str, json: bool) -> int:
    """Print b, c, p, rho, b* (Taylor: proved) of every part, at one M and error."""
    parts = _flowar(model, M, eps) if model.startswith("flowar") else _var(model, M, eps)
    result = {"model": model, "M": M, "eps": eps, "parts": parts}
    if json:
        print_envelope(
            "varnum/regime-model/1", result, verdict="done", assurance="proved", exit_code=0
        )
        return 0
    rows = [("part", "keys", "d", *("b*" if n == "b_star" else n for n in NAMES), "")]
    for part in parts:
        cells = ["-" if part[n] is None else f"{part[n]:.3g}" for n in NAMES]
        sizes = ["-" if part[n] is None else str(part[n]) for n in ("keys", "d")]
        rows.append((part["part"], *sizes, *cells, _word(part)))
    print(f"{model}: M {M or 'as capped'}, error {eps}")
    print(aligned(rows))
    print(filled(LAST, indent=""))
    return 0


def _word(part: dict[str, Any]) -> str:
    if part["reason"] is not None:
        return str(part["reason"])
    return "fast" if part["rho"] < 1 else "not fast"


def _row(name: str, answer: Plan, known: bool = True) -> dict[str, Any]:
    """One part: the regime of its heads at its number of keys; b and rho need an M."""
    q, regime = answer.question, answer.regime
    assert q.schedule is not None
    found = {"part": name, "keys": q.schedule.length, "d": q.d}
    if regime is None:
        return found | dict.fromkeys(NAMES) | {"reason": answer.reasons.get("regime", "no regime")}
    numbers: dict[str, float | None] = {n: regime[n] for n in NAMES}
    if not known:
        numbers |= {"b": None, "rho": None}
    return found | numbers | {"reason": None if known else NO_CAP}


def _flowar(model: str, M: str | None, eps: str) -> list[dict[str, Any]]:
    from varnum._plan_flowar import plan_flowar

    return [_row(m.kind, m.plan) for m in plan_flowar(model, M, eps=eps, max_degree=0).modules]


def _var(model: str, M: str | None, eps: str) -> list[dict[str, Any]]:
    """Token maps, reconstruction (no attention), decoder: one head over all pixels."""
    from varnum._plan import plan
    from varnum.cost.schedule import Schedule

    answer = plan(M, model=model, eps=eps, max_degree=0)
    rows = [_row("token maps", answer)]
    for stage in (answer.stages or [])[1:]:
        if stage["d"] is None:
            none = dict.fromkeys(("keys", "d", *NAMES))
            rows.append({"part": stage["stage"], **none, "reason": "no attention"})
            continue
        q = replace(
            answer.question, d=stage["d"], d_v=stage["d"],
            schedule=Schedule((answer.question.schedule.n,)),  # type: ignore[union-attr]
        )  # fmt: skip
        rows.append(_row(stage["stage"], replace(answer, question=q), known=M is not None))
    return rows
