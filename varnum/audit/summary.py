"""Many rows in few words: ranges, counts, and what would have to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
RANGED = ("M_apriori", "dimension", "degree_apriori", "rank_apriori", "degree_spread",
          "rank_spread", "rank_certified", "rank_lower", "rank_reference", "state_apriori",
          "state_certified", "ops_apriori", "ops_certified", "n_apriori", "n_certified",
          "eps_certified", "error_exact", "error_certified", "d_max")  # fmt: skip


def summarise(rows: Sequence[Row]) -> list[Row]:
    """One summary per model and target error, in the order of the rows."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in (r for r in rows if r["kind"] == "head"):
        groups.setdefault((row["model"], row["output_error"]), []).append(row)
    return [_group(*key, part) for key, part in groups.items()]


def _group(model: str, error: str, rows: Sequence[Row]) -> Row:
    first = rows[0]
    return {
        "model": model,
        "output_error": error,
        "eps": first["eps"],
        "heads": len(rows),
        "layers": len({row["layer"] for row in rows}),
        "prompts": len({row["prompt"] for row in rows}),
        "tokens": first["scales"][-1]["prefix"],
        "M": _range([row["M"][1] for row in rows]),
        "spread": _range([row["spread"][1] for row in rows]),
        **{name: _range([row[name] for row in rows]) for name in RANGED},
        "pays_apriori": sum(row["pays_apriori"] for row in rows),
        "pays_certified": sum(row["pays_certified"] for row in rows),
        "pays_somewhere": sum(any(s["pays_certified"] for s in row["scales"]) for row in rows),
        "needs_all": sum(row["rank_certified"] == row["scales"][-1]["prefix"] for row in rows),
        "ops_exact": first["ops_exact"],
        "ops_best": sum(min(r["ops_exact"], r["ops_apriori"], r["ops_certified"]) for r in rows),
        "cache": first["cache"],
        "cap": first["cap"],
    }


def _range(values: Sequence[Any]) -> list[Any] | None:
    """Least, median (the lower one), largest; None where nothing is known."""
    known = sorted(v for v in values if v is not None)
    if not known:
        return None
    return [known[0], known[(len(known) - 1) // 2], known[-1]]


def verdict(row: Row) -> str:
    """pays, pays for this run, pays at some scales, does not pay."""
    if row["pays_apriori"]:
        return "pays"
    if row["pays_certified"]:
        return "pays for this run"
    if any(scale["pays_certified"] for scale in row["scales"]):
        return "pays at some scales"
    return "does not pay"


def advice(row: Row) -> str:
    """What to change for the a-priori rank to pay: proved, for all tokens."""
    if row["pays_apriori"]:
        return "nothing to change"
    parts = []
    if row["cap"] is not None:
        parts.append(f"cap |logit| at {short(float(row['cap']))} (now {short(row['M_apriori'])})")
    if row["d_max"]:
        parts.append(f"d at most {row['d_max']}")
    parts.append(f"n from {short(row['n_apriori'])}")
    return "; or ".join(parts)


def short(value: Any) -> str:
    """At most about six characters, rounded to nearest: for people, never for proofs."""
    if value is None:
        return "-"
    if isinstance(value, int):
        if abs(value) < 10**6:
            return str(value)
        exponent = len(str(value)) - 1
        return f"{value // 10 ** (exponent - 2) / 100:.2f}e{exponent}"
    return f"{value:.3g}"


def text(groups: Sequence[Row]) -> list[str]:
    """Lines for a terminal: one group in detail, several as one line each; at most 80 x 24."""
    if len(groups) == 1:
        return _detail(groups[0])
    lines = [f"{'model':24} {'error':>7} {'heads':>5} {'M <=':>6} {'rank a priori':>13} "
             f"{'certified':>9} {'lower':>5} {'pay':>4}"]  # fmt: skip
    for g in groups[:20]:
        lines.append(
            f"{g['model'][:24]:24} {g['output_error'][:7]:>7} {g['heads']:5} "
            f"{short(g['M_apriori'][2]):>6} {short(g['rank_apriori'][2]):>13} "
            f"{short(g['rank_certified'][2]):>9} {short(g['rank_lower'][2]):>5} "
            f"{g['pays_certified']:4}"
        )
    if len(groups) > 20:
        lines.append(f".. and {len(groups) - 20} more; --html or --json has all")
    return lines


def _detail(g: Row) -> list[str]:
    def line(name: str, values: Any, rest: str) -> str:
        shown = [short(v) for v in values] if values else ["-", "-", "-"]
        return f"  {name:19} {shown[0]:>9} {shown[1]:>9} {shown[2]:>9}  {rest}"

    best = 100 * g["ops_best"] / (g["heads"] * g["ops_exact"])
    run, one = "proved, this run", "proved, this run, 1 scale"
    cap = "-" if g["cap"] is None else short(float(g["cap"]))
    least, _, largest = g["d_max"] or ["-", "-", "-"]
    return [
        f"{g['model'][:30]}: {g['heads']} heads, {g['layers']} layers, {g['tokens']} tokens, "
        f"{g['prompts']} prompt(s)",
        f"output error {g['output_error'][:20]}, kernel error {g['eps']:.6g}",
        f"  {'per head':19} {'least':>9} {'median':>9} {'largest':>9}  assurance",
        line("M a priori", g["M_apriori"], "proved, from the weights"),
        line("M measured", g["M"], run),
        line("centred spread", g["spread"], run),
        line("effective dimension", g["dimension"], "estimated"),
        line("degree a priori", g["degree_apriori"], "proved"),
        line("degree at spread", g["degree_spread"], run),
        line("rank a priori", g["rank_apriori"], "proved"),
        line("rank certified", g["rank_certified"], run),
        line("rank lower bound", g["rank_lower"], one),
        line("rank reference", g["rank_reference"], "estimated, 1 scale"),
        line("error guaranteed", g["error_certified"], run),
        line("numbers in state", g["state_certified"], f"proved; cache {short(g['cache'])}"),
        line("pays from n", g["n_apriori"], "proved, a-priori rank"),
        f"certified rank is all {g['tokens']} tokens (exact attention) in {g['needs_all']} heads",
        f"pay: {g['pays_apriori']} for all tokens, {g['pays_certified']} on this run, "
        f"{g['pays_somewhere']} at some scale; operations {best:.3g} % of exact",
        f"to pay for all tokens: |logit| at most {cap}, or d from {least} to {largest} by head",
    ]
