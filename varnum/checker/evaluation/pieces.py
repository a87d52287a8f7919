"""The error of a polynomial's evaluation, bounded piece by piece in integers.

Why it holds: proofs/shipped-error.md, proofs/evaluation-error.md and proofs/range-reduction.md.
Every real number is kept as two integers around 2^B times it.
"""

from fractions import Fraction
from math import factorial
from typing import NamedTuple

from ..arithmetic import exp_bounds
from ..proof import NotProved
from .evaluation_form import Evaluation, Format

Pair = tuple[int, int]
ORDER = 10  # of Taylor's formula on a piece
MAX_PIECES = 20_000


class Bound(NamedTuple):
    """Of one piece: of |P - f| w alone, and with all roundings; w = 1/f or 1. Times 2^B."""

    polynomial: int
    total: int


def log2_bounds(bits: int) -> Pair:
    """Integers around 2^bits ln 2 = 2^bits 2 sum_k 1/((2k + 1) 3^(2k + 1))."""
    work, total, k = bits + 16, 0, 0
    power = (2 << work) // 3
    while power:
        total += power // (2 * k + 1)
        power, k = power // 9, k + 1
    return (total - 2 * k - 2) >> 16, ((total + 2 * k + 2) >> 16) + 1


class Pieces:
    """A certificate's polynomial and its steps, ready to be bounded on pieces."""

    def __init__(self, c: Evaluation) -> None:
        self.c, self.form = c, c.format
        self.bits = 128 + 2 * c.format.digits + 8 * len(c.coefficients)
        self.one = 1 << self.bits
        self.rate = (self.one, self.one) if c.function == "exp" else log2_bounds(self.bits)
        self.size = int(max(abs(c.low), abs(c.high))) + 1
        values = exact_values(c)
        result = c.steps[-1][0] if c.steps else "c0"
        if trimmed(values[result]) != trimmed(c.coefficients):
            raise NotProved("the operations do not evaluate the polynomial of the coefficients")
        self.result = result
        self.values = {name: self.enclosed(p) for name, p in values.items()}
        self.steep = {name: self.largest(slope(p)) for name, p in self.values.items()}
        self.powers_of_two = {
            f"c{k}" for k, x in enumerate(c.coefficients)
            if x == 0 or (x.denominator == 1 and abs(x.numerator).bit_count() == 1)
        }  # fmt: skip
        self.changes = [self.values[result]]  # of h f: P' - kappa P each time, or P'
        for _ in range(ORDER):
            self.changes.append(self.change(self.changes[-1]))
        self.rest = self.largest(self.changes[-1])

    def enclosed(self, p: list[Fraction]) -> list[Pair]:
        """Integers around 2^B times each coefficient."""
        scaled = [x * self.one for x in p]
        return [(x.numerator // x.denominator, -(-x.numerator // x.denominator)) for x in scaled]

    def change(self, p: list[Pair]) -> list[Pair]:
        """p' - kappa p for relative error, else p'."""
        derived = [*slope(p), (0, 0)]
        if not self.c.relative:
            return derived
        return [subtract(a, self.times(self.rate, b)) for a, b in zip(derived, p, strict=True)]

    def times(self, a: Pair, b: Pair) -> Pair:
        """Around the product."""
        ends = [x * y for x in a for y in b]
        return min(ends) >> self.bits, -(-max(ends) >> self.bits)

    def at(self, p: list[Pair], x: int) -> Pair:
        """Around p(2^-B x)."""
        low = high = 0
        for a, b in reversed(p):
            low, high = (low * x, high * x) if x >= 0 else (high * x, low * x)
            low, high = (low >> self.bits) + a, -(-high >> self.bits) + b
        return low, high

    def largest(self, p: list[Pair]) -> int:
        """At least 2^B |p(x)| for |x| <= size."""
        return sum(magnitude(a) * self.size**k for k, a in enumerate(p))

    def function(self, x: int) -> Pair:
        """Around 2^B f(2^-B x)."""
        low, high = self.times(self.rate, (x, x))
        bottom = exp_bounds(Fraction(low, self.one), self.bits)[0]
        return bottom, exp_bounds(Fraction(high, self.one), self.bits)[1]

    def bound(self, a: int, b: int) -> Bound:
        """On the piece [2^-B a, 2^-B b], no longer than 1."""
        middle = (a + b) >> 1
        r = max(b - middle, middle - a)
        f = self.function(middle)
        # the weight is at most 1/f(middle) times e^r, e^r <= 1/(1 - r)
        weight = up(self.one * self.one, f[0]) if self.c.relative else self.one
        stretch = up(self.one * self.one, self.one - r)
        away, power = 0, self.one
        for k in range(ORDER):
            value = self.at(self.changes[k], middle)
            if not self.c.relative or k == 0:
                value = subtract(value, self.derivative_of_f(f, k))
            away += up(magnitude(value) * power, self.one * factorial(k)) + 1
            power = up(power * r, self.one)
        rest = self.rest if self.c.relative else self.rest + up(f[1] * stretch, self.one)
        away += up(up(rest * power, self.one * factorial(ORDER)) * stretch, self.one)
        polynomial = up(away * weight, self.one)
        rounding = self.rounding(middle, r)
        return Bound(
            polynomial, polynomial + up(up(rounding * weight, self.one) * stretch, self.one)
        )

    def derivative_of_f(self, f: Pair, order: int) -> Pair:
        """kappa^order f."""
        for _ in range(order):
            f = self.times(f, self.rate)
        return f

    def rounding(self, middle: int, r: int) -> int:
        """At least 2^B times what all roundings together move the result on the piece."""
        errors = dict.fromkeys(self.values, 0)
        ends: dict[str, Pair] = {}  # 2^B |V| lies between them
        for name, value in self.values.items():
            here, around = self.at(value, middle), up(r * self.steep[name], self.one)
            least = max(here[0], -here[1], 0) - around
            ends[name] = max(least, 0), magnitude(here) + around
        for result, operation, (x, y, *more) in self.c.steps:
            moved = errors[x] + errors[y]
            if operation != "add":
                moved = ends[x][1] * errors[y] + ends[y][1] * errors[x] + errors[x] * errors[y]
                moved = up(moved, self.one) + sum(errors[name] for name in more)
            largest = ends[result][1] + moved
            exact = operation == "mul" and bool({x, y} & self.powers_of_two)
            if operation == "add":
                units = [self.unit(name, ends[name][0] - errors[name]) for name in (x, y)]
                exact = place(self.form, largest, self.bits) <= min(units)
            half = half_place(self.form, largest, self.bits)
            errors[result] = moved + (flushed(self.form, self.bits) if exact else half)
        return errors[self.result]

    def unit(self, name: str, least: int) -> int:
        """A k such that the computed value, 2^-B least or larger, is a multiple of 2^k."""
        if name.startswith("c"):
            c = abs(self.c.coefficients[int(name[1:])])
            twos = (c.numerator & -c.numerator).bit_length()
            return twos - c.denominator.bit_length() if c else self.form.most
        return place(self.form, max(least, 0), self.bits)


def place(form: Format, size: int, bits: int) -> int:
    """The k such that numbers of size 2^-bits size are multiples of 2^k."""
    return max(size.bit_length() - 1 - bits, form.least) + 1 - form.digits


def flushed(form: Format, bits: int) -> int:
    """At least 2^bits times what flushing a result to zero costs; in float16 it must not happen."""
    if form.digits == 11:
        return 0
    return 1 << (form.least + bits) if form.least + bits > 0 else 1


def half_place(form: Format, largest: int, bits: int) -> int:
    """At least 2^bits times what rounding moves a number of at most 2^-bits largest."""
    if largest.bit_length() - 1 - bits > form.most - 1:  # half of the largest number
        raise NotProved("an overflow is not excluded")
    k = place(form, largest, bits)
    half = 1 << (k - 1 + bits) if k - 1 + bits > 0 else 1
    power = k - 1 + form.digits  # 2^power <= largest, unless both are below the normal numbers
    if power > form.least and k - 1 + bits > 0:  # no further from 2^power than its excess
        half = max((half + 1) >> 1, min(half, largest - (1 << (power + bits))))
    return max(half, flushed(form, bits))


def exact_values(c: Evaluation) -> dict[str, list[Fraction]]:
    """Name -> the polynomial in r that it is in exact arithmetic."""
    values = {f"c{k}": [x] for k, x in enumerate(c.coefficients)}
    values["r"] = [Fraction(0), Fraction(1)]
    for result, operation, (x, y, *more) in c.steps:
        p, q = values[x], values[y]
        value = plus(p, q) if operation == "add" else product(p, q)
        values[result] = plus(value, values[more[0]]) if more else value
        if len(values[result]) > 4 * len(c.coefficients) + 4:
            raise NotProved("the operations do not evaluate the polynomial of the coefficients")
    return values


def plus(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    """p + q."""
    longest = max(len(p), len(q))
    p, q = (x + [Fraction(0)] * (longest - len(x)) for x in (p, q))
    return [a + b for a, b in zip(p, q, strict=True)]


def product(p: list[Fraction], q: list[Fraction]) -> list[Fraction]:
    """p q."""
    out = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            out[i + j] += a * b
    return out


def trimmed(p: list[Fraction]) -> list[Fraction]:
    """p without zeros at its end."""
    while p and p[-1] == 0:
        p = p[:-1]
    return p


def slope(p: list[Pair]) -> list[Pair]:
    """p'."""
    return [(k * a, k * b) for k, (a, b) in enumerate(p) if k > 0]


def subtract(a: Pair, b: Pair) -> Pair:
    """a - b."""
    return a[0] - b[1], a[1] - b[0]


def magnitude(a: Pair) -> int:
    """The largest size."""
    return max(abs(a[0]), abs(a[1]))


def up(top: int, bottom: int) -> int:
    """top / bottom, rounded up."""
    return -(-top // bottom)
