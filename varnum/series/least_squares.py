"""Claim tsf-two-heads: the least errors of content-free heads, exactly.

One position-only head represents the weights w with all entries of one sign, so its least error is
that of non-negative least squares; two of opposite sign represent every w, plain least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from varnum.balls.linear import gram, solve
from varnum.series.windows import Windows


@dataclass(frozen=True)
class Fit:
    """Weights (T,) and their sum of squared errors, both exact."""

    value: Fraction
    weights: tuple[Fraction, ...]


@dataclass(frozen=True)
class Normal:
    """The normal equations G w = b and the sum of squared targets."""

    G: list[list[int]]
    b: list[int]
    unit: int

    def error(self, w: list[Fraction]) -> Fraction:
        """sum (y - w.x)^2 = unit - w.(b + (b - G w))."""
        gradient = self.gradient(w)
        used = (w_j * (b + g) for w_j, b, g in zip(w, self.b, gradient, strict=True))
        return self.unit - sum(used, Fraction(0))

    def gradient(self, w: list[Fraction]) -> list[Fraction]:
        """b - G w: half of the negative gradient."""
        used = [j for j, w_j in enumerate(w) if w_j]
        return [
            b - sum((row[j] * w[j] for j in used), Fraction(0))
            for row, b in zip(self.G, self.b, strict=True)
        ]


def normal(windows: Windows) -> Normal:
    """The equations of least squares of the targets on the tokens, no intercept."""
    rows = [[*row, y] for row, y in zip(windows.tokens, windows.targets, strict=True)]
    full = gram(rows)
    T = len(full) - 1
    return Normal([row[:T] for row in full[:T]], full[T][:T], full[T][T])


def least_squares(equations: Normal) -> Fit:
    """min over all w: what two content-free heads of opposite sign attain."""
    w = solve(equations.G, equations.b)
    return Fit(equations.error(w), tuple(w))


def one_sign(equations: Normal, signs: str = "any") -> Fit:
    """min over w >= 0 ("+"), w <= 0 ("-") or the better: the infimum of one content-free head.

    An infimum: a softmax weighs every token, so weights with zeros are approached only.
    """
    fits = []
    if signs != "-":
        fits.append(_non_negative(equations))
    if signs != "+":
        flipped = _non_negative(Normal(equations.G, [-b for b in equations.b], equations.unit))
        fits.append(Fit(flipped.value, tuple(-w for w in flipped.weights)))
    return min(fits, key=lambda fit: fit.value)


def _non_negative(equations: Normal) -> Fit:
    """Lawson and Hanson's active set method in exact rationals.

    The error falls strictly with each new set, so it ends; at the end w >= 0, the gradient is 0
    where w > 0 and nowhere positive: the conditions of the minimum, checked exactly.
    """
    T = len(equations.b)
    w, free = [Fraction(0)] * T, set[int]()
    while True:
        gradient = equations.gradient(w)
        best = max((j for j in range(T) if j not in free), key=lambda j: gradient[j], default=None)
        if best is None or gradient[best] <= 0:
            break
        free.add(best)
        while True:
            target = _solve_on(equations, free)
            if all(target[j] > 0 for j in free):
                w = target
                break
            step = min(w[j] / (w[j] - target[j]) for j in free if target[j] <= 0)
            w = [a + step * (c - a) for a, c in zip(w, target, strict=True)]
            free = {j for j in free if w[j] > 0}
    gradient = equations.gradient(w)
    if any(w_j < 0 or g > 0 or w_j * g for w_j, g in zip(w, gradient, strict=True)):
        raise ArithmeticError("non-negative least squares: the conditions of the minimum fail")
    return Fit(equations.error(w), tuple(w))


def _solve_on(equations: Normal, free: set[int]) -> list[Fraction]:
    """Least squares with all weights outside `free` 0; its columns are independent."""
    places = sorted(free)
    part = solve(
        [[equations.G[i][j] for j in places] for i in places], [equations.b[i] for i in places]
    )
    w = [Fraction(0)] * len(equations.b)
    for j, value in zip(places, part, strict=True):
        w[j] = value
    return w
