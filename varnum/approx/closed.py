"""Degrees by closed forms and by Taylor and Chebyshev polynomials, evaluated from `formulas`."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from varnum.approx.polynomial import Polynomial, interpolate
from varnum.approx.supnorm import certify_supnorm
from varnum.approx.target import Target, bits_of, check_eps, relative
from varnum.balls.scalar import arb, ball, hull, precision, upper
from varnum.errors import InputError
from varnum.formulas import exp as forms
from varnum.verdict import Unknown


def half_width(target: Target) -> Fraction:
    """M of [-M, M]; for [-W, 0], W/2: e^(-W/2) P(x + W/2) has additive error at most eps there."""
    return (target.high - target.low) / 2


def certify_degree_closed_form(target: Target, eps: Fraction) -> int:
    """A degree that suffices (claim degree-closed-form), for any M > 0; 0 for M = 0."""
    check_eps(eps, below_one=True)
    M = half_width(target)
    if M == 0:
        return 0
    near_one = bits_of(1 - eps)  # ln(1/eps) is then small, and so is l
    with precision(128 + 2 * M.numerator.bit_length() + 2 * M.denominator.bit_length() + near_one):
        return math.floor(upper(forms.degree_closed_form.ball(M=M, eps=eps)))


def certify_taylor_error(target: Target, degree: int) -> arb:
    """Enclosure of the exact error of the Taylor polynomial at 0 (claim taylor-relative)."""
    if degree < 0:
        raise InputError(f"degree: {degree} is negative")
    if target.kind == "relative":
        return forms.taylor_error.ball(M=target.high, g=degree)
    return forms.taylor_error_additive.ball(W=-target.low, g=degree)


def certify_degree_taylor(target: Target, eps: Fraction) -> int | Unknown:
    """The least degree whose Taylor polynomial at 0 reaches eps < 1 (claim taylor-relative).

    With size M (or W): the error falls with the degree g from g = size - 1 on. Before that it is
    above 1 (relative), or above 1 - 1/e (additive), so only eps above that needs a scan.
    """
    check_eps(eps, below_one=True)
    size = -target.low
    if size == 0:
        return 0
    if target.kind == "additive" and eps > Fraction(3, 5):
        return _scan_taylor(target, eps)
    low, high = max(-1, math.floor(size) - 1), certify_degree_closed_form(relative(size), eps)
    while high - low > 1:
        middle = (low + high) // 2
        reached = _taylor_reaches(target, middle, eps)
        if isinstance(reached, Unknown):
            return reached
        low, high = (low, middle) if reached else (middle, high)
    return high


def _scan_taylor(target: Target, eps: Fraction) -> int | Unknown:
    """The first degree that reaches eps, from 0 on: no order is assumed."""
    for degree in range(certify_degree_closed_form(relative(-target.low), eps) + 1):
        reached = _taylor_reaches(target, degree, eps)
        if reached is not False:
            return degree if reached is True else reached
    return Unknown("not reached at the closed form's degree")


def _taylor_reaches(target: Target, degree: int, eps: Fraction) -> bool | Unknown:
    with precision(128 + bits_of(eps) + 4 * int(target.width)):
        error = certify_taylor_error(target, degree)
        if error <= ball(eps):
            return True
        return False if error > ball(eps) else Unknown(f"Taylor's error at {degree} is near eps")


def estimate_degree_curve(target: Target, eps: Fraction) -> float:
    """The degree on the minimax curve g = M cosh s (claim degree-minimax-curve; asymptotic).

    Defined for relative error; for [-W, 0] it is the curve at M = W/2 and eps e^(W/2), where e^x
    shifted to the middle has that error, or 0 if that is above 1.
    """
    M = half_width(target)
    if M == 0:
        return 0.0
    scaled = ball(eps) if target.kind == "relative" else ball(eps) * ball(M).exp()
    if not scaled < 1:
        return 0.0
    s = increasing_zero(lambda s: forms.minimax_curve_equation.ball(M=M, eps=scaled, s=s))
    return float(forms.minimax_curve.ball(M=M, s=s).mid())


def increasing_zero(function: Callable[[arb], arb], steps: int = 60) -> arb:
    """Enclose the positive zero of a form that increases from a negative value."""
    low, high = ball(0), ball(1)
    while not function(high) > 0:
        low, high = high, 2 * high
    for _ in range(steps):
        middle = ((low + high) / 2).mid()
        value = function(middle)
        if value > 0:
            high = middle
        elif value < 0:
            low = middle
        else:
            break
    return hull(low, high)


def chebyshev_polynomial(target: Target, degree: int) -> Polynomial:
    """The interpolant of exp at the degree + 1 Chebyshev nodes of the interval, dyadic."""
    bits = target.bits(degree, 200)
    with precision(2 * bits):
        centre, half, n = ball((target.low + target.high) / 2), ball(half_width(target)), degree + 1
        angles = [arb.pi() * (2 * i + 1) / (2 * n) for i in range(n)]
        nodes = [(centre - half * angle.cos()).mid() for angle in angles]
        coefficients = interpolate(nodes, [x.exp().mid() for x in nodes]).coeffs()
        return Polynomial.rounded(coefficients + [ball(0)] * (n - len(coefficients)), bits)


def certify_degree_chebyshev(target: Target, eps: Fraction, start: int = 0) -> int | Unknown:
    """The first degree >= start at which the Chebyshev interpolant is certified to reach eps."""
    check_eps(eps, below_one=True)
    if target.low == target.high:
        return 0
    for degree in range(max(start, 0), certify_degree_closed_form(target, eps) + 1):
        norm = certify_supnorm(target, chebyshev_polynomial(target, degree))
        if isinstance(norm, Unknown):
            return norm
        if norm.high <= ball(eps):
            return degree
    return Unknown("not reached at the closed form's degree")
