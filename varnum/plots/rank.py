"""Rank against M and against d, with the number of tokens of the released models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from varnum._plan import plan
from varnum.balls import parse
from varnum.lowrank.counting import rank
from varnum.model.config import PRESETS
from varnum.plots.figure import INK, SERIES, canvas

ASSURANCE = "proved"  # every number drawn
SIZES = ("1/8", "1/4", "1/2", "1", "2", "4", "8", "16", "32")
DIMENSIONS = (1, 2, 4, 8, 16, 32, 64)
_LINES, _CURVES = (4, 8, 16, 32, 64), ("1/4", "1", "4", "16")  # what each panel shows


def numbers(eps: str = "1e-2", sizes: Sequence[str] = SIZES) -> dict[str, Any]:
    """`rank[i][j]` = C(d_j + g_i, g_i) at the least degree g_i for M_i; `tokens`: L by model."""
    degrees = [plan(M=M, eps=eps).degree for M in sizes]
    lengths: dict[str, int] = {
        name: config.length for name, (config, _) in PRESETS.items() if name.startswith("var-d")
    }
    return {
        "eps": eps,
        "M": list(sizes),
        "d": list(DIMENSIONS),
        "degree": degrees,
        "rank": [[rank(d, g) for d in DIMENSIONS] for g in degrees],
        "tokens": lengths,
    }


def draw(data: dict[str, Any]) -> Any:
    """Left: over M, a line per d. Right: over d, a line per M. Grey: rank = L."""
    figure, (left, right) = canvas(8.8, 3.8, panels=2)
    M, table = [float(parse(text)) for text in data["M"]], data["rank"]
    for (colour, marker), d in zip(SERIES, _LINES, strict=True):
        column = data["d"].index(d)
        left.plot(M, [row[column] for row in table], marker=marker, color=colour, label=f"d = {d}")
    shown = [text for text in _CURVES if text in data["M"]]
    for (colour, marker), text in zip(SERIES, shown, strict=False):
        row = table[data["M"].index(text)]
        right.plot(data["d"], row, marker=marker, color=colour, label=f"M = {text}")
    for axes, label, ticks, names in (
        (left, "M = largest |logit|", M, data["M"]),
        (right, "head dimension d", data["d"], data["d"]),
    ):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(ticks, names)
        axes.minorticks_off()
        axes.set(xlabel=label, ylim=(1, None))
        _token_lines(axes, data["tokens"])
        axes.legend(loc="upper left")
    left.set_ylabel("rank r = C(d + g, g)")
    figure.get_layout_engine().set(wspace=0.06)
    figure.suptitle(
        f"Rank of the monomial features, relative error eps = {data['eps']}", fontsize=10
    )
    return figure


def _token_lines(axes: Any, tokens: dict[str, int]) -> None:
    """One line per number of tokens, named by its models."""
    for length, line in zip(sorted(set(tokens.values())), ("--", "-."), strict=False):
        models = [name.removeprefix("var-") for name, L in tokens.items() if length == L]
        names = models[0] if len(models) == 1 else f"{models[0]}..{models[-1]}"
        axes.axhline(length, color=INK, ls=line, lw=1, label=f"L = {length} ({names})")
