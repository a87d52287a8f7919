"""The affine bound: covers every adversary found, is tight, and is not vacuous."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.proof import checking
from varnum.propagate.affine import certify_blocks, estimate_first_order
from varnum.propagate.forms import Form, Symbols, box, largest, minkowski, root

SMALL = {"width": 16, "heads": 2, "scales": (1, 2)}


@pytest.fixture(scope="module")
def check():
    pytest.importorskip("torch", reason="the adversary follows gradients with torch")
    return checking.load("affine")


@pytest.mark.parametrize(
    ("depth", "eps", "most", "l2_norm"),
    [(1, "1/10000", 1.001, False), (2, "1/1000", 1.05, False), (2, "1/100", 1.25, True)],
)
def test_bound_covers_adversary(check, depth, eps, most, l2_norm):
    bound, found, ratios, random = check.compare(
        depth, Fraction(eps), seed=1, targets=6, trials=64, l2_norm=l2_norm, **SMALL
    )
    assert found.violations == 0
    assert random <= 1
    assert ratios.min() >= 1
    assert ratios.max() < most
    assert bound.symbols > 0


def test_a_slightly_smaller_bound_is_beaten(check):
    _, _, ratios, _ = check.compare(1, Fraction(1, 10**4), seed=1, targets=6, trials=2, **SMALL)
    assert ratios.min() * 0.99 < 1  # 1 % less and some adversary is above it


def test_norm_composition_is_loose_but_holds(check):
    whole = checking.load("whole_model")
    config, weights, x, six = check.setting(2, 0, **SMALL)
    loose = whole.composition(config, weights, x, six, Fraction(1, 1000)).reach.bound()
    tight = certify_blocks(weights, config, x, six, Fraction(1, 1000), config.lengths).bound
    assert float(loose) > 20 * tight.max()


def test_first_order_is_an_estimate(check):
    config, weights, x, six = check.setting(2, 2, **SMALL)
    for eps, within in ((Fraction(1, 1000), 0.05), (Fraction(1, 100), 0.3)):
        bound = certify_blocks(weights, config, x, six, eps, config.lengths).bound
        first = estimate_first_order(weights, config, x, six, float(eps), config.lengths)
        reached = bound > 1e-3 * bound.max()  # the first token sees one key: nothing moves it
        assert np.all(first[reached] <= bound[reached] * (1 + 1e-3))
        assert np.all(first[reached] >= bound[reached] * (1 - within))


def test_bad_input_is_refused(check):
    config, weights, x, six = check.setting(1, 0, **SMALL)
    with pytest.raises(InputError, match="eps"):
        certify_blocks(weights, config, x, six, Fraction(2), config.lengths)
    with pytest.raises(InputError, match="lengths"):
        certify_blocks(weights, config, x, six, Fraction(1, 10), (1, 3))
    with pytest.raises(ArithmeticError, match="too large"):
        certify_blocks(weights, config, x, six, Fraction(99, 100), config.lengths)


def test_what_cannot_be_bounded_is_refused(check):
    config, weights, x, six = check.setting(1, 0, l2_norm=True, **SMALL)
    zero = {**weights, "blocks.0.attn.mat_qkv.weight": np.zeros((48, 16))}
    with pytest.raises(ArithmeticError, match="nearly"):
        certify_blocks(zero, config, x, six, Fraction(1, 10), config.lengths)
    huge = {**weights, "blocks.0.ffn.fc2.weight": np.full((16, 64), 1e200)}
    with np.errstate(all="ignore"), pytest.raises(ArithmeticError):
        certify_blocks(huge, config, x, six, Fraction(1, 10), config.lengths)
    long = {**weights, "unused.weight": np.zeros((1, 4097))}
    with pytest.raises(InputError, match="4097"):
        certify_blocks(long, config, x, six, Fraction(1, 10), config.lengths)
    symbols = Symbols()
    symbols.take(1)
    assert np.isnan(symbols.radius(np.array([[np.nan]]))).all()  # not zero


def test_ellipsoids_contain_what_they_say():
    rng = np.random.default_rng(0)
    symbols = Symbols()
    symbols.take(5)
    symbols.take(2, 3)
    matrix = rng.normal(size=(4, 11))
    e = symbols.ellipsoid(matrix)
    radius = symbols.radius(matrix)
    other = minkowski([e, box(np.full(4, 0.1))])
    for _ in range(500):
        w = rng.uniform(-1, 1, 11)
        for at in (slice(5, 8), slice(8, 11)):
            w[at] /= np.linalg.norm(w[at])
        delta = matrix @ w
        assert np.all(np.abs(delta) <= radius)
        assert delta @ np.linalg.solve(e, delta) <= 1
        moved = delta + rng.uniform(-0.1, 0.1, 4)
        assert moved @ np.linalg.solve(other, moved) <= 1
    assert np.linalg.eigvalsh(e)[-1] <= largest(e)
    s = root(e)
    assert np.linalg.eigvalsh(s @ s.T - e)[0] > 0


def test_linear_maps_enclose_exact_rationals():
    """The rounding term covers the difference to exact rational arithmetic."""
    rng = np.random.default_rng(1)
    w, b, x = rng.normal(size=(3, 5)), rng.normal(size=3), rng.normal(size=(2, 5))
    form = Form.exact(Symbols(), x).linear(w, b)
    for i in range(2):
        for o in range(3):
            exact = sum(
                (Fraction(a) * Fraction(c) for a, c in zip(w[o], x[i], strict=True)), Fraction(b[o])
            )
            assert abs(exact - Fraction(form.centre[i, o])) <= Fraction(form.err[i, o])
