"""Bounds of FlowAR's logits from weights: a run stays below them, an aligned token attains them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.numbers import Kernels
from varnum.model.flowar.random_flow_weights import random_flow_model
from varnum.propagate.flowar_logits import certify_flowar_logits

SETTINGS = FlowSettings(6, Fraction(2), Fraction(9, 10))


def measured(model, label):
    """Largest |logit| of a guided run, by kind of attention."""
    found = {"AR": 0.0, "flow self": 0.0, "flow cross": 0.0}
    model = model.to(Backend("numpy", "float64"))

    def watching(kind):
        def kernel(q, k, v, scale, blocks):
            logits = np.matmul(q, np.swapaxes(k, -1, -2)) * scale
            found[kind] = max(found[kind], float(np.abs(logits).max()))
            return exact_attention(q, k, v, scale, blocks)

        return kernel

    noise = draw_noise(model.config, 1, 0)
    list(sample_maps(model, [label], noise, SETTINGS, Kernels(*map(watching, found))))
    return found


@pytest.mark.parametrize("name", ["flowar-tiny", "flowar-tiny-cross"])
def test_a_run_stays_below(name: str) -> None:
    model = random_flow_model(flow_preset(name), 1)
    bounds = [m for label in (3, -1) for m in certify_flowar_logits(model, label, SETTINGS)]
    run = measured(model, 3)
    kinds = {m.kind for m in bounds}
    assert kinds == ({"AR", "flow self"} | ({"flow cross"} if model.config.cross else set()))
    for kind in kinds:
        assert 0 < run[kind] <= max(m.M for m in bounds if m.kind == kind)
    per_class = len(bounds) // 2
    heads = 2 * 2 + model.config.flow_depth * (2 if model.config.cross else 1)
    assert per_class == heads


def aligned(scale: float):
    """W_q = W_k of rank one along equal entries: the RMSNorm of a constant token is 1."""
    config = replace(flow_preset("flowar-tiny"), encoder_heads=1, decoder_heads=1)
    model = random_flow_model(config, 0)
    w = {name: np.array(x) for name, x in model.weights.items()}
    C = config.model_width
    w["class_emb.weight"][:] = w["z_proj_ln.weight"][:] = 1
    w["encoder_pos_embed_learned"][:] = 0
    w["encoder_blocks.0.ada_lin.1.weight"][:] = 0
    w["encoder_blocks.0.ada_lin.1.bias"][:] = 0
    w["encoder_blocks.0.ada_lin.1.bias"][2 * C : 3 * C] = scale
    qkv = w["encoder_blocks.0.attn.qkv.weight"]
    qkv[: 2 * C] = 0
    qkv[0] = qkv[C] = 1  # the first channel of q and of k sums the token
    w["encoder_blocks.0.attn.qkv.bias"][:] = 0
    return replace(model, weights=w)


def test_an_aligned_token_attains_it() -> None:
    for scale in (0.0, 9.0):
        model = aligned(scale)
        first = certify_flowar_logits(model, 0, SETTINGS)[0]
        run = measured_first(model)
        assert run <= first.M
        assert run == pytest.approx(float(first.M), rel=1e-5)  # eps of the norms
    without = certify_flowar_logits(aligned(0.0), 0, SETTINGS)[0].M
    assert run > 99 * without  # AdaLN's scale left out: broken


def measured_first(model) -> float:
    """The logit of the first token with itself in the first block."""
    seen = []

    def kernel(q, k, v, scale, blocks):
        seen.append(float(np.abs(np.matmul(q, np.swapaxes(k, -1, -2)) * scale).max()))
        return exact_attention(q, k, v, scale, blocks)

    noise = draw_noise(model.config, 1, 0)
    where = model.to(Backend("numpy", "float64"))
    next(iter(sample_maps(where, [0], noise, SETTINGS, Kernels(ar=kernel))))
    return seen[0]


def test_bad_weights_and_labels() -> None:
    model = random_flow_model(flow_preset("flowar-tiny"), 0)
    with pytest.raises(InputError, match="labels"):
        certify_flowar_logits(model, 11)
    w = dict(model.weights) | {"decoder_norm.weight": np.full(32, np.nan)}
    with pytest.raises(InputError, match="NaN or infinity"):
        certify_flowar_logits(replace(model, weights=w), 3)
