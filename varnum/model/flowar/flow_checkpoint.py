"""Read FlowAR's checkpoints, as `varnum.model.checkpoint`; sizes are read off the weights.

Not in the shapes: `resample_through_sampling` (16 as released) alone. Whatever else a configuration
gives is checked against the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.model.checkpoint import State, host, read_settings_pairs, read_state, state_shape
from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE, FlowConfig, read_flow_settings
from varnum.model.flowar.flow_sampling import FlowModel
from varnum.model.flowar.flow_statedict import BUFFERS, MASK, flow_shapes
from varnum.model.flowar.numbers import FREQUENCIES
from varnum.model.flowar.random_flow_weights import flow_buffers
from varnum.model.statedict import check_state


def load_flow_model(path: str, settings: Mapping[str, Any] | None = None) -> FlowModel:
    """A model from a state dict (.npz, .safetensors, .pth); `settings` as the next function's.

    Raises InputError with one line for anything wrong with the file, MissingExtra where reading it
    needs torch or safetensors.
    """
    state = read_state(path, "model_ema")
    config = infer_flow_config(state, settings or {}, path)
    check_state(state, flow_shapes(config), path, BUFFERS)
    if not np.array_equal(host(state[MASK]), flow_buffers(config)[MASK]):
        raise InputError(f"{path}: {MASK} is not the block-causal mask of these scales")
    return FlowModel(config, {name: x for name, x in state.items() if name not in BUFFERS})


def read_flow_settings_file(path: str) -> dict[str, Any]:
    """Sizes of a JSON file; other names are ignored, other models' facts refused."""
    return read_flow_settings(read_settings_pairs(path), path)


def infer_flow_config(state: State, settings: Mapping[str, Any], where: str) -> FlowConfig:
    """Sizes from shapes and from the mask, checked against `settings`."""
    classes, width = state_shape(state, "class_emb.weight", 2, where)
    flow_width, latent = state_shape(state, "flownet.input_proj.weight", 2, where)
    found: dict[str, Any] = {
        "scales": _scales(state, where),
        "model_width": width,
        "flow_width": flow_width,
        "cross": any(".crossattn." in name for name in state),
        "latent_channels": latent,
        "classes": classes - 1,
    }
    for stage, sizes in zip((*AR_STAGES, FLOW_STAGE), ("encoder", "decoder", "flow"), strict=True):
        found[f"{sizes}_depth"] = _depth(state, stage)
        quarter = state_shape(state, f"{stage}.0.attn.{FREQUENCIES}", 1, where)[0]
        if stage in AR_STAGES:
            found[f"{sizes}_heads"] = width // (4 * quarter) if quarter else 0
        hidden = state_shape(state, f"{stage}.0.mlp.fc1_g.weight", 2, where)[0]
        found["mlp_hidden_ar" if stage in AR_STAGES else "mlp_hidden_flow"] = hidden
    for name, value in found.items():
        if settings.get(name, value) != value:
            raise InputError(
                f"{where}: {name} is {value} in the weights, {settings[name]} in the config"
            )
    names = {field.name for field in fields(FlowConfig)}
    return FlowConfig(**{n: x for n, x in settings.items() if n in names} | found)


def _depth(state: State, stage: str) -> int:
    start = f"{stage}."
    return len({n.removeprefix(start).split(".")[0] for n in state if n.startswith(start)})


def _scales(state: State, where: str) -> tuple[int, ...]:
    """Sides from the mask, whose rows see all tokens up to the end of their scale."""
    _, _, rows, columns = state_shape(state, MASK, 4, where)
    ends = np.unique((host(state[MASK]) == 0).sum(axis=-1)) if rows == columns else np.zeros(1)
    counts = np.diff(ends, prepend=0).astype(int).tolist()
    sides = tuple(math.isqrt(n) for n in counts)
    if sum(counts) != columns or [h * h for h in sides] != counts:
        raise InputError(f"{where}: {MASK} shows {counts[:20]} tokens a scale, expected squares")
    return sides
