"""From any x to the interval and back: f(x) = 2^n f(r), and what r's rounding costs.

exp2: n is x rounded to an integer and r = x - n exactly, both being multiples of x's last place;
or n = floor(x), where 1 - |x| is rounded for small negative x (claim range-reduction).
exp: n = x log2(e) rounded, r = (x - n high) - n low, high + low near ln 2 (Cody and Waite 1980).
A shift of r by d turns f by a factor e^(kappa d), so with a total error t of the polynomial the
whole has at most (1 + t) e^(kappa d) - 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from varnum.approx.ship.formats import Format
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.total_error import half_place
from varnum.balls.scalar import arb, ball, lower, precision, upper
from varnum.errors import InputError

Kind = Literal["nearest", "floor", "cody-waite"]
_BITS = 192


@dataclass(frozen=True)
class Reduction:
    """How x is reduced. constants: log2(e), high and low of ln 2 (numbers of the format), or none.

    low, high: numbers of the format between which the result is a normal number, whatever the
    total error (at most 1/2); n lies between n_low and n_high there.
    """

    kind: Kind
    form: Format
    fma: bool
    constants: tuple[Fraction, ...]
    low: Fraction
    high: Fraction
    n_low: int
    n_high: int

    @property
    def largest_n(self) -> int:
        """Largest |n|."""
        return max(-self.n_low, self.n_high)


def reduction(
    kind: Kind, form: Format, fma: bool, constants: tuple[Fraction, ...] = ()
) -> Reduction:
    """The reduction of this kind; `constants` in place of (log2(e), high, low) of `cody_waite`."""
    if kind != "cody-waite":
        low, high = Fraction(form.least + 1), Fraction(form.most)
        return Reduction(kind, form, fma, (), low, high, form.least + 1, form.most)
    with precision(_BITS):
        log2 = arb(2).log()
        low = form.towards_zero(upper((form.least + 1) * log2))
        high = form.towards_zero(lower(form.most * log2))
        largest_n = form.most + 1
        given = constants or cody_waite(form, fma, largest_n)
        return Reduction(kind, form, fma, given, low, high, -largest_n, largest_n)


def cody_waite(form: Format, fma: bool, largest_n: int) -> tuple[Fraction, ...]:
    """log2(e), and ln 2 in two parts; without FMA the first part leaves room for n times it."""
    digits = form.digits if fma else form.digits - largest_n.bit_length()
    if digits < 2:
        raise InputError(f"reduce: {form.name} has no room for n ln 2 without FMA")
    with precision(_BITS):
        log2 = arb(2).log()
        short = Format("", digits, form.least, form.most)
        high = short.round(lower(log2))
        return form.round(lower(1 / log2)), high, form.round(lower(log2 - ball(high)))


def certify_shift(how: Reduction) -> tuple[arb, arb]:
    """(d, R): |computed r - r| <= d and |computed r| <= R, as exact balls."""
    form = how.form
    with precision(_BITS):
        if how.kind == "nearest":
            return ball(0), ball(Fraction(1, 2))
        if how.kind == "floor":
            return ball(Fraction(1, 2 ** (form.digits + 1))), ball(1)
        log2 = arb(2).log()
        scale, first, second = how.constants
        size = ball(max(-how.low, how.high))
        # n is the integer nearest to the rounded product: off by `slack` at most
        slack = size * abs(1 / log2 - ball(scale))
        slack += half_place(form, (size * ball(scale)).upper())
        reach = (ball(Fraction(1, 2)) + slack) * log2
        error = ball(how.largest_n) * abs(log2 - ball(first) - ball(second))
        error += _first_part(how, slack, reach)
        tail = (ball(how.largest_n) * abs(ball(second))).upper()
        if not how.fma:
            error += half_place(form, tail)
        error += half_place(form, (reach + error).upper())
        return error.upper(), (reach + error).upper()


def _first_part(how: Reduction, slack: arb, reach: arb) -> arb:
    """Rounding of x - n high: none where both are multiples of a place that is fine enough."""
    form, first = how.form, how.constants[1]
    product = ball(0)
    last = -(first.denominator.bit_length() - 1)
    digits = (first * Fraction(2) ** -last).numerator.bit_length()
    if not how.fma and digits + how.largest_n.bit_length() > form.digits:
        product = half_place(form, (ball(how.largest_n) * ball(first)).upper())
    difference = (reach + how.largest_n * abs(arb(2).log() - ball(first)) + product).upper()
    least_x = lower((ball(Fraction(1, 2)) - slack) / ball(how.constants[0]))  # n = 0 below that
    if product == 0 and least_x > 0:
        place = min(last, form.place(least_x))
        if upper(difference) <= Fraction(2) ** (place + form.digits):
            return ball(0)
    return product + half_place(form, difference)


def whole(goal: Goal, total: arb, shift: arb) -> arb:
    """(1 + total) e^(kappa shift) - 1, an exact ball on the upper side."""
    with precision(_BITS):
        return ((1 + total) * (goal.rate() * shift).exp() - 1).upper()
