"""Affine bound of transformer blocks: how far can kernel errors of at most eps move the output?

Claim `affine`; proof in proofs/affine.md. float64 throughout, every rounding error enclosed, under
the hypothesis that NumPy's exp and tanh are within 2^-46 of the value and its products are IEEE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.balls.questions import bounds
from varnum.balls.scalar import ball, upper
from varnum.errors import InputError
from varnum.model.config import VarConfig
from varnum.model.transformer import MAX_LOG_SCALE
from varnum.model.walk import walk
from varnum.propagate.affine_layers import attention, layer_norm, mlp, unit_vectors
from varnum.propagate.forms import LONGEST, SLOP, UP, Floats, Form, Symbols, widen
from varnum.propagate.run_enclosure import certify_ranges


@dataclass(frozen=True)
class AffineBound:
    """|perturbed - exact output| <= bound entrywise, (L, C), for every kernel error up to eps.

    low, high: what the perturbed minus the exact output lies between; symbols: noise columns used.
    """

    low: Floats
    high: Floats
    symbols: int

    @property
    def bound(self) -> Floats:
        """max(|low|, |high|)."""
        return np.maximum(-self.low, self.high)


def certify_blocks(
    weights: Mapping[str, Floats],
    config: VarConfig,
    x: Floats,
    conditions: Sequence[tuple[Floats, ...]],
    eps: Fraction,
    lengths: tuple[int, ...],
) -> AffineBound:
    """Bound the change of the residual stream after the blocks, or of the logits after the head.

    weights: float64 arrays under the official key names; x (L, C) the input of block 0; conditions:
    per block the six AdaLN vectors (C,), then optionally (scale, shift) of the head; lengths:
    tokens per scale, sum L. Norm: entrywise; the result is (L, C), or (L, V) with the head.
    Raises InputError for eps outside (0, 1) or shapes that do not fit, ArithmeticError where eps is
    too large for the expansion to hold.
    """
    if not 0 < eps < 1:
        raise InputError(f"eps: {eps} is not between 0 and 1")
    if x.ndim != 2 or sum(lengths) != len(x):
        raise InputError(f"x: expected ({sum(lengths)}, C) for lengths {lengths}, got {x.shape}")
    longest = max(len(x), *(np.shape(w)[-1] for w in weights.values() if np.ndim(w) == 2))
    if longest > LONGEST:
        raise InputError(f"affine: sums of {longest} terms; rounding is covered up to {LONGEST}")
    exact, _ = certify_ranges(weights, config, x, conditions, lengths)
    radius = float(upper(ball(eps).atanh())) * UP
    with np.errstate(all="ignore"):  # what overflows is refused below
        moved = forward(weights, config, x, conditions, radius, lengths)
    below, above = bounds(exact)
    reach = moved.radius()
    low = moved.centre - above
    high = moved.centre - below
    size = SLOP * (np.abs(moved.centre) + np.abs(above) + np.abs(below) + reach)
    if not np.all(np.isfinite(low - reach)) or not np.all(np.isfinite(high + reach)):
        raise ArithmeticError("affine: the expansion overflows")
    return AffineBound(low - reach - size, high + reach + size, moved.symbols.count)


def estimate_first_order(
    weights: Mapping[str, Floats],
    config: VarConfig,
    x: Floats,
    conditions: Sequence[tuple[Floats, ...]],
    eps: float,
    lengths: tuple[int, ...],
) -> Floats:
    """sum |J| artanh(eps) per output entry: the first-order part of the error, not a bound.

    The affine form at a kernel radius of 1e-5, where its second-order part is negligible, scaled.
    """
    tiny = 1e-5
    with np.errstate(all="ignore"):
        form = forward(weights, config, x, conditions, tiny, lengths)
    return np.asarray(form.symbols.radius(form.matrix) * (np.arctanh(eps) / tiny))


def forward(
    weights: Mapping[str, Floats],
    config: VarConfig,
    x: Floats,
    conditions: Sequence[tuple[Floats, ...]],
    radius: float,
    lengths: tuple[int, ...],
) -> Form:
    """The blocks (and the head, if `conditions` ends with a pair) on affine forms, (L, C or V).

    radius: of the logarithm of a kernel entry; 0 encloses the exact run.
    """
    ops = AffineOps(weights, config, radius, lengths)
    vectors = [[np.asarray(v, float).ravel() for v in given] for given in conditions]
    form: Form = walk(ops, Form.exact(Symbols(), x), vectors)
    return form


@dataclass(frozen=True)
class AffineOps:
    """The Ops of affine forms, (L, C); radius: of the logarithm of a kernel entry."""

    weights: Mapping[str, Floats]
    config: VarConfig
    radius: float
    lengths: tuple[int, ...]

    def layer_norm(self, x: Form, place: str) -> Form:
        """`affine_layers.layer_norm`."""
        return layer_norm(x, self.config.norm_eps)

    def modulate(self, x: Form, scale: Floats, shift: Floats) -> Form:
        """Vectors (C,)."""
        return x.scale(1 + scale, shift)

    def gate(self, x: Form, gamma: Floats) -> Form:
        """Vector (C,)."""
        return x.scale(gamma)

    def add(self, x: Form, y: Form) -> Form:
        """Symbols in common add up."""
        return x + y

    def linear(self, x: Form, name: str) -> Form:
        """Exact but for rounding."""
        return x.linear(self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def mlp(self, x: Form, block: int) -> Form:
        """`affine_layers.mlp`: the quadratic part of GELU goes through both maps at once."""
        return mlp(x, *(self.weights[f"blocks.{block}.ffn.{key}"] for key in _MLP))

    def project(self, y: Form, block: int) -> Form:
        """Queries, keys and values of all heads, (L, 3C)."""
        name, w = f"blocks.{block}.attn", self.weights
        bias = np.concatenate([w[f"{name}.{key}"] for key in ("q_bias", "zero_k_bias", "v_bias")])
        return y.linear(w[f"{name}.mat_qkv.weight"], bias)

    def attention(self, qkv: Form, block: int) -> Form:
        """All heads, (L, 3C) -> (L, C)."""
        config, d = self.config, self.config.head_dim
        heads = []
        for head in range(config.num_heads):
            q, k, v = (_columns(qkv, j * config.embed_dim + head * d, d) for j in range(3))
            scale = 0.25 / float(np.sqrt(d))
            if config.attn_l2_norm:
                logs = self.weights[f"blocks.{block}.attn.scale_mul_1H11"].reshape(-1)
                scale = float(np.exp(min(float(logs[head]), float(MAX_LOG_SCALE))))
                q, k = unit_vectors(q), unit_vectors(k)
            heads.append(attention(q, k, v, self.radius, self.lengths, scale))
        columns = qkv.symbols.count
        return Form(
            qkv.symbols,
            np.concatenate([h.centre for h in heads], axis=1),
            np.concatenate([widen(h.matrix, columns) for h in heads], axis=1),
            np.concatenate([h.err for h in heads], axis=1),
        )


_MLP = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")


def _columns(x: Form, start: int, count: int) -> Form:
    at = slice(start, start + count)
    return Form(x.symbols, x.centre[:, at], x.matrix[:, at], x.err[:, at])
