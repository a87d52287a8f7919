"""What a refutation prints claims no more than it proves."""

from decimal import ROUND_CEILING, ROUND_FLOOR
from fractions import Fraction

import pytest

from varnum.recheck.compare import _shown


@pytest.mark.parametrize("value", [1 / 3, 2 / 3, 0.0123456, 1.0, 5e-324, 0.0999999])
def test_three_digits_on_the_side_that_claims_less(value):
    low, high = _shown(value, ROUND_FLOOR), _shown(value, ROUND_CEILING)
    assert Fraction(low) <= Fraction(value) <= Fraction(high)
    assert len(low) < 16


def test_infinite_is_said():
    assert _shown(float("inf"), ROUND_FLOOR) == "inf"
