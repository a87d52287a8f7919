"""What a cache may forget: certified beside measured, a head or a scale each."""

from __future__ import annotations

from typing import Any

from varnum.plots.figure import BLUE, GREEN, INK, ORANGE, canvas

PARTS = (("mass", "mass", BLUE), ("error", "merged", GREEN), ("dropped", "dropped", ORANGE))


def draw(data: dict[str, Any]) -> Any:
    """Filled: certified; hollow: measured in float64; over V's range, and the mass.

    data: the JSON content of `varnum kv --evict` and `rows`, one dict for each place on the axis.
    """
    figure, (axes,) = canvas(height=3.2)
    rows = data["rows"]
    for (key, label, colour), shift in zip(PARTS, (-0.2, 0.0, 0.2), strict=True):
        if key == "error" and not data["merge"]:
            continue
        x = [i + shift for i in range(len(rows))]
        proved = [row[f"{key}_certified"] for row in rows]
        seen = [row[f"{key}_measured"] for row in rows]
        axes.plot(x, proved, "o", color=colour, label=f"{label}, proved")
        axes.plot(x, seen, "o", color=colour, mfc="white", label=f"{label}, measured")
        axes.vlines(x, seen, proved, color=colour, lw=1)
    axes.plot([], [], color=INK, lw=1, label="slack")
    axes.set_yscale("log")
    axes.set_ylim(top=1.5, bottom=max(1e-6, min(row["error_measured"] for row in rows) / 2))
    axes.set_xticks(range(len(rows)), [str(row["name"]) for row in rows])
    axes.set(xlabel=data["axis"], ylabel="over V's range; mass")
    axes.set_title(f"{data['policy']}, keep {data['keep']}, worst query")
    axes.legend(ncols=2, loc="lower left", fontsize=7)
    return figure
