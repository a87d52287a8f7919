"""float-forward term by term: coarse units and numbers that make every part of a bound visible.

The expected bounds are written out in plain floats from proofs/float-forward.md, with a unit of
2^-12 and an underflow of 2^-20, so that a term left out is off by more than the comparison allows.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import inf, sqrt

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.propagate import forward_rounding as r
from varnum.propagate import transfer as t
from varnum.propagate.transfer import Reach

MU, TINY, ULPS = 2.0**-12, 2.0**-20, 3
COARSE = r.Arithmetic(Fraction(MU), ULPS, Fraction(TINY))
WIDTH = 5
X = Reach.of(WIDTH, 2, Fraction(1, 7), Fraction(3))
Y = Reach.of(WIDTH, Fraction(3, 2), Fraction(1, 9), Fraction(5, 2))


def gamma(k):
    return k * MU / (1 - k * MU)


def loss(k, size):
    return gamma(k) * size + (1 + gamma(k)) * 2 * k * TINY


def top(x):
    return float((x.size + x.error).upper())


def whole(x):
    return float((x.norm + x.norm_error).upper())


def more(found, before, error, norm_error=None):
    """The bounds of `found` are those of the exact layer plus these, the better measure of each."""
    root = sqrt(before.width)
    error = float(before.error.upper()) + error
    norm = error * root
    if norm_error is not None:
        norm = float(before.norm_error.upper()) + norm_error
    elif before.norm_error.upper() < before.error * before.width**0.5:
        norm = min(
            norm, float(before.norm_error.upper()) + (error - float(before.error.upper())) * root
        )
    assert float(found.error.upper()) == pytest.approx(min(error, norm), rel=1e-12)
    assert float(found.norm_error.upper()) == pytest.approx(min(norm, error * root), rel=1e-12)


def test_the_stated_ulps_and_no_underflow_unless_said():
    assert r.Arithmetic.of("float32").ulps == r.Arithmetic(Fraction(1, 2**24)).ulps == 4
    assert r.Arithmetic(Fraction(1, 2**24)).loss(3, 0) == 0
    assert float(COARSE.loss(7, 2).upper()) == pytest.approx(loss(7, 2), rel=1e-14)
    with pytest.raises(InputError, match="no bound"):
        r.Arithmetic(Fraction(1, 8)).gamma(8)
    assert r.Arithmetic(Fraction(1, 8)).gamma(7) == 7


@pytest.mark.parametrize(("terms", "cases"), [(3, 50), (2000, 8)])
def test_a_product_is_above_gamma_in_exact_numbers(terms, cases):
    rng = np.random.default_rng(0)
    u = Fraction(1, 2**53)
    gamma_k = terms * u / (1 - terms * u)
    for case in range(cases):
        a, b = rng.random((1, terms)), rng.random((terms, 1))
        if case % 2:  # what is added to the first is lost
            a[:], b[:] = 2.0**-53 * 0.99, 1
            a[0, 0] = 1
        bound = r.certify_product_rounding(a, b, r.Arithmetic.of("float64"))[0, 0]
        pairs = zip(a[0].tolist(), b[:, 0].tolist(), strict=True)
        exact = gamma_k * sum(Fraction(x) * Fraction(y) for x, y in pairs)
        assert exact <= Fraction(float(bound)) <= exact * (1 + Fraction(1, 10**8))


def test_rounding_again_is_relative_to_what_is_there():
    more(r.rounded(X, 4, COARSE), X, gamma(4) * top(X), gamma(4) * whole(X))


def test_linear_maps_and_convolutions():
    rng = np.random.default_rng(1)
    w = t.operator(rng.normal(size=(3, WIDTH)), rng.normal(size=3))
    size = float(w.rows.upper()) * top(X) + float(w.bias.upper())
    more(r.linear(X, w, COARSE), t.linear(X, w), loss(WIDTH + 1, size))
    w = t.conv_operator(rng.normal(size=(3, WIDTH, 3, 3)), rng.normal(size=3))
    size = float(w.rows.upper()) * top(X) + float(w.bias.upper())
    more(r.conv(X, w, 3, COARSE), t.conv(X, w), loss(9 * WIDTH + 1, size))


def test_sums_and_products():
    more(r.add(X, Y, COARSE), t.add(X, Y), loss(1, top(X) + top(Y)))
    more(r.product(X, Y, COARSE), t.product(X, Y), loss(1, top(X) * top(Y)))
    found = r.modulate(X, Fraction(7, 4), Fraction(3, 8), COARSE)
    more(found, t.modulate(X, Fraction(7, 4), Fraction(3, 8)), loss(3, 1.75 * top(X) + 0.375))


def test_modulation_can_lose_three_roundings():
    """1 + s, its product with x, the sum with the shift: all just above 1 and rounded down."""
    unit = 2.0**-24
    x, s = np.float32(1 + 2.0**-23 * 2048), np.float32(2.0**-23 * 2047 + unit * (1 - 2.0**-10))
    part = np.float32(np.float32(1 + s) * x)
    assert Fraction(float(np.float32(1 + s))) < 1 + Fraction(float(s))
    shift = np.float32(unit * (1 - 2.0**-20))
    run = np.float32(part + shift)
    exact = (1 + Fraction(float(s))) * Fraction(float(x)) + Fraction(float(shift))
    lost = float((exact - Fraction(float(run))) / Fraction(unit))
    assert lost > 2.9
    single = r.Arithmetic.of("float32")
    token = Reach.of(1, Fraction(float(x)))
    bound = r.modulate(token, 1 + Fraction(float(s)), Fraction(float(shift)), single).bound()
    assert exact - Fraction(float(run)) <= bound < 3.1 * Fraction(unit)


def test_layer_norm():
    s_min, root = 1.5, sqrt(WIDTH)
    found = r.layer_norm(X, Fraction(3, 2), COARSE)
    step, count = loss(WIDTH + 2, top(X)), WIDTH + 4 + 2 * ULPS
    s = s_min - min(float(X.error.upper()), float(X.norm_error.upper()) / root)
    flushed = 16 * TINY / (s - step) ** 2
    h = step / s
    error = root * h * sqrt(2 / (1 + sqrt(1 - h * h)))
    error += loss(count, root) + (1 + gamma(count)) * flushed * root
    more(found, t.layer_norm(X, Fraction(3, 2)), error, error + root * loss(count, 0))


@pytest.mark.parametrize(("gap", "fits"), [(1.02, True), (0.98, False)])
def test_layer_norm_needs_more_than_its_errors(gap, fits):
    """s_min that errors or underflow may use up is refused; just above it is not."""
    step = loss(WIDTH + 2, top(X))
    moved = min(float(X.error.upper()), float(X.norm_error.upper()) / sqrt(WIDTH))
    s_min = Fraction(moved + step + gap * sqrt(32 * TINY))
    if fits:
        assert float(r.layer_norm(X, s_min, COARSE).error.upper()) < inf
        return
    with pytest.raises(InputError, match="not above the errors"):
        r.layer_norm(X, s_min, COARSE)


def test_layer_norm_of_tokens_that_may_have_no_spread_is_refused():
    """s_min above the error of x, but not above what the mean and the differences lose."""
    moved = min(float(X.error.upper()), float(X.norm_error.upper()) / sqrt(WIDTH))
    s_min = Fraction(moved + loss(WIDTH + 2, top(X)) / 2)
    with pytest.raises(InputError, match="not above the errors"):
        r.layer_norm(X, s_min, replace(COARSE, tiny=Fraction(0)))


def test_layer_norm_with_many_roundings_is_refused():
    """g must be below 1/2: 3 (c + 4 + 2 ulps) mu bounds what the quotient may be off."""
    rough = r.Arithmetic(Fraction(1, 40), ULPS, Fraction(0))
    with pytest.raises(InputError, match="not above the errors"):
        r.layer_norm(Reach.of(WIDTH, 1), Fraction(1000), rough)


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_activations(name):
    g = gamma(9 if name == "gelu" else 0)  # 4 constants, 2 for the cube, 2 products and a sum
    bent = g / (2 * (1 - g)) + gamma(2 * ULPS)
    factor = (bent + gamma(3) * (2 + bent)) / 2
    flushed = 8 * TINY * (1 + top(X)) ** 2
    slope = t.GELU_SLOPE if name == "gelu" else t.SILU_SLOPE
    token = factor * whole(X) + flushed * sqrt(WIDTH)
    found = getattr(r, name)(X, COARSE)
    more(found, t.activation(X, slope), factor * top(X) + flushed, token)


def test_attention():
    scale, eps, keys = Fraction(-2, 3), Fraction(1, 8), 6
    v = Reach.of(3, 2, Fraction(1, 11))
    found = r.attention(X, Y, v, scale, eps, keys, COARSE)
    sides = top(X), top(Y)
    size = 2 / 3 * WIDTH * sides[0] * sides[1]
    flushed = WIDTH * (2 / 3 + sides[0] + sides[1] + 1) * TINY
    g = gamma(WIDTH + 2)
    logits = 3 * (g * size + 2 * (1 + g) * flushed)
    kernel = gamma(2 * ULPS)
    together = (1 / 8 + kernel) / (1 + kernel / 8)
    zeta = float(t.logit_error(X, Y, scale).upper()) + logits
    exact = t.attention(v, Fraction(zeta), Fraction(together))
    g, reach = gamma(2 * keys + 2), top(v)
    error = g * reach + (1 + g) * 4 * keys * TINY * (reach + 1) / ((7 / 8) * (1 - kernel))
    more(found, exact, error)
