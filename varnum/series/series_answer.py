"""The question `varnum series` answers, put together: floor, least errors, what is ruled out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from varnum.balls import parse
from varnum.errors import InputError
from varnum.series.escapes import differential_floor, takes_both_signs, two_heads_floor
from varnum.series.floor import Floor, floor
from varnum.series.least_squares import least_squares, normal, one_sign
from varnum.series.windows import Windows, first_part, make_windows

MAX_TOKENS = 5 * 10**6  # windows times their length
MAX_WINDOW = 512  # the normal equations are solved exactly


@dataclass(frozen=True)
class SeriesQuestion:
    """Window length T, the target (increment y - x_T with a skip), the inputs and the heads.

    heads: "any" one head, "+" or "-" heads of one sign, "+-" two of opposite sign, "diff:LAMBDA".
    """

    window: int = 12
    skip: bool = False
    normalise: str = "none"
    heads: str = "any"
    windows: str = "all"


@dataclass(frozen=True)
class SeriesAnswer:
    """Exact figures; errors are mean squares over the unit, E (y - x_T)^2 with a skip, else E y^2.

    floor: no heads as asked have less; weight: a v that the floor's oracle uses; floor_centred: the
    floor of the same heads with each window's mean removed, over its own unit; positional: infimum
    of one content-free head; two_heads: attained by two of opposite sign; persistence: of y = x_T;
    both_signs: share of windows on which the differential head takes both signs (else None).
    """

    windows: int
    constant: int
    sign_inconsistent: Fraction
    floor: Fraction
    weight: Fraction
    positional: Fraction
    two_heads: Fraction
    least_squares: Fraction
    persistence: Fraction
    floor_centred: Fraction
    both_signs: Fraction | None
    unit: Fraction

    @property
    def ruled_out(self) -> bool:
        """The linear residual is better than any such heads can be on these windows."""
        return self.least_squares < self.floor


def answer(series: Sequence[Fraction], question: SeriesQuestion) -> SeriesAnswer:
    """Every figure from the data in exact arithmetic; raises InputError."""
    chosen = first_part(series, question.windows)
    check_heads(question.heads)
    if question.window > MAX_WINDOW:
        raise InputError(f"window: {question.window} is not allowed; at most {MAX_WINDOW}")
    if len(chosen) * question.window > MAX_TOKENS:
        raise InputError(
            f"{len(chosen)} values in windows of {question.window} are more than {MAX_TOKENS} "
            "tokens; take a part with windows first:SHARE"
        )
    made = make_windows(chosen, question.window, skip=question.skip, normalise=question.normalise)
    unit = made.unit
    if unit == 0:
        name = "E (y - x_T)^2" if question.skip else "E y^2"
        raise InputError(f"the unit {name} is 0 on these windows: there is no error to compare")
    equations = normal(made)
    bound = _floor(made, question.heads)
    sign = question.heads if question.heads in ("+", "-") else "any"
    centred = make_windows(chosen, question.window, skip=question.skip, normalise="window")
    best = least_squares(equations).value / unit
    return SeriesAnswer(
        windows=made.count,
        constant=made.constant,
        sign_inconsistent=made.sign_inconsistent(),
        floor=bound.value / unit,
        weight=bound.v,
        positional=one_sign(equations, sign).value / unit,
        two_heads=best,
        least_squares=best,
        persistence=Fraction(_persistence(made, question.skip), unit),
        floor_centred=_floor(centred, question.heads).value / max(1, centred.unit),
        both_signs=takes_both_signs(made, _lambda(question.heads))
        if question.heads.startswith("diff:")
        else None,
        unit=Fraction(unit, made.count * made.scale**2),
    )


def check_heads(heads: str) -> None:
    """Raises InputError unless `heads` is any, +, -, +- or diff:LAMBDA."""
    if heads not in ("any", "+", "-", "+-") and not heads.startswith("diff:"):
        raise InputError(f"heads: no {heads!r}; allowed are any, +, -, +- and diff:LAMBDA")
    if heads.startswith("diff:"):
        _lambda(heads)


def _lambda(heads: str) -> Fraction:
    lam = parse(heads.partition(":")[2], "heads")
    if lam < 0:
        raise InputError(f"heads: {heads} is not allowed; lambda is 0 or more")
    return lam


def _floor(made: Windows, heads: str) -> Floor:
    if heads == "+-":
        return two_heads_floor(made)
    if heads.startswith("diff:"):
        return differential_floor(made, _lambda(heads))
    return floor(made.low, made.high, made.targets, heads)


def _persistence(made: Windows, skip: bool) -> int:
    """The sum of (y - x_T)^2 in the windows' units."""
    if skip:
        return made.unit
    return sum((y - row[-1]) ** 2 for y, row in zip(made.targets, made.tokens, strict=True))
