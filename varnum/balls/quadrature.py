"""Integrals enclosed: flint's adaptive Gauss-Legendre quadrature with its error bound."""

from __future__ import annotations

from collections.abc import Callable

from flint import acb

from varnum.balls.scalar import arb


def integral(function: Callable[[acb], acb], low: arb | float, high: arb | float) -> arb:
    """A ball around the integral of `function` over [low, high], at the precision in force.

    `function` takes and returns complex balls and is analytic near the interval (exp, erf, powers
    and products are). Source: arb's acb_calc_integrate.
    """
    found = acb.integral(lambda z, _: function(z), acb(low), acb(high))
    return found.real if found.is_finite() else arb("nan")


def normal_density(z: acb) -> acb:
    """e^(-z^2/2)/sqrt(2 pi) of a complex ball."""
    return (-z * z / 2).exp() / (2 * acb.pi()).sqrt()


def normal_below(z: acb) -> acb:
    """The chance that a normal number is below z, of a complex ball."""
    return (1 + (z / acb(2).sqrt()).erf()) / 2
