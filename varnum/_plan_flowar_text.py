"""A FlowAR plan for people and as JSON: a row per kind of attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from varnum._plan_json import FAR
from varnum.balls.exact import to_text
from varnum.envelope import envelope, plain
from varnum.outward import at_least
from varnum.text import aligned, big, filled, short
from varnum.verdict import Unknown

if TYPE_CHECKING:
    from varnum._plan_flowar import FlowModule, FlowPlan

SCHEMA = "varnum/bound-flowar/1"


def module_fields(m: FlowModule) -> dict[str, Any]:
    """One module, every field; null where there is none."""
    largest = m.largest_size()
    known = not isinstance(largest, Unknown)
    return {
        "module": m.kind,
        "heads": m.module.heads,
        "evaluations": m.module.evaluations,
        "d": m.module.head_dim,
        "keys": m.module.keys,
        "pairs": m.module.pairs,
        "degree": m.plan.degree,
        "degree_proved_minimal": m.plan.proved_minimal,
        "rank": m.rank,
        "exact": m.module.exact,
        "lowrank": m.lowrank,
        "state_built": "once per scale" if m.kind == "flow cross" else "at every evaluation",
        "state": m.rank * (m.module.head_dim + 1),
        "regime": m.plan.regime,
        "largest_M": None if isinstance(largest, Unknown) else to_text(largest.size),
        "crossover_n": m.crossover_n,
        "crossover_n_at_most": m.crossover_n_at_most,
        "pays": m.pays,
        "reasons": _reasons(m, known),
    }


def _reasons(m: FlowModule, known: bool) -> dict[str, str]:
    """Why a field is null."""
    found = {}
    if m.plan.regime is None:
        found["regime"] = m.plan.reasons.get("regime", "no regime")
    if not known:
        found["largest_M"] = "not even rank 1 pays, or the largest M was not decided"
    if m.crossover_n_at_most is None:
        found["crossover_n_at_most"] = found["crossover_n"] = FAR
    elif m.crossover_n is None:
        found["crossover_n"] = "the degree is not proved least: see crossover_n_at_most"
    if m.pays is None:
        found["pays"] = "at this degree it does not; a lower degree is not excluded"
    return found


def content(answer: FlowPlan) -> dict[str, Any]:
    """Every field of the answer."""
    q, sampler = answer.modules[0].plan.question, answer.sizes.sampler
    return {
        "model": answer.sizes.name,
        "schedule": list(answer.sizes.schedule.sides),
        "M": to_text(max(m.plan.question.M_high for m in answer.modules)),
        "eps": to_text(q.eps),
        "output_error": None if q.output_error is None else to_text(q.output_error),
        "sampler": {
            "num_steps": sampler.num_steps,
            "evaluations": sampler.evaluations,
            "cfg": to_text(sampler.cfg),
            "cutoff": to_text(sampler.cutoff),
        },
        "modules": [module_fields(m) for m in answer.modules],
        "pairs": answer.pairs,
        "guided_pairs": answer.guided_pairs,
        "pays": answer.pays,
    }


def document(answer: FlowPlan) -> dict[str, Any]:
    """The whole document of `varnum bound --model flowar-.. --json`."""
    code = 0 if answer.proved_minimal else 3
    found = envelope(
        SCHEMA, content(answer), verdict="unknown" if code else "proved", assurance="proved",
        exit_code=code,
    )  # fmt: skip
    whole: dict[str, Any] = plain(found)
    return whole


def text(answer: FlowPlan) -> str:
    """Two tables, counts and regime, and what follows from them; at most WIDTH columns."""
    q = answer.modules[0].plan.question
    sizes = {short(m.plan.question.M_high) for m in answer.modules}
    error = f"relative error {short(q.eps)}"
    head = f"{answer.sizes.name}: |q.k|/sqrt(d) <= {', '.join(sorted(sizes))} in every module"
    lines = [f"{head}, {error}", _counts(answer), "", _regimes(answer), ""]
    return "\n".join([*lines, *(filled(sentence, indent="") for sentence in sentences(answer))])


def _counts(answer: FlowPlan) -> str:
    rows = [("module", "heads", "keys", "pairs/image", "share", "degree", "rank", "x exact")]
    for m in answer.modules:
        times = str(m.module.heads)
        if m.module.evaluations > 1:
            times += f" x {m.module.evaluations}"
        rows.append((
            m.kind, times, str(m.module.keys), big(m.module.pairs),
            f"{100 * m.module.pairs / answer.pairs:.3g} %", str(m.plan.degree), big(m.rank),
            _ratio(m.lowrank, m.module.exact),
        ))  # fmt: skip
    return aligned(rows)


def _ratio(top: int, bottom: int) -> str:
    return f"{top / bottom:.3g}" if top < bottom * 10**300 else "inf"


def _regimes(answer: FlowPlan) -> str:
    rows: list[tuple[str, ...]] = [
        ("module", "b", "c", "p", "rho", "b*", "pays up to M", "pays from n")
    ]
    for m in answer.modules:
        regime, largest = m.plan.regime, m.largest_size()
        cells = ["-"] * 5
        if regime is not None:
            cells = [f"{regime[name]:.3g}" for name in ("b", "c", "p", "rho", "b_star")]
        size = "none" if isinstance(largest, Unknown) else at_least(largest.size)
        n = m.crossover_n_at_most
        rows.append((m.kind, *cells, size, "far" if n is None else big(n)))
    return aligned(rows)


def sentences(answer: FlowPlan) -> list[str]:
    """Whether it pays, guidance, the condition."""
    no = [m.kind for m in answer.modules if not m.lowrank < m.module.exact]
    n = answer.sizes.schedule.n
    if no:
        verb = "Does not pay" if answer.proved_minimal else "Does not pay at these degrees"
        said = f"{verb} at n = {n} ({', '.join(no)})"
    else:
        said = f"Pays at n = {n} in every module"
    found = [said + "; the last column is n on a geometric pyramid, same d, M and error."]
    sampler, extra = answer.sizes.sampler, answer.guided_pairs
    if extra:
        scales = len(answer.sizes.schedule.sides)
        found.append(
            f"Guidance (cfg {short(sampler.cfg)}, cut-off {short(sampler.cutoff)}: "
            f"{sampler.guided(scales - 1, scales)} of {sampler.evaluations} evaluations, not at "
            f"the first scale) adds {big(extra)} pairs to the {big(answer.pairs)} above."
        )
    found.append(
        "Below quadratic in the keys N (L for AR, N of a scale in the flow net) where rho < 1 in "
        "every module, that is M < b* ln N: the condition of n^(2 + o(1)), with its constant."
    )
    return found
