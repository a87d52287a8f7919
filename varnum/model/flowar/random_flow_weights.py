"""Random FlowAR models of any size from a seed; as `varnum.model.random_weights`."""

from __future__ import annotations

from typing import Any

import numpy as np

from varnum.model.flowar.flow_config import FlowConfig
from varnum.model.flowar.flow_sampling import FlowModel
from varnum.model.flowar.flow_statedict import BUFFERS, MASK, flow_shapes
from varnum.model.flowar.numbers import FREQUENCIES
from varnum.model.flowar.tables import rope_frequencies
from varnum.model.random_weights import check_memory, random_array


def random_flow_model(config: FlowConfig, seed: int) -> FlowModel:
    """A model with NumPy float32 weights; the same seed gives the same model everywhere.

    Raises InputError, before any is made, where they do not fit into this machine's memory.
    """
    shapes = {n: s for n, s in flow_shapes(config).items() if n not in BUFFERS}
    check_memory(shapes)
    weights: dict[str, Any] = {}
    for name, shape in shapes.items():
        if name.endswith(FREQUENCIES):
            weights[name] = rope_frequencies(4 * shape[0])
        else:
            weights[name] = random_array(name, shape, seed)
    return FlowModel(config, weights)


def flow_buffers(config: FlowConfig) -> dict[str, Any]:
    """What completes the official state dict: the mask, blocked by scale."""
    level = np.repeat(np.arange(len(config.scales)), config.lengths)
    mask = np.where(level[:, None] >= level[None, :], 0.0, -np.inf).astype(np.float32)
    return {MASK: mask[None, None]}
