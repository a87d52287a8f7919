"""Degree against M: proved least, closed form, minimax curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from varnum._plan import plan
from varnum.balls import parse
from varnum.plots.figure import INK, SERIES, canvas

ASSURANCE = "estimated"  # the weakest line drawn is an estimate
SIZES = ("1/4", "1/2", "1", "2", "4", "8", "16", "32", "64")
ERRORS = ("1e-1", "1e-3", "1e-6", "1e-12")


def numbers(errors: Sequence[str] = ERRORS, sizes: Sequence[str] = SIZES) -> dict[str, Any]:
    """For each eps, over M: `least` (None where not proved), `closed_form`, `curve` (estimate)."""
    series = []
    for eps in errors:
        plans = [plan(M=M, eps=eps) for M in sizes]
        series.append(
            {
                "eps": eps,
                "least": [p.degree if p.proved_minimal else None for p in plans],
                "closed_form": [p.degree_closed_form for p in plans],
                "curve": [p.degree_curve for p in plans],
            }
        )
    return {"M": list(sizes), "series": series}


def draw(data: dict[str, Any]) -> Any:
    """A line per eps, solid: proved least; dashed: closed form; dotted: the curve."""
    figure, (axes,) = canvas()
    M = [float(parse(text)) for text in data["M"]]
    for (colour, marker), s in zip(SERIES, data["series"], strict=False):
        least = [float("nan") if g is None else g for g in s["least"]]
        hollow = {"marker": marker, "mfc": "white", "ms": 3, "mew": 0.8}  # tells eps without colour
        axes.plot(M, s["closed_form"], "--", color=colour, lw=1, **hollow)
        axes.plot(M, s["curve"], ":", color=colour, lw=1)
        axes.plot(M, least, "-", marker=marker, color=colour, label=f"eps = {s['eps']}")
    for line, name in (
        ("-", "proved least"),
        ("--", "closed form, suffices"),
        (":", "minimax curve, estimate"),
    ):
        axes.plot([], [], line, color=INK, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(M, data["M"])
    axes.set_yticks(ticks := [1, 2, 5, 10, 20, 50, 100, 200], map(str, ticks))
    axes.minorticks_off()
    axes.set(xlabel="M = largest |logit|", ylabel="polynomial degree g")
    axes.set_title("Degree for exp on [-M, M], relative error eps")
    axes.legend(ncols=2, loc="upper left")
    return figure
