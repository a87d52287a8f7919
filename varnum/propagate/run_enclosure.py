"""Exact runs in balls: the blocks as they are, the ranges along the way, and run-enclosure.

Claim `run-enclosure`: the exact and the approximate forward in balls on one given input, precision
doubled until enough digits of their difference are certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from varnum.balls.array import BallArray
from varnum.balls.questions import bounds, precisions, raise_precision_until
from varnum.balls.scalar import arb, ball, precision
from varnum.model.attention import Kernel, exact_attention
from varnum.model.backend import Array
from varnum.model.config import VarConfig
from varnum.model.transformer import Numbers
from varnum.model.walk import Seen, unseen, walk
from varnum.propagate.forms import Floats
from varnum.propagate.transfer import Reach
from varnum.tensor import Tensor
from varnum.verdict import Unknown

BITS, MOST_BITS = 128, 4096


@dataclass
class Ranges:
    """Enclosed on a run: lower bounds of s and of ||q||, ||k||, upper bounds of q, k, v."""

    s_min: dict[str, arb] = field(default_factory=dict)  # by place, see varnum.model.walk
    reach: dict[str, Reach] = field(default_factory=dict)  # by head_place
    min_norm: dict[str, arb] = field(default_factory=dict)

    def seen(self, eps: Fraction) -> Seen:
        """An observer of a walk in balls that fills them."""

        def look(place: str, x: BallArray) -> None:
            if place.endswith((".x", ".mid")):
                _see_norm(self, place, x[0, :, :], eps)
            elif place.endswith(".qkv"):
                block = place.removesuffix(".attn.qkv")
                for part, tensor in zip("qkv", x, strict=True):
                    for head in range(tensor.shape[1]):
                        _see(self, head_place(block, part, head), tensor[0, head, :, :])

        return look


def head_place(block: str, part: str, head: int) -> str:
    """The place of q, k or v of one head, before any normalisation."""
    return f"{block}.attn.{part}.{head}"


class _Balls(Mapping[str, BallArray]):
    """Weights as balls, each when it is asked for; (C,) stays (C,)."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def __getitem__(self, name: str) -> BallArray:
        return BallArray(np.asarray(self.weights[name], dtype=np.float64))

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def run_blocks(
    weights: Mapping[str, Tensor],
    config: VarConfig,
    x: BallArray | Floats,
    conditions: Sequence[Sequence[Floats]],
    lengths: tuple[int, ...],
    attend: Kernel = exact_attention,
    ranges: Ranges | None = None,
) -> BallArray:
    """The blocks (and the head, if `conditions` ends with a pair) in balls: (L, C) -> (L, C or V).

    ranges: filled with what is seen on the way.
    """
    ops = Numbers(_Balls(weights), config, attend, lengths)  # type: ignore[arg-type]
    vectors = [
        [BallArray(np.asarray(v, float).reshape(1, 1, -1)) for v in given] for given in conditions
    ]
    seen = unseen if ranges is None else ranges.seen(Fraction(str(config.norm_eps)))
    end: BallArray = walk(ops, BallArray(x)[None, :, :], vectors, seen)
    return end[0, :, :]


def _see(ranges: Ranges, name: str, x: BallArray) -> None:
    """Largest entry, largest and smallest l2 norm of the rows of x (n, d)."""
    from varnum.balls import namespace as xp

    norms = xp.sqrt(xp.sum(xp.square(x), axis=-1))
    low, high = bounds(norms)
    size = _number(bounds(xp.max(abs(x)))[1].max(), name)
    ranges.reach[name] = Reach.of(x.shape[-1], size, 0, _number(high.max(), name))
    ranges.min_norm[name] = ball(_number(low.min(), name))


def _see_norm(ranges: Ranges, name: str, x: BallArray, eps: Fraction) -> None:
    from varnum.balls import namespace as xp

    low, _ = bounds(xp.sqrt(xp.var(x, axis=-1) + eps))
    ranges.s_min[name] = ball(_number(low.min(), name))


def _number(bound: float, name: str) -> Fraction:
    """A bound as a rational; raises ArithmeticError where the enclosure bounds nothing."""
    if not np.isfinite(bound):
        raise ArithmeticError(f"{name}: the enclosure of the run is unbounded")
    return Fraction(float(bound))


def certify_ranges(
    weights: Mapping[str, Tensor],
    config: VarConfig,
    x: Floats,
    conditions: Sequence[Sequence[Floats]],
    lengths: tuple[int, ...],
) -> tuple[BallArray, Ranges]:
    """(output in balls, ranges) of the exact run on x (L, C).

    Balls widen block by block: where they bound nothing any more, the precision is doubled. Raises
    ArithmeticError where MOST_BITS do not suffice.
    """
    for bits in precisions(BITS, MOST_BITS):
        ranges = Ranges()
        try:
            with precision(bits):
                found = run_blocks(weights, config, x, conditions, lengths, ranges=ranges)
        except ArithmeticError as error:
            reason = str(error)
            continue
        if all(b.is_finite() for b in found.entries()):
            return found, ranges
        reason = "the output's enclosure is unbounded"
    raise ArithmeticError(f"{reason} at {MOST_BITS} bits")


def certify_run_difference(
    run: Callable[[Kernel], BallArray],
    approximate: Kernel,
    digits: int = 10,
    start: int = 128,
    limit: int = 4096,
) -> tuple[BallArray, int] | Unknown:
    """Enclose run(approximate) - run(exact) entrywise with `digits` digits of its largest entry.

    run: a forward on ball arrays with the attention kernel as its argument, e.g. a model on one
    input. Returns (difference as a BallArray, bits), or Unknown. Claim `run-enclosure`.
    """

    with precision(64):
        first = bounds(abs(run(approximate) - run(exact_attention)))[1]
    largest = float(first.max())
    scale = Fraction(largest) if 0 < largest < float("inf") else Fraction(1)
    for _ in range(3):
        found = raise_precision_until(
            lambda: run(approximate) - run(exact_attention), digits, start, limit, scale
        )
        if isinstance(found, Unknown):
            return found
        size = Fraction(float(bounds(abs(found[0]))[0].max()))
        if size >= scale / 2 or size == 0:
            return found
        scale, start = size, found[1]
    return Unknown("the size of the difference is not settled")


def polynomial_kernel(coefficients: Sequence[Fraction]) -> Kernel:
    """Attention with P(logit) in place of exp(logit), P > 0 where it is used; any array kind.

    coefficients: constant term first. Shapes as varnum.model.attention.Kernel.
    """

    def attend(q: Array, k: Array, v: Array, scale: Array, blocks: tuple[int, ...] | None) -> Array:
        from varnum.model.backend import const, namespace

        xp = namespace(q)
        q = q * scale
        pieces, start = [], 0
        for length in blocks or (q.shape[2],):
            stop = start + length
            seen = stop if blocks else k.shape[2]
            x = xp.matmul(q[:, :, start:stop, :], xp.permute_dims(k[:, :, :seen, :], (0, 1, 3, 2)))
            value = xp.zeros_like(x)
            for c in reversed(coefficients):
                value = value * x + const(x, c)
            weight = value / xp.sum(value, axis=-1, keepdims=True)
            pieces.append(xp.matmul(weight, v[:, :, :seen, :]))
            start = stop
        return xp.concat(pieces, axis=2)

    return attend


def largest_error(difference: BallArray) -> Fraction:
    """Rational above the largest |entry| of a ball array."""
    return max(Fraction(float(v)) for v in bounds(abs(difference))[1].ravel())
