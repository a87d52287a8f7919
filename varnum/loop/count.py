"""Every fixed point in a box, or in all of R^d, counted exactly: branch and prune in balls.

Claim loop-count. The result is exact or it is not complete, with the reason; nothing is decided by
a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from varnum.balls import namespace as xp
from varnum.balls.array import BallArray
from varnum.balls.scalar import arb, hull, lower, precision, upper
from varnum.balls.spectrum import inverse, spectral_radius
from varnum.errors import InputError
from varnum.loop import krawczyk
from varnum.loop.activations import activation
from varnum.loop.net import Net
from varnum.tensor import Array

_BITS, _FINE = 64, 256
_THIN = 2.0**-36  # of the asked box: bisected no further
_UNDECIDED = 32  # boxes too thin to bisect before the search gives up
LIMIT = 200_000  # boxes

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


@dataclass(frozen=True)
class FixedPoint:
    """One fixed point: intervals that enclose it (d), and the proved label.

    label: "attracting" (every eigenvalue of the Jacobian inside the unit circle), "not attracting"
    (one outside) or "unknown". radius: an interval that holds the spectral radius, None: not known.
    """

    box: Box
    label: str
    radius: Ends | None

    @property
    def estimate(self) -> tuple[float, ...]:
        """The middle of the enclosure in float64."""
        return tuple(float((low + high) / 2) for low, high in self.box)


@dataclass(frozen=True)
class Count:
    """All fixed points in `box` (None: in R^d) if `reason` is None; else those that were found."""

    box: Ends | None
    points: tuple[FixedPoint, ...]
    boxes: int
    reason: str | None

    @property
    def complete(self) -> bool:
        """Whether these are all."""
        return self.reason is None

    def labelled(self, label: str) -> int:
        """How many points have this label."""
        return sum(point.label == label for point in self.points)


Run = Callable[[Callable[[Piece], Searched], Sequence[Piece]], Iterable[Searched]]


def here(work: Callable[[Piece], Searched], pieces: Sequence[Piece]) -> Iterable[Searched]:
    """Do the pieces in this process, one by one."""
    return map(work, pieces)


def certify_count(
    net: Net, box: Ends | None = None, run: Run = here, pieces: int = 1, limit: int = LIMIT
) -> Count:
    """Every fixed point in the closed box [low, high]^d, or in R^d, with its stability.

    run: how pieces of the search are done (`here`, or over an executor). limit: boxes looked at.
    Raises InputError where R^d is asked and no box is known to hold every fixed point.
    """
    if net.d > 64:
        raise InputError(f"count: d = {net.d}; allowed are at most 64 (and few are feasible)")
    with precision(_BITS):
        ends = _everywhere(net) if box is None else (box,) * net.d
        thin = float(max(high - low for low, high in ends)) * _THIN
        parts = _split(ends, pieces)
        share = max(1, limit // len(parts))
        work = [Piece(net.W, net.b, net.g.name, part, thin, share) for part in parts]
        roots: list[Found] = []
        boxes, reason = 0, None
        for done in run(search, work):
            boxes, reason = boxes + done.boxes, reason or done.reason
            clash = _merge(net, roots, done.roots)
            reason = reason or clash
        if box is not None:
            roots, faced = _within(net, roots, box)
            reason = reason or faced
        points = tuple(label_of(net, inner) for inner, _ in sorted(roots))
    return Count(box, points, boxes, reason)


def _everywhere(net: Net) -> Box:
    """A box that holds every fixed point in R^d."""
    if net.g.image is not None:
        return ((Fraction(net.g.image[0]), Fraction(net.g.image[1])),) * net.d
    powers = net.g.powers
    while powers and powers[-1] == 0:
        powers = powers[:-1]
    inverted = inverse(net.weights) if len(powers) > 2 else None
    if inverted is None:
        raise InputError(
            f"count: with {net.g.name} and this W no box is known to hold every fixed point; "
            "say which one with --box LOW,HIGH"
        )
    kappa = max(upper(x) for x in xp.sum(abs(inverted), axis=1).entries())
    beta = max(abs(Fraction(float(x))) for x in net.b)
    radius = _beyond(powers, kappa, beta)
    reach = kappa * (radius + beta)
    return ((-reach, reach),) * net.d


def _beyond(powers: tuple[Fraction, ...], kappa: Fraction, beta: Fraction) -> Fraction:
    """An R with |g(u)| > kappa (|u| + beta) for |u| > R.

    |c_n| U^n - sum |c_k| U^k - kappa (U + beta) has one change of sign (Descartes): positive at R,
    it is positive beyond.
    """

    def positive(U: Fraction) -> bool:
        rest = sum((abs(c) * U**k for k, c in enumerate(powers[:-1])), kappa * (U + beta))
        return abs(powers[-1]) * U ** (len(powers) - 1) > rest

    low, high = Fraction(0), Fraction(1)
    while not positive(high):
        low, high = high, 2 * high
    for _ in range(6):
        middle = (low + high) / 2
        low, high = (low, middle) if positive(middle) else (middle, high)
    return high


def _split(box: Box, pieces: int) -> list[Box]:
    """At least this many parts of the box, by halving the longest sides."""
    parts = [box]
    while len(parts) < pieces:
        wide = parts.pop(0)
        i = max(range(len(wide)), key=lambda k: wide[k][1] - wide[k][0])
        low, high = wide[i]
        middle = (low + high) / 2
        parts += [(*wide[:i], half, *wide[i + 1 :]) for half in ((low, middle), (middle, high))]
    return parts


# --- the search ---------------------------------------------------------------------------------


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
    with precision(_BITS):
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


# --- which finds are the same -------------------------------------------------------------------


def _merge(net: Net, roots: list[Found], new: Iterable[Found]) -> str | None:
    """Add the finds that are new; a reason if two could not be told apart.

    The same: one enclosure in the other's uniqueness box. Different: disjoint enclosures.
    """
    clash = None
    for inner, unique in new:
        same = False
        for other, other_unique in roots:
            if _disjoint(inner, other):
                continue
            if _within_box(inner, other_unique) or _within_box(other, unique):
                same = True
                break
            if not _told_apart(net, inner, other):
                clash = "two fixed points lie too close to be told apart"
        if not same:
            roots.append((inner, unique))
    return clash


def _disjoint(a: Box, b: Box) -> bool:
    return any(x[1] < y[0] or y[1] < x[0] for x, y in zip(a, b, strict=True))


def _within_box(inner: Box, outer: Box) -> bool:
    return all(o[0] <= i[0] and i[1] <= o[1] for i, o in zip(inner, outer, strict=True))


def _told_apart(net: Net, a: Box, b: Box) -> bool:
    with precision(_FINE):
        tight = [ends_of(krawczyk.tighten(net, balls_of(x))) for x in (a, b)]
    return _disjoint(*tight)


def _within(net: Net, roots: list[Found], box: Ends) -> tuple[list[Found], str | None]:
    """The finds inside the asked box, and a reason if one is on or across its face."""
    kept, reason = [], None
    for inner, unique in roots:
        side = _side(inner, box)
        if side is None:
            with precision(_FINE):
                side = _side(ends_of(krawczyk.tighten(net, balls_of(inner))), box)
        if side is None:
            reason = "a fixed point lies on the face of the box, or too close to it: try another"
        elif side:
            kept.append((inner, unique))
    return kept, reason


def _side(inner: Box, box: Ends) -> bool | None:
    """True inside the open box, False outside the closed one, None undecided."""
    if any(high < box[0] or box[1] < low for low, high in inner):
        return False
    return True if all(box[0] < low and high < box[1] for low, high in inner) else None


# --- stability ----------------------------------------------------------------------------------


def label_of(net: Net, box: Box) -> FixedPoint:
    """The fixed point in this enclosure with its proved label; more digits where they help."""
    for bits in (_BITS, _FINE):
        with precision(bits):
            X = krawczyk.tighten(net, balls_of(box))
            J = krawczyk.jacobian(net, X)
            low, high = spectral_radius(J)
            if not net.g.smooth and (J.radius_upper() > 0).any():
                low, high = arb(0), arb.pos_inf()  # a kink: no one Jacobian decides
            if high < 1 or low > 1:
                break
    label = "attracting" if high < 1 else "not attracting" if low > 1 else "unknown"
    return FixedPoint(ends_of(X), label, (lower(low), upper(high)) if high.is_finite() else None)
