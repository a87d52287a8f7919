"""What the answers of `varnum loop` share: the end, rows on the terminal, the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.text import filled

if TYPE_CHECKING:
    from varnum.loop.net import Net

SCHEMA = "varnum/loop/1"


SHOWN = 12  # points on the terminal


def end(content: dict[str, Any], verdict: str, given: bool, json: bool, show: Any) -> int:
    """Print the document or show the rows; the exit code of the verdict."""
    code = {"proved": 0, "refuted": 1, "unknown": 3}[verdict]
    if json:
        from varnum.cli.envelope import print_envelope

        rests = "proved for this run" if given else "proved"
        return print_envelope(SCHEMA, content, verdict=verdict, assurance=rests, exit_code=code)
    show(content)
    return code


def show_rows(rows: list[tuple[str, str]]) -> None:
    """Name and text, aligned and filled."""
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(filled(f"{name:<{width}}  {text}", indent=" " * (width + 2)))


def draw(net: Net, found: Any, path: Path) -> None:
    """Points and certified balls as a picture."""
    from varnum.plots import figure
    from varnum.plots import loop as picture

    figure.make(picture, picture.numbers(net, found), [path])
