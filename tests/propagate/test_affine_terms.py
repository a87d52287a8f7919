"""Errors that are not noise: boxes of `err` through each layer, and rounding made visible.

With SLOP = 2^-10 a contraction may be off by that part of its absolute values; what comes out must
cover the exact layer on all that the computed numbers may stand for.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from varnum.propagate import affine_layers, forms
from varnum.propagate.affine_layers import _gelu, attention, layer_norm, mlp, unit_vectors
from varnum.propagate.forms import Form, Symbols

COARSE = 2.0**-10


def boxed(centre, err, symbols=None):
    """centre (n, d) with |e| <= err, no noise."""
    symbols = Symbols() if symbols is None else symbols
    found = Form.exact(symbols, np.array(centre, float))
    found.err = np.broadcast_to(np.array(err, float), found.centre.shape).copy()
    return found


@pytest.fixture
def coarse(monkeypatch):
    for module in (forms, affine_layers):
        monkeypatch.setattr(module, "SLOP", COARSE)


def test_one_vector_that_vanishes_is_enough_to_refuse():
    with pytest.raises(ArithmeticError, match="nearly"):
        unit_vectors(boxed([[1.0, 2.0], [0.0, 0.0], [3.0, 1.0]], 0.0))


@pytest.mark.parametrize("power", [-30, 30])
def test_lengths_do_not_matter_to_normalised_tokens(power):
    found = []
    for scale in (1.0, 2.0**power):
        symbols = Symbols()
        columns = symbols.take(6)
        matrix = np.zeros((4, 5, columns.stop))
        matrix[:, :, columns] = np.random.default_rng(1).normal(size=(4, 5, 6)) * 0.02 * scale
        centre = np.random.default_rng(2).normal(size=(4, 5)) * scale
        err = np.full((4, 5), 0.01 * scale)
        out = layer_norm(Form(symbols, centre, matrix, err), 0.1 * scale**2)
        found.append((out.centre, out.radius()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-9, abs=1e-9)
    assert found[1][1] == pytest.approx(found[0][1], rel=1e-6)


@pytest.mark.parametrize("layer", ["layer_norm", "unit_vectors"])
@pytest.mark.parametrize("err", [1e-3, 0.1])
def test_a_box_around_a_token_is_covered_after_normalisation(layer, err):
    rng = np.random.default_rng(3)
    for _ in range(40):
        centre = rng.normal(size=(1, 4))
        x = boxed(centre, err)
        out = layer_norm(x, 0.01) if layer == "layer_norm" else unit_vectors(x)
        for signs in rng.choice([-1.0, 1.0], (30, 4)):
            y = centre[0] + err * signs
            if layer == "layer_norm":
                y = y - y.mean()
                y = y / np.sqrt((y**2).mean() + 0.01)
            else:
                y = y / np.linalg.norm(y)
            assert (np.abs(y - out.centre[0]) <= out.radius()[0]).all()


@pytest.mark.parametrize("x", [-9.0, -2.5, -0.7, -1e-3, 0.0, 1e-6, 0.3, 1.4, 3.0, 12.0])
def test_gelu_and_its_derivatives_are_within_their_errors(x):
    def exact(t):
        u = mpmath.sqrt(2 / mpmath.pi) * (t + mpmath.mpf(0.044715) * t**3)
        return t / 2 * (1 + mpmath.tanh(u))

    found = _gelu(np.array([x]))
    with mpmath.workdps(40):
        for order, (value, error) in enumerate(
            [
                (found.value, found.value_error),
                (found.first, found.first_error),
                (found.second, found.second_error),
            ]
        ):
            off = abs(mpmath.diff(exact, mpmath.mpf(x), order) - mpmath.mpf(float(value[0])))
            assert off <= error[0] / 8


def gelu(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("err", [0.0, 0.02])
def test_hidden_units_may_be_off_by_their_rounding_and_their_box(coarse, seed, err):
    rng = np.random.default_rng(seed)
    centre, w1, w2 = rng.normal(size=(1, 3)), rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
    b1, b2 = rng.normal(size=4) * 3, rng.normal(size=2) * 50
    out = mlp(boxed(centre, err), w1, b1, w2, b2)
    middle = centre[0] @ w1.T + b1
    inner = err * np.abs(w1).sum(1) + COARSE * (np.abs(centre[0]) @ np.abs(w1).T + np.abs(b1))
    value = gelu(middle)
    for sign in (-1, 1):
        for row in range(2):
            moved = gelu(middle + sign * np.sign(w2[row]) * inner)
            high = moved + COARSE * np.abs(value) * np.sign(w2[row]) * sign
            y = high @ w2[row] + b2[row] + sign * COARSE * abs(b2[row])
            assert abs(y - out.centre[0, row]) <= out.radius()[0, row]


@pytest.mark.parametrize("seed", range(4))
def test_linear_steps_pay_for_centre_noise_and_shift(coarse, seed):
    """Each product and sum off by SLOP of its absolute values; columns of the noise as well."""
    rng = np.random.default_rng(seed)
    symbols = Symbols()
    columns = symbols.take(5)
    x, y = (
        Form(symbols, rng.normal(size=(2, 3)), rng.normal(size=(2, 3, columns.stop)), err)
        for err in np.abs(rng.normal(size=(2, 2, 3)))
    )
    size = [np.abs(f.centre) + np.abs(f.matrix).sum(-1) for f in (x, y)]
    w, b = rng.normal(size=(4, 3)), rng.normal(size=4) * 9
    due = (x.err + COARSE * size[0]) @ np.abs(w).T + COARSE * np.abs(b)
    assert (x.linear(w, b).err >= due).all()
    factor, shift = rng.normal(size=3), rng.normal(size=3) * 9
    due = np.abs(factor) * (x.err + COARSE * size[0]) + COARSE * np.abs(shift)
    assert (x.scale(factor, shift).err >= due).all()
    assert ((x + y).err >= x.err + y.err + COARSE * (size[0] + size[1])).all()


def softmax_of(q, k, v, scale):
    logits = scale * q @ k.T
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True) @ v


@pytest.mark.parametrize("which", ["q", "k", "v", "qk"])
@pytest.mark.parametrize("err", [0.02, 0.3, 1.0])
def test_boxes_around_queries_keys_and_values_are_covered(which, err):
    """Rare keys too, where the second order is as large as the first."""
    rng = np.random.default_rng(8)
    for case in range(25):
        q, k, v = (rng.normal(size=(n, 2)) for n in (1, 2, 2))
        if case % 2:  # one key is rare
            q, k = np.array([[1.0, 0.0]]), np.array([[0.0, 0.0], [-2.0 - case / 6, 0.5]])
        errs = {name: err * (name in which) for name in "qkv"}
        symbols = Symbols()
        q = np.vstack([q, q])
        sides = [boxed(a, errs[n], symbols) for a, n in zip((q, k, v), "qkv", strict=True)]
        out = attention(*sides, 0.0, (2,), 1.0)
        for _ in range(40):
            moved = [
                a + errs[n] * rng.choice([-1.0, 1.0], a.shape)
                for a, n in zip((q, k, v), "qkv", strict=True)
            ]
            off = np.abs(softmax_of(*moved, 1.0) - out.centre)
            assert (off <= out.radius()).all()
