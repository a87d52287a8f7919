"""The Ops of FlowAR's walk on clouds: RMSNorm, rotary heads with a cache, gated MLP, AdaLN.

AdaLN vectors are `Steady` in the transformer (they depend on the class alone) and clouds in the
flow net, where they depend on its condition. One object per stage and set of maps. Claim
ensemble-flow. N tokens, R samples, C width, d of a head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from varnum.balls.array import BallArray
from varnum.floats.rounding import gamma
from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import FlowConfig
from varnum.model.flowar.numbers import FREQUENCIES
from varnum.model.flowar.rope import turns
from varnum.propagate.ensemble import gated_sites as gs
from varnum.propagate.ensemble.cloud import Cloud, Ensemble
from varnum.propagate.ensemble.cloud_attention import head
from varnum.propagate.ensemble.decoder import bare
from varnum.propagate.ensemble.dense import dense, joined
from varnum.propagate.ensemble.gated_sites import Factor, Steady
from varnum.propagate.ensemble.sites import UP
from varnum.propagate.ensemble.smooth_activations import silu
from varnum.propagate.forms import Floats

EPS = 1e-6  # of every RMSNorm; the exact one is within u of it, which its gamma pays
_CHUNK = 2**23  # numbers of a temporary
States = list[tuple[Cloud, Cloud]]  # keys (turned, a place) and values of each head


@dataclass
class Kept:
    """Keys and values of earlier scales, block -> head -> one entry per scale."""

    blocks: dict[int, list[States]] = field(default_factory=dict)


@dataclass
class Tables:
    """Rotary tables of each module and side: cosines, sines, and how far they are off."""

    weights: Mapping[str, Floats]
    made: dict[tuple[str, int], tuple[Floats, Floats, float]] = field(default_factory=dict)

    def of(self, module: str, side: int) -> tuple[Floats, Floats, float]:
        """(side^2, d/2) twice, in balls."""
        key = (module, side)
        if key not in self.made:
            exact = Backend("balls").array(np.asarray(self.weights[f"{module}.{FREQUENCIES}"]))
            (c, e), (s, f) = (middle(x) for x in turns(exact, side))
            self.made[key] = c, s, float(max(e.max(), f.max()))
        return self.made[key]


def middle(x: BallArray) -> tuple[Floats, Floats]:
    """Floats inside balls, and how far they are from any number of them."""
    low, high = x.bounds()
    centre = (low + high) / 2
    return centre, np.asarray(np.maximum(high - centre, centre - low) * UP + 2.0**-1000)


@dataclass
class FlowClouds:
    """`FlowOps` on clouds of the N tokens of one map."""

    w: Mapping[str, Floats]
    config: FlowConfig
    ensemble: Ensemble
    stage: str
    side: int
    tables: Tables
    kept: Kept | None = None
    place: str = ""
    far: Floats = field(default_factory=lambda: np.zeros(0))  # reach of the last norm

    def weight(self, name: str) -> Floats:
        """In float64; float32 and float16 widen exactly."""
        return np.asarray(self.w[name], dtype=np.float64)

    def linear_of(self, x: Cloud, name: str, rows: slice = slice(None)) -> Cloud:
        """W x + b of a place, some rows of W; no bias where the model has none."""
        weight = self.weight(f"{name}.weight")[rows]
        bias = f"{name}.bias"
        return dense(
            x, weight, self.weight(bias)[rows] if bias in self.w else np.zeros(len(weight))
        )

    # --- FlowOps ----------------------------------------------------------------------------

    def layer_norm(self, x: Cloud, place: str) -> Cloud:
        """FlowAR has none."""
        raise NotImplementedError("FlowAR normalises by rms_norm")

    def rms_norm(self, x: Cloud, place: str) -> Cloud:
        """No place yet: `modulate` makes one."""
        self.place = place
        y, self.far = gs.rms_norm(self.ensemble, x, EPS)
        return y

    def weighted_norm(self, x: Cloud, name: str) -> Cloud:
        """A place."""
        y = self.rms_norm(x, name)
        weight = self.weight(f"{name}.weight")
        y = gs.scaled(self.ensemble, y, self.far, Steady(weight, np.zeros_like(weight)))
        return self.ensemble.inject(y, name)

    def modulate(self, x: Cloud, scale: Factor, shift: Factor) -> Cloud:
        """A place."""
        y = gs.summed(gs.scaled(self.ensemble, x, self.far, scale, 1.0), shift)
        return self.ensemble.inject(y, f"{self.place}, modulated")

    def gate(self, x: Cloud, gamma: Factor) -> Cloud:
        """No place yet: `add` makes one."""
        return gs.scaled(self.ensemble, x, gs.reach(self.ensemble, x), gamma)

    def add(self, x: Cloud, y: Cloud) -> Cloud:
        """A place."""
        return self.ensemble.inject(gs.summed(x, y), f"after {self.place}")

    def linear(self, x: Cloud, name: str) -> Cloud:
        """No place yet."""
        return self.linear_of(x, name)

    def project(self, y: Cloud, block: int) -> Cloud:
        """The heads are made one after the other, when they are attended to."""
        return y

    def attention(self, heads: Cloud, block: int) -> Cloud:
        """All heads side by side; each a place."""
        name = f"{self.stage}.{block}.attn"
        found, earlier = [], None if self.kept is None else self.kept.blocks.get(block)
        width = self.config.width(self.stage)
        q = [self._turned(heads, f"{name}.qkv", name, h, 0, "q") for h in self._heads()]
        for h in self._heads():
            k = self._turned(heads, f"{name}.qkv", name, h, width, "k")
            v = self.linear_of(heads, f"{name}.qkv", self._rows(h, 2 * width))
            found.append((k, v))
        if self.kept is not None:
            entries = earlier or [[] for _ in found]
            for entry, pair in zip(entries, found, strict=True):
                entry.append(pair)
            self.kept.blocks[block] = entries
            found = [(joined([k for k, _ in e]), joined([v for _, v in e])) for e in entries]
        return self._attended(q, found, name)

    def cross_states(self, z: Cloud, block: int) -> States:
        """Keys and values that depend on the condition z alone."""
        name, width = f"{self.stage}.{block}", self.config.width(self.stage)
        y = self.weighted_norm(z, f"{name}.norm2_2")
        kv, module = f"{name}.crossattn.kv", f"{name}.crossattn"
        return [
            (self._turned(y, kv, module, h, 0, "k"), self.linear_of(y, kv, self._rows(h, width)))
            for h in self._heads()
        ]

    def cross(self, y: Cloud, states: States, block: int) -> Cloud:
        """Queries from y, heads side by side; each a place."""
        name = f"{self.stage}.{block}.crossattn"
        q = [self._turned(y, f"{name}.q", name, h, 0, "q") for h in self._heads()]
        return self._attended(q, states, name)

    def mlp(self, x: Cloud, block: int) -> Cloud:
        """fc2(GELU(fc1_g x) fc1_x x); the hidden place is made chunk by chunk."""
        name = f"{self.stage}.{block}.mlp"
        hidden = len(self.w[f"{name}.fc1_g.weight"])
        step = max(1, _CHUNK // (self.ensemble.rows * hidden))
        parts = []
        for first in range(0, len(x.centre), step):
            piece = tokens(x, slice(first, first + step))
            a, b = (self.linear_of(piece, f"{name}.fc1_{letter}") for letter in "gx")
            parts.append(self.linear_of(gs.gated(self.ensemble, a, b, name), f"{name}.fc2"))
        return joined(parts)

    # --- heads ------------------------------------------------------------------------------

    def _heads(self) -> range:
        return range(self.config.heads(self.stage))

    def _rows(self, h: int, start: int) -> slice:
        d = self.config.head_dim(self.stage)
        return slice(start + h * d, start + (h + 1) * d)

    def _turned(self, y: Cloud, name: str, module: str, h: int, start: int, letter: str) -> Cloud:
        """Queries or keys of a head after their rotation, a place."""
        x = self.linear_of(y, name, self._rows(h, start))
        x = gs.rotated(x, *self.tables.of(module, self.side))
        return self.ensemble.inject(x, f"{module}, head {h}, {letter}")

    def _attended(self, q: list[Cloud], states: States, name: str) -> Cloud:
        count, d = len(q[0].centre), self.config.head_dim(self.stage)
        width = self.config.width(self.stage)
        out = bare(self.ensemble, np.zeros((count, width)), np.zeros((count, width)))
        scale = 1 / float(np.sqrt(d))
        for h, (k, v) in enumerate(states):
            early = len(k.centre) - count
            head(
                self.ensemble, q[h], k, v, scale, 0.0, (count,), f"{name}, head {h}", out,
                slice(h * d, (h + 1) * d), early,
            )  # fmt: skip
        return out


def tokens(x: Cloud, part: slice) -> Cloud:
    """Some tokens of a cloud; views."""
    return Cloud(x.centre[part], x.samples[part], x.entry[part], x.ball[part], x.err[part])


def steady_silu(x: Steady) -> Steady:
    """SiLU of numbers that do not deviate; its slope is at most 1.1."""
    if not (np.abs(x.value) <= 700).all():
        raise ArithmeticError("SiLU of a condition beyond 700")
    value, error = silu(x.value)
    return Steady(value, (error + 1.13 * x.error) * UP)


def steady_linear(w: Mapping[str, Floats], name: str, x: Steady, parts: int) -> list[Steady]:
    """`parts` vectors side by side, W x + b of numbers that do not deviate, (n,)."""
    weight = np.asarray(w[f"{name}.weight"], float)
    bias = np.asarray(w[f"{name}.bias"], float)
    size = np.abs(weight)
    value = weight @ x.value + bias
    off = gamma(len(x.value) + 2) * (size @ np.abs(x.value) + np.abs(bias)) + size @ x.error
    pairs = zip(np.split(value, parts), np.split(off * UP, parts), strict=True)
    return [Steady(v, e) for v, e in pairs]
