"""The Ops of FlowAR's walk on numbers: NumPy, torch and ball arrays, and the slots for kernels.

B batch, L tokens, C width of the stage, H heads, d = C/H.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from varnum.model.attention import Kernel, exact_attention
from varnum.model.backend import Array
from varnum.model.flowar.flow_config import FlowConfig
from varnum.model.flowar.rope import Turns, joined, rotate, turns
from varnum.model.layers import gelu_erf, linear, rms_norm
from varnum.model.transformer import Cache, Weighted, join_heads, root_factor, split_heads

EPS = Fraction(1, 10**6)
FREQUENCIES = "rope.freqs"  # the end of a buffer's name
States = tuple[Array, Array]  # keys (turned) and values of one cross-attention, (B, H, N, d) each


@dataclass(frozen=True)
class Kernels:
    """A kernel for each kind of attention module; see `varnum.model.attention`."""

    ar: Kernel = exact_attention
    flow_self: Kernel = exact_attention
    flow_cross: Kernel = exact_attention


EXACT = Kernels()


@dataclass
class FlowNumbers(Weighted):
    """One stage's `FlowOps`: x (B, L, C), heads (B, H, L, d).

    sides: of the maps that the L tokens are. With a cache, keys (already turned) and values of
    earlier scales come from it; `blocks` as a kernel takes it, for all scales at once.
    """

    config: FlowConfig
    stage: str
    sides: tuple[int, ...]
    attend: Kernel = exact_attention
    blocks: tuple[int, ...] | None = None
    cache: Cache | None = None
    attend_cross: Kernel = exact_attention
    made: dict[str, Turns] = field(default_factory=dict)

    def turns(self, module: str) -> Turns:
        """Rotary angles of the tokens, by the frequencies of one attention module."""
        if module not in self.made:
            frequencies = self.w[f"{module}.{FREQUENCIES}"]
            self.made[module] = joined([turns(frequencies, side) for side in self.sides])
        return self.made[module]

    def layer_norm(self, x: Array, place: str) -> Array:
        """FlowAR has none."""
        raise NotImplementedError("FlowAR normalises by rms_norm")

    def rms_norm(self, x: Array, place: str) -> Array:
        """`layers.rms_norm`."""
        return rms_norm(x, EPS)

    def weighted_norm(self, x: Array, name: str) -> Array:
        """`layers.rms_norm` with `name`.weight."""
        return rms_norm(x, EPS, self.w[f"{name}.weight"])

    def project(self, y: Array, block: int) -> tuple[Array, Array, Array]:
        """q, k, v (B, H, L, d)."""
        qkv = self.linear(y, f"{self.stage}.{block}.attn.qkv")
        q, k, v = split_heads(qkv, 3, self.config.heads(self.stage))
        return q, k, v

    def attention(self, heads: tuple[Array, Array, Array], block: int) -> Array:
        """(B, H, L, d) three times -> (B, L, C); q and k are turned first."""
        q, k, v = heads
        by = self.turns(f"{self.stage}.{block}.attn")
        q, k = rotate(q, by), rotate(k, by)
        if self.cache is not None:
            k, v = self.cache.extend(block, k, v)
        return join_heads(self.attend(q, k, v, root_factor(q, Fraction(1)), self.blocks))

    def mlp(self, x: Array, block: int) -> Array:
        """fc2(GELU(fc1_g x) fc1_x x)."""
        name = f"{self.stage}.{block}.mlp"
        gated = gelu_erf(self.linear(x, f"{name}.fc1_g")) * self.linear(x, f"{name}.fc1_x")
        return self.linear(gated, f"{name}.fc2")

    def cross_states(self, z: Array, block: int) -> States:
        """Keys and values that depend on z alone: (B, N, C of the condition) -> `States`."""
        name = f"{self.stage}.{block}"
        kv = self.linear(self.weighted_norm(z, f"{name}.norm2_2"), f"{name}.crossattn.kv")
        k, v = split_heads(kv, 2, self.config.heads(self.stage))
        return rotate(k, self.turns(f"{name}.crossattn")), v

    def cross(self, y: Array, states: States, block: int) -> Array:
        """(B, N, C) -> (B, N, C)."""
        name = f"{self.stage}.{block}.crossattn"
        (q,) = split_heads(self.linear(y, f"{name}.q"), 1, self.config.heads(self.stage))
        q = rotate(q, self.turns(name))
        return join_heads(self.attend_cross(q, *states, root_factor(q, Fraction(1)), None))


def condition_vectors(w: dict[str, Array], name: str, c: Array, count: int) -> list[Array]:
    """`count` AdaLN vectors side by side, from c (B, L, C) after its SiLU: (B, L, C') each."""
    wide = linear(c, w[f"{name}.weight"], w[f"{name}.bias"])
    width = wide.shape[2] // count
    return [wide[:, :, j * width : (j + 1) * width] for j in range(count)]
