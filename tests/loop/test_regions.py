"""Given regions: proved where they hold, not where they are a little too large or meet."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.loop.net import net
from varnum.loop.regions import boxes_of, certify_regions

F = Fraction
TWO = net(2 * np.eye(2), np.zeros(2), "tanh")


def square(low, high):
    return ((F(low), F(high)),) * 2


def test_four_regions_of_the_product():
    sides = [(F("0.75"), F(1)), (F(-1), F("-0.75"))]
    found = certify_regions(TWO, [(a, b) for a in sides for b in sides])
    assert all(r.reason is None for r in found)
    assert all(r.rate < 1 for r in found)


def test_a_region_a_little_too_large_or_too_small_is_not_proved():
    """tanh(2x) < x above 0.9575; its slope is above 1 below x = 0.44."""
    assert certify_regions(TWO, [square("0.96", "1")])[0].reason.startswith("it is not mapped")
    assert certify_regions(TWO, [square("0.4", "1")])[0].reason.startswith("it is mapped")
    assert certify_regions(TWO, [square("0.5", "1")])[0].reason is None


def test_noise_must_leave_room():
    assert certify_regions(TWO, [square("0.75", "1")], F("0.03"))[0].reason is None
    assert certify_regions(TWO, [square("0.75", "1")], F("0.05"))[0].reason is not None


def test_regions_that_meet_are_refused():
    with pytest.raises(InputError, match="meet"):
        certify_regions(TWO, [square("0.75", "1"), square("0.5", "0.75")])


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"low": np.zeros((1, 3)), "high": np.ones((1, 3))},
        {"low": np.ones((1, 2)), "high": np.zeros((1, 2))},
    ],
)
def test_bad_files_are_refused(state):
    with pytest.raises(InputError):
        boxes_of(state, 2, "regions.npz")
