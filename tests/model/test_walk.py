"""The block stands once: places in order, an observer changes nothing, a wrong order is seen."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from varnum.model import walk as module
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.flowar.flow_config import FLOW_STAGE, flow_preset
from varnum.model.flowar.network import Flow, time_embedding
from varnum.model.flowar.random_flow_weights import random_flow_model
from varnum.model.random_weights import random_model
from varnum.model.transformer import Numbers, class_vector, conditions, transformer_block

ROOT = Path(module.__file__).parents[1]


@pytest.fixture(scope="module")
def setting() -> tuple[Any, Any, Any]:
    model = random_model(*preset("var-tiny"), seed=3).to(Backend("numpy", "float64"))
    c = class_vector(model.var_weights, model.var, np.array([1]))
    x = np.random.default_rng(0).standard_normal((1, model.var.length, model.var.embed_dim))
    return model, x, conditions(model.var_weights, model.var, c)


def test_places_come_in_order_and_hold_what_passes(setting: Any) -> None:
    model, x, sixes = setting
    at: dict[str, Any] = {}
    out = transformer_block(
        model.var_weights, model.var, 0, x, sixes[0], blocks=model.var.lengths, seen=at.__setitem__
    )
    assert list(at) == [
        f"blocks.0.{name}" for name in ("x", "attn.y", "attn.qkv", "mid", "ffn.y", "out")
    ]
    assert at["blocks.0.x"] is x
    assert at["blocks.0.out"] is out
    plain = transformer_block(
        model.var_weights, model.var, 0, x, sixes[0], blocks=model.var.lengths
    )
    assert np.array_equal(out, plain)


class Swapped(Numbers):
    """Shift and scale exchanged: what a forgotten edit of a second copy would do."""

    def modulate(self, x: Any, scale: Any, shift: Any) -> Any:
        return super().modulate(x, shift, scale)


def test_another_arithmetic_is_another_result(setting: Any) -> None:
    model, x, sixes = setting
    ops = Numbers(model.var_weights, model.var, blocks=model.var.lengths)
    wrong = Swapped(model.var_weights, model.var, blocks=model.var.lengths)
    one, other = (module.walk(o, x, sixes) for o in (ops, wrong))
    assert not np.allclose(one, other)


def test_the_block_stands_once() -> None:
    """Whoever unpacks the six AdaLN vectors into gamma1, .. walks the block by himself."""
    found = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name) and node.id == "gamma1":
                found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == {"model/walk.py"}


@pytest.mark.parametrize("name", ["flowar-tiny", "flowar-tiny-cross"])
def test_flowars_places_come_in_order(name: str) -> None:
    """The flow net's places; whoever looks changes nothing; cross-attention is in the middle."""
    model = random_flow_model(flow_preset(name), 0).to(Backend())
    config, rng = model.config, np.random.default_rng(0)
    z = rng.standard_normal((1, 4, config.model_width))
    x = rng.standard_normal((1, 4, config.latent_channels))
    flow, te = Flow.of(model.weights, config, z, 2), time_embedding(model.weights, np.array([300]))
    at: dict[str, Any] = {}
    v = flow.velocity(x, te, at.__setitem__)
    cross = ["cross.y", "cross.out"] if config.cross else []
    block = ["x", "attn.y", "attn.qkv", "mid", *cross, "ffn.y", "out"]
    blocks = [f"{FLOW_STAGE}.{i}.{place}" for i in range(config.flow_depth) for place in block]
    assert list(at) == [*blocks, "flow.x", "flow.y", "velocity"]
    assert at["velocity"] is v
    assert np.array_equal(v, flow.velocity(x, te))
