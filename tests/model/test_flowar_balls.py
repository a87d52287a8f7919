"""FlowAR in balls: enclosures meet the official arrays, and what is moved slightly is outside."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest

from tests.support.flowar import official
from varnum.balls.scalar import precision
from varnum.model.backend import Backend
from varnum.model.flowar.flow_sampling import sample_maps
from varnum.model.flowar.network import Flow, time_embedding
from varnum.model.output import host_arrays

BALLS = Backend("balls")


def meets(x, expected, slack=1e-12):
    """Each ball and fixture +- slack have a point in common, on the channels that are held."""
    arrays = host_arrays({"x": x})
    middle, radius = arrays["x"], arrays["x_radius"]
    every = slice(None, None, middle.shape[-1] // expected.shape[-1])
    return bool(np.all(abs(middle[..., every] - expected) <= radius[..., every] + slack))


def test_a_guided_run_is_enclosed():
    """Set A, run s, first image: scales 0 and 1 through 6 evaluations each."""
    fixture = official("A")
    model, io = fixture.model.to(BALLS), fixture.io
    noise = [BALLS.array(io[f"noise_{k}"][:1]) for k in range(5)]
    with precision(1024):
        scales = sample_maps(model, io["labels"][:1], noise, fixture.runs["s"])
        for k, scale in enumerate(islice(scales, 2)):
            assert scale.map.radius_upper().max() < 1e-15
            assert meets(scale.map, io[f"s_map_{k}"][:1])
            assert not meets(scale.map, io[f"s_map_{k}"][:1] + 1e-11)


@pytest.mark.parametrize("name", ["A", "B"])
def test_velocities_are_enclosed(name):
    """Both architectures, one evaluation, in 128 bits."""
    fixture, i = official(name), 5
    io, w = fixture.io, fixture.model.to(BALLS).weights
    side = math.isqrt(io["flow_x"].shape[1])
    with precision(128):
        flow = Flow.of(w, fixture.config, BALLS.array(io["flow_z"][:1]), side)
        te = time_embedding(w, io["flow_t_int"][i : i + 1])
        v = flow.velocity(BALLS.array(io["flow_x"][:1]), te)
    assert v.radius_upper().max() < 1e-15
    assert meets(v, io["flow_v"][i, :1])
    assert meets(te, io["flow_te"][i : i + 1])
    assert not meets(v, io["flow_v"][i, :1] + 1e-11)
