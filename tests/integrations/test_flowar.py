"""Watching FlowAR on torch: every attention module's call is seen as its slot sees it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.integrations.capture import watch
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import flow_preset
from varnum.model.flowar.flow_sampling import FlowModel, FlowSettings, draw_noise, sample_maps
from varnum.model.flowar.numbers import Kernels
from varnum.model.flowar.random_flow_weights import random_flow_model

torch = pytest.importorskip("torch", reason="torch code is watched")


@pytest.mark.parametrize("name", ["flowar-tiny", "flowar-tiny-cross"])
def test_every_call_is_seen(name):
    where = Backend("torch")
    model = random_flow_model(flow_preset(name), 0).to(where)
    config = model.config
    parameters = {n: torch.nn.Parameter(x, requires_grad=False) for n, x in model.weights.items()}
    model = FlowModel(config, parameters)
    noise = [where.array(x) for x in draw_noise(config, 1, 0)]
    settings, slots = FlowSettings(2, Fraction(2)), []

    def slot(kind):
        def attend(q, k, v, scale, blocks):
            slots.append((kind, q, k, v, float(scale)))
            return exact_attention(q, k, v, scale, blocks)

        return attend

    kernels = Kernels(slot("ar"), slot("self"), slot("cross"))
    plain = [s.map for s in sample_maps(model, np.array([1]), noise, settings)]
    with watch() as seen:
        maps = [s.map for s in sample_maps(model, np.array([1]), noise, settings, kernels)]
    assert all(torch.equal(a, b) for a, b in zip(maps, plain, strict=True))
    assert all(call.verified for call in seen.calls)
    assert len(seen.calls) == len(slots)
    for call, (_, q, k, v, scale) in zip(seen.calls, slots, strict=True):
        assert torch.equal(call.q, q * scale)  # the slot's factor, multiplied into the queries
        assert torch.equal(call.k, k)
        assert torch.equal(call.v, v)
    scales, evaluations = len(config.scales), 2
    ar = config.encoder_depth + config.decoder_depth
    flow = evaluations * config.flow_depth
    kinds = [kind for kind, *_ in slots]
    counts = {kind: kinds.count(kind) for kind in ("ar", "self", "cross")}
    assert counts == {
        "ar": scales * ar,
        "self": scales * flow,
        "cross": scales * flow * config.cross,
    }
