"""How tight each claim is: measured over claimed in the numerical checks of `varnum verify`."""

from __future__ import annotations

from typing import Any

from varnum.errors import InputError
from varnum.plots.figure import BLUE, INK, ORANGE, canvas
from varnum.proof.ledger import claims
from varnum.proof.verify import QUICK_TRIALS, verify
from varnum.verdict import Unknown

ASSURANCE = "measured"  # the weakest line drawn is measured or tested
ATTAINED = 0.9995


def numbers(trials: int = QUICK_TRIALS, seed: int = 0) -> dict[str, Any]:
    """Per claim with a numerical check: `measured` and `claimed` of the tightest trial.

    `not_run` has the checks that could not run here, with the reason.
    """
    if trials < 1:
        raise InputError(f"trials: {trials} is not allowed; at least 1")
    found = verify(trials=trials, seed=seed, proofs=False)
    checks = [item for item in found.items if item.kind == "check"]
    rows = [
        {"claim": i.claim, "check": i.name, "measured": i.measured, "claimed": i.claimed,
         "tight": claims()[i.claim].tight}
        for i in checks if i.measured and i.claimed
    ]  # fmt: skip
    unknown = {i.name: i.verdict.reason for i in checks if isinstance(i.verdict, Unknown)}
    return {"trials": trials, "seed": seed, "rows": rows, "not_run": unknown}


def draw(data: dict[str, Any]) -> Any:
    """A line per claim, tightest at the top; 1 means that a trial attained the bound."""
    rows = sorted(data["rows"], key=lambda row: row["measured"] / row["claimed"])
    figure, (axes,) = canvas(6.6, 1.2 + 0.2 * len(rows))
    ratios = [row["measured"] / row["claimed"] for row in rows]
    floor = 10.0 ** -(1 + max(1, len(str(int(1 / min(ratios))))))
    for y, ratio in enumerate(ratios):
        attained = ratio >= ATTAINED
        axes.plot([floor, ratio], [y, y], "-" if attained else "--", color=INK, lw=0.7)
        axes.plot(ratio, y, "o" if attained else "s", color=BLUE if attained else ORANGE)
        text = "" if attained else f"{ratio:.3g}"
        axes.annotate(text, (ratio, y), (6, 0), textcoords="offset points", va="center", fontsize=7)
    for marker, colour, label in (("o", BLUE, "attained to 0.05 %"), ("s", ORANGE, "not attained")):
        axes.plot([], [], marker, color=colour, label=label)
    axes.legend(loc="lower right")
    axes.axvline(1, color=INK, lw=0.8, ls=":")
    axes.set_yticks(range(len(rows)), [row["claim"] for row in rows], fontsize=8)
    axes.set(xscale="log", xlim=(floor, 20), ylim=(-0.7, len(rows) - 0.3))
    axes.set_xlabel(f"measured / claimed, tightest of {data['trials']} trials and extremal cases")
    axes.set_title("Tightness of each claim that has a numerical check")
    axes.grid(axis="y", visible=False)
    return figure
