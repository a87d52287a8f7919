"""Rows that stand for all."""

import numpy as np
import pytest

from varnum.floats.arrays import spread_rows


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100, 21824])
def test_rows_are_spread_and_both_ends_are_among_them(count):
    rows = spread_rows(np.arange(count)[:, None], 8)[:, 0]
    assert len(rows) == min(count, 8)
    assert rows[0] == 0
    assert rows[-1] == count - 1
    assert (np.diff(rows) >= 0).all()
    assert (np.diff(rows) <= 2 * count / 8 + 1).all()


def test_places_of_an_image_are_met_alike():
    rows = spread_rows(np.arange(64 * 341)[:, None], 1024)[:, 0]
    places = np.bincount(rows % 11, minlength=11)  # equal steps of 22 would meet only one of them
    assert places.min() > 0.5 * 1024 / 11
