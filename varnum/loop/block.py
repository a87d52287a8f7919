"""The looped transformer: one pre-norm block with an adapter, looped at a fixed input.

z = A x + inject, h = z + attention(LN(z)), y = h + MLP(LN(h)), f(x) = LN(y) (the last one where the
file has it). Names in the file: `inject` (T, C) or (N, T, C), `heads`, `adapter.weight`, `norm1`,
`q`, `k`, `v`, `proj`, `norm2`, `fc1`, `fc2`, `norm` with `.weight` and `.bias`, `eps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.balls.array import BallArray
from varnum.balls.scalar import arb
from varnum.errors import InputError
from varnum.loop.activations import Activation, activation
from varnum.loop.net import Floats, _numbers
from varnum.loop.tape import Tape, Var, permuted
from varnum.tensor import Doubles


@dataclass(frozen=True)
class Block:
    """Weights by name (float arrays, taken as exact), one input `inject` (T, C), heads, eps, g."""

    weights: Mapping[str, Doubles]
    inject: Doubles
    heads: int
    eps: Fraction
    g: Activation

    @property
    def d(self) -> int:
        """Entries of the state, T C."""
        return int(self.inject.size)

    def walk(self, tape: Tape, x: BallArray, S: BallArray | None) -> Var:
        """f at x with all derivatives; x and the output flat (T C), token by token."""
        tokens, width = self.inject.shape
        z = self._per_token(tape, "adapter", tape.input(x, S))
        z = Var(z.value + BallArray(self.inject.ravel()), z.blocks)
        h = z + self._attention(tape, self._norm(tape, "norm1", z), tokens, width)
        u = self._per_token(tape, "fc1", self._norm(tape, "norm2", h))
        y = h + self._per_token(tape, "fc2", tape.activation(u, self.g))
        return self._norm(tape, "norm", y) if "norm.weight" in self.weights else y

    def _per_token(self, tape: Tape, name: str, x: Var) -> Var:
        """Weight and bias of a layer on each token; an absent adapter is the identity."""
        if f"{name}.weight" not in self.weights:
            return x
        tokens = self.inject.shape[0]
        M = np.kron(np.eye(tokens), self.weights[f"{name}.weight"])
        bias = self.weights.get(f"{name}.bias")
        return tape.linear(
            BallArray(M), x, None if bias is None else BallArray(np.tile(bias, tokens))
        )

    def _norm(self, tape: Tape, name: str, x: Var) -> Var:
        tokens, width = self.inject.shape
        centre = BallArray(np.kron(np.eye(tokens), width * np.eye(width) - 1)) / width
        unit = tape.normalise(tape.linear(centre, x), width, self.eps)
        gain = np.tile(self.weights[f"{name}.weight"], tokens)
        bias = BallArray(np.tile(self.weights[f"{name}.bias"], tokens))
        return tape.linear(BallArray(np.diag(gain)), unit, bias)

    def _attention(self, tape: Tape, x: Var, tokens: int, width: int) -> Var:
        deep = width // self.heads
        # flat token-major (t, h, c) to head-major orders
        index = np.arange(tokens * width).reshape(tokens, self.heads, deep)
        by_head = index.transpose(1, 0, 2).ravel()
        q, k, v = (self._per_token(tape, name, x) for name in ("q", "k", "v"))
        keys = permuted(k, index.transpose(1, 2, 0).ravel())  # (h, c, t)
        logits = tape.products(permuted(q, by_head), keys, tokens, deep, tokens, arb(deep).rsqrt())
        weights = tape.softmax(logits, tokens)
        mixed = tape.products(weights, permuted(v, by_head), tokens, tokens, deep, arb(1))
        back = np.argsort(by_head)
        return self._per_token(tape, "proj", permuted(mixed, back))

    def estimate(self, x: Floats) -> Floats:
        """f in float64 on states (T C) or (N, T C); not rigorous."""
        shape, (tokens, width) = x.shape, self.inject.shape
        w = self.weights
        x = x.reshape(-1, tokens, width)
        z = (self._layer("adapter", x) if "adapter.weight" in w else x) + self.inject
        q, k, v = (
            self._layer(n, self._unit("norm1", z))
            .reshape(-1, tokens, self.heads, width // self.heads)
            .transpose(0, 2, 1, 3)
            for n in ("q", "k", "v")
        )
        logits = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
        p = np.exp(logits - logits.max(-1, keepdims=True))
        mixed = (p / p.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(z.shape)
        h = z + self._layer("proj", mixed)
        y = h + self._layer("fc2", self.g.estimate(self._layer("fc1", self._unit("norm2", h))))
        return (self._unit("norm", y) if "norm.weight" in w else y).reshape(shape)

    def _layer(self, name: str, x: Floats) -> Floats:
        out: Floats = x @ self.weights[f"{name}.weight"].T + self.weights.get(f"{name}.bias", 0.0)
        return out

    def _unit(self, name: str, x: Floats) -> Floats:
        c = x - x.mean(-1, keepdims=True)
        c = c / np.sqrt((c * c).mean(-1, keepdims=True) + float(self.eps))
        out: Floats = c * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return out


_LAYERS = ("q", "k", "v", "proj", "fc1", "fc2")


def is_block(state: Mapping[str, object]) -> bool:
    """Whether a file's arrays are those of a looped block."""
    return "inject" in state


def blocks_of(state: Mapping[str, object], name: str, path: str) -> list[Block]:
    """One Block per input in the file. Raises InputError for what is missing or does not fit."""
    arrays = {key: _numbers(value, f"{path}: {key}") for key, value in state.items()}
    needed = [f"{layer}.weight" for layer in _LAYERS]
    needed += [f"{norm}.{part}" for norm in ("norm1", "norm2") for part in ("weight", "bias")]
    absent = [key for key in needed if key not in arrays]
    if absent:
        raise InputError(f"{path}: a looped block without {absent[0]}; needed: {', '.join(needed)}")
    inject = arrays["inject"]
    inject = inject[None] if inject.ndim == 2 else inject
    if inject.ndim != 3 or not inject.size:
        raise InputError(f"{path}: inject has shape {inject.shape}; allowed is (T, C) or (N, T, C)")
    _, tokens, width = inject.shape
    plain = {"heads": np.ones(()), "eps": np.full((), 1e-5)} | arrays
    if plain["heads"].size != 1 or plain["eps"].size != 1 or plain["heads"] % 1:
        raise InputError(f"{path}: heads and eps: allowed are one whole and one real number")
    heads, eps = int(plain["heads"].item()), Fraction(float(plain["eps"].item()))
    if heads < 1 or width % heads or eps <= 0:
        raise InputError(f"{path}: {heads} heads, eps {float(eps):g}; allowed: a divisor of C, > 0")
    if tokens * width > 256:
        raise InputError(f"{path}: {tokens} tokens of {width}; allowed are at most 256 numbers")
    weights = {k: v.astype(np.float64) for k, v in arrays.items() if k not in _PLAIN}
    _check_shapes(weights, width, path)
    return [Block(weights, x.astype(np.float64), heads, eps, activation(name)) for x in inject]


_PLAIN = ("inject", "heads", "eps")


def _check_shapes(weights: Mapping[str, Doubles], width: int, path: str) -> None:
    hidden = weights["fc1.weight"].shape[0]
    shapes: dict[str, tuple[int, ...]] = {"fc1": (hidden, width), "fc2": (width, hidden)}
    shapes |= dict.fromkeys(("adapter", "q", "k", "v", "proj"), (width, width))
    wanted: dict[str, tuple[int, ...]] = {
        f"{layer}.weight": shape for layer, shape in shapes.items()
    }
    wanted |= {f"{layer}.bias": shape[:1] for layer, shape in shapes.items()}
    wanted |= {f"{n}.{part}": (width,) for n in ("norm1", "norm2", "norm")
               for part in ("weight", "bias")}  # fmt: skip
    for key, shape in wanted.items():
        if key in weights and weights[key].shape != shape:
            raise InputError(f"{path}: {key} has shape {weights[key].shape}, expected {shape}")
    if ("norm.weight" in weights) != ("norm.bias" in weights):
        raise InputError(f"{path}: norm.weight and norm.bias come together")
