"""The least degree, proved from both sides (claim minimal-degree).

E_g <= eps by an exact polynomial whose sup norm is certified; E_{g-1} > eps by points alone. The
interval may be known only between an inner and an outer one (M irrational): the polynomial is
certified on the outer, the points lie in the inner.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from varnum.approx.polynomial import Polynomial
from varnum.approx.remez import Levelled, remez
from varnum.approx.supnorm import SupNorm, certify_supnorm
from varnum.approx.target import Target, bits_of, check_eps, initial_points
from varnum.balls.scalar import arb, ball, lower, precision
from varnum.verdict import Proved, Unknown, Verdict

GAP_BITS = (10, 30, 50, 110, 230)  # how near the exchange goes to the minimax, in bits of its error
MAX_DEGREE = 2000  # beyond this one exchange takes minutes; closed forms answer instead


@dataclass(frozen=True)
class LowerBound:
    """E_degree >= bound (a ball; its lower end is what is proved) by the points alone."""

    degree: int
    points: tuple[arb, ...]
    bound: arb


@dataclass(frozen=True)
class LeastDegree:
    """The degree, its polynomial, and how far the proof reached.

    upper: sup norm of `poly` on target's interval, at most eps. error: enclosure of the minimax
    error E_degree on the same interval. lower: E_{degree-1} > eps where `minimal` is Proved; None
    for degree 0. extrema: critical points of the error, hints for a certificate's brackets.
    """

    target: Target
    eps: Fraction
    degree: int
    poly: Polynomial
    upper: SupNorm
    error: tuple[arb, arb]
    lower: LowerBound | None
    minimal: Verdict
    extrema: tuple[arb, ...]


def certify_lower(target: Target, points: list[arb], error_bits: int = 100) -> LowerBound:
    """Lower bound of E_m from m + 2 increasing dyadic points inside the interval."""
    degree = len(points) - 2
    with precision(target.bits(degree, error_bits)):
        exact = [lower(x) for x in points]
        ordered = all(a < b for a, b in itertools.pairwise(exact))
        inside = target.low <= exact[0] and exact[-1] <= target.high
        if not (ordered and inside and all(x.is_exact() for x in points)):
            raise ValueError("points must be exact, increasing and inside the interval")
        return LowerBound(degree, tuple(points), abs(target.level(points)[0]))


def certify_least_degree(
    target: Target,
    eps: Fraction,
    *,
    inner: Target | None = None,
    guess: int = 1,
    max_degree: int = MAX_DEGREE,
    progress: Callable[[str], None] = lambda _: None,
) -> LeastDegree | Unknown:
    """Find and prove the least degree with error at most eps; Unknown says what stopped it.

    guess: where the search starts (the minimax curve's value); it affects time only.
    """
    check_eps(eps)
    if target.low == target.high:
        return _single_point(target, eps)
    search = _Search(target, inner or target, eps, max_degree, progress)
    degree = search.first_candidate(guess)
    while isinstance(degree, int) and degree <= max_degree:
        found = search.attempt(degree)
        if isinstance(found, int):
            degree = found
            continue
        return found
    return degree if isinstance(degree, Unknown) else Unknown(f"degree beyond {max_degree}")


def _single_point(target: Target, eps: Fraction) -> LeastDegree:
    """M = 0: the constant 1 is exact."""
    one, zero = Polynomial((1,), 0), ball(0)
    upper = SupNorm(zero, zero, (), counted=True)
    minimal = Proved("no polynomial has a lower degree")
    return LeastDegree(target, eps, 0, one, upper, (zero, zero), None, minimal, ())


def certainly_above(bound: arb, eps: Fraction) -> bool:
    """True only if the ball lies above eps; told apart to a few bits of the ball's own."""
    with precision(_bits_to_tell(eps)):
        return bool(bound > ball(eps))


def certainly_within(bound: arb, eps: Fraction) -> bool:
    """True only if the ball is at most eps, likewise."""
    with precision(_bits_to_tell(eps)):
        return bool(bound <= ball(eps))


def _bits_to_tell(eps: Fraction) -> int:
    return 64 + 2 * GAP_BITS[-1] + eps.denominator.bit_length()  # the last: a decimal, exactly


class _Search:
    def __init__(
        self,
        target: Target,
        inner: Target,
        eps: Fraction,
        max_degree: int,
        progress: Callable[[str], None],
    ) -> None:
        self.target, self.inner, self.eps, self.limit = target, inner, eps, max_degree
        self.progress = progress
        self.error_bits = bits_of(eps)
        self.lower: dict[int, LowerBound] = {}
        self.ties: set[int] = set()

    def quick(self, degree: int) -> LowerBound:
        """A lower bound of E_degree from near-optimal points, without any exchange."""
        if degree not in self.lower:
            self.progress(f"lower bound at degree {degree}")
            with precision(self.inner.bits(degree, self.error_bits)):
                points = initial_points(self.inner, degree)
            self.lower[degree] = certify_lower(self.inner, points, self.error_bits)
        return self.lower[degree]

    def excluded(self, degree: int) -> bool:
        """True if E_degree > eps is proved by what is known."""
        return degree < 0 or certainly_above(self.quick(degree).bound, self.eps)

    def first_candidate(self, guess: int) -> int | Unknown:
        """The least degree that the quick lower bounds leave possible."""
        degree, step = max(0, min(guess, self.limit)), 1
        while self.excluded(degree):  # gallop up
            if degree >= self.limit:
                return Unknown(f"every degree up to {self.limit} has error above eps")
            degree, step = min(degree + step, self.limit), step * 2
        low, step = degree - 1, 1
        while not self.excluded(low):  # gallop down
            degree, low, step = low, max(low - step, -1), step * 2
        while degree - low > 1:
            middle = (degree + low) // 2
            degree, low = (degree, middle) if self.excluded(middle) else (middle, low)
        return degree

    def attempt(self, degree: int) -> LeastDegree | Unknown | int:
        """Certify the degree, or move on to the next one once this one is excluded."""
        for gap_bits in GAP_BITS:
            state = self.exchange(self.target, degree, gap_bits)
            if not state.level > 0:
                return Unknown(f"the exchange at degree {degree} lost its precision")
            self.lower[degree] = self.below(state, gap_bits)
            if self.excluded(degree):
                return degree + 1
            self.progress(f"sup norm at degree {degree}")
            bits = self.target.bits(degree, self.error_bits + gap_bits)
            poly = round_polynomial(self.target, state, degree, gap_bits)
            fine = max(0, gap_bits - 50)
            upper = certify_supnorm(self.target, poly, state.extrema, bits=bits, fine=fine)
            if isinstance(upper, Unknown):
                return upper
            if certainly_within(upper.high, self.eps):
                below, minimal = self.minimality(degree)
                own = certify_lower(self.target, list(state.points), self.error_bits)
                error = (own.bound, upper.high)
                return LeastDegree(
                    self.target,
                    self.eps,
                    degree,
                    poly,
                    upper,
                    error,
                    below,
                    minimal,
                    state.extrema,
                )
        return self.tied(degree)

    def tied(self, degree: int) -> LeastDegree | Unknown:
        """E_degree is eps as far as can be told: one degree more, if it is proved to suffice."""
        if degree in self.ties or degree >= self.limit:
            return Unknown(self.untold(degree))
        self.ties.add(degree)
        more = self.attempt(degree + 1)
        return more if isinstance(more, LeastDegree) else Unknown(self.untold(degree))

    def untold(self, degree: int) -> str:
        """What is known beside the tie."""
        below = f"; E_{degree - 1} > eps is proved" if degree and self.excluded(degree - 1) else ""
        return f"E_{degree} and eps were not told apart{below}"

    def exchange(self, target: Target, degree: int, gap_bits: int) -> Levelled:
        self.progress(f"exchange at degree {degree}")
        with precision(target.bits(degree, self.error_bits + gap_bits)):
            return remez(target, degree, 2.0**-gap_bits)

    def below(self, state: Levelled, gap_bits: int) -> LowerBound:
        """Lower bound on the inner interval from a reference of the outer one."""
        error_bits = self.error_bits + gap_bits
        points = list(state.points)
        if self.inner != self.target:
            with precision(self.inner.bits(len(points), error_bits)):
                points = shrunk(points, self.target, self.inner)
        return certify_lower(self.inner, points, error_bits)

    def minimality(self, degree: int) -> tuple[LowerBound | None, Verdict]:
        """E_{degree-1} > eps, exchanging the points until it shows or cannot."""
        if degree == 0:
            return None, Proved("no polynomial has a lower degree")
        for gap_bits in GAP_BITS:
            if self.excluded(degree - 1):
                how = f"{degree + 1} points exclude every polynomial of lower degree"
                return self.lower[degree - 1], Proved(how)
            state = self.exchange(self.inner, degree - 1, gap_bits)
            self.lower[degree - 1] = certify_lower(
                self.inner, list(state.points), self.error_bits + gap_bits
            )
        if self.excluded(degree - 1):
            return self.lower[degree - 1], Proved("points exclude every polynomial of lower degree")
        return None, Unknown(self.untold(degree - 1))


def shrunk(points: list[arb], outer: Target, inner: Target) -> list[arb]:
    """Scale a reference of the outer interval into the inner one; both start at 0 or at -M."""
    ratio = ball(inner.low) / ball(outer.low)
    ends = initial_points(inner, 0)
    return [ends[0], *((x * ratio).mid() for x in points[1:-1]), ends[1]]


def round_polynomial(target: Target, state: Levelled, degree: int, gap_bits: int = 0) -> Polynomial:
    """Dyadic coefficients coarse enough to be short, fine enough to cost 2^-40 of the error.

    gap_bits: beyond 50, where the error is nearer than that to eps, that much finer.
    """
    size = max(abs(target.low), abs(target.high))
    growth = degree * max(0, size.numerator.bit_length() - size.denominator.bit_length() + 1)
    level = -float(state.level.log() / math.log(2))
    bits = int(target.width / math.log(2) + growth + max(level, 0.0)) + max(50, gap_bits)
    coefficients = state.poly.coeffs()
    with precision(2 * bits + 64):
        padded = coefficients + [ball(0)] * (degree + 1 - len(coefficients))
        return Polynomial.rounded(padded, bits)
