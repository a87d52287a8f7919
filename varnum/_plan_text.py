"""A plan for people: a short table and a sentence; what `varnum bound` and `print` show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from varnum.outward import at_least, at_most
from varnum.text import big, filled, short
from varnum.verdict import Proved, Unknown

if TYPE_CHECKING:
    from varnum._plan import Plan

FAR = "an n of more than ten thousand digits on"


def text(answer: Plan) -> str:
    """The table and the sentence, on lines of at most WIDTH columns."""
    rows = _rows(answer)
    width = max(len(name) for name, _, _ in rows)
    lines = [headline(answer)]
    for name, value, note in rows:
        line = f"  {name:<{width}}  {value}" + (f"   {note}" if note else "")
        lines.append(filled(line, indent=" " * (width + 4)))
    lines.append(filled(sentence(answer), indent=""))
    if (would := what_would(answer)) is not None:
        lines.append(filled(would, indent=""))
    return "\n".join(lines)


def headline(answer: Plan) -> str:
    """What was asked."""
    q = answer.question
    size = short(q.M_high)
    if q.error == "relative":
        what = f"exp on [-M, M], M = {size}, relative error {short(q.eps)}"
    else:
        what = f"exp on [-W, 0], W = {size}, additive error {short(q.eps)}"
    if q.output_error is not None:
        what += f" (output error {short(q.output_error)})"
    return what + (f", {q.model}" if q.model else "")


def _rows(answer: Plan) -> list[tuple[str, str, str]]:
    least, how = answer.least, ""
    if isinstance(least, Unknown):
        how = f"proved to suffice; least degree unknown: {least.reason}"
    elif isinstance(least.minimal, Proved):
        how = "proved least: " + (
            "degree 0" if least.degree == 0 else f"{least.degree + 1} points exclude lower degrees"
        )
    elif isinstance(least.minimal, Unknown):
        how = f"proved to suffice; not proved least: {least.minimal.reason}"
    taylor = answer.degree_taylor
    taylor_text = "unknown" if isinstance(taylor, Unknown) else str(taylor)
    rows = [("degree", str(answer.degree), how)]
    if answer.minimax_error is not None:
        low, high = answer.minimax_error
        pair = f"{at_least(low, 6)} .. {at_most(high, 6)}"
        rows.append(("minimax error", pair, "certified"))
    others = f"Taylor {taylor_text}, closed form {answer.degree_closed_form}"
    rows.append(("other degrees", others, f"curve {answer.degree_curve:.1f} (estimate)"))
    if answer.rank is not None and answer.rank_published is not None:
        q = answer.question
        rows.append(("rank", big(answer.rank), f"C({q.d} + {answer.degree}, {answer.degree})"))
        rows.append(("published rank", big(answer.rank_published), "C(2(g + d), 2g)"))
    if (cost := answer.cost) is not None:
        pair = f"{big(cost.exact)} exact, {big(cost.lowrank)} low rank"
        rows.append(("operations/head", pair, ""))
        rows.append(("numbers kept/head", f"{big(cost.cache)} cache, {big(cost.state)} state", ""))
    if (regime := answer.regime) is not None:
        where = f"b {regime['b']:.3g}, c {regime['c']:.3g}, p {regime['p']:.3g}"
        fast = "fast" if regime["rho"] < 1 else "not fast"  # below quadratic: rank L^rho below L
        rho = f"rho {regime['rho']:.3g} ({fast}), b* {regime['b_star']:.3g}"
        rows.append(("regime", f"{where}: {rho}", ""))
    for number, stage in enumerate(answer.stages or (), 1):
        rows.append((f"stage {number}", stage_text(stage), ""))
    return rows


def stage_text(stage: dict[str, Any]) -> str:
    """Operations of one stage, and where its attention could be low rank."""
    said = f"{stage['stage']}: {big(stage['operations'])} operations"
    if stage["d"] is None:
        return said + ", no attention"
    share = 100 * stage["attention"] / stage["operations"]
    heads = f"{stage['heads']} heads, d {stage['d']}, {stage['keys']} keys"
    degree = stage["largest_degree"]
    most = "no rank pays" if degree is None else f"pays up to degree {degree}"
    return f"{said}, {share:.2g} % attention ({heads}): {most}"


def sentence(answer: Plan) -> str:
    """Pays or does not pay, in one or two sentences."""
    q, cost = answer.question, answer.cost
    if answer.rank is None:
        return "Give --d (and --schedule, --n or --model) for rank and cost."
    n = answer.crossover_n_at_most
    where = f"n = {big(n)} on" + ("" if answer.proved_minimal else " at the latest") if n else FAR
    from_n = f"on a geometric pyramid it pays from {where}"
    if cost is None or q.schedule is None:
        return f"Give --schedule, --n or --model for the cost; {from_n}."
    verb = {True: "Pays", False: "Does not pay", None: "Does not pay at this degree"}[answer.pays]
    times = cost.lowrank / cost.exact if cost.lowrank < cost.exact * 10**300 else float("inf")
    return (
        f"{verb}: at L = {big(q.schedule.length)}, attention of rank {big(answer.rank)} takes "
        f"{times:.3g} times the operations of exact attention; {from_n}."
    )


def what_would(answer: Plan) -> str | None:
    """Where it does not pay: up to which logits it would, and where to look for them."""
    if answer.cost is None or answer.pays:
        return None
    found = answer.largest_size(digits=3)
    if isinstance(found, Unknown):
        return f"No |logit| is small enough here: {found.reason}."
    size = "|logit| up to" if answer.question.error == "relative" else "W up to"
    return (
        f"Here it would pay for {size} {at_least(found.size)} (same d and error). How large the "
        "logits of real heads are, and what each needs: varnum audit."
    )


def backwards(answer: Plan, solved: dict[str, Any]) -> str:
    """The answer of --solve as a sentence."""
    q = answer.question
    if solved["value"] is None:
        return f"Backwards: no answer ({solved['reason']})."
    if solved["for"] == "n":
        return (
            f"Backwards: smallest n for which it pays: {big(solved['value'])} (and every n above)."
        )
    if solved["for"] == "d":
        fixed = "M" if q.R is None else "R"
        value = f"at least {solved['value']}" if solved["at_least"] else str(solved["value"])
        return f"Backwards: largest d for which it pays at this {fixed}: {value}."
    return (
        f"Backwards: largest {solved['for']} for which it pays: {solved['value']} (proved; "
        f"at {solved['not_at']} no polynomial of a rank that pays reaches the error)."
    )


def latex(answer: Plan) -> str | None:
    """The enclosure of the minimax error, for notebooks; None where it was not computed."""
    if answer.minimax_error is None:
        return None
    q, (low, high) = answer.question, answer.minimax_error
    if q.error == "relative":
        error, where = r"|P(x)e^{-x} - 1|", rf"|x| \le {short(q.M_high)}"
    else:
        error, where = "|P(x) - e^x|", rf"-{short(q.M_high)} \le x \le 0"
    least = rf"\min_{{\deg P \le {answer.degree}}} \max_{{{where}}} {error}"
    return rf"${least} \in [{at_least(low, 6)}, {at_most(high, 6)}]$"
