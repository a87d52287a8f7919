"""Every transfer function against bounds written out by hand, on numbers that show each term."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest

from varnum.propagate import transfer as t
from varnum.propagate.forms import UP
from varnum.propagate.transfer import Reach

X = Reach(4, *(t.ball(Fraction(n)) for n in ("2", "3", "1/5", "1/4")))
Y = Reach(4, *(t.ball(Fraction(n)) for n in ("5/4", "2", "1/9", "1/8")))


def fields(x):
    return [float(part.upper()) for part in (x.size, x.norm, x.error, x.norm_error)]


def tidy(size, norm, error, norm_error, width=4):
    root = sqrt(width)
    return [min(size, norm), min(norm, size * root), min(error, norm_error),
            min(norm_error, error * root)]  # fmt: skip


def same(found, expected):
    assert fields(found) == pytest.approx(expected, rel=1e-12)


def test_sums_shifts_and_factors():
    same(t.add(X, Y), tidy(3.25, 5, 1 / 5 + 1 / 9, 0.375))
    same(t.shift(X, 3), tidy(5, 9, 1 / 5, 1 / 4))
    same(t.interpolate(X, Fraction(7, 4)), [3.5, 5.25, 0.35, 0.4375])
    same(t.interpolate(X, "7/4"), [3.5, 5.25, 0.35, 0.4375])
    same(t.guidance(X, Fraction(3, 2)), [8, 12, 0.8, 1])
    same(t.modulate(X, Fraction(3, 2), Fraction(1, 2)), tidy(3.5, 5.5, 0.3, 0.375))
    same(t.modulate(X, Fraction(3, 2), Fraction(1, 2), Fraction(3, 4)), tidy(3.5, 5.25, 0.3, 0.375))
    error = 1.25 / 5 + 2 / 9 + 1 / 45
    same(t.product(X, Y), tidy(2.5, 5, error, error * 2))
    same(X.perturbed(), [2.2, 3.25, 0.2, 0.25])
    same(t.nearest(X), fields(X))


def test_the_smaller_of_two_is_the_one_whose_upper_end_is():
    wide, point = t.ball(1).union(t.ball(3)), t.ball(2)
    assert t.smaller(wide, point) is point
    assert t.smaller(point, wide) is point


def test_linear_maps_by_their_norms():
    w, bias = np.array([[1.0, -2, 0.5, 0], [0, 1, 1, 3]]), np.array([0.25, -4])
    found = t.operator(w, bias)
    assert found.out == 2
    expected = [5, np.linalg.norm(w, 2), 4, np.linalg.norm(bias)]
    parts = [float(p.upper()) for p in (found.rows, found.spectral, found.bias, found.bias_norm)]
    assert parts == pytest.approx(expected, rel=1e-8)
    assert all(a >= b for a, b in zip(parts, expected, strict=True))
    rows, spectral, size, norm = parts
    expected = (rows * 2 + size, spectral * 3 + norm, rows / 5, spectral / 4)
    same(t.linear(X, found), tidy(*expected, width=2))
    assert float(t.operator(np.zeros((2, 2))).spectral.upper()) < 1e-15


def test_convolutions_by_their_windows():
    weight = np.arange(-9, 9.0).reshape(2, 1, 3, 3)
    found = t.conv_operator(weight, np.array([0.5, -3]))
    assert fields_of(found) == pytest.approx([45, 45 * sqrt(2), 3, 3 * sqrt(2)], rel=1e-8)
    same(t.conv(X, found), expected(found))
    square = np.arange(-9, 27.0).reshape(2, 2, 3, 3)
    blended = t.conv_operator(square, np.array([1.0, -2]), Fraction(1, 4))
    kernel = square * 0.75
    kernel[[0, 1], [0, 1], 1, 1] += 0.25
    rows = np.abs(kernel).sum((1, 2, 3)).max()
    assert fields_of(blended) == pytest.approx([rows, rows * sqrt(2), 1.5, 1.5 * sqrt(2)], rel=1e-8)


def fields_of(w):
    return [float(part.upper()) for part in (w.rows, w.spectral, w.bias, w.bias_norm)]


def expected(w):
    size, error = float(w.rows.upper()) * 2 + float(w.bias.upper()), float(w.rows.upper()) / 5
    return [size, size * sqrt(w.out), error, error * sqrt(w.out)]


def test_logits_by_entries_or_by_norms():
    entries = 4 * (2 / 9 + 1.25 / 5 + 1 / 45)
    norms = 3 / 8 + 2 / 4 + 1 / 32
    assert float(t.logit_error(X, Y, Fraction(-1, 2)).upper()) == pytest.approx(norms / 2)
    long = Reach(4, X.size, t.ball(100), X.error, X.norm_error)
    assert float(t.logit_error(long, Y, Fraction(-1, 2)).upper()) == pytest.approx(entries / 2)
    assert float(t.logit_size(X, Y, Fraction(-1, 2)).upper()) == pytest.approx(3)
    long = Reach(4, X.size, t.ball(100), X.error, X.norm_error)
    assert float(t.logit_size(long, Y, Fraction(-1, 2)).upper()) == pytest.approx(5)
    assert float(t.unit_logit_error(X, Y, Fraction(-1, 2)).upper()) == pytest.approx(3 / 16)
    far = Reach(4, X.size, X.norm, X.error, t.ball(3))
    assert float(t.unit_logit_error(far, Y, Fraction(-1, 2)).upper()) == pytest.approx(1)


def test_attention_and_activations():
    share = np.tanh((0.3 + np.arctanh(0.125)) / 2)
    found = t.attention(X, Fraction(3, 10), Fraction(1, 8))
    same(found, tidy(2, 3, 1 / 5 + 4 * share, 1 / 4 + 6 * share))
    same(t.activation(X, t.SILU_SLOPE), [2, 3, 1.09984 / 5, 1.09984 / 4])
    same(t.activation(X, t.GELU_SLOPE), [2, 3, 1.129 / 5, 1.129 / 4])


def test_norms_are_rounded_up():
    assert float(t._up(1.0).lower()) == pytest.approx(UP)
