"""tsf-floor: exact against brute force, other programs and heads that run; false versions fail."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.series.escapes import differential_floor, takes_both_signs, two_heads, two_heads_floor
from varnum.series.floor import floor
from varnum.series.least_squares import least_squares, normal, one_sign
from varnum.series.read import read_column
from varnum.series.windows import first_part, make_windows

DATA = Path(__file__).parents[1] / "data" / "series"

# windows, floor, one sign, least squares, persistence over the unit, T = 12: computed from the same
# files by a separate program (NumPy 2.5, SciPy 1.17): golden section on each half-line of v in long
# double, scipy.optimize.nnls, numpy.linalg.lstsq.
ELSEWHERE = {
    ("co2", True): (514, 0.9905042429208708, 0.9911099552770262, 0.10256894138658393, 1.0),
    ("co2", False): (514, 1.0395343293952925e-07, 2.307686847498759e-06, 1.2620653795327279e-06,
                     1.2304556939668354e-05),
    ("sunspots", True): (297, 0.5239116290534607, 0.8093378118662948, 0.3878478363246596, 1.0),
    ("sunspots", False): (297, 0.0012523222880714722, 0.07978565479535082, 0.053856088861568265,
                          0.13885880960925723),
    ("unemp", True): (191, 0.9860200549323379, 0.9983191493704319, 0.48479700564698547, 1.0),
    ("unemp", False): (191, 0.0018119981263571942, 0.003087691786968727, 0.0014994240405257347,
                       0.003092890473868913),
    ("elnino", True): (720, 0.9875978526158715, 0.9939369610126348, 0.20353625191008162, 1.0),
    ("elnino", False): (720, 0.00013740790344387964, 0.0011492555875141407, 0.0004882636217656696,
                        0.002398902491244533),
}  # fmt: skip


def windows_of(name: str, *, skip: bool = True, normalise: str = "none", part: str = "all"):
    values = read_column(DATA / f"{name}.csv").values
    return make_windows(first_part(values, part), 12, skip=skip, normalise=normalise)


@pytest.mark.parametrize(("name", "skip"), ELSEWHERE)
def test_real_series_equal_another_program(name: str, skip: bool) -> None:
    made, (count, least, sign, linear, last) = windows_of(name, skip=skip), ELSEWHERE[name, skip]
    equations = normal(made)
    assert made.count == count
    assert float(floor(made.low, made.high, made.targets).value / made.unit) == pytest.approx(
        least, abs=1e-10, rel=1e-10
    )
    assert float(one_sign(equations).value / made.unit) == pytest.approx(sign, abs=1e-10, rel=1e-9)
    assert float(least_squares(equations).value / made.unit) == pytest.approx(
        linear, abs=1e-10, rel=1e-9
    )
    steps = sum(
        (y - (0 if skip else row[-1])) ** 2
        for row, y in zip(made.tokens, made.targets, strict=True)
    )
    assert steps / made.unit == pytest.approx(last, rel=1e-12)


@pytest.mark.parametrize("name", ["co2", "sunspots", "unemp", "elnino"])
def test_order_of_the_errors_and_the_escape_of_the_mean(name: str) -> None:
    raw, centred = windows_of(name), windows_of(name, normalise="window")
    least, linear = floor(raw.low, raw.high, raw.targets), least_squares(normal(raw))
    assert least.value <= one_sign(normal(raw)).value <= raw.unit
    assert linear.value < least.value  # false: the floor of one head bounds two of opposite sign
    assert floor(centred.low, centred.high, centred.targets).value == 0
    best = least_squares(normal(centred)).value
    for sign in "+-":  # one head of either sign attains it, exactly
        assert one_sign(normal(centred), sign).value == best
    scale = Fraction(centred.scale, raw.scale) ** 2
    assert best < least.value * scale  # false: the floor holds after each window's mean is removed


def value(v: Fraction, low, high, targets) -> Fraction:
    """F(v) from its definition."""
    total = Fraction(0)
    for a, b, y in zip(low, high, targets, strict=True):
        ends = sorted((v * a, v * b))
        total += max(ends[0] - y, y - ends[1], Fraction(0)) ** 2
    return total


def brute(low, high, targets, signs=(1, -1)) -> Fraction:
    """min F: every breakpoint, and the parabola through three points of every piece."""
    best = []
    for s in signs:
        points = {Fraction(0)} | {
            Fraction(y, e) for y, *ends in zip(targets, low, high, strict=True) for e in ends if e
        }
        side = sorted(s * p for p in points if s * p >= 0)
        side.append(side[-1] + 10**6)
        best += [value(s * p, low, high, targets) for p in side]
        for a, b in pairwise(side):
            f0, f1, f2 = (value(s * v, low, high, targets) for v in (a, (a + b) / 2, b))
            if f0 - 2 * f1 + f2 > 0:
                v = a + (b - a) * (3 * f0 - 4 * f1 + f2) / (4 * (f0 - 2 * f1 + f2))
                if a <= v <= b:
                    best.append(value(s * v, low, high, targets))
    return min(best)


triples = st.tuples(*[st.integers(-6, 6)] * 3).map(lambda t: (*sorted(t[:2]), t[2]))


@given(st.lists(triples, min_size=1, max_size=7))
def test_the_sweep_is_the_minimum(rows) -> None:
    low, high, targets = map(list, zip(*rows, strict=True))
    found = floor(low, high, targets)
    assert found.value == brute(low, high, targets) == value(found.v, low, high, targets)
    for signs, side in (("+", (1,)), ("-", (-1,))):
        assert floor(low, high, targets, signs).value == brute(low, high, targets, side)


def test_one_sign_of_v_is_not_enough() -> None:
    """False version: min over v >= 0 only."""
    made = windows_of("co2")
    flipped = [-y for y in made.targets]
    assert (
        floor(made.low, made.high, flipped).value < floor(made.low, made.high, flipped, "+").value
    )


def test_a_subsample_of_the_breakpoints_is_not_exact() -> None:
    made = windows_of("sunspots")
    least = floor(made.low, made.high, made.targets)
    points = sorted({Fraction(y, b) for y, b in zip(made.targets, made.high, strict=True) if b})
    assert min(value(v, made.low, made.high, made.targets) for v in points[::9]) > least.value


def test_content_heads_with_rotated_keys_stay_above_the_floor() -> None:
    """Any queries, keys, positions; RoPE is no escape: it changes the weights only."""
    made, rng = windows_of("sunspots"), np.random.default_rng(0)
    x = np.array(made.tokens, dtype=float) / made.scale
    y = np.array(made.targets, dtype=float) / made.scale
    least = float(floor(made.low, made.high, made.targets).value) / made.scale**2 / len(y)
    lowest = np.inf
    angle = np.arange(12)
    for _ in range(500):
        a, b, c, turn = rng.normal(0, 0.05, 4) * 10 ** rng.uniform(-1, 1)
        query, key = a * x[:, -1:] + b, c * x
        logits = query * key * np.cos(turn * (11 - angle)) + rng.normal(0, 2, 12)
        p = np.exp(logits - logits.max(1, keepdims=True))
        out = (p / p.sum(1, keepdims=True) * x).sum(1)
        v = out @ y / (out @ out)
        lowest = min(lowest, float(np.mean((y - v * out) ** 2)))
    assert lowest > least


@pytest.mark.parametrize("name", ["co2", "sunspots"])
def test_two_heads_of_opposite_sign_attain_least_squares(name: str) -> None:
    made = windows_of(name)
    fit = least_squares(normal(made))
    heads = two_heads(fit.weights)
    for head in heads:
        assert sum(head.p) == 1
        assert min(head.p) > 0
    assert heads[0].v > 0 > heads[1].v
    plus, minus = heads
    exact = [plus.v * a + minus.v * b for a, b in zip(plus.p, minus.p, strict=True)]
    assert exact == list(fit.weights)
    x = np.array([[float(Fraction(t, made.scale)) for t in row] for row in made.tokens])
    y = np.array([float(Fraction(t, made.scale)) for t in made.targets])
    out = np.zeros(len(y))
    for head in heads:  # as a softmax of logits, in float64
        p = np.exp(np.log([float(p) for p in head.p]))
        out += float(head.v) * (x @ (p / p.sum()))
    reached = float(np.sum((y - out) ** 2) / np.sum(y**2))
    assert reached == pytest.approx(float(fit.value / made.unit), abs=1e-8)
    assert two_heads_floor(made).value == 0


def test_constant_windows_bind_two_heads_too() -> None:
    series = [Fraction(x) for x in (1, 1, 3, 2, 2, 1)]
    made = make_windows(series, 2, skip=False)
    assert made.constant == 2
    left = two_heads_floor(made)  # windows (1, 1) -> 3 and (2, 2) -> 1: the best u x
    assert (left.v, left.value) == (1, 5)
    assert 0 < left.value <= floor(made.low, made.high, made.targets).value


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=5),
    st.fractions(0, 12, max_denominator=6),
)
def test_differential_attention_takes_both_signs_exactly_between_the_ratios(x, lam) -> None:
    made = make_windows([Fraction(t) for t in [*x, 1]], len(x), skip=False)
    both = Fraction(min(x), max(x)) < lam < Fraction(max(x), min(x))
    assert takes_both_signs(made, lam) == both
    corners = [a - lam * b for a in x for b in x]  # one-hot p1 and p2: the extreme outputs
    assert (min(corners) < 0 < max(corners)) == both


def test_a_large_lambda_is_no_escape() -> None:
    """False version: lambda > max/min. On (1, 2) at lambda = 3 the head is always negative."""
    made = make_windows([Fraction(t) for t in (1, 2, 3, 1)], 2, skip=False)
    assert takes_both_signs(made, Fraction(3)) == 0
    assert differential_floor(made, Fraction(1)).value == 0
    up_down = make_windows([Fraction(t) for t in (1, 2, 9, 10, -9)], 2, skip=False)
    assert differential_floor(up_down, Fraction(11)).value > 0


def test_normal_equations_of_dependent_columns() -> None:
    made = make_windows([Fraction(5)] * 6, 3, skip=False)
    assert least_squares(normal(made)).value == 0
    assert one_sign(normal(made)).value == 0
