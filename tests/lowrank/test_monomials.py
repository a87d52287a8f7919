import numpy as np
import pytest

from varnum.lowrank.monomials.monomial_features import (
    exponents,
    feature_count,
    monomials,
    multinomials,
)


@pytest.mark.parametrize(("d", "g"), [(1, 0), (1, 5), (2, 3), (3, 2), (5, 4), (8, 4)])
def test_features_are_all_monomials_once(d, g):
    alphas = exponents(d, g)
    assert len(set(alphas)) == len(alphas) == feature_count(d, g)
    assert max(sum(a) for a in alphas) == g
    x = np.random.default_rng(0).integers(-3, 4, (d, 6)).astype(float)
    out = monomials(x, g)
    direct = [np.prod(x ** np.array(a)[:, None], axis=0) for a in alphas]
    assert np.array_equal(out, np.array(direct))


def test_weighted_products_are_powers_of_the_dot_product():
    rng = np.random.default_rng(1)
    x, y = rng.integers(-3, 4, (2, 4, 5)).astype(float)
    d, g = 4, 3
    phi, psi = monomials(x, g), monomials(y, g)
    degree = np.array([sum(a) for a in exponents(d, g)])
    weight = np.array(multinomials(d, g), dtype=float)
    for m in range(g + 1):
        level = degree == m
        assert np.array_equal((phi[level] * weight[level, None]).T @ psi[level], (x.T @ y) ** m)


def test_the_first_coordinates_are_a_prefix_of_each_level():
    inner = [a + (0,) * 2 for a in exponents(3, 2) if sum(a) == 2]
    level = [a for a in exponents(5, 2) if sum(a) == 2]
    assert level[: len(inner)] == inner
