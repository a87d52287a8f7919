"""Random models of any size from a seed, in which every layer matters.

Values lie on the bfloat16 grid, so that casts between float64, float32 and bfloat16 are exact and
comparisons of dtypes compare arithmetic only. Each array depends on (seed, its name) alone.
"""

from __future__ import annotations

import math
import os
import zlib
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.generate import Model
from varnum.model.statedict import (
    BUFFERS,
    HITS,
    LEVELS,
    MASK,
    Shapes,
    expected_levels,
    vae_shapes,
    var_shapes,
)

Float32 = np.typing.NDArray[np.float32]


def random_model(var: VarConfig, vae: VaeConfig, seed: int) -> Model:
    """A model with NumPy float32 weights; the same seed gives the same model everywhere.

    Raises InputError, before any is made, where they do not fit into this machine's memory.
    """
    check_memory(var_shapes(var), vae_shapes(vae))
    return Model(
        var, vae, random_weights(var_shapes(var), seed), random_weights(vae_shapes(vae), seed)
    )


def check_memory(*parts: Shapes) -> None:
    """Raise InputError where float32 arrays of these shapes do not fit into this machine."""
    needed, there = 4 * sum(math.prod(s) for shapes in parts for s in shapes.values()), memory()
    if needed > there:
        raise InputError(
            f"sizes: the weights take {needed / 1e9:.3g} GB, this machine has {there / 1e9:.3g}"
        )


def memory() -> int:
    """Bytes of memory of this machine; without limit where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 62


def random_weights(shapes: Shapes, seed: int) -> dict[str, Float32]:
    """Arrays for all keys that inference reads, buffers left out (see `buffers`)."""
    return {n: random_array(n, s, seed) for n, s in shapes.items() if n not in BUFFERS}


def buffers(var: VarConfig, vae: VaeConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The buffers that complete the two official state dicts."""
    levels = expected_levels(var)
    mask = np.where(levels[0][:, None] >= levels[0][None, :], 0.0, -np.inf).astype(np.float32)
    hits = np.zeros((len(vae.patch_nums), vae.vocab_size), dtype=np.float32)
    return {LEVELS: levels, MASK: mask[None, None]}, {HITS: hits}


def random_array(name: str, shape: tuple[int, ...], seed: int) -> Float32:
    """Spread 1/sqrt(fan-in) for matrices and kernels, so that signals keep their size."""
    if name.endswith("zero_k_bias"):
        return np.zeros(shape, dtype=np.float32)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    mean, spread = 0.0, 0.2  # biases
    if name.endswith("weight") and ("norm" in name or name == "z_proj_ln.weight"):
        mean = 1.0
    elif name.endswith("scale_mul_1H11"):
        mean = math.log(4)
    elif name.endswith(("pos_start", "pos_1LC", "class_emb.weight", "lvl_embed.weight", "learned")):
        spread = 0.5
    elif name.endswith(("ada_gss", "ada_lin.1.bias", "ada_lin.bias", "_attn.bias", "_mlp.bias")):
        spread = 0.5  # gates are not tiny
    elif name == "quantize.embedding.weight":
        spread = 1.0
    elif name.endswith("weight"):
        spread = 1 / math.sqrt(math.prod(shape[1:]))
    values = rng.standard_normal(shape, dtype=np.float32)
    values *= np.float32(spread)
    values += np.float32(mean)
    return _to_bfloat16_grid(values)


def _to_bfloat16_grid(x: Float32) -> Float32:
    bits = x.view(np.uint32)
    bits += np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))  # to nearest, ties even
    bits &= np.uint32(0xFFFF0000)
    return x
