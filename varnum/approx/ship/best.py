"""The best coefficients in given formats, with their certified error and the real minimax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.approx.ship.coefficient_error import Enclosed, certify_error
from varnum.approx.ship.coefficient_lattice import Search, grid, real_coefficients
from varnum.approx.ship.formats import Format
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.minimax import Minimax, certify_minimax
from varnum.balls.scalar import precision
from varnum.errors import InputError
from varnum.verdict import Unknown

MAX_DEGREE = 24
_KEEP = 4  # candidates whose error is certified


@dataclass(frozen=True)
class Polynomial:
    """Coefficients, constant term first, each a number of its format, and their certified error.

    minimax: what no real polynomial of this degree can beat, or why that is not known.
    """

    goal: Goal
    coefficients: tuple[Fraction, ...]
    formats: tuple[Format, ...]
    error: Enclosed
    minimax: Minimax | Unknown

    @property
    def degree(self) -> int:
        """Number of coefficients minus one."""
        return len(self.coefficients) - 1


def certify_best(
    goal: Goal, formats: Sequence[Format], fixed: Mapping[int, Fraction] | None = None
) -> Polynomial | Unknown:
    """Near-best coefficients in `formats` (constant term first), with a certified error.

    fixed: coefficients that are given. The error is proved; that no other coefficients have a
    smaller one is not (see `certify_minimax` for what no polynomial can beat). InputError for a
    degree above MAX_DEGREE and a fixed coefficient outside its format.
    """
    fixed = dict(fixed or {})
    degree = len(formats) - 1
    if not 0 <= degree <= MAX_DEGREE:
        raise InputError(f"degree: {degree} is not allowed; 0 to {MAX_DEGREE}")
    for k, c in fixed.items():
        if not 0 <= k <= degree:
            raise InputError(f"fixed coefficient {k}: allowed are 0 to {degree}")
        if not formats[k].holds(c):
            raise InputError(f"fixed coefficient {k}: {c} is no {formats[k].name} number")
    minimax = certify_minimax(goal, degree)
    if len(fixed) == degree + 1:
        given = tuple(fixed[k] for k in range(degree + 1))
        return _certified(goal, formats, [given], minimax)
    extrema = () if isinstance(minimax, Unknown) else minimax.extrema
    longest = max(f.digits for f in formats)
    with precision(128 + 2 * longest + 8 * degree):
        search = Search(goal, formats, fixed, grid(goal, degree, extrema))
        start = real_coefficients(goal, degree)
        ordered = [c for _, c in search.candidates(start, _KEEP)]
    if not ordered and degree in fixed:
        return Unknown("no coefficients in these formats come near the function")
    if not ordered:  # so coarse that the last power does not help
        return certify_best(goal, formats, fixed | {degree: Fraction(0)})
    return _certified(goal, formats, ordered, minimax)


def _certified(
    goal: Goal,
    formats: Sequence[Format],
    candidates: Sequence[tuple[Fraction, ...]],
    minimax: Minimax | Unknown,
) -> Polynomial | Unknown:
    """The candidate with the smallest certified error."""
    best: Polynomial | Unknown = Unknown("no candidate")
    for coefficients in candidates:
        error = certify_error(goal, coefficients)
        if isinstance(error, Unknown):
            best = error if isinstance(best, Unknown) else best
        elif isinstance(best, Unknown) or error.high < best.error.high:
            best = Polynomial(goal, coefficients, tuple(formats), error, minimax)
    return best
