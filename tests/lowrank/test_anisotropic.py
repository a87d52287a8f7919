from fractions import Fraction
from itertools import product
from math import comb, exp, factorial

import numpy as np
import pytest

from varnum.balls.scalar import lower, upper
from varnum.errors import InputError
from varnum.lowrank.anisotropic import certify_anisotropic_tail, choose_indices

BOUNDS = [Fraction(1), Fraction(1, 3), Fraction(1, 20)]


def test_one_coordinate_is_the_taylor_tail():
    tail = certify_anisotropic_tail([Fraction(2)], [(m,) for m in range(6)])
    exact = exp(2) - sum(2**m / factorial(m) for m in range(6))
    assert float(upper(tail)) == pytest.approx(exact, rel=1e-12)


def test_the_tail_is_the_largest_error_on_the_box():
    kept = choose_indices(BOUNDS, 9)
    tail = certify_anisotropic_tail(BOUNDS, kept)
    worst = 0.0
    for t in product(*(np.linspace(-float(b), float(b), 9) for b in BOUNDS)):
        partial = sum(
            np.prod([x**a / factorial(a) for x, a in zip(t, alpha, strict=True)]) for alpha in kept
        )
        worst = max(worst, abs(exp(sum(t)) - partial))
    assert worst <= float(upper(tail))
    assert worst >= 0.999 * float(lower(tail))  # attained at the corner: 1 % less would be false


def test_few_indices_beat_total_degree_on_a_narrow_box():
    total = [a for a in product(range(4), repeat=3) if sum(a) <= 3]
    assert len(total) == comb(6, 3)
    chosen = choose_indices(BOUNDS, len(total))
    best, plain = (certify_anisotropic_tail(BOUNDS, kept) for kept in (chosen, total))
    assert upper(best) < lower(plain)


def test_sets_with_holes_are_refused():
    with pytest.raises(InputError, match="not what is below"):
        certify_anisotropic_tail(BOUNDS, [(0, 0, 0), (2, 0, 0)])
    with pytest.raises(InputError, match="twice"):
        certify_anisotropic_tail(BOUNDS, [(0, 0, 0), (0, 0, 0)])
    with pytest.raises(InputError, match="at least 0"):
        certify_anisotropic_tail([Fraction(-1)], [(0,)])
