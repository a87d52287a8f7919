"""How large |q.k|/sqrt(d) can be in FlowAR whatever its tokens are, from weights (flowar-criteria).

|q| <= |W_q|_2 Y + |b_q|_2 with Y a bound of the token's norm after RMSNorm and modulation; RoPE
turns pairs and keeps lengths. The bound holds for one class, all maps, all noise, the given times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from varnum.balls.array import BallArray
from varnum.balls.scalar import arb, ball, precision, upper
from varnum.cost.flowar import AR, CROSS, SELF
from varnum.floats.norms import row_norms
from varnum.floats.rounding import up
from varnum.formulas.flowar import logits
from varnum.model.backend import Backend
from varnum.model.flowar.flow_config import AR_STAGES, FLOW_STAGE
from varnum.model.flowar.flow_sampling import FlowModel, FlowSettings, indices
from varnum.model.flowar.network import class_vector, conditions, time_embedding
from varnum.model.flowar.numbers import condition_vectors
from varnum.model.layers import silu
from varnum.propagate.checked import exact_floats
from varnum.propagate.transfer import operator
from varnum.tensor import Doubles, Tensor

_BITS = 128
Sides: TypeAlias = tuple[tuple[Doubles, Doubles], tuple[Doubles, Doubles]]  # (W, b) of q, k


@dataclass(frozen=True)
class ModuleLogits:
    """A bound of every logit of one head: kind of attention, its place, M."""

    kind: str
    stage: str
    block: int
    head: int
    M: Fraction


def certify_flowar_logits(
    model: FlowModel, label: int, settings: FlowSettings | None = None
) -> tuple[ModuleLogits, ...]:
    """A bound per head of every kind of attention; `model` with NumPy weights, float64 or float32.

    Exact-arithmetic statement: the rounding of a float run is not in it. Raises InputError on a
    label out of range and on weights that are not finite.
    """
    with precision(_BITS):
        return tuple(_bounds(model, label, settings or FlowSettings()))


def _bounds(model: FlowModel, label: int, settings: FlowSettings) -> Iterator[ModuleLogits]:
    config, w = model.config, _Checked(model.weights)
    balls = _Balls(model.weights)
    c = class_vector(balls, config, np.array([label], dtype=np.int64))
    sixes = conditions(balls, config, c)
    for stage in AR_STAGES:
        for i, six in enumerate(sixes[stage]):
            y = _modulated(config.model_width, six[2], six[4])
            name = f"{stage}.{i}.attn.qkv"
            yield from _heads(AR, stage, i, w.thirds(name), config.heads(stage), y, y)
    te = time_embedding(balls, indices(settings))  # (T, w) enclosures
    z = _weighted(w["decoder_norm.weight"]) + _most(w["diffusion_pos_embed_learned"][0])
    condition = _norm_of(te) + _image(w, "flownet.cond_embed", z)
    for i in range(config.flow_depth):
        name = f"{FLOW_STAGE}.{i}"
        heads = config.heads(FLOW_STAGE)
        if config.cross:
            three = condition_vectors(balls, f"{name}.ada_lin_attn", silu(te)[:, None, :], 3)
            y = _modulated(config.flow_width, three[1], three[2])
        else:
            y = _modulated_by_norm(w, f"{name}.ada_lin", config.flow_width, condition)
        yield from _heads(SELF, FLOW_STAGE, i, w.thirds(f"{name}.attn.qkv"), heads, y, y)
        if config.cross:
            q = w[f"{name}.crossattn.q.weight"]
            k = np.split(w[f"{name}.crossattn.kv.weight"], 2)[0]
            sides = (q, np.zeros(len(q))), (k, np.zeros(len(k)))
            y_q, y_k = (_weighted(w[f"{name}.norm2_{side}.weight"]) for side in (1, 2))
            yield from _heads(CROSS, FLOW_STAGE, i, sides, heads, y_q, y_k)


class _Balls(dict[str, BallArray]):
    """Weights as balls, one array at a time: those of a released model together fill a memory."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def __missing__(self, name: str) -> BallArray:
        held: BallArray = Backend("balls").array(self.weights[name])
        return held


class _Checked:
    """Weights as exact float64 arrays."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def __getitem__(self, name: str) -> Doubles:
        return exact_floats(np.asarray(self.weights[name]), name)

    def get(self, name: str, rows: int) -> Doubles:
        """A bias, zeros where the module has none."""
        return self[name] if name in self.weights else np.zeros(rows)

    def thirds(self, name: str) -> Sides:
        """((W_q, b_q), (W_k, b_k)) of a joint projection."""
        weight = self[f"{name}.weight"]
        bias = self.get(f"{name}.bias", len(weight))
        q, k, _ = zip(np.split(weight, 3), np.split(bias, 3), strict=True)
        return q, k


def _heads(
    kind: str, stage: str, i: int, sides: Sides, heads: int, y_q: arb, y_k: arb
) -> Iterator[ModuleLogits]:
    """One bound per head from (weight, bias) of q and k, all heads' rows one after the other."""
    (w_q, b_q), (w_k, b_k) = sides
    d = len(w_q) // heads
    for h in range(heads):
        rows = slice(h * d, (h + 1) * d)
        q, k = operator(w_q[rows], b_q[rows]), operator(w_k[rows], b_k[rows])
        size = logits.ball(
            w_q=q.spectral, w_k=k.spectral, b_q=q.bias_norm, b_k=k.bias_norm, Y_q=y_q, Y_k=y_k, d=d
        )
        yield ModuleLogits(kind, stage, i, h, upper(size))


def _modulated(width: int, scale: BallArray, shift: BallArray) -> arb:
    """max over rows of |rms(x)(1 + scale) + shift|_2 <= sqrt(width) max|1 + scale| + |shift|_2."""
    low, high = (1 + scale).bounds()
    largest = np.maximum(np.abs(low), np.abs(high)).max()
    return arb(width).sqrt() * ball(Fraction(float(up(largest)))) + _norm_of(shift)


def _modulated_by_norm(w: _Checked, name: str, width: int, condition: arb) -> arb:
    """The same from |SiLU(te + cc)|_2 <= |te + cc|_2 <= condition; vectors 2 and 4 of six."""
    weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    part = [slice(j * width, (j + 1) * width) for j in (2, 4)]
    row = ball(Fraction(float(row_norms(weight[part[0]]).max())))
    own = ball(Fraction(float(up(np.abs(1 + bias[part[0]]).max()))))
    shift = operator(weight[part[1]], bias[part[1]])
    scale = own + row * condition
    return arb(width).sqrt() * scale + shift.spectral * condition + shift.bias_norm


def _image(w: _Checked, name: str, norm: arb) -> arb:
    """|W x + b|_2 for |x|_2 <= norm."""
    found = operator(w[f"{name}.weight"], w[f"{name}.bias"])
    return found.spectral * norm + found.bias_norm


def _weighted(weight: Doubles) -> arb:
    """|rms(x) weight|_2 <= max|weight| sqrt(width), whatever x is."""
    largest = ball(Fraction(float(np.abs(weight).max())))
    return largest * arb(len(weight)).sqrt()


def _most(rows: Doubles) -> arb:
    """The largest norm of a row."""
    return ball(Fraction(float(row_norms(rows).max())))


def _norm_of(x: BallArray) -> arb:
    """The largest norm of a row of enclosures (.., C)."""
    low, high = x.bounds()
    size = np.maximum(np.abs(low), np.abs(high)).reshape(-1, x.shape[-1])
    return _most(size * (1 + 2.0**-50))
