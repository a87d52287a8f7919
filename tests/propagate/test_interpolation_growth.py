"""bicubic-lebesgue: published values, exactly; the repair of "weights in [0, 1]"."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.model.config import PATCHES_256, PATCHES_512
from varnum.model.interpolation import bicubic, bicubic_matrix
from varnum.propagate import interpolation_growth as i


def test_x2_half_pixel():
    taps = [w for w in bicubic_matrix(8, 16)[7] if w]
    assert taps == [Fraction(n, 256) for n in (-27, 225, 67, -9)]
    assert i.axis_growth(8, 16) == Fraction(41, 32)


def test_suprema():
    assert i.supremum() == Fraction(121, 64)
    assert i.supremum(Fraction(-1, 2)) == Fraction(25, 16)


@pytest.mark.parametrize("sides", [PATCHES_256, PATCHES_512])
def test_released_schedules(sides):
    found = i.schedule_growth(sides)
    assert max(found.values()) < i.supremum()
    if sides == PATCHES_256:
        worst = max(found, key=found.get)
        assert worst in (5, 6)
        assert float(found[5]) == pytest.approx(1.8866, abs=5e-5)
        assert found[5] == max(found.values())


def test_weights_leave_the_unit_interval():
    # phase 1/3 of torch's kernel: -1/9 exactly, which the paper's assumption [0, 1] excludes
    assert min(i.smallest_weight(a, b) for a in (3, 4, 6) for b in (16, 18, 24)) >= Fraction(-1, 9)
    assert i.smallest_weight(9, 27) <= Fraction(-2, 27)


@pytest.mark.parametrize(("small", "large"), [(5, 16), (8, 16), (3, 32)])
def test_the_extremal_input_attains_the_constant(small, large):
    signs = np.array(i.extremal_input(small, large), dtype=float)
    grown = np.abs(bicubic(np.outer(signs, signs)[None], large)).max()
    assert grown == pytest.approx(float(i.growth(small, large)), rel=1e-12)
