"""FlowAR's official arrays (tests/data/flowar): the packed state dict, inputs and outputs."""

from __future__ import annotations

import ast
import json
import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from varnum.balls import parse
from varnum.model.backend import to_numpy
from varnum.model.flowar.flow_config import FlowConfig, read_flow_settings
from varnum.model.flowar.flow_sampling import FlowModel, FlowSettings

DATA = Path(__file__).parents[1] / "data" / "flowar"


def arrays_of(path):
    """All arrays of an .npz."""
    with np.load(path) as archive:
        return dict(archive)


@cache
def official(name):
    """config (the JSON), state (official keys), model (NumPy), io, runs by name."""
    pairs = json.loads((DATA / f"{name}_config.json").read_text())
    config = FlowConfig(**read_flow_settings(pairs, name))
    state = unpacked(name, config.length)
    runs = {
        run["name"]: FlowSettings(
            run["num_steps"], parse(str(run["cfg"])), parse(str(run["guidance"]))
        )
        for run in pairs["runs"]
    }
    return SimpleNamespace(
        pairs=pairs,
        config=config,
        state=state,
        model=FlowModel(config, state),
        io=arrays_of(DATA / f"{name}_io.npz"),
        runs=runs,
    )


def unpacked(name, length):
    """The state dict as upstream saves it."""
    packed = arrays_of(DATA / f"{name}_state.npz")
    lines = bytes(packed.pop("names")).decode().split("\n")
    values = packed.pop("table")[packed.pop("codes")]
    state, start = {}, 0
    for line in lines:
        key, shape = line.split(" ", 1)
        shape = ast.literal_eval(shape)
        state[key] = values[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    bits = np.unpackbits(packed.pop("mask"))[: length * length].reshape(1, 1, length, length)
    state["mask"] = np.where(bits == 1, 0, -np.inf).astype(np.float32)
    return state | packed


def assert_close(found, expected, tolerance, name=""):
    """Equal up to `tolerance`, on the channels that the fixture holds."""
    found = to_numpy(found)
    if found.ndim and found.shape[-1] != expected.shape[-1]:
        found = found[..., :: found.shape[-1] // expected.shape[-1]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=name)
