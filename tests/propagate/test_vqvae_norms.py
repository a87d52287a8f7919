"""Reconstruction and decoder: their norm bounds cover perturbed runs of the official tiny model."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.model.config import preset
from varnum.model.interpolation import bicubic
from varnum.model.quantizer import phi
from varnum.model.vqvae import decode
from varnum.propagate.transfer import Reach, layer_norm
from varnum.propagate.vqvae_norms import _Decoder, certify_decoder, certify_reconstruction


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


def decoder(side=2, **weights):
    """A decoder of these weights alone, at this side of its map."""
    config = preset("var-tiny")[1]
    found = _Decoder({k: np.array(v, float) for k, v in weights.items()}, config, Fraction(0), {})
    found.side = side
    return found


def test_group_norm_by_its_smallest_spread_and_its_largest_factors():
    """64 channels on a 2 x 2 map: groups of 8; s >= sqrt(1e-6) whatever x is."""
    weight, bias = np.linspace(-3, 1, 64), np.linspace(0.5, -4, 64)
    made = decoder(**{"n.weight": weight, "n.bias": bias})
    x = Reach.of(64, 2, Fraction(1, 10**5))
    inner = layer_norm(Reach.of(8, 2, Fraction(1, 10**5)), Fraction(1, 1000))
    found = made.norm("n", x)
    assert float(found.size.upper()) == pytest.approx(3 * np.sqrt(7) + 4)
    assert float(found.error.upper()) == pytest.approx(3 * float(inner.error.upper()))
    alone = decoder(side=1, **{"n.weight": weight[:32], "n.bias": bias[:32]})
    assert float(alone.norm("n", Reach.of(32, 2)).size.upper()) == np.abs(bias[:32]).max()


def test_every_upsampling_doubles_the_map():
    made, seen = decoder(side=4), []

    def note(name, x):
        seen.append((name.removeprefix("decoder."), made.side))
        return x

    made.conv = made.norm = made.res_block = made.attn_block = note
    made.decode(Reach.of(8, 1))
    levels = len(made.config.ch_mult)
    convs = [(f"up.{level}.upsample.conv", 4 * 2**n)
             for n, level in enumerate(range(levels - 1, 0, -1))]  # fmt: skip
    assert [pair for pair in seen if "upsample" in pair[0]] == convs
    assert seen[-2:] == [("norm_out", 4 * 2 ** (levels - 1)), ("conv_out", 4 * 2 ** (levels - 1))]
    assert [name for name, _ in seen if "attn" in name] == [
        "mid.attn_1", *(f"up.{levels - 1}.attn.{i}" for i in range(3)),
    ]  # fmt: skip
