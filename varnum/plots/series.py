"""A series' least errors side by side: the floor, positional heads, two heads, persistence."""

from __future__ import annotations

from typing import Any

from varnum.outward import at_least, at_most
from varnum.plots.figure import BLUE, GREEN, INK, ORANGE, canvas

BARS = (  # JSON key, label, colour
    ("floor", "floor: no such heads below", BLUE),
    ("positional", "one positional head", ORANGE),
    ("two_heads", "two heads +- = linear residual", GREEN),
)


def draw(data: dict[str, Any]) -> Any:
    """Bars in units of the mean squared target; the dashed line is persistence.

    data: the JSON content of `varnum series`.
    """
    figure, (axes,) = canvas(height=2.4)
    for place, (key, _, colour) in enumerate(BARS):
        edge = at_least if key == "floor" else at_most
        axes.barh(place, data[key], color=colour, height=0.6, zorder=2)
        axes.text(data[key], place, f" {edge(data[key])}", va="center", color=INK, fontsize=8)
    axes.axvline(data["persistence"], color=INK, ls="--", lw=1, label="persistence")
    axes.set_yticks(range(len(BARS)), [label for _, label, _ in BARS])
    axes.invert_yaxis()
    top = max(1.0, data["persistence"], *(data[key] for key, _, _ in BARS))
    axes.set_xlim(0, 1.12 * top)
    axes.grid(axis="y", visible=False)
    unit = "E (y - x_T)^2" if data["skip"] else "E y^2"
    axes.set(xlabel=f"mean squared error over {unit}")
    axes.set_title(f"{data['column']}: {data['windows']} windows of {data['window']}")
    axes.legend(loc="lower right")
    return figure
