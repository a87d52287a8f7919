"""The three stages: counted again from the calls that the model itself makes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.cost import stages as s
from varnum.cost.counts import count
from varnum.cost.schedule import Schedule
from varnum.formulas.cost import decoder_logits
from varnum.model import attention, layers, vqvae
from varnum.model.config import PRESETS, preset
from varnum.model.interpolation import bicubic_matrix
from varnum.model.random_weights import random_model


def test_the_decoder_makes_these_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    c = preset("var-tiny")[1]
    weights = random_model(*preset("var-tiny"), 0).vae_weights
    made, pairs, real = [], [], layers.conv2d

    def counting(x, weight, bias, stride, padding):
        out = real(x, weight, bias, stride, padding)
        made.append(weight.size * out.shape[2] * out.shape[3])
        return out

    def kernel(q, k, v, scale, mask):
        pairs.append(q.shape[2] * k.shape[2] * (q.shape[3] + v.shape[3] + 1))
        return attention.exact_attention(q, k, v, scale, mask)

    monkeypatch.setattr(vqvae, "conv2d", counting)
    vqvae.decode(weights, c, np.zeros((1, c.Cvae, c.latent, c.latent)), kernel)
    stage = s.decoder(c)
    assert made == [a * b * taps * area for a, b, taps, area in s.convolutions(c)]
    assert (stage.other, stage.attention, stage.heads) == (sum(made), sum(pairs), len(pairs))


def test_reconstruction_reads_these_weights() -> None:
    c = preset("var-d16")[1]
    total, side = 0, c.latent
    for k, p in enumerate(c.patch_nums):
        if k + 1 < len(c.patch_nums):
            rows = len(bicubic_matrix(p, side))
            total += s.TAPS * rows * (p + side) * c.Cvae
        total += 9 * c.Cvae * c.Cvae * side * side
    down = [p for p in c.patch_nums[1:] if p != side]
    reads = sum(
        (p + side) * c.Cvae
        * sum(len(range(o * side // p, -(-(o + 1) * side // p))) for o in range(p))
        for p in down
    )  # fmt: skip
    assert s.reconstruction(c).other == total + reads


def test_token_maps() -> None:
    c = preset("var-d16")[0]
    stage = s.token_maps(c)
    one = count(Schedule(c.patch_nums), 64, 64, 1)
    assert stage.attention == 256 * one.exact
    assert stage.largest_rank == (one.exact - 1) // one.lowrank
    blocks = 16 * (3 + 1 + 8) * 1024**2  # per token: qkv, proj, MLP
    assert stage.other == 680 * (blocks + 1024 * 4096) + 679 * 32 * 1024 + 98 * 1024**2


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("var-d")])
def test_the_decoder_is_its_own_quartic(name: str) -> None:
    var, vae = preset(name)
    maps, middle, last = s.stages(var, vae)
    assert (last.heads, last.d, last.keys) == (4, 640, vae.latent**2)
    assert last.attention == 4 * vae.latent**4 * 1281
    assert middle.attention == 0
    assert maps.largest_rank is not None
    assert last.largest_rank == (255 if vae.latent == 16 else 1020)
    # rank 255 is degree 0 in dimension 640: C(641, 1) = 641 is degree 1


def test_one_pixel_can_hold_all_of_group_norm() -> None:
    """No bound of the decoder's logits from weights alone is o(n^2): a norm reaches c N."""
    channels, side = 64, 4
    x = np.zeros((1, channels, side, side))
    x[0, :, 1, 2] = np.where(np.arange(channels) % 2, 1e6, -1e6)
    y = layers.group_norm(x, np.ones(channels), np.zeros(channels))
    tokens = y.reshape(channels, -1).T
    most = float(decoder_logits.ball(w_q=1, w_k=1, gain=1, shift=0, c=channels, N=side**2).mid())
    logits = np.abs(tokens @ tokens.T).max() / channels**0.5
    assert 0.999999 * most < logits <= most * (1 + 1e-12)
    random = np.random.default_rng(0).standard_normal((1, channels, side, side))
    z = layers.group_norm(random, np.ones(channels), np.zeros(channels))
    assert (z**2).sum(axis=1).max() <= channels * side**2


def test_what_the_decoder_needs() -> None:
    found = {row["stage"]: row for row in s.answers(*preset("var-d16"), Fraction(1, 100))}
    assert found["reconstruction"]["largest_rank"] is None
    assert found["decoder"]["largest_degree"] == 0
    assert found["token maps"]["largest_degree"] == 1
    assert found["decoder"]["c"] == pytest.approx(640 / np.log(256))
    assert found["decoder"]["b_star"] < found["token maps"]["b_star"]
