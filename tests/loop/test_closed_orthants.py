"""The closed forms: thresholds from both sides, boxes that really keep, counterexamples."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.errors import InputError
from varnum.loop.activations import activation
from varnum.loop.closed_orthants import Shape, certify_cubic, certify_tanh, counterexample, shape_of
from varnum.loop.coordinates import certify_coordinates
from varnum.loop.net import net
from varnum.loop.orthants import certify_net_boxes
from varnum.verdict import Unknown

F = Fraction


def cubic(u):
    return (3 * u - u**3) / 2


@pytest.mark.parametrize(
    ("e", "beta", "kept"),
    [("0", "0.19245", True), ("0", "0.1925", False), ("0.09", "0.1024", True), ("0.1", "1", False)],
)
def test_the_cubic_threshold_from_both_sides(e, beta, kept):
    shape = Shape(10**9, F(e), F(beta))
    assert isinstance(certify_cubic(shape), Unknown) != kept
    assert (counterexample("cubic", Shape(2, F(e), F(beta))) is None) == kept


@pytest.mark.parametrize(("beta", "attracts"), [("0.17234", True), ("0.1724", False)])
def test_attraction_ends_where_the_closed_form_says(beta, attracts):
    """S(0.02) = 0.17234..; the true loss for one family is at 0.17672."""
    found = certify_cubic(Shape(3, F("0.02"), F(beta)))
    assert (found.rate is not None) == attracts


def test_a_counterexample_has_norms_as_asked_and_no_fixed_point():
    shape = Shape(2, F("0.1"), F("0.1"))
    W, b = counterexample("cubic", shape)
    assert max(sum(abs(W[i][j] - (i == j)) for j in range(2)) for i in range(2)) == shape.e
    x = np.linspace(1e-3, 3, 100_000)
    first = (
        cubic(x + float(W[0][1]) + float(b[0])) - x
    )  # x_2 = 1 is the only positive root of row 2
    assert (first < 0).all()
    assert b == [-shape.beta, 0]


def test_beyond_root_three_positive_roots_return():
    """'No root for every s above the threshold' is false, so none is claimed there."""
    assert counterexample("cubic", Shape(1, F(0), F(2))) is None
    x = np.linspace(0.01, 5, 10_000)
    values = cubic(x - 2.0) - x
    assert values.max() > 0 > values.min()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.19), st.floats(0, 1), st.floats(0, 0.05))
def test_random_weights_and_noise_stay_in_the_box(seed, total, share, nu):
    rng = np.random.default_rng(seed)
    d = 3
    found = certify_cubic(Shape(d, F(total * share), F(total * (1 - share))), F(nu))
    if isinstance(found, Unknown):
        return
    E = rng.choice([-1, 1], (d, d)) * rng.dirichlet(np.ones(d), d) * total * share
    b = rng.choice([-1, 1], d) * total * (1 - share)
    signs = rng.choice([-1, 1], d)
    low, high = float(found.low), float(found.high)
    x = signs * rng.choice([low, high], (50, d))
    out = cubic(x @ (np.eye(d) + E).T + b) + nu * rng.choice([-1, 1], (50, d))
    assert (signs * out >= low - 1e-12).all()
    assert (signs * out <= high + 1e-12).all()


def test_symmetric_boxes_are_not_the_largest_region():
    """A false version: +-[0.8, 1.2] leaves the box at e + beta = 0.19, the one-sided box keeps."""
    worst = cubic(1.2 * 1 + 0.19)
    assert worst < 0.8
    assert not isinstance(certify_cubic(Shape(1, F(0), F("0.19"))), Unknown)


@pytest.mark.parametrize(("c", "e"), [("1.5", "0.1"), ("2", "0.3"), ("3", "0.5"), ("1.2", "0")])
def test_the_tanh_threshold_from_both_sides(c, e):
    gain, spread = float(F(c)), float(F(e))
    limit = math.sqrt(gain * (gain - 1)) - math.atanh(math.sqrt(1 - 1 / gain))
    beta = limit
    for _ in range(100):
        m = 1.0
        for _ in range(400):
            m = math.tanh((gain + spread) * m + beta)
        beta = limit - spread * m
    below = Shape(2, F(e), F(str(beta - 1e-4)), F(c))
    above = Shape(2, F(e), F(str(beta + 1e-4)), F(c))
    assert not isinstance(certify_tanh(below), Unknown)
    assert counterexample("tanh", below) is None
    assert isinstance(certify_tanh(above), Unknown)
    W, b = counterexample("tanh", above)
    x = np.linspace(1e-4, 1, 200_000)
    second = 1.0
    for _ in range(400):
        second = math.tanh(float(W[1][1]) * second + float(b[1]))
    assert (np.tanh(float(W[0][0]) * x + float(W[0][1]) * second + float(b[0])) < x).all()


def test_noise_is_as_sharp_as_bias():
    shape = Shape(5, F(0), F("0.1"))
    found = certify_cubic(shape)
    assert not isinstance(certify_cubic(shape, found.noise), Unknown)
    assert isinstance(certify_cubic(shape, found.noise + F(1, 10**6)), Unknown)
    tanh = Shape(5, F("0.1"), F("0.1"), F(2))
    most = certify_tanh(tanh).noise
    assert not isinstance(certify_tanh(tanh, most), Unknown)
    assert isinstance(certify_tanh(tanh, most + F(1, 10**5)), Unknown)


def test_norms_of_a_network_are_never_below_the_exact_ones():
    rng = np.random.default_rng(3)
    W = np.eye(40) + rng.normal(size=(40, 40)) * 1e-3
    b = rng.normal(size=40) * 1e-2
    shape = shape_of(net(W, b, "cubic"), centred=True)
    exact = max(sum(abs(F(W[i, j]) - (i == j)) for j in range(40)) for i in range(40))
    assert exact <= shape.e <= exact * (1 + F(1, 10**12))
    assert shape.beta == max(abs(F(x)) for x in b)


def test_float32_files_and_dimensions_of_many_rows():
    W = np.eye(600, dtype=np.float32) + np.float32(1e-4)
    found = certify_net_boxes(net(W, np.full(600, 0.1, np.float32), "cubic"))
    assert found.certified == "2^600"
    assert found.rate < 1


def test_exp_poly_keeps_two_intervals_and_a_convex_activation_one():
    """Under exponentiation 2^d needs a polynomial of exp: exp itself has at most one attractor."""
    found = certify_coordinates(activation("exp-poly"), Shape(1000, F("0.01"), F("0.01")))
    assert len(found.intervals) == 2
    assert found.rate < 1
    silu = certify_coordinates(activation("silu"), Shape(1000, F(0), F("0.01"), F(3)))
    assert len(silu.intervals) == 1
    assert (
        isinstance(certify_coordinates(activation("exp-poly"), Shape(2, F(0), F("0.04"))), Unknown)
        or len(certify_coordinates(activation("exp-poly"), Shape(2, F(0), F("0.04"))).intervals) < 2
    )


def test_coordinates_agree_with_the_sharp_closed_form():
    shape = Shape(4, F("0.05"), F("0.1"))
    found = certify_coordinates(activation("cubic"), shape)
    assert len(found.intervals) == 2
    assert found.tolerance < F("0.192451")
    assert found.tolerance > F("0.192")


def test_negative_norms_are_refused():
    with pytest.raises(InputError, match="negative"):
        Shape(2, F(-1), F(0))


def test_the_older_region_is_inside_the_sharp_one():
    for e in (F(0), F(1, 100), F(1, 24)):
        found = certify_cubic(Shape(9, e, F(1, 20) - F(12, 10) * e))
        assert found.rate <= F(27, 32) * (1 + e)
        assert F(8, 10) <= found.low
