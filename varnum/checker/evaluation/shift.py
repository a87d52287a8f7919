"""What a range reduction costs: the shift of r, and where r lies (proofs/range-reduction.md)."""

from fractions import Fraction

from ..proof import NotProved
from .evaluation_form import Evaluation, Format, Reduction, holds
from .pieces import half_place, log2_bounds

_BITS = 192
HALF = Fraction(1, 2)


def half(form: Format, largest: Fraction) -> Fraction:
    """What rounding moves a number of at most this size."""
    scaled = -(-largest.numerator << _BITS) // largest.denominator
    bits = abs(scaled) if largest >= 0 else 0
    return Fraction(half_place(form, bits + 1, _BITS), 1 << _BITS)


def check_domain(c: Evaluation) -> None:
    """NotProved unless 2^n y is a normal number for all x, whatever the error up to 1/2."""
    low2 = Fraction(log2_bounds(_BITS)[0], 1 << _BITS)
    scale = low2 if c.function == "exp" else Fraction(1)
    low, high = (c.format.least + 1) * scale, c.format.most * scale
    if c.reduction is not None and not (low <= c.domain[0] and c.domain[1] <= high):
        raise NotProved("the domain holds inputs whose result may be no normal number")


def shift(c: Evaluation) -> Fraction:
    """At least kappa |computed r - r|; NotProved unless r lies in the interval for all x."""
    how, form = c.reduction, c.format
    assert how is not None
    low2, high2 = (Fraction(x, 1 << _BITS) for x in log2_bounds(_BITS))
    if how.kind == "nearest":
        reach = (-HALF, HALF)
        error = Fraction(0)
    elif how.kind == "floor":
        reach, error = (Fraction(0), Fraction(1)), high2 / 2 ** (form.digits + 1)
    else:
        error, size = _cody_waite(how, form, max(-c.domain[0], c.domain[1]), low2, high2)
        reach = (-size, size)
    if not (c.low <= reach[0] and reach[1] <= c.high):
        raise NotProved("the reduced argument may leave the interval")
    return error


def _cody_waite(
    how: Reduction, form: Format, size: Fraction, low2: Fraction, high2: Fraction
) -> tuple[Fraction, Fraction]:
    """(|computed r - r|, |computed r|) at most, for |x| <= size."""
    scale, first, second = how.constants
    off = max(abs(1 / low2 - scale), abs(1 / high2 - scale))
    slack = size * off + half(form, size * scale)
    n = form.most + 1
    if slack > 1:
        raise NotProved("the constant for log2(e) is too far off")
    reach = (HALF + slack) * high2
    error = n * max(abs(low2 - first - second), abs(high2 - first - second))
    error += _first_part(how, form, n, slack, reach, max(abs(low2 - first), abs(high2 - first)))
    if not how.fma:
        error += half(form, n * abs(second))
    error += half(form, reach + error)
    return error, reach + error


def _first_part(
    how: Reduction, form: Format, n: int, slack: Fraction, reach: Fraction, short: Fraction
) -> Fraction:
    """Rounding of x - n high: none where all are multiples of a place that is fine enough."""
    scale, first, _ = how.constants
    last = -(first.denominator.bit_length() - 1)
    product = Fraction(0)
    if not how.fma and not all(holds(k * first, form) for k in range(1, n + 1)):
        product = half(form, n * first)
    difference = reach + n * short + product
    least_x = (HALF - slack) / scale
    if product == 0 and least_x > 0:
        top = least_x.numerator.bit_length() - least_x.denominator.bit_length()
        top -= least_x < Fraction(2) ** top  # 2^top <= least_x < 2^(top + 1)
        place = min(last, max(top, form.least) + 1 - form.digits)
        if difference <= Fraction(2) ** (place + form.digits):
            return Fraction(0)
    return product + half(form, difference)
