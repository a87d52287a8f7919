"""The released sampler: scale by scale, each map integrated from noise along the flow net.

x <- x + (t' - t) v, where v sees the truncated time index: piecewise constant in t, so this is a
discrete process of its own and no convergence to a flow is meant. B batch, N tokens, c channels,
T evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.errors import InputError
from varnum.model.backend import Array, Backend, Ints, Weights, const, namespace
from varnum.model.flowar.flow_config import AR_STAGES, FlowConfig
from varnum.model.flowar.flow_statedict import BUFFERS
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
from varnum.model.flowar.tables import steps, time_grid, time_index
from varnum.model.interpolation import area, bicubic
from varnum.model.quantizer import as_tokens
from varnum.model.transformer import Cache


@dataclass(frozen=True)
class FlowModel:
    """Sizes and weights, all arrays of one kind."""

    config: FlowConfig
    weights: Weights

    def to(self, backend: Backend) -> FlowModel:
        """The same model with what inference reads of its weights on a backend."""
        read = {name: x for name, x in self.weights.items() if name not in BUFFERS}
        return FlowModel(self.config, backend.weights(read))


@dataclass(frozen=True)
class FlowSettings:
    """num_steps 25 makes 24 evaluations; cfg 1 or less never guides; guidance: only at t <= it."""

    num_steps: int = 25
    cfg: Fraction = Fraction(1)
    guidance: Fraction = Fraction(9, 10)

    def factor(self, scale: int, scales: int) -> Fraction:
        """g = 1 + (cfg - 1) k/(K - 1): nothing at the first scale, cfg at the last."""
        return 1 + (self.cfg - 1) * scale / max(scales - 1, 1)

    def guides(self, t: float, scale: int, scales: int) -> bool:
        """Whether an evaluation at time t is guided; t equal to the cut-off is."""
        return self.factor(scale, scales) > 1 and t <= float(self.guidance)


# What the released models are sampled with.
RELEASED = {
    "flowar-s": FlowSettings(25, Fraction("4.3"), Fraction("0.9")),
    "flowar-l": FlowSettings(25, Fraction("2.4"), Fraction("0.9")),
    "flowar-h": FlowSettings(50, Fraction("2.4"), Fraction("0.7")),
}


@dataclass(frozen=True)
class FlowScale:
    """What one scale produced."""

    map: Array  # (B, N, c)
    z: Array  # (2B, N, C) with guidance: first half conditional; else (B, N, C)
    input: Array | None  # (B, N, c), the map before it resampled; None at the first
    t_int: Ints  # (T)


# (scale, evaluation, latents before it, velocity with the class, without it or None)
WatchFlow = Callable[[int, int, Array, Array, Array | None], None]


def draw_noise(config: FlowConfig, batch: int, seed: int) -> list[np.typing.NDArray[np.float32]]:
    """Standard normal starting latents (B, N_k, c) of every scale."""
    rng = np.random.default_rng(seed)
    shapes = [(batch, n, config.latent_channels) for n in config.lengths]
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def check_settings(settings: FlowSettings) -> None:
    """Raise InputError unless the grid exists and the guidance is exact, of a sensible size."""
    if not isinstance(settings, FlowSettings):
        raise InputError(f"settings: need FlowSettings, got {type(settings).__name__}")
    if type(settings.num_steps) is not int:
        raise InputError(f"num_steps: need a whole number, got {settings.num_steps!r:.40}")
    time_grid(settings.num_steps)
    for name, value in (("cfg", settings.cfg), ("guidance", settings.guidance)):
        if not isinstance(value, int | Fraction):  # 1 - g of a float would round unseen
            raise InputError(f"{name}: need a Fraction or an integer, got {value!r:.40}")
        if abs(value) > 10**6:
            raise InputError(f"{name}: must be within -10^6 to 10^6")


def check_noise(config: FlowConfig, noise: Sequence[Array], batch: int) -> None:
    """Raise InputError unless there are starting latents (B, N_k, c) of every scale."""
    expected = [(batch, n, config.latent_channels) for n in config.lengths]
    found = [tuple(x.shape) for x in noise]
    if found != expected:
        raise InputError(f"noise: need shapes {expected}, got {found}")


def sample_maps(
    model: FlowModel,
    labels: Ints,
    noise: Sequence[Array],
    settings: FlowSettings = FlowSettings(),
    kernels: Kernels = EXACT,
    watch: WatchFlow | None = None,
) -> Iterator[FlowScale]:
    """Sample scale by scale with a key/value cache; yields one `FlowScale` per scale.

    noise: starting latents (B, N_k, c) per scale, arrays of the model's kind. v = v_u + g (v_c -
    v_u); the unconditional half sees the same maps. Raises InputError on labels, noise, settings.
    """
    config, w = model.config, model.weights
    check_settings(settings)
    labels = np.asarray(labels, dtype=np.int64)
    check_noise(config, noise, labels.size)
    guided = settings.cfg > 1 and len(config.scales) > 1
    both = np.concatenate([labels, np.full_like(labels, -1)]) if guided else labels
    c = class_vector(w, config, both)  # (2B, C)
    xp = namespace(c)
    sixes = conditions(w, config, c)
    caches = {stage: Cache.empty() for stage in AR_STAGES}
    x, given = c[:, None, :], None
    for k, side in enumerate(config.scales):
        z = transformer(w, config, x, sixes, Tokens(k, k + 1), kernels, caches)
        found = integrate(model, k, z, noise[k], settings, kernels, watch)
        yield FlowScale(found, z, given, indices(settings))
        if k < len(config.scales) - 1:
            given = next_input(config, found, side, config.scales[k + 1])
            x = embed_map(w, given)
            x = xp.concat([x, x], axis=0) if guided else x


def indices(settings: FlowSettings) -> Ints:
    """The flow net's times of all evaluations, (T)."""
    return np.array([time_index(t) for t in time_grid(settings.num_steps)[:-1]], dtype=np.int64)


def integrate(
    model: FlowModel,
    scale: int,
    z: Array,
    x: Array,
    settings: FlowSettings,
    kernels: Kernels = EXACT,
    watch: WatchFlow | None = None,
) -> Array:
    """The map (B, N, c) of one scale from its noise x; z as in `FlowScale`.

    Where an evaluation is guided, both halves of z are one batch.
    """
    config, batch = model.config, x.shape[0]
    xp, scales, times = namespace(x), len(config.scales), time_grid(settings.num_steps)
    te = time_embedding(model.weights, indices(settings))  # (T, w)
    factor = settings.factor(scale, scales)
    both = Flow.of(model.weights, config, z, config.scales[scale], kernels)
    alone = both.first(batch)
    for i, (t, step) in enumerate(zip(times, steps(times), strict=False)):
        v_u = None
        if settings.guides(t, scale, scales):
            halves = both.velocity(xp.concat([x, x], axis=0), te[i : i + 1])
            v_c, v_u = halves[:batch], halves[batch:]
            v = v_u + const(x, factor) * (v_c - v_u)
        else:
            v = v_c = alone.velocity(x, te[i : i + 1])
        if watch is not None:
            watch(scale, i, x, v_c, v_u)
        x = x + const(x, step) * v
    return x


def as_map(x: Array, side: int) -> Array:
    """Row-major tokens as a map: (B, N, c) -> (B, c, h, h)."""
    xp = namespace(x)
    return xp.reshape(xp.permute_dims(x, (0, 2, 1)), (x.shape[0], x.shape[2], side, side))


def next_input(config: FlowConfig, x: Array, side: int, following: int) -> Array:
    """What the next scale is fed: tokens (B, N, c) through a fixed side, bicubic, then area."""
    return through(x, side, config.resample_through_sampling, following)


def through(x: Array, side: int, middle: int, following: int) -> Array:
    """Tokens of side h by bicubic to `middle`, by area to `following`: (B, N, c) -> (B, N', c)."""
    return as_tokens(area(bicubic(as_map(x, side), middle), following))
