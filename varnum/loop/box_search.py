"""Branch and prune boxes in balls: each fixed point is in a uniqueness box that is found.

Claim loop-count; `count` puts the pieces together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.scalar import hull, lower, precision, upper
from varnum.loop import krawczyk
from varnum.loop.activations import activation
from varnum.loop.net import Net
from varnum.tensor import Array

BITS = 64
_UNDECIDED = 32  # boxes too thin to bisect before the search gives up

Ends = tuple[Fraction, Fraction]
Box = tuple[Ends, ...]
Found = tuple[Box, Box]  # enclosure, uniqueness box


@dataclass(frozen=True)
class Piece:
    """A part of the search: pure data, so that another process can do it."""

    W: Array
    b: Array
    activation: str
    box: Box
    thin: float
    limit: int


@dataclass(frozen=True)
class Searched:
    """What a piece found: roots, boxes looked at, and why it is not complete (None: it is)."""

    roots: tuple[Found, ...]
    boxes: int
    reason: str | None


def split_box(box: Box, pieces: int) -> list[Box]:
    """At least this many parts of the box, by halving the longest sides."""
    parts = [box]
    while len(parts) < pieces:
        wide = parts.pop(0)
        i = max(range(len(wide)), key=lambda k: wide[k][1] - wide[k][0])
        low, high = wide[i]
        middle = (low + high) / 2
        parts += [(*wide[:i], half, *wide[i + 1 :]) for half in ((low, middle), (middle, high))]
    return parts


def balls_of(box: Box) -> BallArray:
    """The box as balls."""
    return xp.stack([BallArray(hull(low, high)) for low, high in box])


def ends_of(X: BallArray) -> Box:
    """The box in exact rationals."""
    return tuple((lower(x), upper(x)) for x in X.entries())


@dataclass
class _State:
    net: Net
    piece: Piece
    stack: list[BallArray]
    roots: list[Found] = field(default_factory=list)
    boxes: int = 0
    undecided: int = 0


def search(piece: Piece) -> Searched:
    """Branch and prune one box: every fixed point in it is in some uniqueness box that is found."""
    with precision(BITS):
        net = Net(piece.W, piece.b, activation(piece.activation))
        state = _State(net, piece, [balls_of(piece.box)])
        while state.stack:
            if state.boxes >= piece.limit:
                return _given_up(state, f"{piece.limit} boxes were not enough (--boxes)")
            if state.undecided > _UNDECIDED:
                return _given_up(state, "a fixed point with eigenvalue 1, or nearly, is undecided")
            state.boxes += 1
            _decide(state, state.stack.pop())
    reason = "a fixed point with eigenvalue 1, or nearly, is undecided" if state.undecided else None
    return Searched(tuple(state.roots), state.boxes, reason)


def _given_up(state: _State, reason: str) -> Searched:
    return Searched(tuple(state.roots), state.boxes, reason)


def _decide(state: _State, X: BallArray) -> None:
    """Drop the box, record the one fixed point near it, or bisect what is left of it."""
    net = state.net
    for _ in range(4):
        before = krawczyk.widths(X)
        contracted = krawczyk.meet(X, krawczyk.image(net, X))
        if contracted is None:
            return
        found = krawczyk.operator(net, contracted)
        if found is None:
            X = contracted
            break
        if krawczyk.inside(found, contracted):
            state.roots.append((ends_of(found), ends_of(contracted)))
            return
        smaller = krawczyk.meet(contracted, found)
        if smaller is None:
            return
        if (krawczyk.widths(found) <= krawczyk.widths(contracted)).all():
            isolated = krawczyk.isolate(net, smaller)
            if isolated is not None:
                state.roots.append((ends_of(isolated[0]), ends_of(isolated[1])))
                return
        X = smaller
        if (krawczyk.widths(X) > 0.7 * before).all():
            break
    _bisect(state, X)


def _bisect(state: _State, X: BallArray) -> None:
    wide = krawczyk.widths(X)
    i = int(np.argmax(wide))
    if not wide[i] > state.piece.thin:
        state.undecided += 1
        return
    entries = X.entries()
    low, middle, high = entries[i].lower(), entries[i].mid(), entries[i].upper()
    for half in (low.union(middle), middle.union(high)):
        state.stack.append(
            xp.stack([BallArray(half if k == i else x) for k, x in enumerate(entries)])
        )
