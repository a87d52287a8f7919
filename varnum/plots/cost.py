"""Operations against the side n of the last map: slopes and the crossover."""

from __future__ import annotations

import math
from typing import Any

from varnum._plan import plan
from varnum.cost.counts import count
from varnum.cost.schedule import geometric
from varnum.errors import InputError
from varnum.plots.figure import BLUE, INK, ORANGE, canvas

ASSURANCE = "proved"  # every number drawn
SIDES = tuple(2**k for k in range(1, 13))


def numbers(
    R: str = "1", d: int = 8, sigma: str = "sqrt", output_error: str = "1e-2"
) -> dict[str, Any]:
    """`exact` and `lowrank` operations per head over n; the slopes at the end; the crossover."""
    answer = plan(R=R, d=d, sigma=sigma, output_error=output_error)
    if answer.rank is None or answer.crossover_n_at_most is None:
        raise InputError("plot: the crossover has more than ten thousand digits")
    costs = [count(geometric(n), d, d, answer.rank) for n in SIDES]
    exact, lowrank = [c.exact for c in costs], [c.lowrank for c in costs]
    return {
        "R": R, "d": d, "sigma": sigma, "output_error": output_error,
        "degree": answer.degree, "rank": answer.rank, "proved_minimal": answer.proved_minimal,
        "n": list(SIDES), "exact": exact, "lowrank": lowrank,
        "slope_exact": _slope(exact), "slope_lowrank": _slope(lowrank),
        "crossover_n": answer.crossover_n_at_most,
    }  # fmt: skip


def _slope(counts: list[int]) -> float:
    """log2 of the growth over the last doubling of n."""
    return math.log2(counts[-1] / counts[-2])


def draw(data: dict[str, Any]) -> Any:
    """Both counts over n, logarithmic, with the first n from which on low rank costs less."""
    figure, (axes,) = canvas()
    for key, line, marker, colour, name in (
        ("exact", "-", "o", BLUE, "exact"),
        ("lowrank", "--", "s", ORANGE, f"rank {data['rank']}"),
    ):
        label = f"{name}: slope {data['slope_' + key]:.3f}"
        axes.plot(data["n"], data[key], line, marker=marker, color=colour, label=label)
    n = data["crossover_n"]
    if n <= data["n"][-1]:
        axes.axvline(n, color=INK, lw=1, ls=":")
        axes.text(n * 1.1, data["exact"][0], f"pays from n = {n} on", color=INK, fontsize=8)
    else:
        axes.plot([], [], " ", label=f"pays from n = {float(n):.2e} on" if n < 1e300 else "far")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set(
        xlabel="n, side of the last map (pyramid 1, 2, 4, .., n)", ylabel="operations per head"
    )
    axes.set_title(
        f"Cost: R = {data['R']}, d = {data['d']}, sigma = {data['sigma']}, "
        f"output error {data['output_error']}"
    )
    axes.legend(loc="upper left")
    return figure
