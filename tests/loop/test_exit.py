"""Stopping: the bound holds, and each of its false versions is broken by a sequence."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.errors import InputError
from varnum.loop.leave import Monitor, distance_after, distance_left, largest_step

F = Fraction
RATES = st.fractions(0, F(99, 100), max_denominator=1000)


@given(RATES, st.fractions(0, 1, max_denominator=100), st.lists(st.integers(-1, 1), max_size=12))
def test_orbits_stay_within_both_bounds(K, nu, signs):
    x, before = F(1), F(1)
    for t, sign in enumerate(signs, start=1):
        before, x = x, K * x + nu * sign
        assert abs(x) <= distance_after(K, t, F(1), nu)
        assert abs(x) <= distance_left(K, abs(x - before), nu)


def test_false_versions_are_broken():
    K, nu = F(1, 2), F(1, 10)
    x = F(1)
    before, x = x, K * x
    step = abs(x - before)
    assert abs(x) > K * step  # K for K/(1 - K)
    for _ in range(60):
        before, x = x, K * x + nu
    step = abs(x - before)
    assert abs(x) > distance_left(K, step)  # the noiseless test under noise
    assert abs(x) > K * step / (1 - K) + nu  # nu without 1/(1 - K)
    assert abs(x) <= distance_left(K, step, nu)


def test_a_small_step_alone_says_nothing():
    """x + 1/t: the steps vanish, the sum has no limit."""
    x, t = 0.0, 0
    while x < 8:
        t += 1
        x += 1 / t
    assert 1 / t < 1e-3
    with pytest.raises(InputError, match="rate"):
        distance_left(F(1), F(1, t))


@given(
    RATES, st.fractions(0, 1, max_denominator=50), st.fractions(F(1, 100), 1, max_denominator=100)
)
def test_the_largest_step_is_the_largest(K, nu, tolerance):
    step = largest_step(K, tolerance, nu)
    if step is None:
        assert nu > tolerance * (1 - K)
    elif K:
        assert distance_left(K, step, nu) == tolerance


def test_the_monitor_proves_or_is_silent():
    monitor = Monitor(F(1, 2), F(1), F(1, 100))
    assert monitor.stop(0.0099, 0.5)
    assert not monitor.stop(0.011, 0.5)
    assert not monitor.stop(0.001, 1.5)  # outside the ball
    assert not monitor.stop(float("nan"), 0.5)
    assert not monitor.stop(0.001, float("nan"))
