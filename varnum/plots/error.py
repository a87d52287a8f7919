"""Error against degree at one M: claimed by closed forms, proved from both sides, measured."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from varnum.approx.closed import certify_taylor_error
from varnum.approx.degree import certify_lower, round_polynomial
from varnum.approx.polynomial import Polynomial
from varnum.approx.remez import remez
from varnum.approx.supnorm import certify_supnorm
from varnum.approx.target import Target, relative
from varnum.balls import parse
from varnum.balls.scalar import lower, precision, upper
from varnum.errors import InputError
from varnum.formulas.exp import taylor_bound
from varnum.plots.figure import BLUE, GREEN, INK, ORANGE, PINK, canvas
from varnum.verdict import Unknown

ASSURANCE = "estimated"  # the weakest line drawn is an estimate
_BITS = 100  # of the error: far below every error drawn


def numbers(M: str = "4", most: int = 30) -> dict[str, Any]:
    """Per degree 0..most: `claimed`, `taylor`, `minimax` [low, high] (rigorous), `measured`.

    claimed: e^M M^(g+1)/(g+1)!; taylor: the exact error of the Taylor polynomial; minimax: enclosed
    E_g; measured: the minimax polynomial evaluated in float64 at 20001 points, an estimate.
    """
    size = parse(M, "M")
    if not 0 < size <= 32:
        raise InputError(f"M: {M} is not allowed in this picture; above 0, up to 32")
    if not 1 <= most <= 80:
        raise InputError(f"degrees: {most} is not allowed in this picture; 1 to 80")
    rows = [_row(relative(size), degree) for degree in range(most + 1)]
    return {"M": M, "rows": rows}


def _row(target: Target, degree: int) -> dict[str, Any]:
    with precision(target.bits(degree, 2 * _BITS)):
        state = remez(target, degree, 1e-6)
        poly = round_polynomial(target, state, degree)
        norm = certify_supnorm(target, poly, state.extrema)
        if isinstance(norm, Unknown):
            raise ArithmeticError(norm.reason)
        low = certify_lower(target, list(state.points), 2 * _BITS).bound
        return {
            "degree": degree,
            "claimed": _float(taylor_bound.ball(M=target.high, g=degree)),
            "taylor": _float(certify_taylor_error(target, degree)),
            "minimax": [float(lower(low)), _float(norm.high)],
            "measured": estimate_error(poly, target),
        }


def _float(value: Any) -> float:
    return float(Fraction(upper(value)))


def estimate_error(poly: Polynomial, target: Target, points: int = 20_001) -> float:
    """max |P(x) e^-x - 1| as float64 sees it, by Horner's rule on a grid: rounding included."""
    x = np.linspace(float(target.low), float(target.high), points)
    value = np.zeros_like(x)
    for c in reversed(poly.coefficients()):
        value = value * x + float(c)
    return float(np.abs(value * np.exp(-x) - 1).max())


def draw(data: dict[str, Any]) -> Any:
    """Lines over the degree, logarithmic error."""
    figure, (axes,) = canvas()
    rows = data["rows"]
    degrees = [row["degree"] for row in rows]
    kinds = (
        ("claimed", "claimed: $e^M M^{g+1}/(g+1)!$", ORANGE, "--", ""),
        ("taylor", "proved: Taylor, exact", PINK, "-.", ""),
        ("minimax", "proved: least possible, enclosed", BLUE, "-", "o"),
        ("measured", "measured: that polynomial in float64", GREEN, "", "x"),
    )
    for key, label, colour, line, marker in kinds:
        values = [row[key][1] if key == "minimax" else row[key] for row in rows]
        axes.plot(degrees, values, ls=line or "none", marker=marker, color=colour, label=label)
    if rows[-1]["minimax"][1] < 2.0**-53:
        axes.axhline(2.0**-53, color=INK, lw=0.8, ls=":")
        axes.text(0, 2.0**-53 * 1.5, "unit roundoff of float64", fontsize=8, color=INK)
    axes.set_yscale("log")
    axes.set(xlabel="degree g", ylabel="relative error on [-M, M]")
    axes.set_title(f"Error against degree at M = {data['M']}")
    axes.legend(loc="lower left")
    return figure
