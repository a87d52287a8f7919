"""The two theorems a certificate rests on, in exact rational arithmetic.

Why they hold: proofs/exp-supnorm.md and proofs/minimal-degree.md.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import pairwise, product
from math import prod
from typing import NamedTuple

from .arithmetic import derivative, evaluate, exp_bounds
from .certificate import Certificate, _list, read


class NotProved(Exception):
    """A well-formed certificate whose statement does not follow from what it holds."""


class Checked(NamedTuple):
    """What was proved: sup <= eps for the polynomial, least > eps for every lower degree."""

    certificate: Certificate
    sup: Fraction  # the error of P is at most this on the whole interval
    least: Fraction | None  # every polynomial of degree <= lower_degree errs by at least this

    def __str__(self) -> str:
        c, text = self.certificate, self.certificate.text
        what = "|P(x) e^-x - 1|" if c.relative else "|P(x) - e^x|"
        said = (
            f"proved: the polynomial P in the file, of degree at most {c.degree}, has {what} <= eps"
            f" = {text['eps']} (at most {decimal(self.sup, up=True)}) for every real x in "
            f"[{', '.join(map(str, _list(text['interval'], 2, 'interval')))}]"
        )
        if self.least is not None:
            said += (
                f"; every real polynomial of degree at most {c.lower_degree} has such an error "
                f"above eps (at least {decimal(self.least, up=False)}) somewhere in it"
            )
        if c.minimal:
            return f"{said}; so {c.degree} is the least degree that reaches eps."
        return f"{said}. Not claimed: that {c.degree} is the least degree."


def decimal(value: Fraction, up: bool) -> str:
    """Four significant digits, rounded up or down."""
    context = Context(prec=4, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    return str(context.divide(Decimal(value.numerator), Decimal(value.denominator)))


def check(data: bytes | str) -> Checked:
    """Check a certificate (str or bytes); Malformed (the file) or NotProved (the statement)."""
    c = read(data if isinstance(data, bytes) else data.encode("ascii", "replace"))
    sup = certify_sup(c)
    if sup > c.eps:
        raise NotProved(f"the error bound that follows, {decimal(sup, up=True)}, is above eps")
    least = None if c.lower_degree is None else certify_least(c)
    if least is not None and least <= c.eps:
        raise NotProved(f"at degree {c.lower_degree} only {decimal(least, up=False)} follows")
    if c.minimal and c.degree > 0 and c.lower_degree != c.degree - 1:
        raise NotProved("minimal is claimed without a lower bound for the degree one below")
    return Checked(c, sup, least)


def certify_sup(c: Certificate) -> Fraction:
    """An upper bound of the error |h| on [low, high] (exp-supnorm).

    h = P e^-x - 1 (relative) or P - e^x (additive). h' has at most `degree` real zeros; a bracket
    with opposite signs of h' at its ends holds one, so `degree` disjoint brackets hold one each and
    there is no other: |h| is largest at low, at high or at a zero z in some (a, b), where
    |h(z)| <= |h(a)| + (b - a)^2/2 max |h''|, as h'(z) = 0.
    """
    relative, numerators = c.relative, c.numerators
    if relative:  # h' = s e^-x, h'' = (s' - s) e^-x with s = P' - P
        slope = [d - p for d, p in zip(derivative(numerators), numerators, strict=True)]
        curve = [d - s for d, s in zip(derivative(slope), slope, strict=True)]
    else:  # h' = s - e^x, h'' = s' - e^x with s = P'
        slope = derivative(numerators)
        curve = derivative(slope)
    size, one = max(abs(c.low), abs(c.high)), 1 << c.bits
    flat = Fraction(evaluate([abs(k) for k in curve], c.unit, size, c.bits)[1], one)
    peak = Fraction(exp_bounds(-c.low if relative else c.high, c.bits)[1], one)
    bend = flat * peak if relative else flat + peak  # >= max |h''|

    def error(x: Fraction) -> Fraction:
        """|h(x)|, rounded up: largest at the ends of the intervals of P(x) and the exponential."""
        ends = product(evaluate(numerators, c.unit, x, c.bits), exp(x))
        bounds = (abs(p * e - one * one) if relative else abs(p - e) * one for p, e in ends)
        return Fraction(max(bounds), one * one)

    def exp(x: Fraction) -> tuple[int, int]:
        return exp_bounds(-x if relative else x, c.bits)

    def sign(x: Fraction) -> int:
        """The sign of h'(x) where it is certain, else 0."""
        low, high = evaluate(slope, c.unit, x, c.bits)
        e_low, e_high = (0, 0) if relative else exp(x)
        return 1 if low > e_high else -1 if high < e_low else 0

    edges = [c.low, *(x for bracket in c.brackets for x in bracket), c.high]
    if not all(x <= y for x, y in pairwise(edges)):
        raise NotProved("the brackets are not increasing, disjoint and inside the interval")
    if not all(sign(a) * sign(b) == -1 for a, b in c.brackets):
        raise NotProved("a bracket shows no certain change of sign of the derivative")
    peaks = (error(a) + (b - a) ** 2 / 2 * bend for a, b in c.brackets)
    return max(error(c.low), error(c.high), *peaks)


def certify_least(c: Certificate) -> Fraction:
    """A lower bound of the error of every polynomial of degree <= m (minimal-degree).

    For x_0 < .. < x_(m+1), w_i = 1/prod_(j != i)|x_i - x_j|, each P has sum (-1)^i w_i P(x_i) = 0,
    so |sum (-1)^i w_i e^(x_i)| <= (its error) sum w_i u(x_i), u = e^x (relative) or 1 (additive).
    """
    xs, first, last = c.points, c.points[0] * c.step, c.points[-1] * c.step
    if not (c.low <= first and last <= c.high and all(x < y for x, y in pairwise(xs))):
        raise NotProved("the points are not increasing and inside the interval")
    gaps = [prod(abs(x - y) for y in xs if y != x) for x in xs]  # the common factor cancels
    scale = 1 << (max(gaps).bit_length() + c.bits)
    low = high = weight = 0  # low <= alternating sum <= high, weighted sum <= weight
    for i, (x, gap) in enumerate(zip(xs, gaps, strict=True)):
        e_low, e_high = exp_bounds(x * c.step, c.bits)
        t_low, t_high = scale // gap * e_low, (scale // gap + 1) * e_high
        low, high = (low + t_low, high + t_high) if i % 2 == 0 else (low - t_high, high - t_low)
        weight += t_high if c.relative else (scale // gap + 1) << c.bits
    return Fraction(max(low, -high), weight)
