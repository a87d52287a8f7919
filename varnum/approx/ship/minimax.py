"""What no polynomial of this degree can beat: the real minimax, enclosed (claim minimal-degree)."""

from __future__ import annotations

from dataclasses import dataclass

from varnum.approx.degree import certify_lower, round_polynomial, shrunk
from varnum.approx.remez import remez
from varnum.approx.ship.goal import Goal
from varnum.approx.supnorm import certify_supnorm
from varnum.balls.scalar import arb, precision
from varnum.verdict import Unknown

_ERROR_BITS = 60  # what the error may need beyond 4 bits a degree


@dataclass(frozen=True)
class Minimax:
    """low <= E <= high, E the least error of any real polynomial of this degree (balls).

    extrema: points where its error is about that large, for the search of coefficients.
    """

    low: arb
    high: arb
    extrema: tuple[arb, ...]


def certify_minimax(goal: Goal, degree: int) -> Minimax | Unknown:
    """Enclose the minimax error, by the exchange on the centred question and its two proofs."""
    outer, inner, factor = goal.centred()
    error_bits = _ERROR_BITS + 4 * degree
    bits = outer.bits(degree, error_bits)
    with precision(bits):
        state = remez(outer, degree, 2.0**-14, 12)
        if not state.level > 0:
            return Unknown("the exchange lost its precision")
        high = certify_supnorm(
            outer, round_polynomial(outer, state, degree), state.extrema, bits=bits
        )
        if isinstance(high, Unknown):
            return high
        points = list(state.points) if inner == outer else shrunk(list(state.points), outer, inner)
        try:
            low = certify_lower(inner, points, error_bits)
        except ValueError:
            return Unknown("the exchange's points fell together: the interval is too narrow")
        extrema = tuple(goal.uncentred(t) for t in state.extrema)
        return Minimax((low.bound * factor).lower(), (high.high * factor).upper(), extrema)
