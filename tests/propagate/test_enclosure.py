"""run-enclosure: the difference of two forwards in balls, digits certified."""

from __future__ import annotations

import numpy as np
import pytest

from varnum.balls.questions import bounds
from varnum.model.transformer import transformer_block
from varnum.proof import checking
from varnum.propagate.run_enclosure import certify_ranges, polynomial_kernel
from varnum.verdict import Unknown


@pytest.fixture(scope="module")
def check():
    return checking.load("whole_model")


def test_digits(check):
    found = check.depth_digits(depth=16, width=8, digits=10)
    assert not isinstance(found, Unknown)
    difference, bits = found
    low, high = bounds(difference)
    largest = max(np.abs(low).max(), np.abs(high).max())
    assert largest > 0
    assert np.all(high - low <= 2.1e-10 * largest)
    assert bits > 53


def test_too_little_precision_is_unknown(check):
    from varnum.propagate.run_enclosure import certify_run_difference, run_blocks

    affine = checking.load("affine")
    config, weights, x, six = affine.setting(1, 0, width=8, heads=2, scales=(1, 2))
    kernel = polynomial_kernel([1, 1])
    found = certify_run_difference(
        lambda attend: run_blocks(weights, config, x, six, config.lengths, attend),
        kernel,
        digits=10**4,
        limit=128,
    )
    assert isinstance(found, Unknown)


@pytest.mark.parametrize("l2_norm", [False, True])
def test_ball_blocks_are_the_reference_blocks(l2_norm):
    affine = checking.load("affine")
    config, weights, x, six = affine.setting(2, 3, width=8, heads=2, scales=(1, 2), l2_norm=l2_norm)
    enclosed, ranges = certify_ranges(weights, config, x, six, config.lengths)
    y = x[None]
    for i, vectors in enumerate(six):
        y = transformer_block(
            weights, config, i, y, tuple(v[None, None] for v in vectors), blocks=config.lengths
        )
    low, high = bounds(enclosed)
    assert np.all(np.abs(y[0] - low) < 1e-12)
    assert np.all(high - low < 1e-12)
    assert all(s > 0 for s in ranges.s_min.values())
    assert len(ranges.reach) == 2 * 2 * 3
