"""Other configurations of the same architecture, against an independent model in plain torch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.model import quantizer, vqvae
from varnum.model.backend import Backend, to_numpy
from varnum.model.config import PATCHES_256, PATCHES_512, VaeConfig, VarConfig
from varnum.model.generate import Settings, generate, image_of, teacher_forced_logits
from varnum.model.random_weights import random_model

torch = pytest.importorskip("torch", reason="the oracle is written in torch")

VAR = VarConfig((1, 2, 3, 4), 2, 32, 4, vocab_size=64, Cvae=8, num_classes=10)
VAE = VaeConfig((1, 2, 3, 4), vocab_size=64, Cvae=8, ch=32, ch_mult=(1, 2), num_res_blocks=1)

SIZES = {
    "shared": (replace(VAR, shared_aln=True, attn_l2_norm=False), VAE),
    "shared-l2": (replace(VAR, shared_aln=True), VAE),
    "three-scales": (replace(VAR, patch_nums=(1, 3, 5)), replace(VAE, patch_nums=(1, 3, 5))),
    "wide": (
        replace(VAR, embed_dim=72, num_heads=3, mlp_ratio=2.5, norm_eps=1e-3),
        replace(VAE, ch=64, ch_mult=(1, 1), num_res_blocks=1),
    ),
    "deep": (replace(VAR, depth=7, embed_dim=16, num_heads=2), replace(VAE, ch_mult=(1, 1, 2))),
    "first-scale-two": (
        replace(VAR, patch_nums=(2, 3, 7), Cvae=5, vocab_size=33),
        replace(VAE, patch_nums=(2, 3, 7), Cvae=5, vocab_size=33, ch_mult=(2,)),
    ),
    "ten-scales": (
        replace(VAR, patch_nums=PATCHES_256, embed_dim=16, num_heads=2),
        replace(VAE, patch_nums=PATCHES_256, ch_mult=(1,)),
    ),
}


@pytest.fixture(params=SIZES)
def pair(request, backend, oracle_of):
    """A random model and the oracle with the same weights."""
    model = random_model(*SIZES[request.param], seed=5)
    return model.to(backend), oracle_of(model.to(Backend("torch")))


def close(x, expected, message):
    np.testing.assert_allclose(to_numpy(x), expected.numpy(), rtol=0, atol=1e-10, err_msg=message)


def test_teacher_forcing_and_vqvae(pair, backend):
    model, oracle = pair
    rng = np.random.default_rng(3)
    labels = np.array([1, -1])
    tokens = rng.integers(model.var.vocab_size, size=(2, model.var.length))
    maps, _ = oracle.maps(tokens)
    mine = quantizer.teacher_maps(model.vae_weights, model.vae, tokens)
    for s, (x, expected) in enumerate(zip(mine, maps, strict=True)):
        close(x, expected, f"map {s}")
    close(teacher_forced_logits(model, labels, tokens), oracle.logits(labels, maps), "logits")
    image = rng.uniform(-1, 1, (2, 3, model.vae.image_size, model.vae.image_size))
    latent = vqvae.encode(model.vae_weights, model.vae, backend.array(image))
    expected = oracle.encode(torch.from_numpy(image))
    close(latent, expected, "latent")
    tokens = quantizer.tokenize(model.vae_weights, model.vae, latent)
    for x, y in zip(tokens, oracle.tokenize(expected), strict=True):
        np.testing.assert_array_equal(x, y.numpy())
    f_hat = rng.standard_normal((1, model.vae.Cvae, model.vae.latent, model.vae.latent))
    expected = (oracle.decode(torch.from_numpy(f_hat)).clamp(-1, 1) + 1) / 2
    close(image_of(model, backend.array(f_hat)), expected, "image")


def test_generation_with_cache_is_generation_from_scratch(pair):
    model, oracle = pair
    labels = np.array([2, 7])
    tokens, logits, f_hat = oracle.generate(labels, 1.5)
    for s, scale in enumerate(generate(model, labels, Settings(cfg=Fraction(3, 2)))):
        np.testing.assert_array_equal(scale.tokens, tokens[s].numpy())
        close(scale.logits, logits[s], f"logits {s}")
    close(scale.f_hat, f_hat, "f_hat")


@pytest.mark.parametrize(
    ("patches", "count", "expected"),
    [
        (PATCHES_256, 4, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]),
        (PATCHES_512, 4, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]),
        ((1, 2, 3, 4), 4, [0, 1, 2, 3]),
        ((1, 2, 3), 4, [0, 2, 3]),
        ((1, 2, 3, 4, 5), 4, [0, 1, 2, 2, 3]),
        ((1, 2, 3), 1, [0, 0, 0]),
    ],
)
def test_phi_choice(patches, count, expected):
    scales = len(patches)
    assert [quantizer.phi_index(s, scales, count) for s in range(scales)] == expected
