"""Each way to get FlowAR slightly wrong is seen by the comparison with the released code."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tests.model.test_flowar import check_forced, check_maps, replace_model
from tests.support.flowar import official
from varnum.model import interpolation
from varnum.model.backend import Backend
from varnum.model.flowar import flow_sampling, forced, network, numbers, tables
from varnum.model.layers import gelu, layer_norm, silu

NUMPY = Backend()


def wrong_norm(x, eps, weight=None):
    y = layer_norm(x, eps)
    return y if weight is None else y * weight


def eps_outside(x, eps, weight=None):
    y = x / (np.sqrt((x * x).mean(axis=-1, keepdims=True)) + 1e-6)
    return y if weight is None else y * weight


def half_split(x, by):
    cosines, sines = by
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cosines - b * sines, a * sines + b * cosines], axis=-1)


def swapped_axes(frequencies, side):
    def swap(x):
        maps = x.reshape(side, side, -1).transpose(1, 0, 2)
        return maps.reshape(x.shape)

    return tuple(swap(x) for x in TURNS(frequencies, side))


def unscaled_positions(frequencies, side):
    return TURNS(frequencies * np.float32(side / 16), side)


def swapped_pair(ops, x, pair, *rest):
    return VELOCITY(ops, x, pair[::-1], *rest)


def swapped_six(ops, stage, i, x, six, *rest):
    gates, scales, shifts = six[:2], six[2:4], six[4:]
    return AR_BLOCK(ops, stage, i, x, [*gates, *shifts, *scales], *rest)


def swapped_cross_six(ops, stage, i, x, six, *rest):
    order = [0, 2, 1, 3, 5, 4]
    return CROSS_BLOCK(ops, stage, i, x, [six[j] for j in order], *rest)


def sine_first(w, t_int):
    weight = w["flownet.time_embed.mlp.0.weight"]
    half = weight.shape[1] // 2
    swapped = np.concatenate([weight[:, half:], weight[:, :half]], axis=1)
    return TIME({**w, "flownet.time_embed.mlp.0.weight": swapped}, t_int)


def guided_always(self, t, scale, scales):
    return self.factor(scale, scales) > 1


def guided_below(self, t, scale, scales):
    return self.factor(scale, scales) > 1 and t < float(self.guidance)


def factor_of_next(self, scale, scales):
    return 1 + (self.cfg - 1) * (scale + 1) / scales


def without_position(w, config, x, *rest):
    """z_proj_ln before the position instead of after it."""
    name = "encoder_pos_embed_learned"
    y = numbers.rms_norm(x, numbers.EPS, w["z_proj_ln.weight"])
    rows = rest[1].rows(config)
    tail = w[name][:, rows, :]
    ones = {**w, "z_proj_ln.weight": np.ones_like(w["z_proj_ln.weight"]), name: w[name] * 0}
    return TRANSFORMER(ones, config, y + tail, *rest)


TURNS, VELOCITY, TIME = numbers.turns, network.walk_velocity, network.time_embedding
AR_BLOCK, CROSS_BLOCK = network.walk_ar_block, network.walk_cross_block
TRANSFORMER, GRID, INDEX = network.transformer, tables.time_grid, tables.time_index
CROSS = numbers.FlowNumbers.cross
SETTINGS = flow_sampling.FlowSettings
UNIT = (np.ones(1), np.zeros(1))


def cross_unturned(self, y, states, block):
    plain = replace(self, made={f"{self.stage}.{block}.crossattn": UNIT})
    return CROSS(plain, y, states, block)


# what is wrong -> (where, name, what stands there instead)
WRONG = {
    "LayerNorm": (numbers, "rms_norm", wrong_norm),
    "eps outside the root": (numbers, "rms_norm", eps_outside),
    "eps 1e-5": (numbers, "EPS", Fraction(1, 10**5)),
    "SiLU": (numbers, "gelu_erf", silu),
    "tanh GELU": (numbers, "gelu_erf", gelu),
    "halves as pairs": (numbers, "rotate", half_split),
    "rows and columns swapped": (numbers, "turns", swapped_axes),
    "positions not scaled": (numbers, "turns", unscaled_positions),
    "scale before shift": (network, "walk_velocity", swapped_pair),
    "AdaLN order": (network, "walk_ar_block", swapped_six),
    "AdaLN order of flow blocks": (network, "walk_cross_block", swapped_cross_six),
    "cross-attention without RoPE": (numbers.FlowNumbers, "cross", cross_unturned),
    "sine before cosine": (flow_sampling, "time_embedding", sine_first),
    "position after the norm": (flow_sampling, "transformer", without_position),
    "one evaluation more": (flow_sampling, "time_grid", lambda n: GRID(n + 2)),
    "uniform grid": (flow_sampling, "time_grid", lambda n: tables.linspace(1.0, 0.0, n + 1)),
    "t_int one more": (flow_sampling, "time_index", lambda t: INDEX(t) + 1),
    "t_int rounded": (flow_sampling, "time_index", lambda t: round(1000 * t)),
    "guided at every t": (SETTINGS, "guides", guided_always),
    "guided never": (SETTINGS, "guides", lambda self, t, k, n: False),
    "factor of the next scale": (SETTINGS, "factor", factor_of_next),
    "bicubic a = -1/2": (flow_sampling, "bicubic", lambda x, n: interpolation.bicubic(x, n, -0.5)),
    "through the last map": (
        flow_sampling, "next_input", lambda c, x, h, n: flow_sampling.through(x, h, c.scales[-1], n)
    ),
    "nearest": (flow_sampling, "area", lambda x, n: x[..., :: 16 // n, :: 16 // n]),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_is_seen(monkeypatch, what):
    """On three scales of set B: from 1e-12 to at least a hundred times that."""
    where, name, instead = WRONG[what]
    monkeypatch.setattr(where, name, instead)
    with pytest.raises(AssertionError):
        check_maps(official("B"), NUMPY, "g", 1e-10, 3)


def test_float64_time_indices_are_seen(monkeypatch):
    """649 for 650 in run s of set A."""
    monkeypatch.setattr(flow_sampling, "time_index", lambda t: int(1000 * t))
    with pytest.raises(AssertionError):
        check_maps(official("A"), NUMPY, "s", 1e-3, 2)


def test_the_cut_off_left_out_is_seen(monkeypatch):
    """Run s of set B hits its cut-off 0.7; at the second scale."""
    monkeypatch.setattr(SETTINGS, "guides", guided_below)
    with pytest.raises(AssertionError):
        check_maps(official("B"), NUMPY, "s", 1e-4, 2)


def test_guidance_at_the_first_scale_is_seen(monkeypatch):
    monkeypatch.setattr(SETTINGS, "factor", lambda self, k, n: self.cfg)
    with pytest.raises(AssertionError):
        check_maps(official("A"), NUMPY, "g", 1e-3, 1)


@pytest.mark.parametrize("what", ["time", "rope"])
def test_float64_tables_are_seen(monkeypatch, what):
    fixture = official("B")
    if what == "time":
        wide = 10_000.0 ** (-np.arange(128) / 128)
        monkeypatch.setattr(tables, "time_frequencies", lambda: wide)
    else:
        state = dict(fixture.state)
        for key in (key for key in state if key.endswith("rope.freqs")):
            d = 4 * len(state[key])
            state[key] = 10_000.0 ** (-np.arange(0, d // 2, 2) / (d // 2))
        fixture = replace_model(fixture, state)
    with pytest.raises(AssertionError):
        check_maps(fixture, NUMPY, "g", 1e-11, 3)


def test_another_null_class_is_seen():
    """The unconditional half is of class 1000, not of the one before."""
    fixture = official("B")
    state = dict(fixture.state)
    table = state["class_emb.weight"].copy()
    table[1000] = table[999]
    other = replace_model(fixture, state | {"class_emb.weight": table})
    with pytest.raises(AssertionError):
        check_maps(other, NUMPY, "g", 1e-3, 2)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("through", lambda x, h, last, n: flow_sampling.through(x, h, 16, n)),  # as in sampling
        ("time_index", lambda t: INDEX(t) + 1),
    ],
)
def test_wrong_training_is_seen(monkeypatch, name, instead):
    monkeypatch.setattr(forced, name, instead)
    with pytest.raises(AssertionError):
        check_forced(official("B"), NUMPY, 1e-4)


@pytest.mark.parametrize("gone", sorted(official("B").state))
def test_every_tensor_matters(gone):
    """Neutralised, each parameter moves a map by a thousandth or more; the mask is not read."""
    fixture = official("B")
    neutral = np.ones_like if "norm" in gone or "_ln" in gone else np.zeros_like
    other = replace_model(fixture, fixture.state | {gone: neutral(fixture.state[gone])})
    if gone == "mask":
        check_maps(other, NUMPY, "g", 1e-12, 2)
        return
    with pytest.raises(AssertionError):
        check_maps(other, NUMPY, "g", 1e-3, 2)
