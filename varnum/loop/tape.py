"""A network as linear maps between a few bent nodes, with every total derivative at one point.

A variable is a flat vector of balls (n) with `blocks`: its derivative with respect to the input x
(block 0, in the coordinates of a matrix S) and to the output of each node before it (block j). One
forward pass so gives all that the second-derivative bound of `kantorovich` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray, wrap
from varnum.balls.convert import filled
from varnum.balls.scalar import arb, ball
from varnum.loop.activations import Activation
from varnum.tensor import Doubles, Whole

Slices = tuple[slice, ...]
Block = BallArray | None


@dataclass(frozen=True)
class Var:
    """Value (n) and derivative blocks (n, size of source); None where it does not depend."""

    value: BallArray
    blocks: tuple[BallArray | None, ...]

    def __add__(self, other: Var) -> Var:
        a, b = _padded(self.blocks, other.blocks)
        return Var(self.value + other.value, tuple(map(_plus, a, b)))


def _padded(a: Sequence[Block], b: Sequence[Block]) -> tuple[list[Block], list[Block]]:
    n = max(len(a), len(b))
    return [*a, *[None] * (n - len(a))], [*b, *[None] * (n - len(b))]


def _plus(a: BallArray | None, b: BallArray | None) -> BallArray | None:
    if a is None or b is None:
        return a if b is None else b
    total: BallArray = a + b
    return total


@dataclass(frozen=True)
class Group:
    """One argument of a node: the variable, and the rows of it that each part of the node reads."""

    var: Var
    parts: Slices


@dataclass(frozen=True)
class Node:
    """A bent map w = phi(y), its arguments and its output's parts.

    kind: "normalise", "softmax" or "activation" of one argument, "product" of two, bilinear with
    `scale`. Each part of the output depends on the same part of each argument alone.
    """

    kind: str
    groups: tuple[Group, ...]
    parts: Slices
    scale: arb | tuple[int, Fraction] | None = None
    activation: Activation | None = None


@dataclass
class Tape:
    """Records nodes while a network is walked; derivatives: False walks for the value alone."""

    nodes: list[Node] = field(default_factory=list)
    derivatives: bool = True

    def input(self, x: BallArray, S: BallArray | None) -> Var:
        """The state, moving as x + S delta; None: no derivative with respect to it."""
        return Var(x, (S,))

    def linear(self, M: BallArray, x: Var, b: BallArray | None = None) -> Var:
        """M x + b."""
        value = M @ x.value
        blocks = tuple(None if block is None else M @ block for block in x.blocks)
        return Var(value if b is None else value + b, blocks)

    def normalise(self, x: Var, width: int, eps: Fraction) -> Var:
        """c / sqrt(|c|^2/width + eps) per token of `width` entries; x must be centred."""
        count = x.value.shape[0] // width
        parts = tuple(slice(i * width, (i + 1) * width) for i in range(count))
        values, jacobians = [], []
        for part in parts:
            c = x.value[part]
            inverse = (xp.sum(c * c) / width + ball(eps)).item().rsqrt()
            values.append(c * inverse)
            outer = xp.reshape(c, (-1, 1)) * xp.reshape(c, (1, -1))
            jacobians.append(
                BallArray(np.eye(width)) * BallArray(inverse) - outer * (inverse**3 / width)
            )
        node = Node("normalise", (Group(x, parts),), parts, scale=(width, eps))
        return self._push(node, xp.concat(values), [_diagonal(jacobians)])

    def activation(self, x: Var, g: Activation) -> Var:
        """G of each entry."""
        entries = x.value.entries()
        parts = tuple(slice(i, i + 1) for i in range(len(entries)))
        value = _vector([g.value(u) for u in entries])
        slopes = _diagonal([BallArray([[g.slope(u)]]) for u in entries])
        node = Node("activation", (Group(x, parts),), parts, activation=g)
        return self._push(node, value, [slopes])

    def softmax(self, x: Var, width: int) -> Var:
        """Softmax of each `width` consecutive entries."""
        parts = tuple(slice(i, i + width) for i in range(0, x.value.shape[0], width))
        values, jacobians = [], []
        for part in parts:
            e = xp.exp(x.value[part])
            p = e / xp.sum(e)
            values.append(p)
            outer = xp.reshape(p, (-1, 1)) * xp.reshape(p, (1, -1))
            jacobians.append(BallArray(np.eye(width)) * xp.reshape(p, (1, -1)) - outer)
        node = Node("softmax", (Group(x, parts),), parts)
        return self._push(node, xp.concat(values), [_diagonal(jacobians)])

    def products(
        self, left: Var, right: Var, rows: int, inner: int, columns: int, scale: arb
    ) -> Var:
        """Scale A_h B_h per head h: A_h (rows, inner), B_h (inner, columns), flat, row-major."""
        heads = left.value.shape[0] // (rows * inner)
        sizes = (rows * inner, inner * columns, rows * columns)
        left_parts, right_parts, out_parts = (
            tuple(slice(h * n, (h + 1) * n) for h in range(heads)) for n in sizes
        )
        values, by_left, by_right = [], [], []
        for h in range(heads):
            A = xp.reshape(left.value[left_parts[h]], (rows, inner))
            B = xp.reshape(right.value[right_parts[h]], (inner, columns))
            values.append(xp.reshape(A @ B, (-1,)) * scale)
            by_left.append(_kron(np.eye(rows), B.T) * scale)
            by_right.append(_kron_right(A, columns) * scale)
        groups = (Group(left, left_parts), Group(right, right_parts))
        node = Node("product", groups, out_parts, scale=scale)
        return self._push(node, xp.concat(values), [_diagonal(by_left), _diagonal(by_right)])

    def _push(self, node: Node, value: BallArray, jacobians: list[BallArray]) -> Var:
        """The node's output: chained blocks, and the identity as its own block."""
        if not self.derivatives:
            return Var(value, ())
        total = Var(value, ())
        for group, jacobian in zip(node.groups, jacobians, strict=True):
            moved = tuple(None if block is None else jacobian @ block for block in group.var.blocks)
            total = Var(value, tuple(map(_plus, *_padded(total.blocks, moved))))
        self.nodes.append(node)
        own = [*total.blocks, *[None] * (len(self.nodes) - len(total.blocks))]
        return Var(value, (*own, BallArray(np.eye(value.shape[0]))))


def permuted(x: Var, order: Whole) -> Var:
    """The entries in another order, or a choice of them."""
    blocks = tuple(None if b is None else b[order, :] for b in x.blocks)
    return Var(x.value[order], blocks)


def _vector(entries: list[arb]) -> BallArray:
    return wrap(filled(entries, (len(entries),)))


def _diagonal(matrices: list[BallArray]) -> BallArray:
    """The matrices along the diagonal, exact zeros elsewhere."""
    rows, columns = (sum(m.shape[axis] for m in matrices) for axis in (0, 1))
    out = np.full((rows, columns), arb(0), dtype=object)
    i = j = 0
    for m in matrices:
        h, w = m.shape
        out[i : i + h, j : j + w] = np.array(m.entries(), dtype=object).reshape(h, w)
        i, j = i + h, j + w
    return wrap(out)


def _kron(eye: Doubles, B: BallArray) -> BallArray:
    """I kron B: d vec(A B)/d vec(A) for B^T given, row-major."""
    return _diagonal([B] * eye.shape[0])


def _kron_right(A: BallArray, columns: int) -> BallArray:
    """A kron I: d vec(A B)/d vec(B), row-major."""
    rows, inner = A.shape
    entries = np.array(A.entries(), dtype=object).reshape(rows, inner)
    out = np.full((rows * columns, inner * columns), arb(0), dtype=object)
    for k in range(columns):
        out[k::columns, k::columns] = entries
    return wrap(out)
