"""How fast the Jacobian can change in a ball: Kantorovich's constant from sharp node constants.

Claim loop-stages. f'' = sum over nodes of (downstream) phi''[upstream ., upstream .]; the norms of
upstream and downstream derivatives are exact at the centre, and grow with the radius r by the
same sum. Every number is a ball's upper end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.scalar import arb, ball
from varnum.balls.spectrum import spectral_norm
from varnum.loop.tape import Node, Slices, Var

_FLOOR = 0.05  # least weight of an output entry, of the largest: weights may grow with the radius
_LEAST = 0.125  # the largest counts as at least this: at a point of inflection it is 0


def norm_of(M: BallArray) -> arb:
    """A number not below ||M||_2 for every matrix in M; infinite where none is verified."""
    middle = M.estimate()
    if not np.isfinite(middle).all():
        return arb.pos_inf()
    if min(M.shape) == 1:
        return xp.sqrt(xp.sum(M**2)).item().upper()
    found = spectral_norm(M, float(np.linalg.norm(middle, 2)))
    return arb.pos_inf() if found is None else found


@dataclass(frozen=True)
class Size:
    """Norms of a derivative into one argument of a node: all rows, and the largest part."""

    whole: arb
    part: arb

    def __add__(self, other: Size) -> Size:
        return Size(self.whole + other.whole, self.part + other.part)

    def times(self, factor: arb) -> Size:
        """Both norms times a number."""
        return Size(self.whole * factor, self.part * factor)


def _size(M: BallArray | None, parts: Slices) -> Size:
    if M is None:
        return Size(arb(0), arb(0))
    whole = norm_of(M)
    largest = arb(0)
    for part in parts:
        largest = largest.max(norm_of(M[part, :]))
    return Size(whole, largest.min(whole))


@dataclass(frozen=True)
class Bends:
    """What the recursion needs, computed once at the centre.

    upstream[i][g]: size of d y_i,g / d x; between[i][g][j]: of d y_i,g / d w_j diag(c_j), c_j the
    weights at radius 0; the last i is the output itself.
    """

    nodes: tuple[Node, ...]
    upstream: tuple[tuple[Size, ...], ...]
    between: tuple[tuple[tuple[Size, ...], ...], ...]
    weights: tuple[list[arb], ...]


def bends_of(nodes: list[Node], out: Var) -> Bends:
    """The norms at the centre; `out` is the output in the coordinates S^-1."""
    whole = (slice(0, out.value.shape[0]),)
    arguments = [[(g.var, g.parts) for g in node.groups] for node in nodes] + [[(out, whole)]]
    upstream: list[tuple[Size, ...]] = []
    weights: list[list[arb]] = []
    between: list[tuple[tuple[Size, ...], ...]] = []
    for i, groups in enumerate(arguments):
        upstream.append(tuple(_size(_block(var, 0), parts) for var, parts in groups))
        scaled = [
            tuple(_size(_weighted(var, j + 1, weights[j]), parts) for j in range(i))
            for var, parts in groups
        ]
        between.append(tuple(scaled))
        if i < len(nodes):
            weights.append(_floored(_weights(nodes[i], arb(0), upstream[i])))
    return Bends(tuple(nodes), tuple(upstream), tuple(between), tuple(weights))


def _block(var: Var, index: int) -> BallArray | None:
    return var.blocks[index] if index < len(var.blocks) else None


def _weighted(var: Var, index: int, weights: list[arb]) -> BallArray | None:
    block = _block(var, index)
    return None if block is None else block * BallArray(np.array([weights], dtype=object))


def _floored(weights: list[arb]) -> list[arb]:
    largest = arb(_LEAST)
    for w in weights:
        largest = largest.max(w)
    return [w.max(largest * arb(_FLOOR)).upper() for w in weights]


def _weights(node: Node, r: arb, size: tuple[Size, ...]) -> list[arb]:
    """Per entry of the output: a bound of |phi''| while |y_part - centre| <= r size.part."""
    if node.kind == "product":
        return [ball(1)] * _length(node.parts)
    if node.kind == "softmax":
        return [arb(2).sqrt() / (3 * arb(3).sqrt())] * _length(node.parts)
    value, reach = node.groups[0].var.value, (r * size[0].part).upper()
    if node.kind == "activation":
        assert node.activation is not None
        around = arb(0, 1) * reach
        return [abs(node.activation.curve(u + around)).upper() for u in value.entries()]
    width, eps = cast(tuple[int, Fraction], node.scale)
    found: list[arb] = []
    for part in node.parts:
        shortest = (xp.sqrt(xp.sum(value[part] ** 2)).item() - reach).max(arb(0)).lower()
        squares = shortest * shortest + width * ball(eps)
        found += [(2 * arb(width).sqrt() / (arb(3).sqrt() * squares)).upper()] * width
    return found


def _length(parts: Slices) -> int:
    return int(parts[-1].stop)


def _pair(node: Node, a: tuple[Size, ...], b: tuple[Size, ...]) -> arb:
    """A bound of |phi''[A ., B .]| over the weights, for derivatives of these sizes."""
    if node.kind != "product":
        return (a[0].part * b[0].whole).min(a[0].whole * b[0].part)
    scale = abs(cast(arb, node.scale))
    return scale * (_cross(a[0], b[1]) + _cross(b[0], a[1]))


def _cross(a: Size, b: Size) -> arb:
    return (a.part * b.whole).min(a.whole * b.part)


def lipschitz(bends: Bends, r: arb) -> arb:
    """L with ||S^-1 (f'(x) - f'(y)) S|| <= L |x - y| for x, y within r of the centre (S-norm).

    Infinite where nothing is known, as where a normalised token may vanish.
    """
    r = ball(r)
    upstream: list[tuple[Size, ...]] = []
    between: list[list[list[Size]]] = []
    growth: list[arb] = []  # of weights against those at radius 0
    total = arb(0)
    for i, at_centre in enumerate(bends.upstream):
        rows = [_between_row(bends, between, upstream, growth, i, g, r)
                for g in range(len(at_centre))]  # fmt: skip
        between.append(rows)
        bent = [_pair(bends.nodes[j], upstream[j], upstream[j]) for j in range(i)]
        grown = []
        for g, size in enumerate(at_centre):
            for j in range(i):
                size = size + rows[g][j].times(bent[j] * r)
            grown.append(size)
        upstream.append(tuple(grown))
        if i == len(bends.nodes):
            for j in range(i):
                total = total + rows[0][j].whole * bent[j]
            break
        now = _weights(bends.nodes[i], r, upstream[i])
        ratio = arb(1)
        for new, old in zip(now, bends.weights[i], strict=True):
            ratio = ratio.max(new / old)
        growth.append(ratio.upper() if ratio.is_finite() else arb.pos_inf())
    return total.upper() if total.is_finite() else arb.pos_inf()


def _between_row(
    bends: Bends,
    between: list[list[list[Size]]],
    upstream: list[tuple[Size, ...]],
    growth: list[arb],
    i: int,
    g: int,
    r: arb,
) -> list[Size]:
    """Sizes over the ball of d y_i,g / d w_j diag(c_j) for j < i, the nearest node first."""
    row: list[Size] = [Size(arb(0), arb(0))] * i
    for j in range(i - 1, -1, -1):
        size = bends.between[i][g][j].times(growth[j])
        for k in range(j + 1, i):
            source = tuple(between[k][h][j] for h in range(len(bends.upstream[k])))
            size = size + row[k].times(_pair(bends.nodes[k], upstream[k], source) * r)
        row[j] = size
    return row


def finite(x: arb) -> float:
    """The ball's upper end in float64 (an estimate), infinite where it is not bounded."""
    return float(x.upper()) if x.is_finite() else math.inf
