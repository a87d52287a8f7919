"""Every fixed point in a box, or in all of R^d, counted exactly: branch and prune in balls.

Claim loop-count. The result is exact or it is not complete, with the reason; nothing is decided by
a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.balls import namespace as xp
from varnum.balls.scalar import arb, lower, precision, upper
from varnum.balls.spectrum import inverse, spectral_radius
from varnum.errors import InputError
from varnum.loop import krawczyk
from varnum.loop.box_search import (
    BITS,
    Box,
    Ends,
    Found,
    Piece,
    Searched,
    balls_of,
    ends_of,
    search,
    split_box,
)
from varnum.loop.net import Net

_FINE = 256
_THIN = 2.0**-36  # of the asked box: bisected no further
LIMIT = 200_000  # boxes


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
    with precision(BITS):
        ends = _everywhere(net) if box is None else (box,) * net.d
        thin = float(max(high - low for low, high in ends)) * _THIN
        parts = split_box(ends, pieces)
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
    for bits in (BITS, _FINE):
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
