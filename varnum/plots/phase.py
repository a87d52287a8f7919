"""The phase diagram: where attention is proved fast, where it is open, where SETH forbids it.

Axes are c = d / ln L and b = M / ln L at one p. The lower bound has no explicit constant ("some C
makes every b >= C impossible"), so it is drawn as an edge of unknown height and says so.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.balls import parse
from varnum.balls.scalar import lower, precision, upper
from varnum.cost.regime import Number, b_star, minimax_is_proved, regime_exponent
from varnum.errors import InputError
from varnum.formulas.exp import degree_closed_form
from varnum.model.config import PRESETS
from varnum.plots.figure import BLUE, INK, ORANGE, SKY, canvas

ASSURANCE = "measured"  # the weakest line drawn is measured or tested
CAP = Fraction("100.0000065")  # above exp(float32 log 100), the largest learned factor
MAX_P = 5  # b* spans 20 decades there; more cannot be read
INITIAL = Fraction(4)  # the learned factor before training


def released(p: Number) -> list[dict[str, Any]]:
    """The released models at their cap and at the initial factor: b, c, rho and the finite rank."""
    found: list[dict[str, Any]] = []
    names: dict[tuple[int, int], list[str]] = {}
    for name, (config, _) in PRESETS.items():
        if name.startswith("var-d"):
            names.setdefault((config.length, config.head_dim), []).append(name)
    for (length, d), group in names.items():
        label = group[0] if len(group) == 1 else f"{group[0]}..{group[-1].removeprefix('var-')}"
        found += [_point(label, length, d, M, p) for M in (CAP, INITIAL)]
    return found


def _point(label: str, length: int, d: int, M: Fraction, p: Number) -> dict[str, Any]:
    log_l = Fraction(math.log(length))
    b, c = M / log_l, d / log_l
    taylor, minimax = regime_exponent(b, c, p)
    exponent = parse(p, "p")
    with precision(128):
        eps = min(Fraction(1, 2), Fraction(math.exp(-float(exponent * log_l))))
        degree = math.ceil(upper(degree_closed_form.ball(M=M, eps=eps)))
    rank = math.comb(d + degree, degree)
    return {
        "model": label,
        "L": length,
        "d": d,
        "M": f"{float(M):g}",
        "b": float(b),
        "c": float(c),
        "p": float(exponent),
        "rho_taylor": float(upper(taylor)),
        "rho_minimax": float(upper(minimax)),
        "rho_minimax_assurance": "proved" if minimax_is_proved(b, p) else "tested",
        "degree": degree,
        "rank_log10": math.log10(rank),
        "L_log10": math.log10(length),
    }


def numbers(c: Number = "1", p: Number = "1") -> dict[str, Any]:
    """c, p and the released models' points. Raises InputError where b* cannot be drawn."""
    if parse(p, "p") > MAX_P:
        raise InputError(f"p: {p} is not allowed in the diagram; 0 to {MAX_P}")
    if b_star(c, p)[0] < 1e-250:
        raise InputError(f"c, p: b* is too small to draw at c = {c}, p = {p}")
    return {"c": c, "p": p, "released": released(p)}


def draw(data: dict[str, Any]) -> Any:
    """Left: the phases over c and b at this p; right: the exponent over b at this c."""
    figure, (left, right) = canvas(10.5, 4.9, panels=2, width_ratios=(1.45, 1))
    _phases(left, data["p"], data["released"])
    _exponents(right, data["c"], data["p"])
    return figure


def _phases(axes: Any, p: Number, points: list[dict[str, Any]]) -> None:
    grid = np.geomspace(0.2, 100, 80)
    pairs = [b_star(Fraction(float(c)), p) for c in grid]
    taylor, minimax = (np.array([float(lower(x[side])) for x in pairs]) for side in (0, 1))
    floor, top = min(1e-4, 10.0 ** math.floor(math.log10(taylor.min()))), 1e3
    edge = 120.0
    axes.fill_between(grid, floor, taylor, color=BLUE, alpha=0.45, lw=0)
    axes.fill_between(grid, taylor, minimax, color=SKY, alpha=0.3, lw=0)
    axes.fill_between(grid, edge, top, facecolor="none", edgecolor=ORANGE, hatch="///", lw=0)
    axes.plot(grid, taylor, color=BLUE, lw=2, label="upper bound b*, Taylor (proved)")
    axes.plot(grid, minimax, color=BLUE, lw=2, ls="--", label="b*, minimax (proved for b < 1.54 p)")
    axes.axhline(edge, color=ORANGE, lw=2, ls=":", label="lower bound b = C (SETH), height unknown")
    for point in points:
        full = point["b"] > 5
        wide = point["L"] > 1000
        axes.plot(
            point["c"], point["b"], "s" if wide else "o", ms=7, mec=INK,
            mfc=INK if full else "white", zorder=5,
        )  # fmt: skip
    axes.plot([], [], "o", ms=5, color=INK, label="released models; r: monomial rank, by Taylor")
    _label_points(axes, points)
    text = {"ha": "center", "color": INK, "fontsize": 9}
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 2}
    axes.text(4.5, 340, "impossible for b above some C, c large (under SETH)", bbox=box, **text)
    inside = {"transform": axes.transAxes, **text}
    axes.text(0.72, 0.5, "the gap: neither bound decides", **inside)
    axes.text(0.2, 0.2, "sub-quadratic: rank $L^\\rho$, $\\rho<1$", **inside)
    axes.set(xscale="log", yscale="log", xlim=(0.2, 100), ylim=(floor, top))
    axes.set_xlabel("c = d / ln L")
    axes.set_ylabel("b = M / ln L")
    axes.set_title(f"Attention within $L^{{-p}}$, p = {p}: fast, open, hard", fontsize=10)
    axes.legend(loc="lower left", fontsize=8, framealpha=0.95)


def _label_points(axes: Any, points: list[dict[str, Any]]) -> None:
    for point in points:
        small = point["L"] < 1000
        axes.annotate(
            f"{point['model']}, M = {float(point['M']):.0f}\n"
            f"r = $10^{{{point['rank_log10']:.0f}}}$, L = {point['L']}",
            (point["c"], point["b"]),
            xytext=(9, 2) if small else (-9, 2),
            ha="left" if small else "right",
            va="center",
            textcoords="offset points",
            fontsize=7.5,
            color=INK,
        )


def _exponents(axes: Any, c: Number, p: Number) -> None:
    stars = [float(lower(x)) for x in b_star(c, p)]
    grid = np.geomspace(stars[0] / 30, stars[1] * 30, 100)
    pairs = [regime_exponent(Fraction(float(b)), c, p) for b in grid]
    for side, (style, name) in enumerate(
        (("-", "Taylor (proved)"), ("--", "minimax (proved for b < 1.54 p)"))
    ):
        axes.plot(grid, [float(lower(x[side])) for x in pairs], BLUE, ls=style, lw=2, label=name)
        axes.plot(stars[side], 1, "o", color=BLUE, ms=6)
    axes.axhline(1, color=INK, lw=1)
    axes.text(grid[0] * 1.1, 1.03, "quadratic: rank = L", fontsize=8, va="bottom", color=INK)
    stated = f"b* = {stars[0]:.3g} and {stars[1]:.3g}"
    axes.text(grid[-1] / 1.2, 0.96, stated, fontsize=8, ha="right", va="top", color=INK)
    axes.set(xscale="log", ylim=(0, 3), xlim=(grid[0], grid[-1]))
    axes.set_xlabel("b = M / ln L")
    axes.set_ylabel("$\\rho$: rank $L^\\rho$, time $L^{1+\\rho+o(1)}$")
    axes.set_title(f"Exponent at c = {c}, p = {p}", fontsize=10)
    axes.legend(loc="upper left", fontsize=8)
