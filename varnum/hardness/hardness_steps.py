"""What a head's run means: sizes, regime, which step is proved and which is a hypothesis."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from varnum.balls.scalar import ball, enclosure_text, upper
from varnum.cost.regime import b_star, regime_exponent
from varnum.formulas.exp import degree_closed_form
from varnum.hardness.head import Head

KERNEL_EPS = Fraction(16, 65)  # tanh(artanh(16/65)/2) = 1/8: the kernel error that spends 1/8

PROVED = {
    "sat-to-ov": "satisfiable iff some <u, v> = 0, one column per clause",
    "ov-to-hamming": "ham = m + 2 <u, v>",
    "ov-head": "partner: output >= 1/2; none: output <= 1/4",
    "seth-head": "distance <= t: output >= 1/2; all >= t': output <= 1/4",
}
HYPOTHESES = {
    "SETH": "for every e > 0 some k-SAT on v variables needs more than 2^((1-e)v) time; then no "
    "head of this form with d = C(e) ln n is evaluated within 1/8 in time n^(2-e)",
    "gap (Rubinstein 2018)": "needed besides SETH to have M = O(ln n): distances t and "
    "t + Theta(ln n) are hard to tell apart; the exact reductions here have M = O(d ln n)",
}


def regime_of(head: Head) -> dict[str, Any]:
    """Finite and asymptotic position of a head: b, c, p, rho, b*, and the rank against n.

    The rank is C(d+g, g) with the proved closed-form degree g for M and kernel error 16/65.
    """
    d, n, M = head.queries.shape[1], head.n, head.M
    result: dict[str, Any] = {"d": d, "n": n, "M": _upper_text(M), "R": head.s}
    result["sigma"] = str(head.sigma)
    degree = math.ceil(upper(degree_closed_form.ball(M=M, eps=KERNEL_EPS))) if M else 0
    rank = math.comb(d + degree, degree)
    result |= {"degree": degree, "rank_log10": round(math.log10(rank), 2), "rank_below_n": rank < n}
    if n < 2 or d < 1:
        return result
    log_n = Fraction(math.log(n)).limit_denominator(10**12)
    b, c, p = (
        Fraction(M / log_n).limit_denominator(10**9),
        Fraction(d / log_n).limit_denominator(10**9),
        Fraction(math.log(8) / float(log_n)).limit_denominator(10**9),
    )
    result |= {"estimate_b": float(b), "estimate_c": float(c), "estimate_p": float(p)}
    if c >= Fraction(1, 100):
        taylor, minimax = regime_exponent(b, c, p)
        result["estimate_rho"] = [float(upper(x)) for x in (taylor, minimax)]
        result["estimate_b_star"] = [float(upper(x)) for x in b_star(c, p)]
    return result


def steps_of(claim: str, from_sat: bool) -> list[str]:
    """The claim ids this run rests on, in order."""
    before = ["sat-to-ov"] if from_sat else []
    if claim == "seth-head" and from_sat:
        before.append("ov-to-hamming")
    return [*before, claim]


def _upper_text(value: Fraction) -> str:
    return enclosure_text(ball(value), 8)[1] if value else "0"
