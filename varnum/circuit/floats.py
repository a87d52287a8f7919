"""Small floating-point formats: sum with one rounding, product and quotient in depth 3.

A word is (p - 1 fraction bits, k exponent bits, sign), lowest first. Subnormals; no infinities:
what is too large becomes the largest number. Nearest, ties to even. Zero comes out with sign +.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from varnum.circuit.arith import conjunction
from varnum.circuit.form import Form, narrowed, total
from varnum.circuit.gates import Builder, Circuit
from varnum.circuit.lemmas import unary_bit


@dataclass(frozen=True)
class Format:
    """p significant bits (one of them implicit), k exponent bits; 1 is a number of the format.

    Values are whole multiples of the quantum 2^-quantum.
    """

    p: int
    k: int

    def __post_init__(self) -> None:
        if self.p < 2 or self.k < 1:
            raise ValueError(f"a format needs p >= 2 and k >= 1, got p = {self.p}, k = {self.k}")

    @property
    def quantum(self) -> int:
        """The smallest positive number is 2^-quantum."""
        return (1 << (self.k - 1)) - 1 + self.p - 2

    @property
    def magnitudes(self) -> list[int]:
        """Every non-negative number in quanta, by code (exponent and fraction as one number)."""
        half = 1 << (self.p - 1)
        found = list(range(half))
        for e in range(1, 1 << self.k):
            found += [(half + f) << (e - 1) for f in range(half)]
        return found


def boundary(low: int, high: int, even: bool, scale: Fraction = Fraction(1)) -> int:
    """The least integer S with round(S / scale) >= high between the neighbours low < high.

    even: ties go to `high`.
    """
    middle = Fraction(low + high, 2) * scale
    floor = middle.numerator // middle.denominator
    return floor if middle.denominator == 1 and even else floor + 1


def literals(form: Format, word: list[Form]) -> list[tuple[tuple[int, int], list[Form], int]]:
    """Every digit of a word without its sign: (exponent, place), literals, weight in quanta.

    The digit is 1 where all its literals are; the place p - 1 is the implicit one.
    """
    fraction, exponent = word[: form.p - 1], word[form.p - 1 : form.p - 1 + form.k]
    found = []
    for e in range(1 << form.k):
        here = [x if e >> i & 1 else 1 - x for i, x in enumerate(exponent)]
        for a in range(form.p - (e == 0)):
            own = here if a == form.p - 1 else [*here, fraction[a]]
            found.append(((e, a), own, 1 << (max(e, 1) - 1 + a)))
    return found


def magnitude(
    b: Builder, form: Format, word: list[Form], sign: list[Form], name: tuple[int, ...]
) -> Form:
    """The word in quanta where the literals `sign` hold, else 0: one layer."""
    gates = [
        conjunction(b, [*own, *sign], ("digit", *name, *place)) * weight
        for place, own, weight in literals(form, word)
    ]
    return narrowed(total(gates), 0, form.magnitudes[-1])


def float_sum(count: int, form: Format) -> Circuit:
    """The sum of `count` numbers, rounded once: claim `circuit-float`, depth 3.

    Unpack by conjunctions; compare the exact sum with every rounding boundary; settle the bits.
    """
    b = Builder()
    words = [b.bits(form.p + form.k) for _ in range(count)]
    parts = []
    for i, word in enumerate(words):
        parts.append(magnitude(b, form, word, [1 - word[-1]], (i, 0)))
        parts.append(-magnitude(b, form, word, [word[-1]], (i, 1)))
    most = count * form.magnitudes[-1]
    exact = narrowed(total(parts), -most, most)
    up = [
        b.gate(exact, boundary(low, high, code % 2 == 1), ("above", code))
        for code, (low, high) in enumerate(pairwise(form.magnitudes))
    ]  # [rounded >= number of code + 1]
    down = [
        b.gate(-exact, boundary(low, high, code % 2 == 1), ("below", code))
        for code, (low, high) in enumerate(pairwise(form.magnitudes))
    ]
    bits = [
        narrowed(unary_bit(up, j) + unary_bit(down, j), 0, 1) for j in range(form.p - 1 + form.k)
    ]
    return b.finish([b.output(x, ("bit", j)) for j, x in enumerate([*bits, down[0]])])


def float_product(form: Format) -> Circuit:
    """The product of two numbers, correctly rounded: claim `circuit-float`, depth 3."""
    b = Builder()
    x, y = b.bits(form.p + form.k), b.bits(form.p + form.k)
    pairs = [
        (conjunction(b, [*first, *second], ("product", *own, *other)), weight * w)
        for own, first, weight in literals(form, x)
        for other, second, w in literals(form, y)
    ]
    largest = form.magnitudes[-1]
    exact = narrowed(total(g * w for g, w in pairs), 0, largest * largest)
    scale = Fraction(1 << form.quantum)
    steps = [
        b.gate(exact, boundary(low, high, code % 2 == 1, scale))
        for code, (low, high) in enumerate(pairwise(form.magnitudes))
    ]
    differ = b.gate(x[-1] + y[-1], 1) - b.gate(x[-1] + y[-1], 2)
    bits = [b.output(unary_bit(steps, j)) for j in range(form.p - 1 + form.k)]
    return b.finish([*bits, b.gate(narrowed(differ, 0, 1) + steps[0], 2)])


def float_quotient(form: Format) -> Circuit:
    """The quotient of two numbers >= 0 without sign bits, the second above 0: depth 3.

    Claim `circuit-float`: for neighbours low < high the test is [2A - (low + high) B >= 0 or 1],
    A in quanta of the quotient.
    """
    b = Builder()
    words = [b.bits(form.p - 1 + form.k) for _ in range(2)]
    top, bottom = (magnitude(b, form, word, [], (i,)) for i, word in enumerate(words))
    steps = []
    for code, (low, high) in enumerate(pairwise(form.magnitudes)):
        tie_up = code % 2 == 1
        steps.append(b.gate(top * (2 << form.quantum) - bottom * (low + high), 0 if tie_up else 1))
    return b.finish([b.output(unary_bit(steps, j)) for j in range(form.p - 1 + form.k)])
