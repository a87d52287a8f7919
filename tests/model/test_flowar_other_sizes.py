"""Other sizes, steps, scales and guidance of FlowAR, against an independent sampler in torch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.model.backend import Backend, to_numpy
from varnum.model.flowar.flow_config import FlowConfig, flow_preset
from varnum.model.flowar.flow_sampling import FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.random_flow_weights import random_flow_model
from varnum.proof.checking import load

torch = pytest.importorskip("torch", reason="the oracle is written in torch")

TINY = flow_preset("flowar-tiny")
CROSS = flow_preset("flowar-tiny-cross")
CASES = {  # sizes, num_steps, cfg, cut-off
    "odd sides": (replace(TINY, scales=(1, 3, 5)), 7, "2.5", "0.9"),
    "cross, odd sides": (replace(CROSS, scales=(1, 2, 3, 7)), 10, "3", "0.5"),
    "one scale": (replace(TINY, scales=(1,)), 4, "2", "0.9"),
    "50 uniform steps": (replace(TINY, scales=(1, 2)), 50, "1.5", "0.7"),
    "51 steps": (replace(CROSS, scales=(1, 2)), 51, "1.5", "0.3"),
    "heads": (replace(TINY, model_width=72, encoder_heads=3, decoder_heads=9), 4, "2", "0.9"),
    "heads of 80": (replace(CROSS, flow_width=160), 4, "2", "0.9"),
    "flow narrower than a head": (replace(TINY, flow_width=24), 6, "0.5", "0.9"),
    "deep": (replace(CROSS, encoder_depth=3, decoder_depth=2, flow_depth=4), 3, "7", "1"),
    "through 5": (replace(TINY, resample_through_sampling=5), 4, "2", "0"),
    "hidden": (replace(TINY, mlp_hidden_ar=50, mlp_hidden_flow=77), 4, "2", "0.9"),
    "large maps": (replace(TINY, scales=(1, 4, 18)), 2, "2", "1"),
}


@pytest.mark.parametrize("case", CASES)
def test_other_sizes(backend, case):
    config, steps, cfg, cut = CASES[case]
    model, labels = random_flow_model(config, 3), np.array([1, config.classes])
    noise = draw_noise(config, 2, 1)
    plain = load("flowar_speed").plain_sample
    where = Backend("torch")
    expected = plain(
        model.to(where).weights, OneHead(config), labels, [where.array(x) for x in noise],
        steps, float(cfg), float(cut),
    )  # fmt: skip
    settings = FlowSettings(steps, Fraction(cfg), Fraction(cut))
    mine = [backend.array(x) for x in noise]
    for x, scale in zip(
        expected, sample_maps(model.to(backend), labels, mine, settings), strict=True
    ):
        np.testing.assert_allclose(to_numpy(scale.map), x.numpy(), rtol=0, atol=1e-11)


class OneHead:
    """The sizes, a flow net narrower than 64 made of one head."""

    def __init__(self, config: FlowConfig):
        self.config = config

    def __getattr__(self, name):
        value = getattr(self.config, name)
        return max(value, 64) if name == "flow_width" else value
