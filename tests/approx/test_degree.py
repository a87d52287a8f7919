"""Least degrees against Sollya's table, exact identities, and an mpmath Remez of its own."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from pathlib import Path

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.approx.closed import (
    certify_degree_chebyshev,
    certify_degree_closed_form,
    certify_degree_taylor,
    estimate_degree_curve,
)
from varnum.approx.degree import LeastDegree, certify_least_degree, certify_lower
from varnum.approx.target import Target, additive, relative
from varnum.balls.scalar import ball, lower, precision, upper
from varnum.errors import InputError
from varnum.verdict import Proved, Unknown

TABLE = json.loads((Path(__file__).parents[1] / "data" / "exp-degrees.json").read_text())["rows"]


def make(kind: str, size: Fraction) -> Target:
    return relative(size) if kind == "relative" else additive(size)


def least(target: Target, eps: Fraction, **options: object) -> LeastDegree:
    found = certify_least_degree(target, eps, **options)  # type: ignore[arg-type]
    assert isinstance(found, LeastDegree), found
    return found


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r['kind']}-{r['M']}-{r['eps']}")
def test_table(row: dict[str, object]) -> None:
    target = make(str(row["kind"]), Fraction(str(row["M"])))
    eps = Fraction(str(row["eps"]))
    found = least(target, eps)
    low, high = row["sollya_guessdegree"]  # type: ignore[misc]
    assert found.degree == row["minimal_degree"]
    assert isinstance(found.minimal, Proved)
    assert low <= found.degree <= high
    at, below = row["minimax_error_at_degree"], row["minimax_error_one_below"]
    assert float(lower(found.error[0])) <= at * (1 + 1e-6)  # type: ignore[operator]
    assert float(upper(found.error[1])) >= at * (1 - 1e-6)  # type: ignore[operator]
    assert float(upper(found.error[1])) <= float(lower(found.error[0])) * 1.001
    if found.lower is not None:
        assert float(lower(found.lower.bound)) <= below * (1 + 1e-6)  # type: ignore[operator]
    assert certify_degree_taylor(target, eps) == row["taylor_degree"]
    start = max(int(row["chebyshev_degree"]) - 2, 0)  # type: ignore[call-overload]
    assert certify_degree_chebyshev(target, eps, start) == row["chebyshev_degree"]


@pytest.mark.parametrize("M", ["0.001", "0.3", "1", "5", "20"])
def test_degree_zero_is_tanh(M: str) -> None:
    """E_0 = tanh M, relative; additive E_0 = (1 - e^-W)/2."""
    size = Fraction(M)
    with precision(200):
        for target, value in (
            (relative(size), ball(size).tanh()),
            (additive(size), (1 - (-ball(size)).exp()) / 2),
        ):
            found = least(target, Fraction(upper(value)) * (1 + Fraction(1, 10**12)))
            assert found.degree == 0
            assert lower(found.error[0]) <= upper(value)
            assert upper(found.error[1]) >= lower(value)
            assert found.error[1] - found.error[0] < 1e-6 * value


def mpmath_minimax(M: float, degree: int, kind: str) -> mpmath.mpf:
    """A plain Remez on a dense grid: linear solves, no code of varnum."""
    low, high = (-M, M) if kind == "relative" else (-M, 0)
    x = [
        mpmath.mpf(low + high) / 2
        - mpmath.mpf(high - low) / 2 * mpmath.cos(mpmath.pi * i / (degree + 1))
        for i in range(degree + 2)
    ]
    grid = [low + mpmath.mpf(high - low) * i / 3000 for i in range(3001)]
    weight = mpmath.exp if kind == "relative" else lambda _: mpmath.mpf(1)
    for _ in range(12):
        rows = [
            [xi**k for k in range(degree + 1)] + [(-1) ** i * weight(xi)] for i, xi in enumerate(x)
        ]
        solution = mpmath.lu_solve(mpmath.matrix(rows), mpmath.matrix([mpmath.exp(xi) for xi in x]))
        coefficients = list(solution)[:-1][::-1]
        error = [(mpmath.polyval(coefficients, t) - mpmath.exp(t)) / weight(t) for t in grid]
        picked: list[int] = []
        for i, e in enumerate(error):
            if picked and mpmath.sign(e) == mpmath.sign(error[picked[-1]]):
                if abs(e) > abs(error[picked[-1]]):
                    picked[-1] = i
            else:
                picked.append(i)
        if len(picked) != degree + 2:
            break
        x = [grid[i] for i in picked]
    return abs(list(solution)[-1])


@pytest.mark.parametrize(
    ("M", "degree", "kind"),
    [(1.0, 3, "relative"), (3.0, 6, "relative"), (6.0, 9, "relative"), (4.0, 5, "additive")],
)
def test_minimax_error_against_an_independent_remez(M: float, degree: int, kind: str) -> None:
    with mpmath.workdps(40):
        expected = float(mpmath_minimax(M, degree, kind))
    found = least(make(kind, Fraction(M)), Fraction(expected) * Fraction(1001, 1000))
    assert found.degree == degree
    assert float(found.error[0].mid()) == pytest.approx(expected, rel=2e-3)


def test_hundreds_of_pairs_are_proved_and_monotone() -> None:
    """Not only round (M, eps); the curve lies above every proved degree, by at most 3.5 here."""
    random.seed(7)
    for _ in range(200):
        M = Fraction(random.randint(1, 3200), 100)
        eps = Fraction(1, random.randint(2, 10 ** random.randint(1, 12)) + 1)
        guess = round(estimate_degree_curve(relative(M), eps))
        found = least(relative(M), eps, guess=guess)
        assert isinstance(found.minimal, Proved), (M, eps)
        assert 0 <= estimate_degree_curve(relative(M), eps) - found.degree <= 3.5, (M, eps)
        taylor = certify_degree_taylor(relative(M), eps)
        assert isinstance(taylor, int)
        assert found.degree <= taylor <= certify_degree_closed_form(relative(M), eps)


@settings(max_examples=40, deadline=None)
@given(
    M=st.fractions(min_value="1/50", max_value=10, max_denominator=50),
    eps=st.fractions(min_value="1/100000", max_value="9/10", max_denominator=100000),
    more=st.fractions(min_value=1, max_value=2, max_denominator=20),
)
def test_monotone_in_M_and_eps(M: Fraction, eps: Fraction, more: Fraction) -> None:
    here = least(relative(M), eps).degree
    assert least(relative(M * more), eps).degree >= here
    assert least(relative(M), eps / more).degree >= here
    assert least(additive(2 * M), eps).degree <= here  # eps e^x <= eps after a shift


def test_extreme_questions() -> None:
    assert least(relative(Fraction("100.0000065")), Fraction(1, 100), guess=113).degree == 109
    tiny = least(relative(Fraction(4)), Fraction(1, 10**30), guess=34)
    assert (tiny.degree, isinstance(tiny.minimal, Proved)) == (35, True)
    point = least(relative(Fraction(0)), Fraction(1, 10))
    assert (point.degree, point.poly.numerators) == (0, (1,))


def test_near_ties_are_decided_or_unknown_never_guessed() -> None:
    exact = least(relative(Fraction(3)), Fraction(1, 10**4))
    low, high = lower(exact.error[0]), upper(exact.error[1])
    above = least(relative(Fraction(3)), high)
    assert above.degree == exact.degree
    below = certify_least_degree(relative(Fraction(3)), low * (1 - Fraction(1, 10**9)))
    assert isinstance(below, LeastDegree)
    assert below.degree == exact.degree + 1
    # inside the enclosure: whatever is claimed must hold by the side that claims it
    verdict = certify_least_degree(relative(Fraction(3)), (low + high) / 2)
    if isinstance(verdict, LeastDegree):
        assert upper(verdict.upper.high) <= (low + high) / 2
        assert verdict.degree in (exact.degree, exact.degree + 1)


@pytest.mark.parametrize(("W", "eps"), [(3, 0.99), (4, 0.985), (3, 0.7), (3, 0.5), (0.5, 0.1)])
def test_additive_taylor_does_not_assume_that_the_error_falls(W: float, eps: float) -> None:
    """At W = 3 the errors start .950, 2.05, 2.45: the first degree that reaches eps may be 0."""

    def error(degree: int) -> float:
        return abs(sum((-W) ** k / math.factorial(k) for k in range(degree + 1)) - math.exp(-W))

    first = next(g for g in range(50) if error(g) <= eps)
    assert certify_degree_taylor(additive(Fraction(W)), Fraction(eps)) == first


@pytest.mark.parametrize(("low", "high"), [(1, 1), (-2, 1), (0, 1)])
def test_only_the_intervals_of_the_theorems(low: int, high: int) -> None:
    for kind in ("relative", "additive"):
        with pytest.raises(InputError, match="interval"):
            Target(kind, Fraction(low), Fraction(high))  # type: ignore[arg-type]


def test_degree_limit_is_unknown() -> None:
    found = certify_least_degree(relative(Fraction(30)), Fraction(1, 10**6), max_degree=10)
    assert isinstance(found, Unknown)


def test_irrational_interval_uses_both_sides() -> None:
    outer, inner = relative(Fraction("1.41421356238")), relative(Fraction("1.41421356237"))
    found = least(outer, Fraction(1, 1000), inner=inner)
    assert isinstance(found.minimal, Proved)
    assert found.lower is not None
    assert lower(found.lower.points[0]) >= inner.low
    assert lower(found.lower.points[-1]) <= inner.high


def test_lower_bound_refuses_bad_points() -> None:
    target = relative(Fraction(1))
    for points in ([-2, 0, 1], [0, 0, 1], [1, 0, -1], [Fraction(1, 3), Fraction(1, 2), 1]):
        with precision(64), pytest.raises(ValueError, match="points"):
            certify_lower(target, [ball(x) for x in points])


def test_lower_bound_is_below_the_truth_wherever_the_points_are() -> None:
    """Random references never exceed the minimax error: the claim itself, tried."""
    random.seed(3)
    target = relative(Fraction(2))
    truth = least(target, Fraction(3, 1000))  # degree 5
    for _ in range(300):
        points = sorted(random.sample(range(-2048, 2049), truth.degree + 2))
        with precision(200):
            bound = certify_lower(target, [ball(Fraction(p, 1024)) for p in points])
        assert bound.bound <= truth.error[1]
