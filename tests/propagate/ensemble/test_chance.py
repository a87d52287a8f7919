"""The chances themselves: failure rates at d' = 1e-2, and each way to get them wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from varnum.propagate.ensemble import largest_eigenvalue as spectrum
from varnum.propagate.ensemble.chance import cauchy_quantile, cauchy_radius, gauss_quantile
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, Pilot
from varnum.propagate.ensemble.largest_eigenvalue import largest_eigenvalue
from varnum.propagate.ensemble.noise import Noise

PERCENT = Fraction(1, 100)


def empty(ensemble: Ensemble, tokens: int, width: int) -> Cloud:
    """Exact numbers: no deviation yet."""
    return Cloud(
        np.zeros((tokens, width)),
        np.zeros((tokens, ensemble.rows, width)),
        np.zeros((tokens, width)),
        np.ones(tokens),
        np.zeros((tokens, ensemble.rows)),
    )


def ensemble(tokens: int, gauss: int, cauchy: int = 0, chance: Fraction = PERCENT) -> Ensemble:
    noise = Noise(b"test", 1, gauss, cauchy)
    return Ensemble(noise, Pilot(1.0), (tokens,), chance)


@pytest.mark.parametrize(("gauss", "cauchy"), [(4, 0), (16, 0), (4, 16), (4, 64)])
def test_failures_are_as_rare_as_they_say_and_are_seen(gauss: int, cauchy: int) -> None:
    """One unit box per token, 40 000 tokens: S = 1, and how often the bound is below it."""
    tokens = 40_000
    e = ensemble(tokens, gauss, cauchy)
    cloud = e.inject(empty(e, tokens, 1), "here")
    bound = e.forms(cloud.samples, cloud.err, 0)[:, 0]
    rate = float((bound < 1).mean())
    assert 0.0003 < rate <= 0.0115, rate  # three standard deviations above 1 %
    assert np.median(bound) < 12


def test_norms_fail_no_more_often() -> None:
    tokens = 4000
    e = ensemble(tokens, 4)
    cloud = e.inject(empty(e, tokens, 3), "here")
    assert (e.norm(cloud.samples, cloud.err, 0) < 1).mean() <= 0.01


def test_moments_about_zero() -> None:
    """Centred second moments fail more often than they may; those about zero do not."""
    m, draws = 4, 200_000
    z = np.random.default_rng(0).standard_normal((draws, m))
    root = np.sqrt(gauss_quantile(m, PERCENT))
    assert (np.sqrt((z**2).mean(1)) / root < 1).mean() <= 0.01
    assert (z.std(1) / root < 1).mean() > 0.02


def test_every_box_has_a_denominator_of_its_own() -> None:
    """100 unit boxes: S = 100 for the sum; with one |N| for all of them about a fifth."""
    noise = Noise(b"boxes", 1, 4, 64)
    x = cauchy_quantile(64, Fraction(1, 10**9))
    own = noise.draw(1, 0, 100, 100)[4:].sum(1)
    shared = noise.draw(1, 0, 100, 1)[4:].sum(1)
    assert 100 <= cauchy_radius(own[:, None], 0.0, x)[0] < 1000
    assert cauchy_radius(shared[:, None], 0.0, x)[0] < 60


def test_two_places_draw_apart() -> None:
    """The form G1 - G2 of two unit boxes: S = 2; the same noise twice would say 0."""
    e = ensemble(1, 64, 64, Fraction(1, 10**9))
    one, two = (e.inject(empty(e, 1, 1), name) for name in ("one", "two"))
    for values in (one.samples - two.samples,):
        assert e.forms(values, one.err, 0)[0, 0] >= 2
    seeds = [Noise(b"a", 1, 4), Noise(b"b", 1, 4), Noise(b"a", 2, 4)]
    drawn = [n.draw(1, 0, 2, 1) for n in seeds] + [seeds[0].draw(1, 1, 2, 1)]
    for i, x in enumerate(drawn):
        assert not any(np.array_equal(x, y) for y in drawn[:i])
    assert np.array_equal(drawn[0], seeds[0].draw(1, 0, 2, 1))


def test_the_total_counts_every_group() -> None:
    """50 unit groups along one coordinate: S = 50; without sqrt T the bound would be below."""
    e = ensemble(1, 64, chance=Fraction(1, 10**9))
    cloud = empty(e, 1, 1)
    for place in range(50):
        cloud = e.inject(Cloud(*vars(cloud).values()), f"{place}")
        cloud.ball[:] = 1
    bound = e.forms(cloud.samples, cloud.err, 0)[0, 0]
    assert bound >= 50
    assert bound / np.sqrt(50) < 50


def test_a_form_of_another_tokens_noise_has_no_own_part() -> None:
    """Token 0 reads token 1: S = 1. Its own rows are zero, the rest carries it."""
    e = ensemble(2, 64, chance=Fraction(1, 10**9))
    cloud = e.inject(empty(e, 2, 1), "here")
    read = np.zeros_like(cloud.samples)
    read[0, e.gauss] = cloud.samples[1, e.gauss]
    bound = e.forms(read, cloud.err, 0)[0, 0]
    assert 1 <= bound < 4
    read[0, e.own] = cloud.samples[1, e.own]  # as if it were its own: T_i misses the group
    e._own_total[0] = 0.0
    assert e.forms(read, cloud.err, 0)[0, 0] < 1


@pytest.mark.parametrize("m", [8, 16, 64])
def test_the_radius_ends_with_its_test(m: int) -> None:
    chance = Fraction(1, 10**15)
    x = cauchy_quantile(m, chance)
    rng = np.random.default_rng(0)
    z = np.tan(np.pi * (rng.random((m, 5000)) - 0.5))
    tau = cauchy_radius(z, 0.0, x)
    if x == 0:
        assert np.isinf(tau).all()
        return
    assert ((z**2 / (z**2 + tau**2)).mean(0) <= x).all()
    assert (tau >= 1).all()
    assert cauchy_radius(np.zeros((m, 1)), 0.0, x)[0] == 0
    assert np.isinf(cauchy_radius(np.full((m, 1), np.nan), 0.0, x)).all()
    assert np.isinf(cauchy_radius(z, x, x)).all()  # rounding took all the room


def test_rounding_competes_with_the_quantile() -> None:
    """Samples pulled towards zero by theta S: sqrt c - Theta holds, 1/(1 - theta) does not."""
    m, theta, draws = 4, 0.25, 200_000
    z = np.abs(np.random.default_rng(1).standard_normal((draws, m)))
    pulled = np.maximum(z - theta, 0)
    root = np.sqrt(gauss_quantile(m, PERCENT))
    size = np.sqrt((pulled**2).mean(1))
    assert (size / root / (1 - theta) < 1).mean() > 0.01
    assert root > theta
    e = ensemble(1, m)
    factor = e._factor(np.array([1.0]), np.full((1, m), theta))[0]
    assert (size * factor < 1).mean() <= 0.01
    assert factor == pytest.approx(1 / (root - theta), rel=1e-6)
    assert np.isinf(e._factor(np.array([1.0]), np.full((1, m), 0.5))[0])


def test_a_quantile_that_does_not_exist_is_zero() -> None:
    assert cauchy_quantile(2, Fraction(1, 10**9)) == 0.0
    with pytest.raises(ValueError, match="even"):
        gauss_quantile(3, PERCENT)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_eigenvalues_are_above(n: int) -> None:
    rng = np.random.default_rng(n)
    a = rng.standard_normal((50, n, n + 2)) * 10.0 ** rng.uniform(-7, 3, (50, 1, 1))
    gram = a @ a.swapaxes(1, 2)
    top = largest_eigenvalue(gram)
    truth = np.linalg.eigvalsh(gram)[:, -1]
    assert (top >= truth * (1 - 1e-12)).all()
    assert (top <= truth * n ** (1 / 64) * 1.0001).all()
    gram[3] = np.nan
    assert np.isinf(largest_eigenvalue(gram)[3])


def test_products_may_lose_what_they_are_said_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of rank one, products a thousandth too small: still above its norm."""

    class Coarse:
        def __getattr__(self, name: str) -> Any:
            return getattr(np, name)

        def matmul(self, a: Any, b: Any) -> Any:
            return a @ b * (1 - 1e-3)

    monkeypatch.setattr(spectrum, "namespace", lambda x: Coarse())
    monkeypatch.setattr(spectrum, "gamma", lambda n: 1e-3 if n < 16 else 0.0)
    one = np.full((1, 4, 4), 0.25)
    assert 1 <= spectrum.largest_eigenvalue(one)[0] < 1.01


def test_every_number_is_counted() -> None:
    """Norms: one for the own part and one for the rest, a token; forms: so many times k."""
    e = ensemble(5, 4)
    cloud = e.inject(empty(e, 5, 3), "here")
    e.norm(cloud.samples, cloud.err, 0)
    assert e.forms_used == 10
    e.forms(cloud.samples, cloud.err, 0)
    assert e.forms_used == 10 + 2 * 5 * 3
    both = ensemble(5, 4, 16)
    cloud = both.inject(empty(both, 5, 3), "here")
    both.forms(cloud.samples, cloud.err, 0)
    assert both.forms_used == 15


def test_rounding_travels_by_own_routes() -> None:
    """theta of all and of own rows enter the rest times the own part, though the rest is zero."""
    e = ensemble(1, 64, chance=Fraction(1, 10**9))
    cloud = e.inject(empty(e, 1, 1), "here")
    before = e.forms(cloud.samples, cloud.err, 0)[0, 0]
    e._theta[:], e._own_theta[:] = 0.01, 0.01
    own = before * e._c / (e._c - 0.01)
    after = own + (0.01 + 0.01) * own / (e._c - 0.01)
    assert e.forms(cloud.samples, cloud.err, 0)[0, 0] == pytest.approx(after, rel=1e-6)
