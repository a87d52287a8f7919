"""FlowAR's training forward: all scales at once from an image's latent. B batch, c channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.errors import InputError
from varnum.model.backend import Array, Ints, const, host_array, namespace
from varnum.model.flowar.flow_sampling import FlowModel, check_noise, through
from varnum.model.flowar.network import (
    Flow,
    Tokens,
    class_vector,
    conditions,
    embed_map,
    time_embedding,
    transformer,
)
from varnum.model.flowar.numbers import EXACT, Kernels
from varnum.model.flowar.tables import time_index
from varnum.model.interpolation import area
from varnum.model.quantizer import as_tokens


@dataclass(frozen=True)
class ForcedScale:
    """One scale of a training forward; N tokens."""

    data: Array  # (B, N, c), the image's latent averaged to the scale
    latent: Array  # x_t = (1 - t) data + t noise
    velocity: Array  # what the flow net says of it; the target is noise - data
    loss: Array  # (B), mean over tokens and channels of the squared difference


@dataclass(frozen=True)
class Forced:
    """A training forward; L tokens of all scales."""

    input: Array  # (B, L - 1, c), what all tokens but the first are fed
    z: Array  # (B, L, C)
    t_int: Ints  # (K, B)
    scales: list[ForcedScale]
    loss: Array  # (): the scales' mean losses, weighted by h_k^2 / h_K^2


def training_forward(
    model: FlowModel,
    labels: Ints,
    image: Array,
    times: np.typing.NDArray[np.float64],
    noise: Sequence[Array],
    kernels: Kernels = EXACT,
) -> Forced:
    """Teacher forcing on latents `image` (B, c, h_K, h_K) with given times (K, B) and noise.

    Inputs are resampled through the last map's side here, not through 16 as in sampling.
    """
    config, w = model.config, model.weights
    labels = np.asarray(labels, dtype=np.int64)
    sides, last = config.scales, config.scales[-1]
    check_noise(config, noise, labels.size)
    shape = (labels.size, config.latent_channels, last, last)
    if tuple(image.shape) != shape:
        raise InputError(f"image: need shape {shape}, got {tuple(image.shape)}")
    if np.shape(times) != (len(sides), labels.size):
        raise InputError(f"times: need shape {(len(sides), labels.size)}, got {np.shape(times)}")
    data = [as_tokens(area(image, h)) for h in sides]
    fed = [through(x, h, last, after) for x, h, after in zip(data, sides, sides[1:], strict=False)]
    c = class_vector(w, config, labels)
    xp = namespace(c)
    x = xp.concat([c[:, None, :], *(embed_map(w, tokens) for tokens in fed)], axis=1)
    z = transformer(w, config, x, conditions(w, config, c), Tokens(0, len(sides)), kernels)
    t_int = np.array([[time_index(t) for t in row] for row in times], dtype=np.int64)
    made, start = [], 0
    for k, side in enumerate(sides):
        part = z[:, start : start + side * side, :]
        start += side * side
        flow = Flow.of(w, config, part, side, kernels)
        made.append(_scale(flow, data[k], noise[k], times[k], time_embedding(w, t_int[k])))
    loss = None
    for side, scale in zip(sides, made, strict=True):
        term = const(x, Fraction(side * side, last * last)) * xp.mean(scale.loss)
        loss = term if loss is None else loss + term
    joined = xp.concat(fed, axis=1) if fed else x[:, :0, : config.latent_channels]
    return Forced(joined, z, t_int, made, loss)


def _scale(
    flow: Flow, data: Array, noise: Array, times: np.typing.NDArray[np.float64], te: Array
) -> ForcedScale:
    xp = namespace(data)
    t = host_array(data, np.asarray(times, dtype=np.float64)[:, None, None])
    t = xp.astype(t, data.dtype) if hasattr(xp, "float64") else t
    latent = (1 - t) * data + t * noise
    velocity = flow.velocity(latent, te)
    difference = velocity - (noise - data)
    return ForcedScale(data, latent, velocity, xp.mean(difference * difference, axis=(1, 2)))
