"""Polynomials with exact dyadic coefficients: what a certificate carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.balls.scalar import Number, arb, arb_poly, ball, certain_floor, fmpz_poly


@dataclass(frozen=True)
class Polynomial:
    """P(x) = sum_k numerators[k] 2^exponent x^k, exactly."""

    numerators: tuple[int, ...]
    exponent: int

    @property
    def degree(self) -> int:
        """Formal degree: number of coefficients minus one."""
        return len(self.numerators) - 1

    def coefficients(self) -> list[Fraction]:
        """Exact coefficients, constant term first."""
        scale = Fraction(2) ** self.exponent
        return [n * scale for n in self.numerators]

    def integers(self) -> fmpz_poly:
        """The numerators as an integer polynomial: P times 2^-exponent."""
        return fmpz_poly(list(self.numerators))

    def balls(self) -> arb_poly:
        """P as a ball polynomial at the precision in force."""
        scale = ball(2) ** self.exponent
        return arb_poly([ball(n) * scale for n in self.numerators])

    def __call__(self, x: Fraction) -> Fraction:
        """Exact value at a rational point."""
        value = Fraction(0)
        for n in reversed(self.numerators):
            value = value * x + n
        return value * Fraction(2) ** self.exponent

    @classmethod
    def rounded(cls, coefficients: Sequence[Number], bits: int) -> Polynomial:
        """Round ball or rational coefficients to the nearest multiples of 2^-bits."""
        scale = ball(2) ** bits
        numerators = [(ball(c) * scale).mid() + ball(Fraction(1, 2)) for c in coefficients]
        return cls(tuple(certain_floor(n.mid()) for n in numerators), -bits)


def interpolate(points: Sequence[arb], values: Sequence[arb]) -> arb_poly:
    """Newton interpolation in balls; returns an arb_poly whose midpoints are what is wanted."""
    table = list(values)
    for order in range(1, len(points)):
        for i in range(len(points) - 1, order - 1, -1):
            table[i] = ((table[i] - table[i - 1]) / (points[i] - points[i - order])).mid()
    poly = arb_poly([table[-1]])
    for x, top in zip(reversed(points[:-1]), reversed(table[:-1]), strict=True):
        poly = poly * arb_poly([-x, 1]) + top
    return arb_poly([c.mid() for c in poly.coeffs()] or [ball(0)])
