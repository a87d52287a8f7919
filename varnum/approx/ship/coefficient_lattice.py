"""Coefficients in float formats near the best approximation, by lattice reduction.

Coefficients m_k 2^(e_k) make the polynomials a lattice; its vectors of values on a grid, weighted
like the error, are reduced (LLL), and integer points near the best real one are tried in the
largest error (Brisebarre and Chevillard 2007, "Efficient polynomial L-infinity-approximations").
What comes out are candidates; `coefficient_error.certify_error` decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from varnum.approx.polynomial import interpolate
from varnum.approx.ship.chebyshev import Array, Moves, minimax, near_integers
from varnum.approx.ship.formats import Format, exponent
from varnum.approx.ship.goal import Goal
from varnum.balls.lattice import reduced
from varnum.balls.scalar import arb, arb_poly, ball, certain_floor, lower

Places: TypeAlias = dict[int, int]  # of each free coefficient: it is a multiple of 2^place
Candidate: TypeAlias = tuple[float, tuple[Fraction, ...]]  # estimated error, coefficients
_TRIES, _DESCENTS, _ROUNDS = 48, 3, 8


@dataclass(frozen=True)
class Grid:
    """Points of the interval (exact balls, or the ball around an end), f and the weight there."""

    points: list[arb]
    values: list[arb]
    weights: list[arb]
    density: int


def grid(goal: Goal, degree: int, extrema: Sequence[arb], density: int = 16) -> Grid:
    """Chebyshev's points, `density` to an extremum of the error, and the extrema themselves."""
    count = density * (degree + 1)
    low, high = ball(goal.low), ball(goal.high)
    middle, half = (low + high) / 2, (high - low) / 2
    inside = [(middle - half * math.cos(math.pi * i / count)).mid() for i in range(1, count)]
    inside += [x.mid() for x in extrema]
    points = [low, *sorted((x for x in inside if low < x < high), key=lower), high]
    return Grid(points, [goal.value(x) for x in points], [goal.weight(x) for x in points], density)


def real_coefficients(goal: Goal, degree: int) -> list[Fraction]:
    """The interpolant at Chebyshev's points, near enough to say how large coefficients are."""
    middle, half = (goal.low + goal.high) / 2, (goal.high - goal.low) / 2
    angles = [math.pi * (2 * i + 1) / (2 * degree + 2) for i in range(degree + 1)]
    nodes = [ball(middle - half * Fraction(math.cos(t))).mid() for t in angles]
    found = interpolate(nodes, [goal.value(x).mid() for x in nodes]).coeffs()
    return [lower(c) for c in found] + [Fraction(0)] * (degree + 1 - len(found))


class Search:
    """Polynomials sum_k m_k 2^(places_k) x^k, k free, plus what is fixed, against the goal."""

    def __init__(
        self, goal: Goal, formats: Sequence[Format], fixed: dict[int, Fraction], on: Grid
    ) -> None:
        self.goal, self.formats, self.fixed, self.grid = goal, formats, fixed, on
        self.free = [k for k in range(len(formats)) if k not in fixed]

    def error(self, coefficients: Sequence[Fraction]) -> Array:
        """h on the grid, to double precision."""
        poly, on = arb_poly([ball(c) for c in coefficients]), self.grid
        at = zip(on.points, on.values, on.weights, strict=True)
        return np.array([float(((poly(x) - f) * w).mid()) for x, f, w in at])

    def near(self, start: Sequence[Fraction], places: Places) -> list[Candidate]:
        """Candidates with these last places, best first; some may not be in their formats."""
        units = {k: Fraction(2) ** places[k] for k in self.free}
        numbers = [round(start[k] / units[k]) for k in self.free]
        change = self._reduced(units)
        basis = self._values(change, units)
        error = self.error(self._coefficients(numbers, units))
        real = minimax(basis, error)
        if np.abs(real).max() > 2.0**20:  # far away: float64 has no digits left, so go there first
            numbers = _moved(numbers, [int(t) for t in np.rint(real)], change)
            error = self.error(self._coefficients(numbers, units))
            real = minimax(basis, error)
        tries = near_integers(basis, real)
        errors = error + tries @ basis
        peaks = np.abs(errors).max(axis=1)
        moves, found = Moves(basis), []
        for rank, i in enumerate(np.argsort(peaks, kind="stable")[:_TRIES]):
            steps, peak = [int(t) for t in tries[i]], float(peaks[i])
            found.append((peak, self._coefficients(_moved(numbers, steps, change), units)))
            if rank < _DESCENTS:
                more, after = moves.descend(errors[i])
                steps = [s + t for s, t in zip(steps, more, strict=True)]
                moved = _moved(numbers, steps, change)
                found.append((float(np.abs(after).max()), self._coefficients(moved, units)))
        return sorted(set(found))

    def holds(self, coefficients: Sequence[Fraction]) -> bool:
        """Whether each coefficient is a number of its format."""
        return all(f.holds(c) for f, c in zip(self.formats, coefficients, strict=True))

    def places(self, coefficients: Sequence[Fraction]) -> Places:
        """The last places of these coefficients in their formats."""
        return {k: self.formats[k].place(coefficients[k]) for k in self.free}

    def candidates(self, start: Sequence[Fraction], keep: int) -> list[Candidate]:
        """Up to `keep` candidates in the formats, best first.

        The last places are those of `start`, then those of the coefficients found: a coefficient
        that leaves its binade gets the places of the new one.
        """
        found: set[Candidate] = set()
        seen: list[Places] = []
        waiting = [self.places(start), *self._other_binades(start)]
        while waiting and len(seen) < _ROUNDS:
            places = waiting.pop(0)
            if places in seen:
                continue
            seen.append(places)
            near = self.near(start, places)
            least = min((peak for peak, _ in found), default=math.inf)
            inside = [c for c in near if self.holds(c[1])][:keep]
            found.update(inside)
            if near[0][0] < least and near[0] not in inside[:1]:
                waiting = [self.places(c) for _, c in near[:3]] + waiting
            elif inside and inside[0][0] < least:
                waiting.append(self.places(inside[0][1]))
        return sorted(found)[:keep]

    def _other_binades(self, start: Sequence[Fraction]) -> list[Places]:
        """The places of `start` with one coefficient, next to a power of two, moved across it."""
        here = self.places(start)
        others = []
        for k in self.free:
            form, c = self.formats[k], start[k]
            size = abs(c) / Fraction(2) ** exponent(c) if c else Fraction(3, 2)
            near = Fraction(1, 2 ** (form.digits - 3))
            if size - 1 < near and here[k] > form.least + 1 - form.digits:
                others.append(here | {k: here[k] - 1})
            elif 2 - size < near:
                others.append(here | {k: here[k] + 1})
        return others

    def _coefficients(
        self, numbers: Sequence[int], units: dict[int, Fraction]
    ) -> tuple[Fraction, ...]:
        free = {k: m * units[k] for k, m in zip(self.free, numbers, strict=True)}
        return tuple(self.fixed.get(k, free.get(k, Fraction(0))) for k in range(len(self.formats)))

    def _reduced(self, units: dict[int, Fraction]) -> list[list[int]]:
        """LLL on every few grid points, scaled to integers with room for short vectors."""
        on = self.grid
        some = [*zip(on.points, on.weights, strict=True)][:: on.density // 2]
        size = max(abs(float(x.mid())) for x, _ in some)
        room = 64 + (max(0, -math.floor(math.log2(size))) + 2) * len(self.formats)
        scale = ball(2) ** room / ball(min(units.values()))
        scaled = [[x**k * w * (ball(units[k]) * scale) for x, w in some] for k in self.free]
        return reduced([[certain_floor(v.mid()) for v in row] for row in scaled])

    def _values(self, change: list[list[int]], units: dict[int, Fraction]) -> Array:
        """The reduced basis on the grid, (k, N)."""
        out = np.empty((len(change), len(self.grid.points)))
        for i, row in enumerate(change):
            given = {k: c * units[k] for k, c in zip(self.free, row, strict=True)}
            poly = arb_poly([ball(given.get(k, 0)) for k in range(len(self.formats))])
            at = zip(self.grid.points, self.grid.weights, strict=True)
            out[i] = [float((poly(x) * w).mid()) for x, w in at]
        return out


def _moved(numbers: Sequence[int], steps: Sequence[int], change: list[list[int]]) -> list[int]:
    moved = list(numbers)
    for step, row in zip(steps, change, strict=True):
        moved = [m + step * c for m, c in zip(moved, row, strict=True)]
    return moved
