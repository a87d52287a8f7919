"""FlowAR against the released code: every array, NumPy and torch, float64 and float32."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from tests.support.flowar import DATA, assert_close, official
from varnum.model.backend import namespace, to_numpy
from varnum.model.flowar import network, tables
from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE, flow_preset
from varnum.model.flowar.flow_sampling import (
    FlowModel,
    FlowSettings,
    as_map,
    next_input,
    sample_maps,
)
from varnum.model.flowar.flow_statedict import flow_shapes, is_buffer, parameter_count
from varnum.model.flowar.forced import training_forward
from varnum.model.flowar.network import Flow, time_embedding
from varnum.model.flowar.numbers import FlowNumbers, condition_vectors
from varnum.model.flowar.rope import rotate, turns
from varnum.model.flowar.tables import linspace, time_frequencies, time_grid, time_index
from varnum.model.interpolation import area, bicubic
from varnum.model.layers import silu
from varnum.model.transformer import split_heads

# The largest map costs three quarters of a run: NumPy makes it in run s alone, torch in g and s.
LIGHT = {("numpy", "A", each): 3 for each in "guw"} | {("numpy", "B", "s"): 3}
LIGHT |= {("torch", "A", each): 3 for each in "uw"} | {("torch", "B", "s"): 3}
NAMES = pytest.mark.parametrize("name", ["A", "B"])


def noise_of(fixture, backend, start="noise"):
    """Starting latents of all scales."""
    return [backend.array(fixture.io[f"{start}_{k}"]) for k in range(len(fixture.config.scales))]


def run(fixture, backend, name, scales=None, watch=None):
    """The first scales of a run."""
    model, io = fixture.model.to(backend), fixture.io
    noise = noise_of(fixture, backend)
    return islice(sample_maps(model, io["labels"], noise, fixture.runs[name], watch=watch), scales)


def check_maps(fixture, backend, name, tolerance, scales=None):
    """A run against all that the fixture holds of it: maps, conditions, inputs, latents."""
    io, seen = fixture.io, {}
    watch = (lambda k, i, *x: seen.setdefault((k, i), x)) if name == "g" else None
    for k, scale in enumerate(run(fixture, backend, name, scales, watch)):
        for part, x in (("map", scale.map), ("z", scale.z), ("in", scale.input)):
            key = f"{name}_{part}_{k}"
            if key in io:
                tokens = io.get(f"{key}_tokens", slice(None))
                assert_close(to_numpy(x)[: len(io[key]), tokens], io[key], tolerance, key)
        if name == "g":
            check_latents(io, k, seen, tolerance)
    return scale


def check_latents(io, k, seen, tolerance):
    """Latents and both velocities of a scale at the evaluations that the fixture holds."""
    for j, i in enumerate(io[f"g_lat_{k}_steps"].tolist()):
        expected = io[f"g_lat_{k}"][j]
        if (k, i) in seen:  # the last ones are the map
            assert_close(seen[k, i][0][: len(expected)], expected, tolerance, f"lat {k} {i}")
    for j, i in enumerate(io[f"g_vel_{k}_evals"].tolist()):
        _, c, u = seen[k, i]
        expected = io[f"g_vel_c_{k}"][j]
        assert_close(c[: len(expected)], expected, tolerance, f"vel_c {k} {i}")
        if f"g_vel_u_{k}" in io:
            expected = io[f"g_vel_u_{k}"][j]
            assert (u is None) == bool(np.isnan(expected).all())
            if u is not None:
                assert_close(u, expected, tolerance, f"vel_u {k} {i}")


def check_forced(fixture, backend, tolerance):
    """The training forward."""
    io, model = fixture.io, fixture.model.to(backend)
    image, noise = backend.array(io["tf_image"]), noise_of(fixture, backend, "tf_noise")
    found = training_forward(model, io["labels"], image, io["tf_t"], noise)
    tokens = io["tf_z_tokens"]
    assert_close(to_numpy(found.z)[:, tokens], io["tf_z"], tolerance, "tf_z")
    assert_close(to_numpy(found.input)[:, tokens[1:] - 1], io["tf_input"], tolerance, "tf_input")
    np.testing.assert_array_equal(found.t_int, io["tf_t_int"])
    for k, scale in enumerate(found.scales):
        assert_close(scale.loss, io[f"tf_loss_{k}"], tolerance)
        for key, x in (("gt", scale.data), ("xt", scale.latent), ("v", scale.velocity)):
            if f"tf_{key}_{k}" in io:
                assert_close(x, io[f"tf_{key}_{k}"], tolerance, f"tf_{key}_{k}")
    assert_close(found.loss, io["tf_loss"], tolerance)


@NAMES
def test_float64(backend, name):
    fixture = official(name)
    for each in fixture.runs:
        last = check_maps(fixture, backend, each, 1e-12, LIGHT.get((backend.name, name, each)))
        if each == "g" and last.map.shape[1] == fixture.config.lengths[-1]:
            image = as_map(last.map, fixture.config.scales[-1])
            assert_close(image[:1, :3], fixture.io["g_image"], 1e-12)


@NAMES
def test_training_forward(backend, name):
    check_forced(official(name), backend, 1e-12)


@NAMES
def test_float32(backend32, name):
    fixture = official(name)
    check_forced(fixture, backend32, 1e-4)
    check_maps(fixture, backend32, "g", 1e-4, 3 + (backend32.name == "torch"))


def test_the_comparison_can_fail(backend):
    fixture = official("B")
    key = "flownet.cond_embed.bias"
    changed = {**fixture.state, key: fixture.state[key] * np.float32(1 + 1e-6)}
    other = replace_model(fixture, changed)
    with pytest.raises(AssertionError, match="g_map_0"):
        check_maps(other, backend, "g", 1e-12, 1)


def replace_model(fixture, state):
    """The fixture with another state dict."""
    return SimpleNamespace(**{**vars(fixture), "model": FlowModel(fixture.config, state)})


@NAMES
def test_tables(backend, name):
    """Time grid, time indices, frequencies: bit for bit, without torch."""
    fixture = official(name)
    io = fixture.io
    np.testing.assert_array_equal(time_frequencies(), io["table_time_freq"])
    for key in (key for key in io if re.fullmatch(r"grid_\d+_t", key)):
        n = int(key.split("_")[1])
        grid = time_grid(n)
        np.testing.assert_array_equal(grid, io[key])
        assert [time_index(t) for t in grid[:-1]] == io[f"grid_{n}_tint"].tolist()
    for each, settings in fixture.runs.items():
        np.testing.assert_array_equal(time_grid(settings.num_steps), io[f"{each}_t"])
    for part, stage in (("enc", AR_STAGES[0]), ("flow", FLOW_STAGE)):
        d, key = fixture.config.head_dim(stage), f"{stage}.0.attn.rope.freqs"
        np.testing.assert_array_equal(tables.rope_frequencies(d), fixture.state[key])
        np.testing.assert_array_equal(io[f"rope_{part}_freqs"], fixture.state[key])
        for side in (1, 2, 4, 8):
            if f"rope_{part}_in_{side}" in io:
                by = turns(backend.array(fixture.state[key]), side)
                found = rotate(backend.array(io[f"rope_{part}_in_{side}"]), by)
                assert_close(found, io[f"rope_{part}_out_{side}"], 1e-12)


def test_linspace_is_torchs():
    torch = pytest.importorskip("torch", reason="compared with torch's")
    for n in (1, 2, 3, 7, 12, 13, 50, 51, 100, 333):
        for a, b in ((1.0, 0.3), (0.25, 0.0), (1.0, 0.0)):
            expected = torch.linspace(a, b, n, dtype=torch.float64).tolist()
            assert linspace(a, b, n) == expected


def test_the_cut_off_itself_is_guided():
    """num_steps 100, cut-off 0.6: NumPy's linspace is one bit above it, torch's is on it."""
    settings = FlowSettings(100, Fraction(2), Fraction("0.6"))
    assert sum(settings.guides(t, 1, 4) for t in time_grid(100)[:-1]) == 72
    assert sum(settings.guides(t, 1, 4) for t in np.linspace(1, 0.3, 50)) == 21
    assert not settings.guides(0.5, 0, 4)  # never at the first scale
    assert not settings.guides(0.5, 0, 1)
    assert not FlowSettings(100, Fraction(1, 2)).guides(0.5, 3, 4)


@NAMES
def test_resampling(backend, name):
    io = official(name).io
    for key in (key for key in io if key.startswith("rs_in_")):
        a, b = map(int, key.split("_")[2:])
        x = backend.array(io[key])
        assert_close(bicubic(x, 16), io[f"rs_mid_{a}_{b}"], 1e-12)
        assert_close(area(bicubic(x, 16), b), io[f"rs_out_{a}_{b}"], 1e-12)


@NAMES
def test_flow_net_alone(backend, name):
    fixture = official(name)
    io, w = fixture.io, fixture.model.to(backend).weights
    assert [time_index(float(t)) for t in io["flow_t"]] == io["flow_t_int"].tolist()
    te = time_embedding(w, io["flow_t_int"])
    assert_close(te, io["flow_te"], 1e-12)
    x = backend.array(io["flow_x"])
    flow = Flow.of(w, fixture.config, backend.array(io["flow_z"]), math.isqrt(x.shape[1]))
    for i in range(len(te)):
        assert_close(flow.velocity(x, te[i : i + 1]), io["flow_v"][i], 1e-12)


class Recorder(FlowNumbers):
    """Numbers that remember in `kept` what each step gave."""

    def rms_norm(self, x, place):
        y = super().rms_norm(x, place)
        self.kept.setdefault(f"in {place}", x)
        self.kept.setdefault(place, y)
        return y

    def weighted_norm(self, x, name):
        y = super().weighted_norm(x, name)
        self.kept.setdefault(f"in {name}", x)
        self.kept.setdefault(name, y)
        return y

    def linear(self, x, name):
        y = super().linear(x, name)
        self.kept.setdefault(name, y)
        return y

    def mlp(self, x, block):
        y = super().mlp(x, block)
        self.kept.setdefault(f"{self.stage}.{block}.mlp", y)
        return y


def b_flow(name, backend):
    """(places seen, steps) of the flow net in the captured evaluation."""
    fixture = official(name)
    io, w = fixture.io, fixture.model.to(backend).weights
    z, seen = backend.array(io["b_flow0_z"]), {}
    flow = Flow.of(w, fixture.config, z, 4)
    ops = Recorder(w, fixture.config, FLOW_STAGE, (4,))
    ops.kept = {}
    flow.ops, te = ops, time_embedding(w, np.array([time_index(io["b_flow0_t"][0])]))
    seen["cross_kv"] = ops.cross_states(z, 0) if fixture.config.cross else None
    v = flow.velocity(backend.array(io["b_flow0_x"]), te, lambda p, x: seen.setdefault(p, x))
    return io, flow, te, v, seen, ops.kept


@NAMES
def test_inside_the_first_flow_block(backend, name):
    io, flow, te, v, seen, kept = b_flow(name, backend)
    here = f"{FLOW_STAGE}.0"
    (q, k, _), by = seen[f"{here}.attn.qkv"], flow.ops.turns(f"{here}.attn")
    active, xp = silu(te[:, None] + flow.condition), namespace(te)

    def vectors(name, c, where=here):
        return xp.concat(condition_vectors(flow.w, f"{where}.{name}", c, 1), axis=-1)

    expected = {
        "input_proj": kept["flownet.input_proj"], "te": te, "cc": flow.condition,
        "norm1": kept[f"{here}.x"], "attn": kept[f"{here}.attn.proj"], "mlp": kept[f"{here}.mlp"],
        "ropeq_in": q, "ropek_in": k, "ropeq_out": rotate(q, by),
        "ropek_out": rotate(k, by), "qkv": kept[f"{here}.attn.qkv"][:, :4],
        "x_out": seen[f"{here}.out"], "final_norm": kept["flow.x"], "velocity": v,
        "final_mod": vectors("adaLN_modulation.1", active, "flownet.final_layer")[:, :4],
    }  # fmt: skip
    if flow.config.cross:
        expected |= {
            "ada_attn": vectors("ada_lin_attn", silu(te)[:, None]),
            "ada_mlp": vectors("ada_lin_mlp", active)[:, :4],
            "norm2_1": seen[f"{here}.cross.y"], "norm2_2": kept[f"{here}.norm2_2"],
            "norm3": kept[f"{here}.mid"],
            "cross_q": kept[f"{here}.crossattn.q"], "cross": kept[f"{here}.crossattn.proj"],
            "cross_kv": kept[f"{here}.crossattn.kv"][:, :4],
        }  # fmt: skip
    else:
        expected["ada"] = vectors("ada_lin", active)[:, :4]
        expected["norm2"] = kept[f"{here}.mid"]
    for key, x in expected.items():
        assert_close(x, io[f"b_flow0_{key}"], 1e-12, key)


@NAMES
@pytest.mark.parametrize("stage", AR_STAGES)
def test_inside_the_first_transformer_block(stage, backend, name, monkeypatch):
    """In run g at scale 2, the keys of scales 0 and 1 cached."""
    fixture, kept = official(name), {}

    class Here(Recorder):
        @property
        def kept(self):
            return kept.setdefault((self.stage, self.sides), {})

    monkeypatch.setattr(network, "FlowNumbers", Here)
    for _ in run(fixture, backend, "g", 3):
        pass
    io, kept, here = fixture.io, kept[stage, (4,)], f"{stage}.0"
    after = f"{stage}.1.x" if fixture.config.depth(stage) > 1 else f"{stage[:7]}_norm"
    q, k, _ = split_heads(kept[f"{here}.attn.qkv"], 3, fixture.config.heads(stage))
    by = turns(backend.array(fixture.state[f"{here}.attn.rope.freqs"]), 4)
    w = fixture.model.to(backend).weights
    c = network.class_vector(w, fixture.config, io["labels"][:1])
    six = [to_numpy(x)[:, 0] for x in network.conditions(w, fixture.config, c)[stage][0]]
    expected = {
        "class": c, "ada": np.concatenate(six, axis=-1), "x_in": kept[f"in {here}.x"],
        "norm1": kept[f"{here}.x"], "qkv": kept[f"{here}.attn.qkv"][:, :4], "ropeq_in": q,
        "ropek_in": k, "ropeq_out": rotate(q, by), "ropek_out": rotate(k, by),
        "attn": kept[f"{here}.attn.proj"], "norm2": kept[f"{here}.mid"],
        "mlp": kept[f"{here}.mlp"], "x_out": kept[f"in {after}"],
    }  # fmt: skip
    for key, x in expected.items():
        assert_close(x[:1], io[f"b_{stage[:3]}0_{key}"], 1e-12, key)


@NAMES
def test_float64_frequencies(backend, name, monkeypatch):
    """x64: with all frequencies in float64 the maps are the other ones, 1e-5 away."""
    fixture = official(name)
    wide = 10_000.0 ** (-np.arange(128) / 128)
    monkeypatch.setattr(tables, "time_frequencies", lambda: wide)
    state = dict(fixture.state)
    for key in (key for key in state if key.endswith("rope.freqs")):
        d = 4 * len(state[key])
        state[key] = 10_000.0 ** (-np.arange(0, d // 2, 2) / (d // 2))
    scales = None if backend.name == "torch" else 3
    for k, scale in enumerate(run(replace_model(fixture, state), backend, "g", scales)):
        assert_close(to_numpy(scale.map)[:1], fixture.io[f"x64_map_{k}"], 1e-12)


@pytest.mark.parametrize(
    ("released", "name"), [("small", "flowar-s"), ("large", "flowar-l"), ("huge", "flowar-h")]
)
def test_released_sizes(released, name):
    """Keys, shapes and counts of the released state dicts."""
    expected = json.loads((DATA / "state-dict-keys.json").read_text())["models"][released]
    config = flow_preset(name)
    shapes = flow_shapes(config)
    first = {k: s for k, s in shapes.items() if not re.search(r"blocks\.[1-9]\d*\.", k)}
    assert {k: tuple(s) for k, s in expected["shapes"].items()} == first
    assert list(expected["shapes"]) == list(first)
    for stage, count in expected["blocks"].items():
        assert config.depth(stage) == count
    for key, shape in shapes.items():
        assert shape == shapes[re.sub(r"blocks\.\d+\.", "blocks.0.", key)]
    assert parameter_count(config) == expected["parameters"]
    assert len(shapes) == expected["tensors"]
    buffers = sum(math.prod(s) for k, s in shapes.items() if is_buffer(k))
    assert buffers == expected["buffer_values"]


def test_next_input_goes_through_16():
    fixture = official("B")
    assert fixture.config.scales[-1] == 8
    x = fixture.io["g_map_1"]
    assert x.shape[-1] == 16
    assert_close(next_input(fixture.config, x, 2, 4), fixture.io["g_in_2"], 1e-12)
