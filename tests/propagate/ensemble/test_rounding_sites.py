"""What a layer's float run loses is within what is charged for it, in longer arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.propagate.ensemble.runs import small, start_of
from varnum.balls.scalar import precision
from varnum.model.backend import Backend
from varnum.model.quantizer import teacher_maps
from varnum.model.transformer import class_vector, embed_map, embed_start
from varnum.model.transformer import conditions as exact_conditions
from varnum.propagate.ensemble.chance import gauss_quantile
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, Pilot
from varnum.propagate.ensemble.dense import dense
from varnum.propagate.ensemble.noise import Noise
from varnum.propagate.ensemble.ops import Clouds

Long = np.longdouble
pytestmark = pytest.mark.skipif(np.finfo(Long).nmant < 63, reason="needs a longer float")


@pytest.fixture
def ops() -> Clouds:
    start = start_of(*small(0))
    ensemble = Ensemble(Noise(b"", 1, 4), Pilot(1.0), start.config.lengths, Fraction(1, 100))
    return Clouds(start.weights, start.config, ensemble)


def cloud(ops: Clouds, x: Any) -> Cloud:
    rows = ops.ensemble.rows
    return Cloud(x, np.zeros((5, rows, x.shape[1])), x * 0, np.zeros(5), np.zeros((5, rows)))


@pytest.mark.parametrize("seed", range(5))
def test_each_layers_rounding_is_within_its_entry(ops: Clouds, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((5, 16)) * 10.0 ** rng.uniform(-1, 3) + 10.0 ** rng.uniform(0, 2)
    y = ops.layer_norm(cloud(ops, x), "here")
    long = x.astype(Long)
    centred = long - long.mean(-1, keepdims=True)
    exact = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + Long("1e-6"))
    lost = np.abs(exact - y.centre)
    assert (lost <= y.entry).all()
    weight, bias = rng.standard_normal((7, 16)), rng.standard_normal(7)
    z = dense(cloud(ops, x), weight, bias)
    assert (np.abs(long @ weight.T.astype(Long) + bias - z.centre) <= z.entry).all()
    gate = rng.standard_normal(16)
    g = ops.gate(cloud(ops, x.copy()), (gate, gate * 0))
    assert (np.abs(long * gate.astype(Long) - g.centre) <= g.entry).all()


def test_modulation_is_charged_by_its_terms(ops: Clouds) -> None:
    """scale 2^20 and a shift that cancels: the loss is 10^10 times 5u of the result."""
    rng = np.random.default_rng(0)
    n = rng.standard_normal((5, 16))
    scale = np.full(16, 2.0**20)
    shift = -(n[0] * (1 + scale)).astype(np.float32).astype(np.float64)
    ops.reach = np.zeros(5)
    found = ops.modulate(cloud(ops, n.copy()), (scale, scale * 0), (shift, shift * 0))
    exact = n.astype(Long) * (1 + scale.astype(Long)) + shift
    lost = np.linalg.norm((exact - found.centre).astype(float), axis=1)
    radius = ops.ensemble.ledger.radii[-1]  # type: ignore[union-attr]
    assert (lost <= radius).all()
    relative = 5 * 2.0**-53 * np.abs(found.centre[0])
    assert (np.abs(exact - found.centre)[0] > relative).any()
    assert radius[0] < 1e-7


def test_what_starts_the_walk_is_enclosed() -> None:
    """Embeddings and AdaLN vectors against balls."""
    for changes in ({}, {"shared_aln": True}):
        model, tokens = small(3, **changes)
        start = start_of(model, tokens)
        with precision(200):
            balls = model.to(Backend("balls"))
            c = class_vector(balls.var_weights, model.var, np.array([1]))
            maps = teacher_maps(balls.vae_weights, model.vae, tokens)
            parts = [embed_start(balls.var_weights, model.var, c)]
            parts += [embed_map(balls.var_weights, model.var, 1, maps[0])]
            vectors = exact_conditions(balls.var_weights, model.var, c)
            x = np.concatenate([p.estimate() for p in parts], axis=1)[0]
        assert (np.abs(x - start.x) <= start.x_error).all()
        assert start.x_error.max() < 1e-11
        for block, pairs in zip(vectors, start.conditions, strict=False):
            for exact, (value, error) in zip(block, pairs, strict=True):
                assert (np.abs(exact.estimate().reshape(-1) - value) <= error).all()


def test_radii_of_their_own_noise_are_not_covered() -> None:
    """20 sites, each radius lowered to what its own noise allows: more than 1 % fail."""
    m, sites, draws = 4, 20, 20_000
    root = np.sqrt(gauss_quantile(m, Fraction(1, 100)))
    rng = np.random.default_rng(0)
    adapted = np.zeros(draws, bool)
    for _ in range(sites):
        bound = np.sqrt((rng.standard_normal((draws, m)) ** 2).mean(1)) / root
        adapted |= bound < 1  # the radius follows the noise down and nobody looks again
    fixed = np.sqrt((rng.standard_normal((draws, m)) ** 2).mean(1)) / root < 1
    assert fixed.mean() <= 0.0128 < adapted.mean()  # four standard deviations
