"""What is approximated, where, and in which error: exp on an interval, relative or additive."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from varnum.balls.scalar import arb, arb_poly, ball
from varnum.errors import InputError

ErrorKind = Literal["relative", "additive"]


@dataclass(frozen=True)
class Target:
    """exp on [-M, M] or [-W, 0] by a polynomial P, with error h and the sign of its derivative.

    relative: h = P e^-x - 1, and D = P' - P has the sign of h'.
    additive: h = P - e^x, and D = P' - e^x is h'.

    In both cases D has at most deg P real zeros (D is a polynomial of degree <= g; or, by Rolle
    applied to P' e^-x - 1, whose derivative (P'' - P') e^-x has at most g - 1 zeros). That count is
    what makes sign changes at rational points a proof; see proofs/exp-supnorm.md.
    """

    kind: ErrorKind
    low: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        symmetric = self.low == -self.high
        if self.low > self.high or not (symmetric if self.kind == "relative" else self.high == 0):
            raise InputError(
                f"interval: [{self.low}, {self.high}] is not allowed; [-M, M] for relative error, "
                "[-W, 0] for additive error"
            )

    @property
    def width(self) -> float:
        """Width of the interval, for sizing precision only."""
        return float(self.high - self.low)

    def error(self, poly: arb_poly, x: arb) -> arb:
        """h(x), enclosed."""
        if self.kind == "relative":
            return poly(x) * (-x).exp() - 1
        return poly(x) - x.exp()

    def slope(self, poly: arb_poly, derivative: arb_poly, x: arb) -> arb:
        """D(x), enclosed: its sign is the sign of h'(x)."""
        return derivative(x) - (poly(x) if self.kind == "relative" else x.exp())

    def slope_derivative(self, derivative: arb_poly, second: arb_poly, x: arb) -> arb:
        """D'(x), enclosed."""
        return second(x) - (derivative(x) if self.kind == "relative" else x.exp())

    def slope_to_error(self, slope: arb, x: arb) -> arb:
        """h'(x) from D(x)."""
        return slope * (-x).exp() if self.kind == "relative" else slope

    def level(self, points: Sequence[arb]) -> tuple[arb, list[arb]]:
        """The levelled error lambda on g + 2 points, and P's values there.

        P(x_i) = e^(x_i) + (-1)^i lambda u(x_i), u = e^x (relative) or 1 (additive), is met by one
        polynomial of degree g: the divided difference over the points must vanish. Then E_g >=
        |lambda| (de la Vallee Poussin); in balls this is a proof (claim minimal-degree).
        """
        values = [x.exp() for x in points]
        scales = values if self.kind == "relative" else [ball(1)] * len(points)
        top = bottom = ball(0)
        for i, x in enumerate(points):
            product = ball(1)
            for j, y in enumerate(points):
                if i != j:
                    product *= x - y
            weight = 1 / abs(product)
            top += weight * values[i] if i % 2 == 0 else -weight * values[i]
            bottom += weight * scales[i]
        level = -top / bottom
        signed = (level, -level)
        return level, [
            v + signed[i % 2] * u for i, (v, u) in enumerate(zip(values, scales, strict=True))
        ]

    def bits(self, degree: int, error_bits: int) -> int:
        """Mantissa bits that leave about 50 correct bits of an error of size 2^-error_bits.

        e^width is the condition of P in monomials, (1 + sqrt 2)^(2 degree) that of monomials on
        [-W, 0]; the error on a narrow interval is about width^(degree + 1). Too few bits can make a
        proof fail, never make it wrong.
        """
        narrow = bits_of(self.high - self.low) * (degree + 1) if self.low < self.high else 0
        return int(self.width / math.log(2)) + error_bits + narrow + 3 * degree + 110


def bits_of(error: Fraction) -> int:
    """k with 2^-k about as small as the (positive) error; 0 for errors above 1."""
    return max(0, error.denominator.bit_length() - error.numerator.bit_length() + 1)


def initial_points(target: Target, degree: int) -> list[arb]:
    """Near-optimal reference of degree + 2 points, rounded into the interval.

    relative: x_i = -M cos t_i, t_i + (M/(g+1)) sin t_i = pi i/(g+1), the phase of the asymptotic
    error (for g + 1 < M the ratio is held at 1); additive: Chebyshev extrema.
    """
    n = degree + 1
    middle, half = ball(target.low + target.high) / 2, ball(target.high - target.low) / 2
    ratio = min(1.0, float(half) / n) if target.kind == "relative" else 0.0
    angles = [_phase(ratio, math.pi * i / n) for i in range(1, n)]
    inner = [(middle - half * math.cos(t)).mid() for t in angles]
    return [ball(target.low).upper(), *inner, ball(target.high).lower()]


def _phase(ratio: float, goal: float) -> float:
    low, high = 0.0, math.pi
    for _ in range(60):
        t = (low + high) / 2
        low, high = (t, high) if t + ratio * math.sin(t) < goal else (low, t)
    return (low + high) / 2


def check_eps(eps: Fraction, below_one: bool = False) -> None:
    """Raise InputError unless eps > 0 (and < 1)."""
    if not eps > 0 or (below_one and not eps < 1):
        allowed = "0 < eps < 1" if below_one else "eps > 0"
        raise InputError(f"eps: {eps} is not allowed; {allowed}")


def relative(M: Fraction) -> Target:
    """exp on [-M, M] in relative error."""
    if M < 0:
        raise InputError(f"M: {M} is negative; allowed: M >= 0")
    return Target("relative", -M, M)


def additive(W: Fraction) -> Target:
    """exp on [-W, 0] in additive error."""
    if W < 0:
        raise InputError(f"W: {W} is negative; allowed: W >= 0")
    return Target("additive", -W, Fraction(0))
