"""end-to-end for the continuous model: the recurrence, the closed form, the amplification."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.model.paper import run_paper_model
from varnum.proof import checking
from varnum.propagate.paper_model import certify_closed_form, certify_paper_model, norms_of


@pytest.fixture(scope="module")
def check():
    return checking.load("whole_model")


@pytest.mark.parametrize("seed", [0, 1])
def test_recurrence_covers_the_model(check, seed):
    config, weights = check.paper_setting(seed, sides=(1, 2, 3))
    start = weights["start"]
    size = Fraction(float(np.abs(start).max()))
    rng = np.random.default_rng(seed)
    exact = run_paper_model(weights, config, start)
    for eps in (Fraction(1, 1000), Fraction(1, 10)):
        features, image = certify_paper_model(norms_of(weights, config), config, size, eps)
        for signs in (False, True):
            for _ in range(20):
                run = run_paper_model(
                    weights, config, start, check.perturbed(rng, float(eps), signs)
                )
                moved = np.abs(run.features - exact.features).max()
                assert 0 < moved <= float(features.reach.bound())
                assert np.abs(run.image - exact.image).max() <= float(image.reach.bound())
        assert next(s.layer for s in image.steps) == "attention 1"
        assert all(s.amplification > 0 for s in image.steps)


def test_positions_count_in_both_norms(check):
    """A faint start and large positions: what attention sees is the positions."""
    config, weights = check.paper_setting(0)
    for name, value in weights.items():
        if name.startswith("pos"):
            weights[name] = np.sign(value)
    start, eps = weights["start"] / 1000, Fraction(1, 10)
    size = Fraction(float(np.abs(start).max()))
    features, _ = certify_paper_model(norms_of(weights, config), config, size, eps)
    rng, exact = np.random.default_rng(0), run_paper_model(weights, config, start)
    for _ in range(20):
        run = run_paper_model(weights, config, start, check.perturbed(rng, float(eps), True))
        assert np.abs(run.features - exact.features).max() <= float(features.reach.bound())


def test_closed_form_is_above_the_recurrence_and_tightens_with_eps():
    norms = (Fraction(1, 2), Fraction(1, 2), Fraction(1))
    given = {"R": Fraction(1), "d": 4, "sigma": Fraction(4), "norms": norms}
    for K in (1, 2, 3):
        small = certify_closed_form(**given, K=K, eps=Fraction(1, 10**12))
        assert small.holds
        assert small.error >= _recurrence(K, Fraction(1, 10**12))
        assert len(small.amplification) == K
        assert list(small.amplification) == sorted(small.amplification)
    large = certify_closed_form(**given, K=6, eps=Fraction(1, 10))
    assert not large.holds  # eta_k has passed R_k: the form says so instead of claiming


def _recurrence(K, eps):
    """Scalar recurrence of proofs/end-to-end.md in floats."""
    b, w, size, eta = 121 / 64, 1.0, 1.0, 0.0
    for _ in range(K):
        zeta = 4 * 0.25 * (2 * size * eta + eta**2) / 4
        eta = b * (w * eta + 2 * w * size * np.tanh((zeta + np.arctanh(float(eps))) / 2))
        size *= b * w
    return eta


def test_amplification_grows_with_the_number_of_scales():
    norms = (Fraction(1), Fraction(1), Fraction(1))
    errors = [
        certify_closed_form(Fraction(1), 8, Fraction(8), K, norms, Fraction(1, 10**9)).error
        for K in (1, 2, 3, 4)
    ]
    ratios = [b / a for a, b in itertools.pairwise(errors)]
    assert ratios == sorted(ratios)  # faster than geometric


def test_contractive_norms_are_refused():
    with pytest.raises(InputError, match="closed form"):
        certify_closed_form(
            Fraction(1), 4, Fraction(4), 2, (Fraction(1),) * 2 + (Fraction(1, 4),), Fraction(1, 100)
        )
