"""Bennett's bound and psi0, psi1 in float64: never below the truth, close to it, sharp."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.balls.scalar import ball, lower, precision, upper
from varnum.formulas import caches as forms
from varnum.lowrank.clusters.jensen_excess import FAR, jensen_excess, psi0, psi1

sizes = st.one_of(st.floats(1e-12, 340), st.floats(1e-3, 5), st.just(1.0), st.just(FAR))


@given(sizes)
def test_psi_are_just_above_the_truth(a: float) -> None:
    with mpmath.workdps(60):
        x = mpmath.mpf(a)
        for found, true in (
            (float(psi0(a)), mpmath.expm1(x) / x),
            (float(psi1(a)), (mpmath.expm1(x) - x) / x**2),
        ):
            assert true <= found <= true * (1 + 3e-8)


@given(sizes, st.floats(1e-20, 1e5))
def test_excess_is_just_above_the_truth(a: float, s2: float) -> None:
    with mpmath.workdps(80):
        x, t = mpmath.mpf(a), mpmath.mpf(s2)
        true = (x**2 * mpmath.expm1(-t / x) + t * mpmath.expm1(x)) / (x**2 + t)
        found = float(jensen_excess(a, s2))
        assert true <= found
        assert found <= true * (1 + 1e-6 if a > 1e-6 else 2.01)


@given(st.floats(0.01, 20), st.floats(1e-4, 30))
def test_one_formula(a: float, s2: float) -> None:
    with precision(200):
        exact = forms.jensen_excess.ball(A=ball(a), s2=ball(s2))
        assert upper(exact) <= float(jensen_excess(a, s2)) <= lower(exact) * (1 + 1e-9)
        assert upper(forms.psi0.ball(A=ball(a))) <= float(psi0(a))
        assert upper(forms.psi1.ball(A=ball(a))) <= float(psi1(a))


def test_ends() -> None:
    assert jensen_excess(0.0, 0.0) == 0
    assert psi1(0.0) >= 0.5
    assert psi0(0.0) >= 1
    assert np.isinf(psi0(400.0))
    assert np.isinf(psi1(400.0))
    assert np.isinf(jensen_excess(400.0, 1.0))
    assert jensen_excess(400.0, 0.0) == 0


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=8))
def test_no_numbers_beat_the_bounds(values: list[float]) -> None:
    x = np.array(values, dtype=np.longdouble)
    x -= x.mean()
    a, s2 = float(x.max()) + 1e-15, float((x * x).mean()) * (1 + 1e-15) + 1e-30
    excess = float((np.expm1(x)).mean())
    assert excess <= float(jensen_excess(a, s2)) + 1e-15
    assert float(jensen_excess(a, s2)) <= s2 * float(psi1(a)) * (1 + 1e-12)


def test_two_points_attain_it() -> None:
    """Points a and -s2/a: 0.1 % less is false, so is the mean of the reach for its maximum."""
    a, share = 1.5, 0.2  # share of a; the other point makes the mean 0
    other = -a * share / (1 - share)
    s2 = share * a**2 + (1 - share) * other**2
    assert -s2 / a == pytest.approx(other)
    excess = share * np.expm1(a) + (1 - share) * np.expm1(other)
    assert excess == pytest.approx(float(jensen_excess(a, s2)), rel=1e-12)
    assert excess > 0.999 * float(jensen_excess(a, s2))
    mean_reach = share * a + (1 - share) * abs(other)
    assert excess > float(jensen_excess(mean_reach, s2))
