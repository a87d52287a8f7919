"""tsf-gaussian, tsf-lazy, tsf-asymmetric: closed forms against integrals, fits and autograd."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from varnum.balls.scalar import ball, lower, precision, upper
from varnum.errors import InputError
from varnum.series import gaussian
from varnum.series.asymmetric import estimate_alignment, logit_gradient
from varnum.series.tangent import estimate_risk, features, least_risk

NINE = Fraction(9, 10)


def overlap(a, b, width: float = 1e-25) -> bool:
    return a.overlaps(b) and upper(a) - lower(a) < width and upper(b) - lower(b) < width


@pytest.mark.parametrize("rho", ["-99/100", "-1/2", "0", "1/3", "9/10", "999/1000"])
def test_closed_forms_equal_verified_integrals(rho: str) -> None:
    r = Fraction(rho)
    with precision(160):
        assert overlap(gaussian.wedge(r), gaussian.wedge_by_quadrature(r), 1e-35)
        assert overlap(gaussian.sign_inconsistent(r), gaussian.sign_by_quadrature(r), 1e-35)
        total = gaussian.wedge(r) + gaussian.wedge(-r)  # both signs of y beside x > 0
        assert total.contains(ball(Fraction(1, 2)))


def test_published_values() -> None:
    assert float(gaussian.sign_inconsistent(NINE)) == pytest.approx(0.14357, abs=5e-6)
    assert float(gaussian.wedge(NINE)) == pytest.approx(0.0093465, abs=5e-8)
    sign_only, floor = gaussian.ar1(NINE)
    assert float(sign_only) == pytest.approx(0.35884, abs=5e-6)
    assert floor.overlaps(ball(Fraction(19, 20)))
    assert sign_only < floor  # false version: 0.35884 called the floor


def test_a_one_percent_smaller_wedge_is_seen() -> None:
    with precision(160):
        assert not (gaussian.wedge(NINE) * 99 / 100).overlaps(gaussian.wedge_by_quadrature(NINE))


def test_the_sample_agrees() -> None:
    rng = np.random.default_rng(0)
    x, e = rng.standard_normal((2, 400_000))
    y = 0.9 * x + np.sqrt(0.19) * e
    assert np.mean(x * y < 0) == pytest.approx(float(gaussian.sign_inconsistent(NINE)), abs=3e-3)
    d = (y - x)[x > 0]
    least = min(np.sum(d[d > 0] ** 2), np.sum(d[d < 0] ** 2)) / np.sum(d**2)
    assert least == pytest.approx(float(gaussian.ar1(NINE)[0]), abs=5e-3)
    v = (x @ (y - x)) / (x @ x)
    true = np.mean((y - x - v * x) ** 2) / np.mean((y - x) ** 2)
    assert true == pytest.approx(0.95, abs=5e-3)


def test_correlations_of_one_are_refused() -> None:
    for rho in (Fraction(1), Fraction(-1), Fraction(2)):
        with pytest.raises(InputError, match="rho"):
            gaussian.sign_inconsistent(rho)


whole = st.integers(-5, 5)


@given(st.lists(st.tuples(whole, whole, whole), min_size=4, max_size=12))
def test_the_tangent_model_on_symmetric_windows(rows) -> None:
    """Each window with its mirror image: the fit of all features is the closed form, exactly so."""
    x = np.array(rows, dtype=float)
    x = np.concatenate([x, -x])
    w = np.array([2.0, -1.0, 0.5])
    C = [[Fraction(int(a), len(x)) for a in row] for row in (x.T @ x)]
    assume(sum(map(sum, C)) > 0)
    risk = least_risk([Fraction(2), Fraction(-1), Fraction(1, 2)], C)
    assert estimate_risk(w, x) == pytest.approx(float(risk), abs=1e-8)
    assert estimate_risk(w, x, positional=True) < 1e-18  # false: the obstruction with positions


def test_unit_covariance_and_false_versions() -> None:
    w = [Fraction(3), Fraction(1), Fraction(-2), Fraction(0)]
    eye = [[Fraction(i == j) for j in range(4)] for i in range(4)]
    assert least_risk(w, eye) == 14 - Fraction(4, 4)
    rng = np.random.default_rng(1)
    lopsided = rng.standard_normal((60, 4)) + 1.0  # no mirror images: the even features help
    C = [[Fraction(float(a)) for a in row] for row in lopsided.T @ lopsided / 60]
    assert estimate_risk(np.array([3.0, 1, -2, 0]), lopsided) < 0.9 * float(least_risk(w, C))
    assert features(lopsided).shape == (60, 1 + 16)
    with pytest.raises(InputError, match="1'C 1"):
        least_risk(w[:2], [[Fraction(1), Fraction(-1)], [Fraction(-1), Fraction(1)]])


def test_the_gradient_is_autograds() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    x, y, v = rng.normal(size=(5, 4)), rng.normal(size=5), rng.normal(size=3)
    logits = torch.tensor(rng.normal(size=(3, 5, 4)), requires_grad=True)
    p = torch.softmax(logits, -1)
    out = (torch.tensor(v)[:, None] * (p * torch.tensor(x)).sum(-1)).sum(0)
    ((out - torch.tensor(y)) ** 2).sum().backward()
    found = logit_gradient(x, y, p.detach().numpy(), v)
    assert np.allclose(found, logits.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_equal_patterns_learn_along_one_direction_exactly() -> None:
    rng = np.random.default_rng(3)

    def exact(*shape):
        return np.vectorize(Fraction)(rng.integers(-9, 10, shape))

    x, y, v = exact(6, 4), exact(6), exact(3)
    v[v == 0] = Fraction(1)
    p = np.vectorize(Fraction)(rng.integers(1, 5, (1, 6, 4)))
    p = np.repeat(p / p.sum(2, keepdims=True), 3, axis=0)
    g = logit_gradient(x, y, p, v)
    assert (g[0] * v[1] == g[1] * v[0]).all()
    assert (g[0] * v[2] == g[2] * v[0]).all()
    assert estimate_alignment(g.astype(float), v.astype(float)) == pytest.approx(1, abs=1e-12)
    p[0] = p[0][:, ::-1]  # false version: heads whose patterns differ
    assert estimate_alignment(logit_gradient(x, y, p, v).astype(float), v.astype(float)) < 0.999
