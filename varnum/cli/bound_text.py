"""What `varnum bound` prints for a person: a short table, a sentence, the derivation."""

from __future__ import annotations

import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

from varnum._plan import Plan
from varnum.balls import round_decimal, to_text
from varnum.cli.common import filled
from varnum.verdict import Proved, Unknown

FAR = "an n of more than ten thousand digits on"


def show(answer: Plan, solved: dict[str, Any] | None, explain: bool) -> None:
    """Print to stdout."""
    sys.set_int_max_str_digits(0)
    rows = _rows(answer)
    width = max(len(name) for name, _, _ in rows)
    print(headline(answer))
    for name, value, note in rows:
        line = f"  {name:<{width}}  {value}" + (f"   {note}" if note else "")
        print(filled(line, indent=" " * (width + 4)))
    print(filled(sentence(answer), indent=""))
    if solved is not None:
        print(filled(_backwards(answer, solved["solve"]), indent=""))
    if explain:
        from varnum.cli.explain import steps

        print("\nDerivation (claim, formula, values, source)")
        for step in steps(answer):
            print(step)


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
        pair = f"{outward(low, up=False)} .. {outward(high, up=True)}"
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
    return rows


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


def _backwards(answer: Plan, solved: dict[str, Any]) -> str:
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


def big(number: int) -> str:
    """An integer in full up to 12 digits, else rounded with its power of ten."""
    text = str(number)
    if len(text) <= 12:
        return f"{number:,}".replace(",", " ") if len(text) > 4 else text
    return f"{text[0]}.{text[1:4]}e{len(text) - 1}"


def outward(decimal: str, up: bool) -> str:
    """A decimal to six digits, rounded to the side that keeps an enclosure one.

    >>> outward("9.482471e-3", up=True), outward("2.92581e-7", up=False)
    ('0.00948248', '2.92581e-7')
    """
    text = round_decimal(Fraction(decimal), 6, up)
    return f"{Decimal(text):f}" if Fraction(text) >= Fraction(1, 10**4) else text


def short(number: Any) -> str:
    """An exact number if it is short, else with about ten digits and a sign of it."""
    text = to_text(number)
    return text if len(text) <= 16 else f"~{float(number):.10g}"
