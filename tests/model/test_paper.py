"""The paper's continuous model: against a direct NumPy evaluation, its switches, and balls."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.scalar import precision
from varnum.errors import InputError
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend, to_numpy
from varnum.model.interpolation import bicubic_matrix
from varnum.model.output import host_arrays
from varnum.model.paper import (
    PaperConfig,
    geometric_sides,
    paper_shapes,
    reconstruct,
    run_paper_model,
)
from varnum.model.random_weights import random_weights

CONFIG = PaperConfig(geometric_sides(3), channels=6, head_dim=4, sigma_squared=Fraction(4))
CONFIGS = {
    "plain": CONFIG,
    "norm": replace(CONFIG, norm_eps=Fraction(1, 10**5)),
    "no residual": replace(CONFIG, residual=False),
    "causal": replace(CONFIG, block_causal=True),
    "catmull-rom": replace(CONFIG, keys_a=Fraction(-1, 2), sigma_squared=Fraction(1)),
    "from two, by three": replace(CONFIG, sides=geometric_sides(2, ratio=3, first=2)),
}


def weights_of(config, seed=0):
    return {n: x.astype(np.float64) for n, x in random_weights(paper_shapes(config), seed).items()}


def direct(w, config):
    """The definition, one scale and one query at a time; returns (pyramid, F, image)."""

    def attention(name, x, owner):
        y = x
        if config.norm_eps is not None:
            spread = np.sqrt(x.var(1, keepdims=True) + float(config.norm_eps))
            y = (x - x.mean(1, keepdims=True)) / spread
        q, k, v = (y @ w[f"attn.{name}.{p}.weight"].T for p in "qkv")
        out = np.empty_like(x)
        for i in range(len(x)):
            seen = owner <= owner[i] if config.block_causal else owner >= 0
            a = np.exp(q[i] @ k[seen].T / float(config.sigma_squared) ** 0.5)
            out[i] = a @ v[seen] / a.sum()
        return x + out if config.residual else out

    def up(m, side):
        a = np.array(bicubic_matrix(m.shape[-1], side, config.keys_a), dtype=float)
        return np.einsum("ij,cjk,lk->cil", a, m, a)

    def conv(name, m):
        weight = w[f"{name}.weight"]
        p = np.pad(m, ((0, 0), (1, 1), (1, 1)))
        h = m.shape[-1]
        windows = sum(
            np.einsum("oc,chw->ohw", weight[:, :, i, j], p[:, i : i + h, j : j + h])
            for i in range(3)
            for j in range(3)
        )
        return windows + w[f"{name}.bias"][:, None, None]

    c, sides = config.channels, config.sides
    start = w["start"][0]
    maps = [start]
    for k in range(1, len(sides) + 1):
        x = np.concatenate([m.reshape(c, -1).T for m in maps]) + w[f"pos.{k}"][0]
        owner = np.repeat(np.arange(k), [h * h for h in sides[:k]])
        y = attention(str(k), x, owner)
        pyramid = [y[owner == i].T.reshape(c, h, h) for i, h in enumerate(sides[:k])]
        maps = [start] + [up(m, h) for m, h in zip(pyramid, sides[1:], strict=False)]
    n = sides[-1]
    grown = [m if m.shape[-1] == n else up(m, n) for m in pyramid]
    features = sum(conv(f"conv.{k}", m) for k, m in enumerate(grown, start=1))
    x = conv("decoder.conv_in", features)
    y = attention("decoder", x.reshape(c, -1).T, np.zeros(n * n))
    return pyramid, features, conv("decoder.conv_out", up(y.T.reshape(c, n, n), 2 * n))


@pytest.mark.parametrize("name", CONFIGS)
def test_against_the_definition(name, backend):
    config = CONFIGS[name]
    w = weights_of(config)
    run = run_paper_model(backend.weights(w), config, backend.array(w["start"]))
    pyramid, features, image = direct(w, config)
    for found, expected in zip(run.pyramid, pyramid, strict=True):
        np.testing.assert_allclose(to_numpy(found)[0], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(to_numpy(run.features)[0], features, rtol=0, atol=1e-12)
    np.testing.assert_allclose(to_numpy(run.image)[0], image, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["plain", "norm"])
def test_balls_enclose_float64(name):
    config = CONFIGS[name]
    w = weights_of(config)
    balls = Backend("balls")
    with precision(128):
        run = run_paper_model(balls.weights(w), config, balls.array(w["start"]))
    arrays = host_arrays({"image": run.image})
    assert arrays["image_radius"].max() < 1e-12
    expected = direct(w, config)[2]
    assert np.all(np.abs(arrays["image"][0] - expected) <= arrays["image_radius"][0] + 1e-12)


def test_every_weight_and_the_kernel_slot_matter(backend):
    config = CONFIGS["from two, by three"]  # a single key takes no notice of its query
    w = weights_of(config)
    image = to_numpy(run_paper_model(backend.weights(w), config, backend.array(w["start"])).image)
    for name, x in w.items():
        changed = backend.weights({**w, name: 1.5 * x})
        run = run_paper_model(changed, config, changed["start"])
        assert np.abs(to_numpy(run.image) - image).max() > 1e-4, name
    calls = []

    def kernel(q, k, v, scale, blocks):
        calls.append(tuple(q.shape[2:]))
        return exact_attention(q, k, v, scale, blocks)

    run_paper_model(backend.weights(w), config, backend.array(w["start"]), kernel)
    assert calls == [(4, 4), (40, 4), (36, 4)]


def test_reconstruction_is_linear(backend):
    w = backend.weights(weights_of(CONFIG))
    rng = np.random.default_rng(0)
    one, two = ([rng.standard_normal((1, 6, h, h)) for h in CONFIG.sides] for _ in range(2))

    def features(maps):
        return to_numpy(reconstruct(w, CONFIG, [backend.array(m) for m in maps]))

    zero = features([0 * m for m in one])
    both = features([2 * x - 3 * y for x, y in zip(one, two, strict=True)])
    expected = 2 * features(one) - 3 * features(two) + 2 * zero
    np.testing.assert_allclose(both, expected, rtol=0, atol=1e-12)


def test_impossible_sizes():
    for changes in ({"sides": ()}, {"sides": (2, 2)}, {"sides": (0, 1)}, {"channels": 0}):
        with pytest.raises(InputError):
            PaperConfig(**changes)
    with pytest.raises(InputError):
        PaperConfig(sigma_squared=Fraction(0))
