"""Fixed points of a looped network on two coordinates, with certified balls and orbits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from varnum.plots.figure import BLUE, INK, ORANGE, SKY, canvas

_STYLES = {"attracting": (BLUE, "o"), "not attracting": (ORANGE, "X"), "unknown": (INK, "s")}
_ORBITS = 24


def numbers(net: Any, found: Sequence[Any]) -> dict[str, Any]:
    """Points (their first two of the most spread coordinates), balls per entry, float orbits."""
    points = [tuple(p.point) if hasattr(p, "point") else p.estimate for p in found]
    labels = [_label(p) for p in found]
    radii = [float(p.entry_radius) if getattr(p, "rate", None) is not None else None for p in found]
    array = np.array(points) if points else np.zeros((1, net.d))
    spread = np.argsort(-array.std(axis=0), kind="stable")[:2]
    axes = sorted(int(i) for i in spread) if net.d > 1 else [0, 0]
    reach = 1.3 * max(1e-3, float(np.abs(array).max()))
    rng = np.random.default_rng(0)
    orbits = []
    for start in rng.uniform(-reach, reach, (_ORBITS, net.d)):
        path = [start]
        for _ in range(30):
            path.append(net.estimate(path[-1]))
        orbit = np.array(path)
        if np.isfinite(orbit).all() and np.abs(orbit).max() < 4 * reach:
            orbits.append(orbit[:, axes].tolist())
    return {
        "axes": axes,
        "points": array[:, axes].tolist() if points else [],
        "labels": labels,
        "radii": radii,
        "orbits": orbits,
    }


def _label(point: Any) -> str:
    if hasattr(point, "label"):
        return str(point.label)
    return {True: "attracting", False: "not attracting"}.get(point.stable, "unknown")


def draw(data: dict[str, Any]) -> Any:
    """Orbits as thin lines, fixed points by stability, cubes of attraction as boxes around them."""
    from matplotlib.patches import Rectangle

    figure, (axes,) = canvas(5.2, 4.6)
    for orbit in data["orbits"]:
        x, y = zip(*orbit, strict=True)
        axes.plot(x, y, color=SKY, lw=0.7, marker=".", ms=2, zorder=1)
    for label, (colour, marker) in _STYLES.items():
        chosen = [p for p, own in zip(data["points"], data["labels"], strict=True) if own == label]
        if chosen:
            x, y = zip(*chosen, strict=True)
            axes.scatter(x, y, color=colour, marker=marker, s=36, label=label, zorder=3)
    for point, radius in zip(data["points"], data["radii"], strict=True):
        if radius is not None:
            corner = (point[0] - radius, point[1] - radius)
            axes.add_patch(
                Rectangle(corner, 2 * radius, 2 * radius, fill=False, color=BLUE, lw=1.2, zorder=2)
            )
    i, j = data["axes"]
    axes.set(xlabel=f"x_{i + 1}", ylabel=f"x_{j + 1}")
    axes.set_title("Fixed points, certified cubes of attraction, orbits (float64)")
    if data["points"]:
        axes.legend(loc="best")
    return figure
