"""Backwards: the largest interval on which a degree reaches a target error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from varnum.approx.degree import (
    GAP_BITS,
    certainly_above,
    certainly_within,
    certify_lower,
    round_polynomial,
)
from varnum.approx.remez import remez
from varnum.approx.supnorm import certify_supnorm
from varnum.approx.target import Target, bits_of, check_eps
from varnum.balls.scalar import precision
from varnum.errors import InputError
from varnum.verdict import Unknown


@dataclass(frozen=True)
class LargestInterval:
    """E_degree <= eps is proved at `size`, and E_degree > eps at `above` = size + one unit."""

    size: Fraction
    above: Fraction


def certify_reaches(target: Target, degree: int, eps: Fraction) -> bool | Unknown:
    """Does some polynomial of this degree reach eps on the interval? Proved either way."""
    check_eps(eps)
    if degree < 0:
        raise InputError(f"degree: {degree} is negative")
    if target.low == target.high:
        return True
    for gap_bits in GAP_BITS:
        bits = target.bits(degree, bits_of(eps) + gap_bits)
        with precision(bits):
            state = remez(target, degree, 2.0**-gap_bits)
        if not state.level > 0:
            return Unknown(f"the exchange at degree {degree} lost its precision")
        poly = round_polynomial(target, state, degree, gap_bits)
        fine = max(0, gap_bits - 50)
        norm = certify_supnorm(target, poly, state.extrema, bits=bits, fine=fine)
        if not isinstance(norm, Unknown) and certainly_within(norm.high, eps):
            return True
        bound = certify_lower(target, list(state.points), bits_of(eps) + gap_bits).bound
        if certainly_above(bound, eps):
            return False
    return Unknown(f"E_{degree} is too close to eps to tell apart")


def certify_largest_interval(
    make: Callable[[Fraction], Target],
    degree: int,
    eps: Fraction,
    *,
    digits: int = 6,
    limit: Fraction = Fraction(400),
    max_degree: int = 400,
) -> LargestInterval | Unknown:
    """The largest M (or W) with E_degree <= eps, to `digits` significant digits, rounded down.

    `make` is `relative` or `additive`. E_degree grows with the interval, so one step of a decimal
    grid separates yes from no. Unknown beyond `limit` or `max_degree`.
    """
    if digits < 1:
        raise InputError(f"digits: {digits} is not allowed; at least 1")
    if degree > max_degree:
        return Unknown(f"needs polynomials of degree {degree}, beyond {max_degree}")
    high = Fraction(1)
    while (reached := certify_reaches(make(high), degree, eps)) is True:
        if high == limit:
            return Unknown(f"still reached at {limit}, the largest interval tried")
        high = min(2 * high, limit)
    top = high
    while reached is False:
        high /= 2
        if high < Fraction(1, 10**30):
            return Unknown("not reached on any interval tried")
        reached = certify_reaches(make(high), degree, eps)
    if isinstance(reached, Unknown):
        return reached
    low, high = high, min(2 * high, top)
    unit = Fraction(1)
    while unit * 10 ** (digits - 1) > low:
        unit /= 10
    lo, hi = low // unit, -(-high // unit)
    while hi - lo > 1:
        middle = (lo + hi) // 2
        reached = certify_reaches(make(middle * unit), degree, eps)
        if isinstance(reached, Unknown):
            return reached
        lo, hi = (middle, hi) if reached else (lo, middle)
    return LargestInterval(lo * unit, hi * unit)
