"""FlowAR's whole sampler on clouds: transformer, flow net, guidance, Euler steps, the next input.

What is enclosed is the sampler in real arithmetic on the stored weights, with the released code's
float32 tables, times and time indices. Claim ensemble-flow. N tokens of
a scale, C width of the transformer, w of the flow net, c latent channels, T evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from varnum.balls.scalar import precision
from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE, FlowConfig
from varnum.model.flowar.flow_sampling import FlowSettings, indices
from varnum.model.flowar.flow_walk import walk_ar_block, walk_cross_block, walk_velocity
from varnum.model.flowar.network import Tokens
from varnum.model.flowar.tables import steps, time_frequencies, time_grid
from varnum.model.interpolation import area_matrix, bicubic_matrix
from varnum.propagate.ensemble import gated_sites as gs
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, U, l2
from varnum.propagate.ensemble.decoder import bare
from varnum.propagate.ensemble.dense import dense
from varnum.propagate.ensemble.flow_clouds import (
    FlowClouds,
    Kept,
    Tables,
    middle,
    steady_linear,
    steady_silu,
)
from varnum.propagate.ensemble.gated_sites import Steady
from varnum.propagate.ensemble.ops import Logits
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.forms import Floats

_BITS = 128


@dataclass(frozen=True)
class Sampling:
    """A `protocol.Run`: the maps of one label from its noise, (N_k, c) per scale."""

    weights: Mapping[str, Floats]
    config: FlowConfig
    settings: FlowSettings
    label: int
    noise: tuple[Floats, ...]
    say: Callable[[str], None] = field(default=lambda _: None, compare=False)

    @property
    def lengths(self) -> tuple[int, ...]:
        """One group of all tokens: every supremum is over all groups so far."""
        return (self.config.length,)

    @cached_property
    def tables(self) -> Tables:
        """Rotary tables, made once."""
        return Tables(self.weights)

    @cached_property
    def times(self) -> list[Steady]:
        """The time embedding of every evaluation, (w,)."""
        return time_embeddings(self.weights, self.settings)

    def through(self, ensemble: Ensemble) -> Logits:
        """All maps, small scales first, (L, c), each entry with a bound of its deviation."""
        with precision(_BITS):
            branches = [Transformer(self, ensemble, self.label)]
            if self.guided(len(self.config.scales) - 1):
                branches.append(Transformer(self, ensemble, self.config.classes))
            x, ends = None, []
            for k in range(len(self.config.scales)):
                z = [branch.condition(k, x) for branch in branches]
                x = self._integrated(ensemble, k, z)
                bound = ensemble.forms(x.samples, x.err, 0)
                ends.append((x.centre, bound))
        centres, bounds = zip(*ends, strict=True)
        return Logits(np.concatenate(centres), np.concatenate(bounds))

    def guided(self, scale: int) -> bool:
        """Whether some evaluation of a scale is."""
        scales = len(self.config.scales)
        grid = time_grid(self.settings.num_steps)[:-1]
        return any(self.settings.guides(t, scale, scales) for t in grid)

    def _integrated(self, ensemble: Ensemble, k: int, z: list[Cloud]) -> Cloud:
        """The map of one scale from its noise."""
        start = np.asarray(self.noise[k], float)
        x = bare(ensemble, start, np.zeros_like(start))
        guided = self.guided(k)
        nets = [FlowNet(self, ensemble, part, k) for part in (z if guided else z[:1])]
        factor = self.settings.factor(k, len(self.config.scales))
        grid = time_grid(self.settings.num_steps)
        for i, (t, step) in enumerate(zip(grid, steps(grid), strict=False)):
            self.say(f"scale {k}, evaluation {i}")
            here = self.settings.guides(t, k, len(self.config.scales))
            parts = [net.velocity(x, self.times[i]) for net in (nets if here else nets[:1])]
            g = factor if here else Fraction(1)
            x = euler(ensemble, x, parts, step, g, f"scale {k}, step {i}")
        return x

    def estimated_forms(self) -> int:
        """Forms of the walk, about; only the pilot goes by it."""
        c, evaluations = self.config, len(time_grid(self.settings.num_steps)) - 1
        flow = c.flow_depth * (c.hidden(FLOW_STAGE) * 2 + 16 * c.flow_heads) + c.flow_width
        ar = sum(c.depth(s) * (c.hidden(s) * 2 + 16 * c.heads(s)) for s in AR_STAGES)
        return 2 * c.length * (2 * evaluations * flow + ar)

    def fixed(self) -> tuple[str, Mapping[str, Floats], list[Floats]]:
        """What the commitment hashes."""
        named = repr((self.config, self.settings, self.label))
        return named, self.weights, list(self.noise)


@dataclass
class Transformer:
    """One label's transformer, scale by scale, with its cache."""

    run: Sampling
    ensemble: Ensemble
    label: int
    kept: dict[str, Kept] = field(default_factory=lambda: {s: Kept() for s in AR_STAGES})

    @cached_property
    def vectors(self) -> dict[str, list[list[Steady]]]:
        """AdaLN vectors of every block."""
        w, c = self.run.weights, self.run.config
        vector = self.row("class_emb.weight", self.label)
        active = steady_silu(Steady(vector, np.zeros_like(vector)))
        return {
            stage: [
                steady_linear(w, f"{stage}.{i}.ada_lin.1", active, 6) for i in range(c.depth(stage))
            ]
            for stage in AR_STAGES
        }

    def row(self, name: str, at: int | slice) -> Floats:
        """Some rows of a weight in float64."""
        return np.asarray(np.asarray(self.run.weights[name])[at], dtype=np.float64)

    def condition(self, k: int, x: Cloud | None) -> Cloud:
        """z (N, C) of scale k; x: the map before it, None at the first."""
        config, side = self.run.config, self.run.config.scales[k]
        rows = Tokens(k, k + 1).rows(config)
        y = self._embedded(k, x)
        for stage, norm in zip(AR_STAGES, ("encoder_norm", "decoder_norm"), strict=True):
            ops = FlowClouds(
                self.run.weights, config, self.ensemble, stage, side, self.run.tables,
                self.kept[stage],
            )  # fmt: skip
            if stage == AR_STAGES[1]:
                y = ops.linear(y, "decoder_embed")
            y = self._placed(y, f"{stage.removesuffix('_blocks')}_pos_embed_learned", rows)
            if stage == AR_STAGES[0]:
                y = ops.weighted_norm(y, "z_proj_ln")
            for i, six in enumerate(self.vectors[stage]):
                y = walk_ar_block(ops, stage, i, y, six)
            y = ops.weighted_norm(y, norm)
        return self._placed(y, "diffusion_pos_embed_learned", rows)

    def _placed(self, y: Cloud, name: str, rows: slice) -> Cloud:
        """With its positions, a place; y's samples are overwritten."""
        where = np.asarray(np.asarray(self.run.weights[name])[0, rows], dtype=np.float64)
        return self.ensemble.inject(gs.summed(y, Steady(where, np.zeros_like(where))), name)

    def _embedded(self, k: int, x: Cloud | None) -> Cloud:
        """The class, or the map before through a fixed side, then z_proj; no place yet."""
        config = self.run.config
        if x is None:
            vector = self.row("class_emb.weight", self.label)[None]
            return bare(self.ensemble, vector, np.zeros_like(vector))
        matrix = through_matrix(config, k)
        y = gs.resampled(self.ensemble, x, matrix, f"input of scale {k}")
        weight, bias = self.row("z_proj.weight", slice(None)), self.row("z_proj.bias", slice(None))
        return dense(y, weight, bias)


def through_matrix(config: FlowConfig, k: int) -> Floats:
    """One axis of the way from map k - 1 to the input of scale k, exact and rounded once."""
    middle_side, before, now = (
        config.resample_through_sampling, config.scales[k - 1], config.scales[k],
    )  # fmt: skip
    first, second = bicubic_matrix(before, middle_side), area_matrix(middle_side, now)
    return np.array(
        [
            [float(sum((a * r[i] for a, r in zip(row, first, strict=True)), Fraction(0)))
             for i in range(before)]
            for row in second
        ]
    )  # fmt: skip


class FlowNet:
    """The flow net of one scale and condition z, a place (N, C)."""

    def __init__(self, run: Sampling, ensemble: Ensemble, z: Cloud, k: int) -> None:
        config, side = run.config, run.config.scales[k]
        self.run, self.ensemble = run, ensemble
        self.ops = FlowClouds(run.weights, config, ensemble, FLOW_STAGE, side, run.tables)
        self.condition = self.ops.linear(z, "flownet.cond_embed")
        blocks = range(config.flow_depth if config.cross else 0)
        self.states = [self.ops.cross_states(z, i) for i in blocks]

    def velocity(self, x: Cloud, te: Steady) -> Cloud:
        """v (N, c), no place yet, at latents x (a place) and time embedding te (w,)."""
        ops, config = self.ops, self.run.config
        active = gs.silu(self.ensemble, gs.summed(self.condition, te), "flownet, SiLU")
        y = self.ensemble.inject(ops.linear(x, "flownet.input_proj"), "flownet.input_proj")
        for i in range(config.flow_depth):
            name = f"{FLOW_STAGE}.{i}"
            if config.cross:
                alone = steady_silu(te)
                six: list[Cloud | Steady] = [
                    *steady_linear(self.run.weights, f"{name}.ada_lin_attn", alone, 3),
                    *self._vectors(active, f"{name}.ada_lin_mlp", 3),
                ]
                y = walk_cross_block(ops, FLOW_STAGE, i, y, six, self.states[i])
            else:
                six = self._vectors(active, f"{name}.ada_lin", 6)
                y = walk_ar_block(ops, FLOW_STAGE, i, y, six)
        final = "flownet.final_layer.adaLN_modulation.1"
        found: Cloud = walk_velocity(ops, y, self._vectors(active, final, 2))
        return found

    def _vectors(self, active: Cloud, name: str, count: int) -> list[Cloud | Steady]:
        """AdaLN vectors of every token, no places."""
        width = len(self.run.weights[f"{name}.bias"]) // count
        parts = (slice(j * width, (j + 1) * width) for j in range(count))
        return [self.ops.linear_of(active, name, part) for part in parts]


def euler(
    ensemble: Ensemble, x: Cloud, parts: list[Cloud], step: Fraction, g: Fraction, where: str
) -> Cloud:
    """x + step (v_u + g (v_c - v_u)), parts: v_c, and v_u where g is used; a place.

    Linear: both coefficients and the sums are rounded, whatever their order.
    """
    shares = [float(step * g)] if len(parts) == 1 else [float(step * g), float(step * (1 - g))]
    centre, entry = x.centre.copy(), np.abs(x.centre)
    samples, lost, err = x.samples.copy(), l2(x.samples), x.err.copy()
    carried = x.entry.copy()
    for share, v in zip(shares, parts, strict=True):
        size = abs(share)
        centre += share * v.centre
        entry += size * np.abs(v.centre)
        carried += size * v.entry
        samples += share * v.samples
        lost += size * l2(v.samples)
        err += size * v.err
    entry = (8 * U * entry + carried * (1 + 4 * U)) * UP
    err = (8 * U * lost + err * (1 + 4 * U)) * UP
    return ensemble.inject(Cloud(centre, samples, entry, np.zeros(len(centre)), err), where)


def time_embeddings(w: Mapping[str, Floats], settings: FlowSettings) -> list[Steady]:
    """linear, SiLU, linear of cosines, then sines, which are taken from balls."""
    name = "flownet.time_embed.mlp"
    angles = indices(settings).astype(float)[:, None] * time_frequencies().astype(float)  # exact
    with precision(_BITS):
        exact = Backend("balls").array(angles)
        xp = exact.__array_namespace__()
        waves = [middle(x) for x in (xp.cos(exact), xp.sin(exact))]
    found = []
    for (cos, e), (sin, f) in zip(*(zip(*pair, strict=True) for pair in waves), strict=True):
        (hidden,) = steady_linear(
            w, f"{name}.0", Steady(np.concatenate([cos, sin]), np.concatenate([e, f])), 1
        )
        (te,) = steady_linear(w, f"{name}.2", steady_silu(hidden), 1)
        found.append(te)
    return found
