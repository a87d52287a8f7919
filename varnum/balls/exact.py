"""Exact decimals and fractions, in and out; nothing here passes through a float."""

from __future__ import annotations

import re
from fractions import Fraction

from varnum.errors import InputError

_NUMBER = re.compile(r"\s*([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?\s*", re.ASCII)
_FRACTION = re.compile(r"\s*([+-]?\d+)\s*/\s*(\d+)\s*", re.ASCII)
_MAX_DIGITS = 2000  # far beyond any use, far below what would take noticeable time


def parse(text: str | int | Fraction, name: str = "number") -> Fraction:
    """Read "1e-3", "0.25", "7", or "1/3" exactly.

    Floats are refused: 0.1 is not one tenth. Raises InputError naming `name`.

    >>> parse("1e-3"), parse("1/3"), parse("-2.50")
    (Fraction(1, 1000), Fraction(1, 3), Fraction(-5, 2))
    """
    if isinstance(text, int | Fraction) and not isinstance(text, bool):
        return Fraction(text)
    if isinstance(text, float):
        raise InputError(f"{name}: {text!r} is a float; write it as a string to keep it exact")
    if not isinstance(text, str):
        raise InputError(f"{name}: expected a number, got {type(text).__name__}")
    if len(text) <= _MAX_DIGITS and (match := _FRACTION.fullmatch(text)):
        denominator = int(match[2])
        if denominator == 0:
            raise InputError(f"{name}: {text!r} has a zero denominator")
        return Fraction(int(match[1]), denominator)
    match = _NUMBER.fullmatch(text)
    if len(text) > _MAX_DIGITS or match is None or not (match[2] or match[3]):
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise InputError(f"{name}: {shown!r} is not a decimal (1e-3, 0.25) or fraction (1/3)")
    sign, whole, digits, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    if abs(exponent) > _MAX_DIGITS:
        raise InputError(f"{name}: exponent of {text!r} is beyond +-{_MAX_DIGITS}")
    value = int(whole + digits) * Fraction(10) ** (exponent - len(digits))
    return -value if sign == "-" else value


def to_text(value: Fraction | int) -> str:
    """Write a rational exactly: a decimal where one exists, otherwise p/q.

    >>> to_text(Fraction(1, 1000)), to_text(Fraction(1, 3)), to_text(Fraction(4))
    ('0.001', '1/3', '4')
    """
    value = Fraction(value)
    denominator, twos, fives = value.denominator, 0, 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    sign = "-" if value < 0 else ""
    if denominator != 1:
        return f"{sign}{_digits(abs(value.numerator))}/{_digits(value.denominator)}"
    places = max(twos, fives)
    digits = _digits(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def _digits(n: int) -> str:
    """Decimal digits of n >= 0 of any size (Python's own `str` stops at 4300 digits)."""
    if n.bit_length() < 10_000:
        return str(n)
    places = n.bit_length() * 3 // 20  # about half of the digits
    high, low = divmod(n, 10**places)
    return _digits(high) + _digits(low).rjust(places, "0")


def _decimal_exponent(magnitude: Fraction) -> int:
    """The e with 10^e <= magnitude < 10^(e+1)."""
    bits = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent = bits * 30103 // 100000
    while magnitude < Fraction(10) ** exponent:
        exponent -= 1
    while magnitude >= Fraction(10) ** (exponent + 1):
        exponent += 1
    return exponent


def round_decimal(value: Fraction, digits: int, up: bool) -> str:
    """Round to `digits` significant decimal digits, towards +inf (`up`) or -inf.

    >>> round_decimal(Fraction(2, 3), 4, up=True), round_decimal(Fraction(2, 3), 4, up=False)
    ('6.667e-1', '6.666e-1')
    """
    if digits < 1:
        raise ValueError(f"round_decimal: {digits} digits; at least 1 is needed")
    if value == 0:
        return "0"
    magnitude = abs(value)
    exponent = _decimal_exponent(magnitude)
    scaled = magnitude / Fraction(10) ** (exponent - digits + 1)
    mantissa, rest = divmod(scaled.numerator, scaled.denominator)
    if rest and up == (value > 0):
        mantissa += 1
    if mantissa == 10**digits:
        mantissa, exponent = mantissa // 10, exponent + 1
    text = _digits(mantissa)
    body = text[0] + ("." + text[1:] if len(text) > 1 else "")
    return ("-" if value < 0 else "") + body + (f"e{exponent}" if exponent else "")
