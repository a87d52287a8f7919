"""The derivation behind `varnum bound --explain`: formula, values, claim, source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from varnum._plan import Plan
from varnum.balls.exact import round_decimal
from varnum.formulas import cost as C
from varnum.formulas import exp as E
from varnum.formulas import orders
from varnum.formulas import regime as G
from varnum.formulas import softmax as S
from varnum.formulas.core import Formula
from varnum.proof.ledger import claims
from varnum.text import big, filled, short
from varnum.verdict import Unknown


def steps(answer: Plan) -> Iterator[str]:
    """One paragraph per step, in the order of the argument, no wider than a terminal."""
    for step in _all(answer):
        yield "\n".join(filled(line, indent=" " * 6) for line in step.split("\n"))


def derivation(answer: Plan) -> Iterator[dict[str, Any]]:
    """The same steps for programs: the claim's id, and the lines of the paragraph."""
    for step in _all(answer):
        claim, _, rest = step.strip().removeprefix("[").partition("] ")
        yield {"claim": claim, "lines": [line.strip() for line in rest.split("\n")]}


def _all(answer: Plan) -> Iterator[str]:
    for part in (_size_and_error, _degree, _rank_and_cost):
        yield from part(answer)


def _step(formula: Formula, values: str, result: str) -> str:
    rests = claims()[formula.claim].assurance
    return (
        f"\n[{formula.claim}] {formula.says} ({rests})\n"
        f"    {formula}\n    {values} -> {result}\n    source: {formula.source}"
    )


def _size_and_error(answer: Plan) -> Iterator[str]:
    q = answer.question
    if q.R is not None:
        yield (
            "\n[logit-bound] |q.k|/sigma <= d R^2/sigma (proved)\n"
            f"    R = {short(q.R)}, d = {q.d}, sigma = {q.sigma} -> {short(q.M_high)}\n"
            "    source: |q.k| <= sum |q_i||k_i|"
        )
    elif q.model is not None:
        yield (
            "\n[logit-bound] |s_h q.k| <= s_h for unit q, k (proved in real arithmetic)\n"
            f"    s_h <= exp(float32 log 100) < {short(q.M_high)}\n"
            "    source: released model, learned scale capped; rounded q, k may exceed unit norm: "
            "widen M for them"
        )
    if q.output_error is not None:
        tau = f"tau = {short(q.output_error)}"
        if q.error == "relative":
            yield _step(S.budget_eps, tau, f"eps = {short(q.eps)}")
        elif q.schedule is not None:
            values = f"{tau}, S = 1, L = {q.schedule.length}"
            yield _step(C.additive_delta, values, f"eps = {short(q.eps)}")


def _degree(answer: Plan) -> Iterator[str]:
    q, least = answer.question, answer.least
    values = f"M = {short(q.M_high)}, eps = {short(q.eps)}"
    if q.error == "additive":
        values = f"M = W/2 = {short(q.M_high / 2)}, eps = {short(q.eps)}"
    if q.M_high > 0:
        yield _step(E.degree_closed_form, values, f"g = {answer.degree_closed_form}")
        yield _step(E.minimax_curve, values, f"g = {answer.degree_curve:.2f}")
        order, size = (
            (orders.degree_order, "M") if q.error == "relative" else (orders.additive_order, "W")
        )
        value = order.ball(**{size: q.M_high, "eps": q.eps})
        where = f"{size} = {short(q.M_high)}, eps = {short(q.eps)}"
        yield _step(order, where, f"{float(value.mid()):.3g}, up to a constant factor")
    taylor = E.taylor_error if q.error == "relative" else E.taylor_error_additive
    if not isinstance(answer.degree_taylor, Unknown):
        yield _step(taylor, values, f"least g with error <= eps: {answer.degree_taylor}")
    if isinstance(least, Unknown):
        yield f"\n[minimal-degree] unknown: {least.reason}"
        return
    low, high = (round_decimal(x, 8, up=i == 1) for i, x in enumerate(least.sup))
    how = (
        f"{least.degree} sign changes of the error's derivative are all it can have"
        if least.counted
        else "all zeros of the error's derivative are isolated"
    )
    yield (
        f"\n[exp-supnorm] a polynomial of degree {least.degree} has an error in [{low}, {high}] "
        f"(proved by balls)\n    {how}\n    source: proofs/exp-supnorm.md"
    )
    if least.lower_error is not None:
        yield (
            f"\n[minimal-degree] every polynomial of degree {least.degree - 1} errs by at least "
            f"{round_decimal(least.lower_error, 6, up=False)} > eps (proved by balls)\n"
            f"    |sum (-1)^i w_i e^(x_i)| / sum w_i u(x_i) on {least.degree + 1} points\n"
            f"    source: de la Vallee Poussin; proofs/minimal-degree.md"
        )


def _rank_and_cost(answer: Plan) -> Iterator[str]:
    q, cost = answer.question, answer.cost
    if answer.rank is None:
        return
    values = f"d = {q.d}, g = {answer.degree}"
    yield _step(C.rank, values, f"r = {big(answer.rank)}")
    yield _step(C.rank_published, values, f"r = {big(answer.rank_published or 0)}")
    if cost is not None and q.schedule is not None:
        where = f"d = {q.d}, d_v = {q.d_v}, schedule {q.schedule}"
        yield _step(C.exact_scale, where, f"sum over scales = {big(cost.exact)}")
        yield _step(C.lowrank_scale, f"{where}, r above", f"sum over scales = {big(cost.lowrank)}")
        yield _step(C.state, f"d_v = {q.d_v}, r above", f"{big(cost.state)} numbers")
    n = answer.crossover_n_at_most
    first = f"geometric pyramid: n = {big(n)}" if n else "geometric pyramid: beyond 10^10000"
    yield _step(C.threshold, "r, d, d_v above", first)
    if (regime := answer.regime) is not None:
        values = f"b = {regime['b']:.4g}, c = {regime['c']:.4g}, p = {regime['p']:.4g}"
        yield _step(G.gamma_taylor, values, "degree gamma ln L")
        yield _step(G.rho, values, f"rho = {regime['rho']:.4g}, fast below 1")
        yield _step(G.b_star_taylor, "rho = 1", f"b* = {regime['b_star']:.4g}")
