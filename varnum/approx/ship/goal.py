"""What a shipped polynomial approximates: exp or exp2 on an interval, in one of two errors."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from varnum.approx.target import Target, additive, relative
from varnum.balls.scalar import Number, arb, ball, lower, precision, upper
from varnum.errors import InputError

Function = Literal["exp", "exp2"]
ErrorKind = Literal["relative", "absolute"]
MAX_SIZE = 64  # of |x|: beyond, one polynomial is a poor idea and 2^n times one a good one


@dataclass(frozen=True)
class Goal:
    """f = exp or exp2 on [low, high]; h = P/f - 1 ("relative") or P - f ("absolute")."""

    function: Function
    low: Fraction
    high: Fraction
    kind: ErrorKind = "relative"

    def __post_init__(self) -> None:
        if self.function not in ("exp", "exp2"):
            raise InputError(f"function: {self.function!r} is not allowed; exp or exp2")
        if self.kind not in ("relative", "absolute"):
            raise InputError(f"error: {self.kind!r} is not allowed; relative or absolute")
        if not -MAX_SIZE <= self.low < self.high <= MAX_SIZE:
            raise InputError(
                f"interval: [{self.low}, {self.high}] is not allowed; low < high within "
                f"+-{MAX_SIZE}"
            )

    def rate(self) -> arb:
        """kappa of f(x) = e^(kappa x), at the precision in force."""
        return ball(1) if self.function == "exp" else arb(2).log()

    def value(self, x: Number) -> arb:
        """f(x), enclosed."""
        return (self.rate() * ball(x)).exp()

    def weight(self, x: Number) -> arb:
        """What turns P - f into h: 1/f, or 1."""
        return (-self.rate() * ball(x)).exp() if self.kind == "relative" else ball(1)

    def uncentred(self, t: arb) -> arb:
        """The point of [low, high] that is t in the question of `centred`."""
        if self.kind == "absolute":
            return ball(self.high) + t / self.rate()
        return ball((self.low + self.high) / 2) + t / self.rate()

    def centred(self) -> tuple[Target, Target, arb]:
        """The same question around 0 or up to 0: (outer, inner, factor); see `minimax`.

        e^(kappa x) = e^(kappa m) e^(kappa (x - m)), so the relative error on [low, high] is that of
        exp on [-M, M], M = kappa (high - low)/2; the absolute one is e^(kappa high) times that of
        exp on [-W, 0], W = kappa (high - low). An irrational size is kept between two rationals.
        """
        with precision(256):
            width = self.rate() * ball(self.high - self.low)
            size = width / 2 if self.kind == "relative" else width
            make = relative if self.kind == "relative" else additive
            factor = ball(1) if self.kind == "relative" else self.value(self.high)
            outer, inner = (make(end) for end in (_short(upper(size), 1), _short(lower(size), -1)))
        return outer, inner, factor


def _short(x: Fraction, direction: int) -> Fraction:
    """x on 128 binary places, rounded up (1) or down (-1)."""
    scaled = x * 2**128
    whole = scaled.numerator // scaled.denominator
    return Fraction(whole + (direction > 0 and scaled.denominator != 1), 2**128)
