"""exp-supnorm, minimal-degree, kernel-domain: polynomials for exp against their certified errors.

Each trial takes an interval and a degree. Adversaries: the extrema of the error, the levelled
points, logits that an error pushes to the ends of the widened interval.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.approx.degree import certify_lower, round_polynomial
from varnum.approx.remez import remez
from varnum.approx.supnorm import certify_supnorm
from varnum.approx.target import Target, relative
from varnum.balls.scalar import ball, lower, precision, upper
from varnum.proof.checking import Measurement, main, summarise
from varnum.verdict import Unknown

POINTS = 40  # of a trial
CLAIMS = {
    "exp-supnorm": "relative error at a point",
    "minimal-degree": "bound below the least error",
    "kernel-domain": "relative error at a logit off by zeta",
}


def measure(trials: int = 10_000, seed: int = 0, device: str = "cpu") -> list[Measurement]:
    """Pairs of all three claims; a polynomial for every POINTS trials, at least four."""
    rng = np.random.default_rng(seed)
    pairs: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for _ in range(max(4, trials // POINTS)):
        M, degree = Fraction(int(rng.integers(1, 25)), 4), int(rng.integers(1, 13))
        for key, found in trial(relative(M), degree, rng).items():
            pairs.setdefault(key, []).extend(found)
    columns = {key: tuple(np.array(found).T) for key, found in pairs.items()}
    return [
        summarise(claim, what, columns[claim, False], columns[claim, True])
        for claim, what in CLAIMS.items()
    ]


def trial(target: Target, degree: int, rng: Any) -> dict[tuple[str, bool], Any]:
    """(measured, claimed) by claim and by whether an adversary chose the point."""
    M = target.high
    with precision(target.bits(degree, 200)):
        state = remez(target, degree, 1e-9)
        poly = round_polynomial(target, state, degree)
        norm = certify_supnorm(target, poly, state.extrema)
        if isinstance(norm, Unknown):
            raise ArithmeticError(norm.reason)
        image, claimed = poly.balls(), float(upper(norm.high))

        def error(x: Any) -> tuple[float, float]:
            return float(lower(abs(target.error(image, ball(x))))), claimed

        def bound(points: list[Any]) -> tuple[float, float]:
            return float(lower(certify_lower(target, points, 200).bound)), claimed

        anywhere = [M * _share(rng) for _ in range(POINTS)]
        zeta = M * abs(_share(rng))
        moved = [(M - zeta) * _share(rng) + zeta * _share(rng) for _ in range(POINTS)]
        spread = [sorted({M * _share(rng) for _ in range(degree + 2)}) for _ in range(4)]
        return {
            ("exp-supnorm", False): [error(x) for x in anywhere],
            ("exp-supnorm", True): [error(x) for x in (-M, *state.extrema, M)],
            ("kernel-domain", False): [error(x) for x in moved],
            ("kernel-domain", True): [error(-M), error(M)],  # -(M - zeta) off by -zeta
            ("minimal-degree", False): [bound([ball(x) for x in points]) for points in spread],
            ("minimal-degree", True): [bound(list(state.points))],
        }


def _share(rng: Any) -> Fraction:
    """A random rational in [-1, 1]."""
    return Fraction(int(rng.integers(-(2**40), 2**40 + 1)), 2**40)


if __name__ == "__main__":
    sys.exit(main(measure))
