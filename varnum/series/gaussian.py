"""Claim tsf-gaussian: Gaussian series in closed form, each beside a verified integral."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from varnum.balls.quadrature import integral, normal_below, normal_density
from varnum.balls.scalar import ball, hull
from varnum.errors import InputError
from varnum.formulas import series as forms

_FAR = 14  # beyond, y^2 has mean square below 2 (14 + 1) e^-98: added to every integral


def sign_inconsistent(rho: Fraction) -> Any:
    """Ball: the chance that x_T and y of correlation rho have opposite signs."""
    return forms.sign_inconsistent.ball(rho=_checked(rho))


def wedge(r: Any) -> Any:
    """Ball: E[y^2; x > 0 > y] for unit variances and correlation r, closed form."""
    return forms.wedge.ball(r=r)


def wedge_by_quadrature(r: Any) -> Any:
    """The same by integrating y^2 phi(y) P(x > 0 | y) over y < 0: another road, enclosed too."""
    r = ball(r)
    slope = r / (1 - r * r).sqrt()

    def density(y: Any) -> Any:
        return y * y * normal_density(y) * normal_below(slope * y)

    tail = ball(2 * (_FAR + 1)) * (ball(-_FAR * _FAR) / 2).exp()
    return integral(density, -_FAR, 0) + hull(0, tail)


def sign_by_quadrature(rho: Fraction) -> Any:
    """P(x y < 0) by integrating 2 phi(y) P(x > 0 | y) over y < 0."""
    r = ball(_checked(rho))
    slope = r / (1 - r * r).sqrt()
    tail = ball(2) * (ball(-_FAR * _FAR) / 2).exp()
    found = integral(lambda y: normal_density(y) * normal_below(slope * y), -_FAR, 0)
    return 2 * (found + hull(0, tail))


def ar1(rho: Fraction) -> tuple[Any, Any]:
    """AR(1), one token, skip: (sign-only bound given x > 0, true floor), both over E D^2.

    The first is what signs alone exclude, the second what no head of one token can beat; they are
    different numbers and the second is the floor.
    """
    correlation = -((1 - ball(_checked(rho))) / 2).sqrt()
    return forms.sign_only_ar1.ball(r=correlation), forms.floor_ar1.ball(rho=rho)


def _checked(rho: Fraction) -> Fraction:
    if not -1 < rho < 1:
        raise InputError(f"rho: {float(rho):g} is not allowed; between -1 and 1, neither end")
    return rho
