"""Coefficients in float formats: representable, certified on both sides, none better known."""

from __future__ import annotations

import shutil
from fractions import Fraction
from itertools import product

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.approx.ship.best import Polynomial, certify_best
from varnum.approx.ship.coefficient_error import Enclosed, certify_error
from varnum.approx.ship.formats import FORMATS
from varnum.approx.ship.goal import Goal
from varnum.balls.scalar import lower, upper
from varnum.errors import InputError

HALF = Goal("exp2", Fraction(-1, 2), Fraction(1, 2))
GOALS = (
    HALF,
    Goal("exp2", Fraction(0), Fraction(1)),
    Goal("exp", Fraction(-1), Fraction(1)),
    Goal("exp", Fraction(-4), Fraction(4)),
    Goal("exp", Fraction(-5), Fraction(0), "absolute"),
    Goal("exp2", Fraction(1, 3), Fraction(7, 5), "absolute"),
)


def sampled(goal: Goal, coefficients: tuple[Fraction, ...], count: int = 400) -> float:
    """The largest error at evenly spread points, by mpmath at 60 digits."""
    with mpmath.workdps(60):
        base = mpmath.e if goal.function == "exp" else mpmath.mpf(2)
        worst = mpmath.mpf(0)
        for i in range(count + 1):
            x = goal.low + (goal.high - goal.low) * Fraction(i, count)
            f = base ** (mpmath.mpf(x.numerator) / x.denominator)
            p = sum((c * x**k for k, c in enumerate(coefficients)), Fraction(0))
            h = mpmath.mpf(p.numerator) / p.denominator - f
            worst = max(worst, abs(h / f if goal.kind == "relative" else h))
        return float(worst)


def best(goal: Goal, name: str, degree: int, **fixed: Fraction) -> Polynomial:
    found = certify_best(goal, [FORMATS[name]] * (degree + 1), fixed or None)  # type: ignore[arg-type]
    assert isinstance(found, Polynomial)
    return found


@pytest.mark.parametrize(("goal", "name"), [*product(GOALS, FORMATS)])
def test_coefficients_are_in_their_format_and_the_error_is_what_is_said(
    goal: Goal, name: str
) -> None:
    found = best(goal, name, 4)
    assert all(FORMATS[name].holds(c) for c in found.coefficients)
    seen = sampled(goal, found.coefficients)
    assert seen <= float(upper(found.error.high)) * (1 + 1e-12)
    assert seen >= float(lower(found.error.low)) * 0.998
    assert found.error.high <= found.error.low * (1 + 2.0**-17)


def test_no_coefficients_beat_the_real_minimax_and_many_digits_reach_it() -> None:
    for goal in GOALS:
        found = best(goal, "float64", 4)
        assert found.minimax.low <= found.minimax.high  # type: ignore[union-attr]
        assert found.error.high >= found.minimax.low  # type: ignore[union-attr]
        assert found.error.high <= found.minimax.high * 1.0005  # type: ignore[union-attr]


def test_published_minimax_of_exp2() -> None:
    """Degree 2 on [0, 1]: Hart et al. 1968, EXPB 1041 has precision 2.76 digits."""
    found = best(Goal("exp2", Fraction(0), Fraction(1)), "float64", 2)
    assert 10**-2.77 < float(upper(found.error.high)) < 10**-2.76


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(GOALS), st.integers(0, 3), st.sampled_from([-1, 1]))
def test_a_sup_norm_moves_with_a_coefficient(goal: Goal, k: int, sign: int) -> None:
    """Against sampling, on polynomials far from any minimax."""
    found = list(best(goal, "bfloat16", 3).coefficients)
    found[k] += sign * Fraction(1, 16)
    error = certify_error(goal, found)
    assert isinstance(error, Enclosed)
    seen = sampled(goal, tuple(found))
    assert 0.998 * float(lower(error.low)) <= seen <= float(upper(error.high)) * (1 + 1e-12)


def test_exhaustively_best_where_everything_can_be_tried() -> None:
    """All pairs (c0, c1) of 4-digit-close bfloat16 numbers around the best: none is better."""
    goal, form = HALF, FORMATS["bfloat16"]
    found = best(goal, "bfloat16", 1)
    unit = [Fraction(2) ** form.place(c) for c in found.coefficients]
    for i, j in product(range(-6, 7), repeat=2):
        other = (found.coefficients[0] + i * unit[0], found.coefficients[1] + j * unit[1])
        if all(form.holds(c) for c in other):
            error = certify_error(goal, other)
            assert isinstance(error, Enclosed)
            assert error.high >= found.error.low


def test_fixed_coefficients_stay() -> None:
    found = certify_best(HALF, [FORMATS["float32"]] * 5, {0: Fraction(1), 3: Fraction(0)})
    assert isinstance(found, Polynomial)
    assert (found.coefficients[0], found.coefficients[3]) == (1, 0)
    free = best(HALF, "float32", 4)
    assert found.error.low >= free.error.low


def test_formats_per_coefficient() -> None:
    names = ["float32", "bfloat16", "float16", "float16"]
    found = certify_best(HALF, [FORMATS[n] for n in names])
    assert isinstance(found, Polynomial)
    assert all(FORMATS[n].holds(c) for n, c in zip(names, found.coefficients, strict=True))


def test_bad_input_is_one_line() -> None:
    with pytest.raises(InputError, match=r"interval: \[1, 0\]"):
        Goal("exp", Fraction(1), Fraction(0))
    with pytest.raises(InputError, match="degree: 99"):
        certify_best(HALF, [FORMATS["float32"]] * 100)
    with pytest.raises(InputError, match="fixed coefficient 0: 1/3 is no float32"):
        certify_best(HALF, [FORMATS["float32"]] * 2, {0: Fraction(1, 3)})


@pytest.mark.skipif(shutil.which("sollya") is None, reason="Sollya is not installed")
def test_no_worse_than_fpminimax() -> None:
    """Three of the cases of checks/bench/sollya_fpminimax.py."""
    from varnum.proof.checking import load

    check = load("sollya_fpminimax")
    for goal, name, degree in (
        (HALF, "float32", 5),
        (GOALS[2], "bfloat16", 4),
        (HALF, "float64", 3),
    ):
        answer = check.sollya(goal, FORMATS[name].digits, degree)
        assert answer is not None
        its = certify_error(goal, answer[0])
        assert isinstance(its, Enclosed)
        assert best(goal, name, degree).error.high <= its.high * 1.01
