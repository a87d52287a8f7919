"""Total errors: never below what is seen, near it, and refused where a detail is false."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from varnum.approx.ship.formats import FORMATS
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.kernel import Kernel, certify_evaluation, certify_kernel, default_interval
from varnum.approx.ship.reduction import certify_shift, reduction
from varnum.approx.ship.scheme import scheme
from varnum.approx.ship.total_error import certify_total_error
from varnum.approx.ship.twin import evaluate
from varnum.balls.scalar import ball, upper
from varnum.errors import InputError

HALF = Goal("exp2", Fraction(-1, 2), Fraction(1, 2))
UNIT = Goal("exp2", Fraction(0), Fraction(1))
EXP = Goal("exp", Fraction(-1), Fraction(1))
WIDE = Goal("exp", Fraction(-4), Fraction(4))
WAYS = [*product(("horner", "estrin"), (True, False))]


def kernel(goal: Goal, name: str, degree: int, **options: object) -> Kernel:
    found = certify_kernel(goal, FORMATS[name], degree, **options)  # type: ignore[arg-type]
    assert isinstance(found, Kernel)
    return found


def true_errors(goal: Goal, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    long = x.astype(np.longdouble)
    f = np.exp2(long) if goal.function == "exp2" else np.exp(long)
    return np.abs(y / f - 1).astype(float)


@pytest.mark.parametrize(("name", "fma"), WAYS)
@pytest.mark.parametrize(("goal", "degree"), [(HALF, 6), (UNIT, 6), (EXP, 8), (WIDE, 10)])
def test_analysis_in_float32_is_above_what_is_seen_and_at_most_twice_it(
    goal: Goal, degree: int, name: str, fma: bool
) -> None:
    found = kernel(goal, "float32", degree, scheme_name=name, fma=fma)
    x = np.random.default_rng(0).uniform(float(goal.low), float(goal.high), 2**18)
    near_low = float(goal.low) + np.arange(2**18) * 2.0**-22  # where polynomials err most
    x = np.concatenate([x, near_low]).astype(np.float32).astype(float)
    seen = true_errors(goal, x, found(x)).max()
    bound = float(upper(found.analysis))
    assert seen <= bound <= 2 * seen


@pytest.mark.parametrize(("name", "fma"), WAYS)
@pytest.mark.parametrize("form", ["bfloat16", "float16"])
def test_all_inputs_of_half_formats(form: str, name: str, fma: bool) -> None:
    """The bound is the largest error, and the analysis is above it; through range reduction too."""
    found = kernel(HALF, form, 3, scheme_name=name, fma=fma, reduce=True)
    assert found.seen is not None
    assert found.seen.count > 34_000
    assert found.seen.high <= found.analysis <= 1.5 * found.seen.high
    x = np.array(FORMATS[form].numbers(*found.domain))
    seen = true_errors(HALF, x, found(x)).max()
    assert seen <= float(upper(found.total_error)) * (1 + 1e-15)
    assert float(upper(found.total_error)) <= seen * (1 + 1e-6)


def test_fma_assumed_where_none_is_used_is_refused() -> None:
    """The bound with FMA is false for the evaluation without: an input shows it."""
    fused = kernel(EXP, "float32", 8, fma=True)
    x = np.random.default_rng(1).uniform(-1, 1, 2**19).astype(np.float32).astype(float)
    plain = scheme("horner", 8, False)
    y = evaluate(plain, fused.polynomial.coefficients, x, fused.form)
    assert true_errors(EXP, x, y).max() > float(upper(fused.analysis))
    honest = certify_total_error(EXP, fused.polynomial.coefficients, plain, fused.form)
    assert honest > fused.analysis


def test_a_coefficient_one_ulp_off_is_refused() -> None:
    found = kernel(HALF, "float32", 6)
    for k in (0, 1):
        moved = list(found.polynomial.coefficients)
        moved[k] += Fraction(2) ** found.form.place(moved[k])
        bound = certify_total_error(HALF, moved, found.how, found.form)
        assert bound > found.analysis * 1.05
        x = np.linspace(-0.5, 0.5, 2**18).astype(np.float32).astype(float)
        y = evaluate(found.how, moved, x, found.form)
        assert true_errors(HALF, x, y).max() > float(upper(found.analysis))


def test_a_shorter_reduction_constant_is_refused() -> None:
    """ln 2 in one part, or its second part in bfloat16: the shift is counted, and is real."""
    form = FORMATS["float32"]
    low, high = default_interval("exp", form, True)
    goal = Goal("exp", low, high)
    found = kernel(goal, "float32", 6, reduce=True)
    assert found.reduction is not None
    good = found.reduction
    scale, first, second = good.constants
    for short in (Fraction(0), FORMATS["bfloat16"].round(second)):
        worse = replace(good, constants=(scale, first, short))
        assert certify_shift(worse)[0] > certify_shift(good)[0]
    lost = certify_evaluation(
        found.polynomial, form, found.how, replace(good, constants=(scale, first, Fraction(0)))
    )
    assert isinstance(lost, Kernel)
    assert lost.analysis > 2 * found.analysis
    x = np.linspace(-80, 80, 2**18).astype(np.float32).astype(float)
    assert true_errors(goal, x, lost(x)).max() > float(upper(found.analysis))
    assert true_errors(goal, x, found(x)).max() <= float(upper(found.analysis))


@pytest.mark.parametrize(
    ("form", "fma"), [("float32", True), ("float32", False), ("float64", True)]
)
def test_range_reduction_of_exp_over_the_whole_domain(form: str, fma: bool) -> None:
    low, high = default_interval("exp", FORMATS[form], fma)
    found = kernel(Goal("exp", low, high), form, 6, fma=fma, reduce=True)
    a, b = (float(x) for x in found.domain)
    x = np.random.default_rng(2).uniform(a, b, 2**18)
    x = x.astype(np.float32).astype(float) if form == "float32" else x
    seen = true_errors(found.goal, x, found(x)).max()
    assert seen <= float(upper(found.analysis)) <= 2 * seen


def test_floor_counts_the_rounding_below_one() -> None:
    """-2^-40 reduces to 1, not to 1 - 2^-40."""
    how = reduction("floor", FORMATS["float32"], True)
    assert certify_shift(how)[0] == ball(2) ** -25
    found = kernel(UNIT, "float32", 6, reduce=True)
    x = -(2.0 ** -np.arange(1, 60, dtype=float))
    assert true_errors(UNIT, x, found(x)).max() <= float(upper(found.analysis))


@pytest.mark.parametrize(
    ("function", "low", "high", "form", "options", "said"),
    [
        ("exp", "-1/3", "1/3", "float32", {"reduce": True}, "too narrow"),
        ("exp", "-1", "1", "bfloat16", {"reduce": True, "fma": False}, "no room"),
        ("exp2", "0", "1/2", "float32", {"reduce": True}, "contains"),
        ("exp2", "0", "1", "float16", {"formats": [FORMATS["float32"]] * 4}, "is no float16"),
    ],
)
def test_what_does_not_fit_is_one_line(
    function: Any, low: str, high: str, form: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        certify_kernel(Goal(function, Fraction(low), Fraction(high)), FORMATS[form], 3, **options)


def test_an_overflow_is_not_excluded_but_said() -> None:
    wide = Goal("exp", Fraction(10), Fraction(13))
    assert not isinstance(certify_kernel(wide, FORMATS["float16"], 3), Kernel)
