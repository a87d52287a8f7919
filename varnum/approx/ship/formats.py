"""Binary floating-point formats and round to nearest, ties to even, in exact rationals."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction

from varnum.balls.exact import to_text
from varnum.errors import InputError
from varnum.outward import at_least, at_most


@dataclass(frozen=True)
class Format:
    """Numbers m 2^e with |m| < 2^digits and e >= least + 1 - digits, below 2^(most + 1).

    digits: of the significand, the leading one included; least, most: exponents of the smallest
    and of the largest normal numbers. Subnormal numbers belong to the format.
    """

    name: str
    digits: int
    least: int
    most: int

    @property
    def bits(self) -> int:
        """Size of one number in bits."""
        return self.digits + (self.most + 1).bit_length()

    @property
    def tiny(self) -> Fraction:
        """The smallest normal number."""
        return Fraction(2) ** self.least

    @property
    def largest(self) -> Fraction:
        """The largest number."""
        return (2 - Fraction(2) ** (1 - self.digits)) * Fraction(2) ** self.most

    def place(self, x: Fraction) -> int:
        """The k such that numbers of x's size are the multiples of 2^k."""
        return max(exponent(x), self.least) + 1 - self.digits if x else self.least + 1 - self.digits

    def holds(self, x: Fraction) -> bool:
        """Whether x is a number of this format."""
        top, bottom = abs(x.numerator), x.denominator
        if top == 0 or bottom & (bottom - 1):
            return top == 0
        zeros = (top & -top).bit_length() - 1
        last, first = zeros + 1 - bottom.bit_length(), top.bit_length() - bottom.bit_length()
        return first - last < self.digits and last > self.least - self.digits and first <= self.most

    def round(self, x: Fraction) -> Fraction:
        """The nearest number, ties to even; OverflowError where that is an infinity.

        >>> FORMATS["bfloat16"].round(Fraction(1, 3))
        Fraction(171, 512)
        """
        unit = Fraction(2) ** self.place(x)
        near = round(x / unit) * unit  # Python rounds ties to even
        if abs(near) > self.largest:
            raise OverflowError(f"{float(x):.6g} is beyond the largest {self.name}")
        return near

    def towards_zero(self, x: Fraction) -> Fraction:
        """The largest number of the format that is not larger in size, with x's sign."""
        unit = Fraction(2) ** self.place(x)
        return min(int(abs(x) / unit) * unit, self.largest) * (1 if x >= 0 else -1)

    def meets(self, low: Fraction, high: Fraction) -> bool:
        """Whether a number of this format lies in [low, high]."""
        nearest = self.towards_zero(high if low > 0 else low)
        return low <= 0 <= high or (low <= nearest <= high and abs(nearest) <= self.largest)

    def numbers(self, low: Fraction, high: Fraction) -> list[float]:
        """Every number of a 16-bit format in [low, high], 0 once, in increasing order."""
        positive = [
            m * 2.0 ** (self.least + 1 - self.digits) for m in range(2 ** (self.digits - 1))
        ]
        for e in range(self.least, self.most + 1):
            unit = 2.0 ** (e + 1 - self.digits)
            positive += [m * unit for m in range(2 ** (self.digits - 1), 2**self.digits)]
        both = [-x for x in reversed(positive[1:])] + positive
        return both[bisect_left(both, low) : bisect_right(both, high)]


def exponent(x: Fraction) -> int:
    """The k with 2^k <= |x| < 2^(k+1), for x != 0."""
    top, bottom = abs(x.numerator), x.denominator
    k = top.bit_length() - bottom.bit_length()
    return k if top << max(0, -k) >= bottom << max(0, k) else k - 1


FORMATS = {
    f.name: f
    for f in (
        Format("bfloat16", 8, -126, 127),
        Format("float16", 11, -14, 15),
        Format("float32", 24, -126, 127),
        Format("float64", 53, -1022, 1023),
    )
}


def format_named(name: str, where: str = "format") -> Format:
    """The format of this name; InputError for others."""
    if name not in FORMATS:
        raise InputError(f"{where}: {name!r} is no format; allowed: {', '.join(FORMATS)}")
    return FORMATS[name]


def inward(low: Fraction, high: Fraction) -> str:
    """[low, high] in decimal: exact where that is short, else rounded inward.

    >>> inward(Fraction(-1, 2), Fraction(13307, 19200))
    '[-0.5, 0.693072]'
    """
    texts = to_text(low), to_text(high)
    shown = at_most(low, 6), at_least(high, 6)
    ends = (t if len(t) <= 8 else s for t, s in zip(texts, shown, strict=True))
    return f"[{', '.join(ends)}]"


def hexadecimal(x: Fraction) -> str:
    """An exact hexadecimal float, as C and Python read it.

    >>> hexadecimal(Fraction(171, 512))
    '0x1.5600000000000p-2'
    """
    return float(x).hex()
