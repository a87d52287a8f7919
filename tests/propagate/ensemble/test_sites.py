"""Site inequalities against the truth at the inputs where a slightly false version fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.propagate.ensemble import sites
from varnum.propagate.ensemble.smooth_activations import gelu, silu


def test_layer_norm_needs_half_of_b() -> None:
    c0, delta = np.array([2**0.5, -(2**0.5), 0, 0]), np.array([0, 0, 0.5, -0.5])
    truth = abs((1 + 2 * 0 + 0.125) ** -0.5 - 1)
    b = float(delta @ delta / 4)
    tau, _ = sites.normalised(np.array(0.0), np.array(b))
    assert truth == pytest.approx(0.0572, abs=1e-4)
    assert truth <= tau == pytest.approx(0.0625)
    assert c0 @ delta == 0


def test_layer_norm_needs_both_sides_of_nu() -> None:
    """delta = -c0/2 doubles 1/s: nu = 1, the side that shrinks alone says 1/3."""
    tau, nu = sites.normalised(np.array(0.5), np.array(0.25))
    assert nu == pytest.approx(1.0)
    assert nu >= 1.0
    assert tau >= abs(1.0 - 0.5)


def rows(p, dev, eta, b, v, r_v=None, form=0.0):  # type: ignore[no-untyped-def]
    p, v = np.array([p]), np.array(v, float)
    spread = np.abs(v - p @ v)
    n = len(v)
    return sites.Row(
        p, np.array([dev], float), np.array([float(eta)]), np.array([b], float),
        spread, np.zeros(n) if r_v is None else np.array(r_v, float), np.array([float(form)]),
    )  # fmt: skip


def total(row: sites.Row) -> float:
    cbar, ball = sites.attention(row)
    return float((cbar * row.p * row.spread).sum() + ball[0])


def moved(p, z, v, dv=(0, 0)):  # type: ignore[no-untyped-def]
    p, z, v, dv = (np.array(x, float) for x in (p, z, v, dv))
    w = p * np.exp(z)
    return float(w @ (v + dv) / w.sum() - p @ v)


def test_attention_needs_the_drift() -> None:
    row = rows([0.1, 0.9], [0, 0], 0, [1, 1], [1, -1])
    truth = abs(moved([0.1, 0.9], [1, -1], [1, -1]))
    assert truth == pytest.approx(0.702, abs=1e-3)
    assert truth <= total(row) == pytest.approx(0.949, abs=1e-3)


def test_attention_needs_twice_eta() -> None:
    """Row-centred, a kernel error of eta moves a logit of weight p by 2 eta (1 - p)."""
    p, eta = np.array([0.01, 0.99]), np.array([1.0, -1.0])
    truth = np.abs(eta - p @ eta)
    row = rows(p, [0, 0], 1, [0, 0], [1, -1])
    linear = row.dev + 2 * row.eta[:, None] * sites.complement(row.p)
    assert truth.max() == pytest.approx(1.98)
    assert (truth <= linear[0]).all()
    bend = sites.phi(linear)
    assert (sites.attention(row)[0] >= bend).all()


def test_attention_needs_the_products_with_dv() -> None:
    row = rows([0.5, 0.5], [0.5, 0.5], 0, [0, 0], [0, 0], [1, 1])
    truth = abs(moved([0.5, 0.5], [0.5, -0.5], [0, 0], [1, -1]))
    assert truth == pytest.approx(0.462, abs=1e-3)
    assert truth <= total(row) == pytest.approx(0.649, abs=1e-3)


def test_attention_needs_the_denominator() -> None:
    row = rows([0.5, 0.5], [2, 2], 0, [0, 0], [1, -1], form=2)
    truth = abs(moved([0.5, 0.5], [2, -2], [1, -1]) - 2)
    assert truth == pytest.approx(1.036, abs=1e-3)
    assert truth <= total(row) == pytest.approx(6.02, abs=1e-2)


@given(st.integers(0, 10_000))
def test_attention_rows_are_covered(seed: int) -> None:
    """Random rows of two to six keys, corner perturbations: the remainder is within its bound."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 7)), int(rng.integers(1, 4))
    p = rng.dirichlet(np.full(n, 0.5))
    v = rng.standard_normal((n, d))
    size = 10.0 ** rng.uniform(-4, 0.3)
    dev, b, eta = rng.standard_normal(n), rng.standard_normal(n), size * rng.uniform()
    dev, b, e = size * dev, size**2 * b, eta * rng.choice([-1, 1], n)
    dv = size * rng.standard_normal((n, d))
    w = p * np.exp(dev + b + e)
    out = w @ (v + dv) / w.sum()
    centred = dev - p @ dev
    o = p @ v
    linear = (p * centred) @ v + p @ dv
    spread = np.linalg.norm(v - o, axis=1)[None]
    row = sites.Row(
        p[None], np.abs(centred)[None], np.array([eta]), np.abs(b)[None], spread,
        np.linalg.norm(dv, axis=1), np.array([np.linalg.norm(linear)]),
    )  # fmt: skip
    cbar, ball = sites.attention(row)
    bound = ball[0] + ((cbar + eta) * row.p * spread).sum()
    assert np.linalg.norm(out - o - linear) <= bound * (1 + 1e-9) + 1e-13


@given(st.floats(1e-6, 0.99), st.integers(0, 10_000))
def test_unit_vectors_are_covered(r: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    q = rng.standard_normal(3)
    q /= np.linalg.norm(q)
    step = rng.standard_normal(3)
    step *= r / np.linalg.norm(step)
    new = (q + step) / np.linalg.norm(q + step)
    rest = np.linalg.norm(new - q - (step - q * (q @ step)))
    assert rest <= sites.unit_vector(np.array(r)) + 1e-15


def test_gelu_needs_the_third_derivative() -> None:
    x = np.array([2**0.5])
    f, g = gelu(x), gelu(x - 1)
    truth = abs(g.value - f.value + f.slope)[0]
    bound = sites.bent(f.second, np.array([1.0]), sites.GELU_SECOND, sites.GELU_THIRD)[0]
    assert truth == pytest.approx(0.0999, abs=1e-3)
    assert f.second[0] / 2 < 0.01 < truth <= bound == pytest.approx(0.130, abs=1e-3)


def test_activations_are_what_their_errors_say() -> None:
    import mpmath

    mpmath.mp.prec = 200
    x = np.concatenate([np.linspace(-12, 12, 241), [-59.0, -30.0, 1e-8, 45.0]])
    f = gelu(x)
    value, error = silu(x)
    slope = mpmath.sqrt(2 / mpmath.pi)

    def exact(t):  # type: ignore[no-untyped-def]
        return t / 2 * (1 + mpmath.tanh(slope * (t + mpmath.mpf("0.044715") * t**3)))

    for i, at in enumerate(map(mpmath.mpf, x)):
        assert abs(exact(at) - f.value[i]) <= f.error[i] / 4
        assert abs(mpmath.diff(exact, at) - f.slope[i]) <= 2.0**-42
        assert abs(mpmath.diff(exact, at, 2)) <= f.second[i] + 1e-30
        assert abs(at / (1 + mpmath.exp(-at)) - value[i]) <= error[i]


@pytest.mark.parametrize("bad", [np.nan, 1.0, 2.0, np.inf])
def test_outside_their_domain_they_bound_nothing(bad: float) -> None:
    assert np.isinf(sites.unit_vector(np.array(bad)))
    assert np.isinf(sites.normalised(np.array(bad), np.array(4.0))[1])
    assert np.isinf(sites.phi(np.array(1e4)))
