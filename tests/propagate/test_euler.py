"""Errors through FlowAR's sampler: the released factors, a real flow net, whole generations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.cost.flowar import RELEASED
from varnum.cost.sampler import Sampler, steps, time_grid
from varnum.errors import InputError
from varnum.formulas.flowar import continuous
from varnum.model.flowar import tables
from varnum.model.flowar.flow_sampling import FlowSettings
from varnum.model.flowar.network import time_embedding
from varnum.proof.checking import load
from varnum.propagate.euler import (
    amplification,
    certify_maps_error,
    certify_sampled_error,
    certify_velocity_budget,
    scale_gain,
    step_factors,
)
from varnum.propagate.resample import axis_resample_growth, least_weight, resample_growth

CHECK = load("flowar")
ONE = Fraction(1)


def constant(n, slope):
    return float(amplification(steps(n), [1 + h * slope for h in steps(n)]))


def test_factors_of_the_released_grids() -> None:
    for n, values in ((25, (1.6508, 2.8529, 16.943)), (50, (1.6916, 3.0533, 23.278))):
        for slope, value in zip((1, 2, 5), values, strict=True):
            assert constant(n, slope) == pytest.approx(value, rel=5e-5)
            assert constant(n, slope) <= continuous.ball(Lambda=slope)
    for name, one, half in (
        ("flowar-s", 316.26, 42.398), ("flowar-l", 22.589, 8.3776), ("flowar-h", 16.476, 6.5656),
    ):  # fmt: skip
        sampler = RELEASED[name].sampler
        assert float(scale_gain(sampler, 4, 5, ONE, ONE)) == pytest.approx(one, rel=5e-5)
        assert float(scale_gain(sampler, 4, 5, ONE / 2, ONE / 2)) == pytest.approx(half, rel=5e-5)
        assert scale_gain(sampler, 0, 5, ONE, ONE) < 2  # the first scale is not guided


@given(st.integers(2, 40), st.fractions(0, 4, max_denominator=8), st.data())
def test_aligned_errors_attain_it(n: int, slope: Fraction, data: st.DataObject) -> None:
    """v = -slope x: exactly, in rationals."""
    h = steps(n)
    eps = data.draw(st.lists(st.fractions(0, 1, max_denominator=8), min_size=len(h),
                             max_size=len(h)))  # fmt: skip
    x, y = Fraction(1), Fraction(3, 2)
    for step, e in zip(h, eps, strict=True):
        x, y = x + step * slope * x, y + step * (slope * y + e)
    factors = [1 + step * slope for step in h]
    assert y - x == certify_sampled_error(h, eps, factors, Fraction(1, 2))


def test_the_bound_is_attained_on_a_real_flow_net_and_needs_every_term() -> None:
    model, noise = CHECK.tiny()
    error = Fraction(1, 1000)
    measured, h, eps, factors = CHECK.aligned_run(model, noise, error)
    bound = certify_sampled_error(h, eps, factors)
    assert float(measured / bound) == pytest.approx(1, abs=1e-9)
    for wrong in (
        certify_sampled_error(h, error, factors),  # guidance's 2g - 1 dropped
        certify_sampled_error(h, eps, [*factors[:-1], ONE]),  # the last factor dropped
        certify_sampled_error(h, eps, [ONE] * len(h)),  # no growth
        certify_sampled_error(h[:-1], eps[:-1], factors[:-1]),  # one evaluation fewer
    ):
        assert measured > wrong * Fraction(1001, 1000)
    measured, h, eps, factors = CHECK.aligned_run(model, noise, error, norms=False)
    assert measured <= certify_sampled_error(h, eps, factors)  # Lipschitz constants: looser


def test_a_whole_generation_stays_within_the_recurrence() -> None:
    model, noise = CHECK.tiny("flowar-tiny-cross", 1)
    errors, constants = CHECK.maps_run(model, noise, seed=1)
    bound = certify_maps_error(model.config.scales, CHECK.SAMPLER, **constants)
    assert all(e <= s.error for e, s in zip(errors, bound, strict=True))
    assert errors[-1] > errors[0] > 0


def test_without_resampling_or_inputs_the_recurrence_is_another() -> None:
    sampler = RELEASED["flowar-l"].sampler
    whole = certify_maps_error((1, 2, 4, 8, 16), sampler)
    assert float(whole[-1].error) == pytest.approx(79961, rel=1e-4)
    alone = certify_maps_error((1, 2, 4, 8, 16), sampler, input_gain=Fraction(0))
    assert [s.error for s in alone] == [s.gain for s in whole]
    # one scale of v = z's last input: E_1 = G (eps + rho E_0) exactly
    two = certify_maps_error((2, 4), Sampler(2), lipschitz=(Fraction(0), Fraction(0)))
    first = two[0].error
    assert first == 1
    assert two[1].error == 1 + resample_growth(2, 16, 4) * first


def test_backwards() -> None:
    sampler, sides = RELEASED["flowar-h"].sampler, (1, 2, 4, 8, 16)
    target = Fraction(1, 100)
    eps, scales = certify_velocity_budget(target, sides, sampler)
    assert scales[-1].error == target
    assert certify_maps_error(sides, sampler, velocity_error=eps) == scales
    with pytest.raises(InputError, match="model_error"):
        certify_velocity_budget(Fraction(0), sides, sampler)
    with pytest.raises(InputError, match="from 0 on"):
        certify_maps_error(sides, sampler, input_gain=Fraction(-1))
    with pytest.raises(InputError, match="one each"):
        certify_sampled_error(steps(4), ONE, [ONE])


def test_resampling_norms_are_exact() -> None:
    found = [axis_resample_growth(s, 16, 2 * s) for s in (1, 2, 4, 8)]
    assert found == [ONE, Fraction(2405, 2048), Fraction(161, 128), Fraction(41, 32)]
    assert [float(x) for x in least_weight(8, 16, 16)] == pytest.approx(
        [-0.10547, -0.11659], rel=1e-4
    )
    direct = [axis_resample_growth(s, 2 * s, 2 * s) for s in (1, 2, 4, 8)]
    assert direct == [ONE, Fraction(155, 128), Fraction(41, 32), Fraction(41, 32)]
    rng = np.random.default_rng(0)
    for pairs in CHECK._resample(20, rng):
        assert (pairs[0] <= pairs[1] * (1 + 1e-12)).all()
    assert (pairs[0] >= pairs[1] * (1 - 1e-12)).all()  # attained


def test_the_grid_is_the_models() -> None:
    for n in (2, 3, 6, 25, 50, 99, 100):
        exact = time_grid(n)
        assert tables.time_grid(n) == pytest.approx([float(t) for t in exact], abs=1e-15)
    for sizes in RELEASED.values():
        ours = sizes.sampler
        settings = FlowSettings(ours.num_steps, ours.cfg, ours.cutoff)
        for k in range(5):
            times = tables.time_grid(ours.num_steps)[:-1]
            assert ours.guided(k, 5) == sum(settings.guides(t, k, 5) for t in times)
            assert settings.factor(k, 5) == step_guidance(ours, k)


def step_guidance(sampler: Sampler, k: int) -> Fraction:
    return max(sampler.factors(k, 5))


def test_the_velocity_is_constant_between_two_time_indices() -> None:
    model, _ = CHECK.tiny()
    times = [0.25, 0.2504, 0.2509, 0.2511]
    made = time_embedding(model.weights, np.array([tables.time_index(t) for t in times]))
    assert (made[0] == made[1]).all()
    assert (made[0] == made[2]).all()
    assert (made[0] != made[3]).any()


def test_factors_move_with_both_velocities() -> None:
    sampler = Sampler(4, Fraction(3), Fraction(1))
    found = step_factors(sampler, 1, 2, ONE, Fraction(1, 2))
    assert found == tuple(1 + h * (3 * ONE + 2 * Fraction(1, 2)) for h in steps(4))
