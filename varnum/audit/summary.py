"""Many rows in few words: ranges, counts, and what would have to change."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from varnum.audit.fields import (
    COUNTED,
    ESTIMATED,
    LINES,
    MEASURED,
    PROVED,
    RANGED,
    RUN,
    Field,
    Row,
)
from varnum.audit.kinds import PAIR
from varnum.balls.exact import parse, round_decimal
from varnum.outward import at_least, at_most

_LISTED = 8  # heads that the terminal names
_SAID = {PROVED: "proved", RUN: "proved, this run", MEASURED: "measured", ESTIMATED: "estimated"}


def summarise(rows: Sequence[Row]) -> list[Row]:
    """One summary per model and target error, in the order of the rows."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in (r for r in rows if r["kind"] in ("head", "call")):
        groups.setdefault((row["model"], row["output_error"]), []).append(row)
    budgets = [row for row in rows if row["kind"] == "budget"]
    return [
        {**_group(*key, part), **_budget([b for b in budgets if b["model"] == key[0]])}
        for key, part in groups.items()
    ]


def _budget(rows: Sequence[Row]) -> Row:
    """The smallest kernel error over the prompts, None where one has none; an estimate."""
    if not rows:
        return {}
    found = [row["eps"] for row in rows]
    least = None if None in found else min(found)
    answer = {"budget_eps": least, "model_error": rows[0]["model_error"]}
    if not all("kernel_error" in row for row in rows):
        return answer
    kept = [row["kernel_error"] for row in rows]
    return answer | {
        "kernel_error": None if None in kept else min(kept),
        "kernel_error_assurance": rows[0]["kernel_error_assurance"],
    }


def _group(model: str, error: str, rows: Sequence[Row]) -> Row:
    first = rows[0]
    return {
        "model": model,
        "output_error": error,
        "eps": first["eps"],
        "heads": len(rows),
        "layers": len({row["layer"] for row in rows}),
        "prompts": len({row.get("prompt", row.get("batch")) for row in rows}),
        "tokens": max(map(_keys, rows)),
        **{field.name: _range(upper_ends(field, rows)) for field in RANGED},
        **{field.name: sum(bool(row[field.name]) for row in rows) for field in COUNTED},
        "low_attention": sum(_less(row["rank_attention"], row) for row in rows),
        "pays_somewhere": sum(any(s["pays_certified"] for s in row["scales"]) for row in rows),
        "pays_never": [
            [r["layer"], r["head"], r.get("prompt", r.get("batch"))]
            for r in rows
            if verdict(r) == NO
        ],
        "needs_all": sum(row["rank_certified"] == _keys(row) for row in rows),
        "ops_exact": first["ops_exact"],
        "ops_all": sum(row["ops_exact"] for row in rows),
        **{name: sum(_best(r, source) for r in rows) for name, source in _BEST},
        "cache": first["cache"],
        "cap": first["cap"],
    }


def _keys(row: Row) -> int:
    """Of all tokens together."""
    found = row["tokens"][1] if row["kind"] == "call" else row["scales"][-1]["prefix"]
    return int(found)


def _less(rank: int | None, row: Row) -> bool:
    return rank is not None and rank < _keys(row)


def _best(row: Row, source: str) -> int:
    """Operations with the cheaper choice; exact where the other is not known."""
    other = row[source]
    return int(row["ops_exact"] if other is None else min(row["ops_exact"], other))


_BEST = (
    ("best_apriori", "ops_apriori"), ("best_certified", "ops_certified"),
    ("best_output", "ops_output"),
)  # fmt: skip
NO = "does not pay"


def upper_ends(field: Field, rows: Sequence[Row]) -> list[Any]:
    """A field of all rows; of a pair its upper end."""
    found = [row[field.name] for row in rows]
    if field.kind is PAIR:
        return [None if pair is None else pair[1] for pair in found]
    return found


def _range(values: Sequence[Any]) -> list[Any] | None:
    """Least, median (the lower one), largest; None where nothing is known."""
    known = sorted(v for v in values if v is not None)
    if not known:
        return None
    return [known[0], known[(len(known) - 1) // 2], known[-1]]


def verdict(row: Row) -> str:
    """The strongest sense in which low rank costs less: its guarantee comes with it."""
    if row["pays_apriori"]:
        return "pays for all tokens"
    if row["pays_certified"]:
        return "pays on this run, kernel certified"
    if row["pays_output"]:
        return "pays on this run, output compared"
    if any(scale["pays_certified"] for scale in row["scales"]):
        return "pays at some scales of this run, kernel certified"
    return NO


def advice(row: Row) -> str:
    """What to change for the a-priori rank to pay: proved, for all tokens."""
    if row["pays_apriori"]:
        return "nothing to change"
    if row["kind"] == "call" and row["M_apriori"] is None:
        if row["cap"] is None:
            return "a bound of the logits would have to be known; none is small enough here"
        return (
            f"bound |logit| by at most {short(parse(row['cap']), up=False)}, proved for all tokens"
        )
    parts = []
    if row["cap"] is not None:
        parts.append(
            f"cap |logit| at {short(parse(row['cap']), up=False)} (now {short(row['M_apriori'])})"
        )
    if row["d_max"]:
        parts.append(f"d at most {row['d_max']}")
    parts.append(f"n from {short(row['n_apriori'])}")
    return "; or ".join(parts)


def short(value: Any, up: bool = True) -> str:
    """At most about seven characters, rounded to the side that keeps a bound one."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**6 else round_decimal(Fraction(value), 3, up)
    return at_most(value) if up else at_least(value)


def text(groups: Sequence[Row]) -> list[str]:
    """Lines for a terminal: one group in detail, several as one line each; at most 80 x 32."""
    if len(groups) == 1:
        return _detail(groups[0])
    lines = [f"{'model':20} {'error':>7} {'heads':>5} {'M <=':>6} {'rank: a priori':>14} "
             f"{'kernel':>6} {'output':>6} {'pay':>4}"]  # fmt: skip
    for g in groups[:20]:
        lines.append(
            f"{g['model'][:20]:20} {g['output_error'][:7]:>7} {g['heads']:5} "
            f"{short(g['M_apriori'][2]):>6} {short(g['rank_apriori'][2]):>14} "
            f"{short(g['rank_certified'][2]):>6} {short(g['rank_output'][2]):>6} "
            f"{g['pays_output']:4}"
        )
    lines.append("largest over heads; rank kernel and output, and pay: for this run's tokens")
    if len(groups) > 20:
        lines.append(f".. and {len(groups) - 20} more; --html or --json has all")
    return lines


def _detail(g: Row) -> list[str]:
    return [
        f"{g['model'][:30]}: {g['heads']} heads, {g['layers']} layers, {g['tokens']} tokens, "
        f"{g['prompts']} prompt(s)",
        f"output error {g['output_error'][:20]}, kernel error {at_least(g['eps'], 6)}",
        f"  {'per head':20} {'least':>8} {'median':>8} {'largest':>8}  assurance",
        *(_line(field, g) for field in LINES),
        *_answers(g),
    ]


def _line(field: Field, g: Row) -> str:
    """One figure over the heads, and what it rests on."""
    assert field.line is not None
    assert field.assurance is not None
    shown = [short(v) for v in g[field.name]] if g[field.name] else ["-", "-", "-"]
    note = field.line.note.format(tokens=g["tokens"], cache=short(g["cache"]))
    return (
        f"  {field.line.title or field.title:20} {shown[0]:>8} {shown[1]:>8} {shown[2]:>8}  "
        f"{_SAID[field.assurance]}{note}"
    )


def _answers(g: Row) -> list[str]:
    """Which heads pay now, and what to change."""

    def line(name: str, heads: int, best: str, rest: str) -> str:
        share = at_most(Fraction(100 * g[best], g["ops_all"]))
        return f"  {name:20} {heads:8} {share:>8} %{rest:>9}"

    cap = "-" if g["cap"] is None else short(parse(g["cap"]), up=False)
    least, _, largest = g["d_max"] or ["-", "-", "-"]
    never = list(dict.fromkeys(f"{layer}.{head}" for layer, head, _ in g["pays_never"]))
    named = " ".join(never[:_LISTED]) + " .." * (len(never) > _LISTED) or "none"
    lines = [
        f"  {'pays now':20} {'heads':>8} {'operations':>10}  kept for",
        line("a priori", g["pays_apriori"], "best_apriori", "  all tokens"),
        line("kernel certified", g["pays_certified"], "best_certified", "  these tokens"),
        line("output compared", g["pays_output"], "best_output", "  these tokens"),
        f"  {'kernel, some scale':20} {g['pays_somewhere']:8} {'-':>10}  these tokens",
        f"  {'varnum attention':20} {g['low_attention']:8} {'-':>10}  every call, as it runs",
        f"pay in no way (layer.head): {named}",
        f"to pay for all tokens: |logit| at most {cap}, or d from {least} to {largest} by head",
    ]
    if "budget_eps" in g:
        eps = short(g["budget_eps"], up=False)
        lines.append(
            f"kernel error {eps} in every layer keeps the logits within "
            f"{g['model_error'][:9]}: estimated"
        )
    if "kernel_error" in g:
        shown = short(g["kernel_error"], up=False)
        lines.append(
            "kernel error verified for this run: none; --json says why"
            if g["kernel_error"] is None
            else f"kernel error {shown} keeps them: {g['kernel_error_assurance']}"
        )
    return lines
