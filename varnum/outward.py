"""The printer of proved numbers: decimals and doubles on the safe side of a bound.

`at_most` and `float_up` are for upper bounds, `at_least` and `float_down` for lower ones. They take
an int, a float (its exact binary value), a Fraction, a decimal string or a ball (its safe end).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import SupportsFloat, TypeAlias, cast

from varnum.balls.exact import parse, round_decimal

Bound: TypeAlias = SupportsFloat | str  # an int, a float, a Fraction, a decimal or a ball
DIGITS = 3
FEW = 7  # digits of a double that is kept in a file
_PLAIN = range(-4, 7)  # decimal exponents written without an e


def at_most(value: Bound, digits: int = DIGITS) -> str:
    """The least decimal of `digits` significant digits that is not below `value`.

    >>> at_most(0.0989433), at_most(4.714386), at_most(Fraction(1, 3), 2), at_most(1.501e-9)
    ('0.0990', '4.72', '0.34', '1.51e-9')
    """
    return _text(value, digits, up=True)


def at_least(value: Bound, digits: int = DIGITS) -> str:
    """The largest decimal of `digits` significant digits that is not above `value`.

    >>> at_least(0.0989433), at_least(Fraction(2, 3))
    ('0.0989', '0.666')
    """
    return _text(value, digits, up=False)


def float_up(value: Bound) -> float:
    """The least double not below `value`; inf past the largest one.

    >>> float_up(Fraction(1, 10)) >= Fraction(1, 10) > float_down(Fraction(1, 10))
    True
    """
    return _double(value, up=True)


def float_down(value: Bound) -> float:
    """The largest double not above `value`; -inf past the least one."""
    return _double(value, up=False)


def round_up(value: Bound, digits: int = FEW) -> float:
    """A double of few decimal digits not below `value`.

    The last bits of what LAPACK computes differ between two runs of one program now and then; a
    bound rounded outward is still a bound, and hides that. An infinite one raises ArithmeticError.

    >>> round_up(0.09894334567), round_down(0.09894334567)
    (0.09894335, 0.09894334)
    """
    return _few(value, digits, up=True)


def round_down(value: Bound, digits: int = FEW) -> float:
    """A double of few decimal digits not above `value`."""
    return _few(value, digits, up=False)


def _few(value: Bound, digits: int, up: bool) -> float:
    number = exact(value, up)
    if isinstance(number, float):
        raise ArithmeticError("an infinite bound says nothing")
    near = float(round_decimal(number, digits, up))
    if math.isinf(near):
        raise ArithmeticError("a bound past the largest double says nothing")
    safe = Fraction(near) >= number if up else Fraction(near) <= number
    return near if safe else _double(number, up)  # a rational beside the decimal itself


def exact(value: Bound, up: bool) -> Fraction | float:
    """The rational that `value` stands for on this side, or an infinity.

    NaN raises ArithmeticError: it bounds nothing.
    """
    if isinstance(value, str):
        value = parse(value)
    if isinstance(value, int | Fraction) and not isinstance(value, bool):
        return Fraction(value)
    if hasattr(value, "rad"):  # a ball
        from varnum.balls.scalar import arb, lower, upper

        ball = cast(arb, value)
        if not ball.is_finite():
            raise ArithmeticError("an unbounded enclosure is no bound")
        return upper(ball) if up else lower(ball)
    number = float(value)
    if math.isnan(number):
        raise ArithmeticError("nan is no bound")
    return number if math.isinf(number) else Fraction(number)


def _text(value: Bound, digits: int, up: bool) -> str:
    number = exact(value, up)
    if isinstance(number, float):
        return "inf" if number > 0 else "-inf"
    text = round_decimal(number, digits, up)
    mantissa, _, exponent = text.partition("e")
    power = int(exponent or 0)
    if power not in _PLAIN or number == 0:
        return text
    sign = "-" if mantissa.startswith("-") else ""
    return sign + _plain(mantissa.lstrip("-").replace(".", ""), power)


def _plain(figures: str, power: int) -> str:
    """0.00123 for ("123", -3), 1230 for ("123", 3)."""
    if power < 0:
        return "0." + "0" * (-power - 1) + figures
    whole = figures.ljust(power + 1, "0")
    return whole[: power + 1] + ("." + whole[power + 1 :] if len(whole) > power + 1 else "")


def _double(value: Bound, up: bool) -> float:
    number = exact(value, up)
    if isinstance(number, float):
        return number
    towards = math.inf if up else -math.inf
    try:
        near = number.numerator / number.denominator  # correctly rounded
    except OverflowError:
        far = math.inf if number > 0 else -math.inf
        return far if (far > 0) == up else math.nextafter(far, 0)
    if math.isinf(near):
        return near if (near > 0) == up else math.nextafter(near, 0)
    wrong = Fraction(near) < number if up else Fraction(near) > number
    return math.nextafter(near, towards) if wrong else near
