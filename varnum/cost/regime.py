"""Where low-rank attention is below quadratic: rho(b, c, p) and b*(c, p), enclosed in balls.

Claim regime-exponent: M = b ln L, d = c ln L, eps = L^-p. The Taylor value is proved, and so is the
minimax value for p > 0.6453 b (`minimax_is_proved`); elsewhere it is on the curve of
degree-minimax-curve (asymptotic, tested).
Zeros are bracketed by bisection on functions that increase, each sign certain in balls, so an
enclosure is right whatever the arithmetic does; more precision only makes it narrower.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from varnum.balls import parse
from varnum.balls.scalar import (
    arb,
    ball,
    certain_sign,
    certainly_less,
    hull,
    lower,
    precision,
    upper,
)
from varnum.errors import InputError
from varnum.formulas import regime as forms

__all__ = ["b_star", "gamma_star", "minimax_is_proved", "regime_exponent"]

Number = str | int | Fraction
Pair = tuple[Any, Any]
_DIGITS = 20
_MAX_BITS = 1 << 14
_TINY, _HUGE = Fraction(1, 10**60), 10**60
_MOST_P = 10**4  # b* falls like e^(-p/gamma): beyond this even its exponent is unwieldy
_MOST_C = 10**6
_PROVED_FROM = Fraction(6453, 10**4)  # above s cosh s - sinh s at cosh s = e^(1 + W0(1/e))/2
_LEAST_C = Fraction(1, 100)  # gamma at rho = 1 is about c e^(1/c - 1)


def regime_exponent(b: Number, c: Number, p: Number) -> Pair:
    """Enclose rho(b, c, p): (by Taylor's degree, on the minimax curve).

    The low-rank route costs L^(1 + rho + o(1)): below quadratic where rho < 1. At b = 0 both are
    the limit 0. Exact numbers: b is 0 or in [1e-60, 1e60], p is 0 or in [1e-60, 1e4], c in
    [0.01, 1e6]; raises InputError.
    """
    b_, c_, p_ = _number(b, "b", _HUGE), _dimension(c), _number(p, "p", _MOST_P)
    if b_ == 0:
        return arb(0), arb(0)
    return _sharp(lambda bits: _exponents(b_, c_, p_, bits))


def b_star(c: Number, p: Number) -> Pair:
    """Enclose the threshold b*(c, p) with rho(b*, c, p) = 1: (by Taylor, on the minimax curve).

    rho increases in b, so rho < 1 exactly below b*. c in [0.01, 1e6], p 0 or in
    [1e-60, 1e4]; raises InputError.
    """
    c_, p_ = _dimension(c), _number(p, "p", _MOST_P)
    return _sharp(lambda bits: _thresholds(c_, p_, bits))


def minimax_is_proved(b: Any, p: Number) -> bool:
    """Is the minimax exponent at b (exact or a ball) proved: certainly p > 0.6453 b?"""
    return certainly_less(ball(_PROVED_FROM) * ball(b), parse(p, "p"))


def gamma_star(c: Number) -> Any:
    """Enclose the degree coefficient with rho(gamma, c) = 1: C(d + g, g) = L^(1 + o(1))."""
    c_ = _dimension(c)
    return _sharp(lambda bits: (_gamma_at_one(c_, bits),) * 2)[0]


def _exponents(b: Fraction, c: Fraction, p: Fraction, bits: int) -> Pair:
    s = _zero(lambda s: forms.minimax_equation.ball(s=s, b=b, p=p), bits)
    taylor = forms.gamma_taylor.ball(b=b, p=p)
    minimax = forms.gamma_minimax.ball(b=b, s=s)
    return forms.rho.ball(gamma=taylor, c=c), forms.rho.ball(gamma=minimax, c=c)


def _thresholds(c: Fraction, p: Fraction, bits: int) -> Pair:
    gamma = _gamma_at_one(c, bits)
    s = _zero(lambda s: forms.b_star_equation.ball(s=s, gamma=gamma, p=p), bits)
    taylor = forms.b_star_taylor.ball(gamma=gamma, p=p)
    return taylor, forms.b_star_minimax.ball(gamma=gamma, s=s)


def _gamma_at_one(c: Fraction, bits: int) -> Any:
    return _zero(lambda gamma: forms.rho.ball(gamma=gamma, c=c) - 1, bits)


def _zero(f: Callable[[Fraction], Any], bits: int) -> Any:
    """Enclose the zero on [0, inf) of an f that increases, f(0) <= 0, from certain signs alone."""
    low, high = Fraction(0), Fraction(1)
    while certain_sign(f(high)) <= 0:
        low = high if certain_sign(f(high)) < 0 else low
        high *= 2
        if high > _HUGE:
            return arb("nan")  # no certain sign at this precision: the caller raises it
    while high - low > high / 2**bits and high > Fraction(1, 2**bits):
        middle = (low + high) / 2
        sign = certain_sign(f(middle))
        if sign == 0:
            break
        low, high = (middle, high) if sign < 0 else (low, middle)
    return hull(low, high)


def _sharp(compute: Callable[[int], Pair]) -> Pair:
    """Double the precision until both enclosures carry _DIGITS digits."""
    bits = 128
    while bits <= _MAX_BITS:
        with precision(bits):
            pair = compute(bits - 16)
            if all(_enough(value) for value in pair):
                return pair
        bits *= 2
    raise ArithmeticError(f"no {_DIGITS} certain digits within {_MAX_BITS} bits")


def _enough(value: Any) -> bool:
    if not value.is_finite():
        return False
    low, high = lower(value), upper(value)
    return bool(high - low <= abs(low) / 10**_DIGITS)


def _number(value: Number, name: str, most: int) -> Fraction:
    exact = parse(value, name)
    if exact != 0 and not _TINY <= exact <= most:
        raise InputError(f"{name}: {value} is not allowed; it must be 0 or in [1e-60, {most:.0e}]")
    return exact


def _dimension(value: Number) -> Fraction:
    exact = parse(value, "c")
    if not _LEAST_C <= exact <= _MOST_C:
        raise InputError(f"c: {value} is not allowed; it must be in [0.01, 1e+06]")
    return exact
