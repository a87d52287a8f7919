"""A polynomial ready to ship: coefficients, scheme, range reduction, and its total error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from varnum.approx.ship.best import Polynomial, certify_best
from varnum.approx.ship.every_input import Seen, certify_all
from varnum.approx.ship.formats import Format
from varnum.approx.ship.goal import Function, Goal
from varnum.approx.ship.reduction import Kind, Reduction, certify_shift, reduction, whole
from varnum.approx.ship.scheme import Scheme, scheme
from varnum.approx.ship.total_error import certify_total_error
from varnum.approx.ship.twin import Array, evaluate, reduced, scaled
from varnum.balls.scalar import arb, ball, upper
from varnum.errors import InputError
from varnum.outward import at_most
from varnum.verdict import Unknown


@dataclass(frozen=True)
class Kernel:
    """What is shipped, and what is proved of it.

    analysis: |computed - f|, over f for relative error, is at most that for every input of the
    domain (an exact ball). seen: the largest such error over all inputs, where they were tried.
    """

    polynomial: Polynomial
    form: Format
    how: Scheme
    reduction: Reduction | None
    analysis: arb
    seen: Seen | None

    @property
    def goal(self) -> Goal:
        """What is approximated."""
        return self.polynomial.goal

    @property
    def domain(self) -> tuple[Fraction, Fraction]:
        """[low, high] of the inputs that the total error is stated for."""
        if self.reduction is None:
            return self.goal.low, self.goal.high
        return self.reduction.low, self.reduction.high

    @property
    def total_error(self) -> arb:
        """The smaller of the two proved bounds (an exact ball)."""
        return self.analysis if self.seen is None else self.seen.high

    def __call__(self, x: Array) -> Array:
        """The computed values (n,) at numbers x (n,) of the format, both carried in float64."""
        if self.reduction is None:
            return evaluate(self.how, self.polynomial.coefficients, x, self.form)
        n, r = reduced(self.reduction, x)
        y = evaluate(self.how, self.polynomial.coefficients, r, self.form)
        return scaled(y, n, self.form)


def certify_kernel(
    goal: Goal,
    form: Format,
    degree: int,
    *,
    formats: Sequence[Format] | None = None,
    fixed: Mapping[int, Fraction] | None = None,
    scheme_name: str = "horner",
    fma: bool = True,
    reduce: bool = False,
) -> Kernel | Unknown:
    """Coefficients, evaluation and range reduction, with the total error of all of it.

    form: of every operation; formats: of the coefficients (default: form). With `reduce`, the
    function on (nearly) the whole range of the format. All inputs of a 16-bit format are tried.
    Raises InputError where the parts do not fit.
    """
    formats = [form] * (degree + 1) if formats is None else list(formats)
    if len(formats) != degree + 1:
        raise InputError(f"formats: {len(formats)} given; a degree of {degree} has {degree + 1}")
    if not form.meets(goal.low, goal.high):
        raise InputError(
            f"interval: no {form.name} number lies between its ends, so none is an input"
        )
    reducing = reduction(reduction_kind(goal), form, fma) if reduce else None
    if reducing is not None:
        _fits(goal, reducing)
    best = certify_best(goal, formats, fixed)
    if isinstance(best, Unknown):
        return best
    for k, c in enumerate(best.coefficients):
        if not form.holds(c):
            raise InputError(f"formats: coefficient {k} in {formats[k].name} is no {form.name}")
    return certify_evaluation(best, form, scheme(scheme_name, degree, fma), reducing)


def certify_evaluation(
    best: Polynomial, form: Format, how: Scheme, reducing: Reduction | None = None
) -> Kernel | Unknown:
    """The total error of an evaluation of given coefficients."""
    total = certify_total_error(best.goal, best.coefficients, how, form)
    if isinstance(total, Unknown):
        return total
    if reducing is not None:
        shift, _ = certify_shift(reducing)
        total = whole(best.goal, total, shift)
        if not total <= ball(Fraction(1, 2)):
            return Unknown("a total error above 1/2 says little")
    kernel = Kernel(best, form, how, reducing, total, None)
    if form.bits != 16:
        return kernel
    inputs = form.numbers(*kernel.domain)
    seen = certify_all(best.goal, inputs, kernel(np.array(inputs)).tolist())
    if not seen.low <= total:
        raise ArithmeticError("an input has a larger error than was proved of all")
    return Kernel(best, form, how, reducing, total, seen)


def reduction_kind(goal: Goal) -> Kind:
    """The reduction that leads to this interval."""
    if goal.kind != "relative":
        raise InputError("reduce: 2^n times a polynomial keeps a relative error only")
    if goal.function == "exp":
        return "cody-waite"
    half = Fraction(1, 2)
    if goal.low <= -half and goal.high >= half:
        return "nearest"
    if goal.low <= 0 and goal.high >= 1:
        return "floor"
    raise InputError("reduce: exp2 needs an interval that contains [-1/2, 1/2] or [0, 1]")


def _fits(goal: Goal, reducing: Reduction) -> None:
    if reducing.kind == "cody-waite":
        reach = upper(certify_shift(reducing)[1])
        if not (goal.low <= -reach and reach <= goal.high):
            raise InputError(
                f"reduce: [{goal.low}, {goal.high}] is too narrow; exp in {reducing.form.name} "
                f"needs +-{at_most(reach, 5)}"
            )


def default_interval(function: Function, form: Format, fma: bool) -> tuple[Fraction, Fraction]:
    """The interval of what the reduction leaves: [-1/2, 1/2], or a little beyond +-ln(2)/2."""
    if function == "exp2":
        return Fraction(-1, 2), Fraction(1, 2)
    reach = upper(certify_shift(reduction("cody-waite", form, fma))[1])
    size = Fraction(-(-reach * 2**12 // 1), 2**12)
    return -size, size
