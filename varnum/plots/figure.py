"""What the pictures share: a figure, colours, line styles, writing a file.

Okabe and Ito's colours, each with its own line style and marker, so that a picture reads the same
in print without colour. matplotlib is loaded here and only when a figure is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from varnum.errors import InputError, MissingExtra

BLUE, ORANGE, GREEN, PINK, SKY, INK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#222222",
)  # fmt: skip
SERIES = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PINK, "D"), (SKY, "v"))
FORMATS = (".png", ".pdf", ".svg")
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.fontsize": 8,
    "legend.framealpha": 0.95,
    "svg.hashsalt": "varnum",  # the same picture is the same file
}


def style() -> Any:
    """The context in which figures are built and saved; MissingExtra without matplotlib."""
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot") from error
    return matplotlib.rc_context(_STYLE)


def canvas(
    width: float = 5.6,
    height: float = 3.7,
    panels: int = 1,
    width_ratios: tuple[float, ...] | None = None,
) -> tuple[Any, list[Any]]:
    """A figure of this size in inches and its axes side by side; to be called inside `style()`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(1, panels, squeeze=False, width_ratios=width_ratios)[0])


def checked(files: Iterable[Path]) -> list[Path]:
    """The files, if each has a format that can be written and a folder to be written in."""
    paths = list(files)
    for path in paths:
        if path.suffix.lower() not in FORMATS:
            raise InputError(f"plot: {path} must end in one of {', '.join(FORMATS)}")
        if not path.parent.is_dir():
            raise InputError(f"plot: {path.parent} is not a folder")
    return paths


def make(picture: Any, data: dict[str, Any], files: Iterable[Path]) -> None:
    """Draw a picture module's numbers once and write the figure to every file."""
    with style():
        save(picture.draw(data), files)


def save(figure: Any, files: Iterable[Path]) -> None:
    """Write the figure to every file; InputError where that cannot be done."""
    for path in files:
        undated = {"Date": None} if path.suffix.lower() == ".svg" else None
        try:
            figure.savefig(path, dpi=200, metadata=undated)
        except OSError as error:
            raise InputError(f"plot: {path} cannot be written ({error.strerror})") from None
