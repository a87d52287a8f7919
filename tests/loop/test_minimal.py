"""How many attractors a scalar map can have, per activation."""

from __future__ import annotations

from fractions import Fraction

import pytest

from varnum.balls.scalar import arb, ball, hull
from varnum.loop.activations import activation


def silu_root(c):
    return -(ball(c) - 1).log() / ball(c)


@pytest.mark.parametrize(("c", "attracts"), [("10.18", True), ("10.19", False)])
def test_the_negative_fixed_point_of_silu_attracts_up_to_10_18(c, attracts):
    """False version: "attracts for every c > 2"."""
    x = silu_root(c)
    g = activation("silu")
    assert g.value(ball(c) * x).overlaps(x)
    slope = ball(c) * g.slope(ball(c) * x)
    assert (slope > -1) if attracts else (slope < -1)


@pytest.mark.parametrize(("c", "attracts"), [("8.55", True), ("8.56", False)])
def test_the_negative_fixed_point_of_gelu_attracts_up_to_8_55(c, attracts):
    g, low, high = activation("gelu"), Fraction(-1), Fraction(-1, 100)
    gain = ball(c)

    def gap(x):
        return g.value(gain * ball(x)) - ball(x)

    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) > 0 else (low, middle)
    assert gap(low) > 0 > gap(high)
    slope = gain * g.slope(gain * hull(low, high))
    assert (slope > -1) if attracts else (slope < -1)
    assert slope < 1


def test_convex_is_not_enough_relu_has_a_half_line():
    g = activation("relu")
    for x in (0, 1, 7):
        assert g.value(arb(x)) == arb(x)


def test_the_cubic_has_its_two():
    g = activation("cubic")
    for x in (-1, 1):
        assert g.value(arb(x)) == arb(x)
        assert abs(g.slope(arb(x))) < 1
