"""Certified sup norms: against dense evaluation, two routes, and false claims."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import mpmath
import pytest

from varnum.approx import supnorm
from varnum.approx.closed import certify_taylor_error, chebyshev_polynomial
from varnum.approx.degree import LeastDegree, certify_least_degree
from varnum.approx.polynomial import Polynomial
from varnum.approx.supnorm import SupNorm, certify_supnorm
from varnum.approx.target import Target, additive, relative
from varnum.balls.scalar import ball, lower, precision, upper
from varnum.verdict import Unknown


def dense_maximum(target: Target, poly: Polynomial, steps: int = 4000) -> float:
    """A plain maximum over a grid in mpmath: never above the sup norm."""
    with mpmath.workdps(60):
        coefficients = [mpmath.mpf(n) * mpmath.mpf(2) ** poly.exponent for n in poly.numerators][
            ::-1
        ]
        low, width = (
            mpmath.mpf(target.low.numerator) / target.low.denominator,
            target.high - target.low,
        )
        best = mpmath.mpf(0)
        for i in range(steps + 1):
            x = low + mpmath.mpf(width.numerator) * i / (width.denominator * steps)
            p = mpmath.polyval(coefficients, x)
            best = max(
                best,
                abs(p * mpmath.exp(-x) - 1 if target.kind == "relative" else p - mpmath.exp(x)),
            )
        return float(best)


def norm(target: Target, poly: Polynomial, extrema: tuple[object, ...] = ()) -> SupNorm:
    found = certify_supnorm(target, poly, extrema)
    assert isinstance(found, SupNorm), found
    return found


@pytest.mark.parametrize(
    "target", [relative(Fraction(3)), additive(Fraction(5)), relative(Fraction(1, 3))]
)
def test_encloses_the_dense_maximum_for_any_polynomial(target: Target) -> None:
    random.seed(1)
    for degree in (0, 1, 2, 5, 9):
        for _ in range(4):
            poly = Polynomial(tuple(random.randint(-200, 200) for _ in range(degree + 1)), -6)
            found, dense = norm(target, poly), dense_maximum(target, poly, 800)
            assert float(upper(found.high)) >= dense * (1 - 1e-12)
            assert float(lower(found.low)) <= float(upper(found.high))
            assert float(upper(found.high)) <= dense * 1.01 + 1e-9


@pytest.mark.parametrize("kind", ["relative", "additive"])
def test_two_routes_agree_near_the_minimax(kind: str) -> None:
    target = relative(Fraction(6)) if kind == "relative" else additive(Fraction(6))
    best = certify_least_degree(target, Fraction(1, 10**5))
    assert isinstance(best, LeastDegree)
    assert best.upper.counted
    with precision(400):
        forms = supnorm._Forms(target, best.poly)
        low, high = supnorm._range(forms, supnorm._isolated(forms), counted=False)
    isolated = SupNorm(low, high, (), counted=False)
    assert isolated.low <= best.upper.high
    assert best.upper.low <= isolated.high
    assert float(upper(best.upper.high) / lower(isolated.low)) < 1 + 1e-9
    assert dense_maximum(target, best.poly) <= float(upper(best.upper.high))


def test_a_moved_coefficient_is_seen() -> None:
    target = relative(Fraction(4))
    best = certify_least_degree(target, Fraction(1, 10**6))
    assert isinstance(best, LeastDegree)
    moved = list(best.poly.numerators)
    moved[3] += 1 << (-best.poly.exponent - 12)
    found = certify_supnorm(target, Polynomial(tuple(moved), best.poly.exponent), best.extrema)
    assert isinstance(found, SupNorm)
    assert lower(found.low) > Fraction(1, 10**6)


def test_wrong_hints_are_not_believed() -> None:
    target = relative(Fraction(2))
    poly = chebyshev_polynomial(target, 6)
    plain = norm(target, poly)
    with precision(200):
        wrong = tuple(ball(Fraction(k, 10)) for k in range(6))
    hinted = norm(target, poly, wrong)
    assert float(upper(hinted.high)) == pytest.approx(float(upper(plain.high)), rel=1e-9)


def test_taylor_error_is_exact() -> None:
    """The sup norm of the (rounded) Taylor polynomial meets the closed form."""
    for target in (relative(Fraction(3)), additive(Fraction(3))):
        for degree in (2, 7):
            coefficients = [Fraction(1, math.factorial(k)) for k in range(degree + 1)]
            with precision(300):
                poly = Polynomial.rounded(coefficients, 200)
                exact = certify_taylor_error(target, degree)
            found = norm(target, poly)
            assert float(lower(found.low)) == pytest.approx(float(exact.mid()), rel=1e-12)
            assert float(upper(found.high)) == pytest.approx(float(exact.mid()), rel=1e-12)


def test_the_zero_polynomial() -> None:
    found = norm(relative(Fraction(1)), Polynomial((0,), 0))
    assert float(upper(found.high)) == pytest.approx(1.0)


def test_too_little_precision_is_unknown_or_right() -> None:
    target = additive(Fraction(30))
    best = certify_least_degree(target, Fraction(1, 10**8))
    assert isinstance(best, LeastDegree)
    for bits in (10, 20, 40, 80):
        found = certify_supnorm(target, best.poly, best.extrema, bits=bits)
        if not isinstance(found, Unknown):
            assert upper(found.high) >= lower(best.upper.low)
