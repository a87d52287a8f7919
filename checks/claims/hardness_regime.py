"""regime-exponent: finite ranks against L^rho, at every L, not only asymptotically.

Measured is ln C(d + g, g) / ln L for whole d and the least g with e^M (e M/(g+1))^(g+1) <= L^-p;
claimed is rho by Taylor at the same (b, c, p). The adversary takes L so large that the two agree to
six digits: the exponent of this route cannot be lowered.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import numpy as np

from varnum.balls.scalar import ball, lower, precision, upper
from varnum.cost.regime import regime_exponent
from varnum.formulas.exp import degree_closed_form
from varnum.proof.checking import Measurement, main, summarise


def _pair(log_l, d, b, p):
    """(measured, claimed) for whole d = c log_l: exact rationals in, enclosures out."""
    M, log_inverse = b * log_l, p * log_l
    with precision(128):
        eps = (-ball(log_inverse)).exp()
        degree = max(0, math.ceil(upper(degree_closed_form.ball(M=M, eps=eps))))
        n, k = d + degree + 1, degree + 1
        log_rank = ball(n).lgamma() - ball(k).lgamma() - ball(d + 1).lgamma() if degree else ball(0)
        rho = regime_exponent(b, d / log_l, p)[0]
        return float(upper(log_rank / ball(log_l))), float(lower(rho))


def _many(rng, trials, decades):
    pairs = []
    for _ in range(trials):
        log_l = Fraction(int(10 ** rng.uniform(*decades)))
        c = 10 ** rng.uniform(-0.7, 1)
        d = max(1, round(c * float(log_l)))
        b, p = (Fraction(10 ** rng.uniform(-2, 1)).limit_denominator(1000) for _ in "bp")
        b, p = max(b, Fraction(1, 100)), max(p, Fraction(1, 100))
        pairs.append(_pair(log_l, d, b, p))
    measured, claimed = np.array(pairs).T
    return measured, claimed


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """L from e^2 to e^1000, then around e^(10^9)."""
    rng = np.random.default_rng(seed)
    few = max(10, trials // 10)  # each is a bisection in balls
    random = _many(rng, few, (0.5, 3))
    return [summarise("regime-exponent", "ln rank / ln L", random, _many(rng, few, (8, 9)))]


if __name__ == "__main__":
    sys.exit(main(measure))
