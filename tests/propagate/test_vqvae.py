"""Reconstruction and decoder: their norm bounds cover perturbed runs of the official tiny model."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.model.interpolation import bicubic
from varnum.model.quantizer import phi
from varnum.model.vqvae import decode
from varnum.propagate.transfer import Reach
from varnum.propagate.vqvae import certify_decoder, certify_reconstruction


@pytest.fixture(scope="module")
def setting(tiny_model):
    model, io = tiny_model("a")
    return model.vae_weights, model.vae, io["tf_fhat_final"][:1]


def _reconstruct(w, config, maps):
    total = 0
    for s, h in enumerate(maps):
        up = bicubic(h, config.latent) if s < len(maps) - 1 else h
        total = total + phi(w, config, s, up)
    return total


def test_reconstruction(setting):
    w, config, _ = setting
    rng = np.random.default_rng(0)
    eta, width = 0.01, config.Cvae
    maps = [rng.normal(size=(1, width, p, p)) for p in config.patch_nums]
    reach = certify_reconstruction(
        w,
        config,
        [Reach.of(width, Fraction(float(np.abs(m).max())), Fraction(1, 100)) for m in maps],
    )
    exact = _reconstruct(w, config, maps)
    assert np.abs(exact).max() <= float(reach.size.upper())
    best = 0.0
    for _ in range(50):
        moved = [m + eta * rng.choice([-1.0, 1.0], m.shape) for m in maps]
        best = max(best, np.abs(_reconstruct(w, config, moved) - exact).max())
    assert 0 < best <= float(reach.error.upper())
    assert best > float(reach.error.upper()) / 100


def test_decoder_covers_a_perturbed_latent_and_kernel(setting):
    w, config, f_hat = setting
    rng = np.random.default_rng(1)
    eta = Fraction(1, 10**12)
    reach = Reach.of(config.Cvae, Fraction(float(np.abs(f_hat).max())), eta)
    bound = certify_decoder(w, config, reach, Fraction(1, 10**10))
    exact = decode(w, config, f_hat)
    assert np.abs(exact).max() <= float(bound.size.upper())

    def attend(q, k, v, scale, blocks):
        x = (q * scale) @ np.swapaxes(k, -1, -2)
        a = np.exp(x - x.max(-1, keepdims=True)) * (1 + 1e-10 * rng.uniform(-1, 1, x.shape))
        return (a / a.sum(-1, keepdims=True)) @ v

    for _ in range(5):
        moved = f_hat + float(eta) * rng.choice([-1.0, 1.0], f_hat.shape)
        assert np.abs(decode(w, config, moved, attend) - exact).max() <= float(bound.error.upper())


def test_unchanged_tokens_leave_the_image_alone(setting):
    w, config, f_hat = setting
    reach = Reach.of(config.Cvae, Fraction(float(np.abs(f_hat).max())))
    assert certify_decoder(w, config, reach, Fraction(0)).bound() == 0
