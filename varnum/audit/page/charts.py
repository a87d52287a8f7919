"""Pictures of a report as inline SVG: heat maps over layers x heads, cost against n."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from html import escape

from varnum.audit.fields import Field, Row
from varnum.audit.kinds import WHOLE
from varnum.audit.leading_monomials import operations
from varnum.audit.summary import short, upper_ends
from varnum.cost.counts import count
from varnum.cost.schedule import geometric
from varnum.formulas import cost as forms


def heat_map(field: Field, rows: Sequence[Row], length: int) -> str:
    """One cell per layer (down) and head (across); the colour runs from the least to the largest.

    A count is shown as a share of the `length` tokens, over prompts the largest value is.
    """
    assert field.assurance is not None
    both = zip(rows, upper_ends(field, rows), strict=True)
    known = [(row, value) for row, value in both if value is not None]
    if not known:
        return ""
    rows, values = [row for row, _ in known], [value for _, value in known]
    if field.kind is WHOLE:
        return _cells(rows, f"{field.map} / L", field.assurance, [v / length for v in values])
    return _cells(rows, field.map, field.assurance, values)


def _cells(rows: Sequence[Row], title: str, assurance: str, values: Sequence[float]) -> str:
    cells: dict[tuple[int, int], float] = {}
    for row, value in zip(rows, values, strict=True):
        place = (row["layer"], row["head"])
        cells[place] = max(cells.get(place, -math.inf), value)
    low, high = min(cells.values()), max(cells.values())
    layers, heads = 1 + max(p[0] for p in cells), 1 + max(p[1] for p in cells)
    wide, tall, left, top = 300 / heads, min(40.0, 300 / max(heads, layers)), 26, 18
    parts = []
    for (layer, head), v in sorted(cells.items()):
        shade = 0.08 + 0.92 * ((v - low) / (high - low) if high > low else 0.5)
        parts.append(
            f'<rect class="cell" fill-opacity="{shade:.3f}" x="{left + head * wide:.2f}" '
            f'y="{top + layer * tall:.2f}" width="{wide - 1:.2f}" height="{tall - 1:.2f}">'
            f"<title>layer {layer}, head {head}: {escape(short(v))}</title></rect>"
        )
    for layer in range(0, layers, max(1, layers // 8)):
        y = top + (layer + 0.5) * tall + 4
        parts.append(f'<text x="{left - 5}" y="{y:.1f}" text-anchor="end">{layer}</text>')
    for head in range(0, heads, max(1, heads // 8)):
        x = left + (head + 0.5) * wide
        parts.append(f'<text x="{x:.1f}" y="{top - 6}" text-anchor="middle">{head}</text>')
    height = top + layers * tall
    return (
        f'<figure><svg viewBox="0 0 {left + 302} {height:.0f}" role="img" '
        f'aria-label="{escape(title)} by layer and head">{"".join(parts)}</svg>'
        f"<figcaption><strong>{escape(title)}</strong> ({escape(assurance)}), layers down, heads "
        f"across; {escape(short(low))} (pale) to {escape(short(high))} (full)</figcaption></figure>"
    )


def cost_curves(row: Row, d: int) -> str:
    """Operations of one head against the side n of a geometric pyramid of ratio 2, log-log."""
    r, n_cross = row["rank_apriori"], row["n_apriori"]
    top_power = 8
    if n_cross is not None:
        top_power = max(8, min(n_cross.bit_length() + 2, 59))
    powers = range(2, top_power + 1)
    lines: dict[str, list[tuple[float, float]]] = {
        "exact": [], "apriori": [], "certified": [], "output": [],
    }  # fmt: skip
    for power in powers:
        cost = count(geometric(1 << power), d, d, r)
        lines["exact"].append((power, _log(cost.exact)))
        lines["apriori"].append((power, _log(cost.lowrank)))
        length = geometric(1 << power).length
        if row["pays_output"]:
            keys, queries = operations((length,), row["coordinates"], row["rank_output"], d, d)
            lines["output"].append((power, _log(keys[0] + queries[0])))
        if row["pivots"]:
            each = forms.pivot_scale.integer(
                N=length, d=d, d_v=d, m=row["pivots"], r=row["rank_certified"]
            )
            lines["certified"].append((power, _log(each)))
    return _curves(lines, top_power, row)


def _log(value: int | Fraction) -> float:
    return math.log10(value)


_NAMES = {
    "exact": "exact", "apriori": "rank a priori",
    "certified": "certified kernel, rank kept fixed (estimated)",
    "output": "output compared, rank kept fixed (estimated)",
}  # fmt: skip
_LEFT, _TOP, _WIDTH, _HEIGHT = 44, 10, 520, 250


def _curves(lines: dict[str, list[tuple[float, float]]], top_power: int, row: Row) -> str:
    largest = max(y for points in lines.values() for _, y in points)
    least = min(y for points in lines.values() for _, y in points)

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + _WIDTH * (x - 2) / (top_power - 2)
        return across, _TOP + _HEIGHT * (1 - (y - least) / (largest - least))

    frame = f'x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}"'
    parts = [f'<rect class="frame" {frame}/>']
    for e in range(math.ceil(least), math.floor(largest) + 1, max(1, int(largest - least) // 5)):
        _, y = place(2, e)
        parts.append(_line("grid", _LEFT, y, _LEFT + _WIDTH, y))
        parts.append(_label("", _LEFT - 5, y + 4, f"1e{e}", "end"))
    for power in range(2, top_power + 1, max(1, (top_power + 5) // 8)):
        label = str(1 << power) if power <= 13 else f"2^{power}"
        parts.append(_label("", place(power, least)[0], _TOP + _HEIGHT + 16, label, "middle"))
    for number, name in enumerate(name for name in lines if lines[name]):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in lines[name]))
        parts.append(f'<polyline class="curve {name}" points="{path}"/>')
        where = (_LEFT + 10, _TOP + 18 + 16 * number)
        parts.append(_label(f"t-{name}", *where, _NAMES[name], "start"))
    crossing = row["n_apriori"]
    if crossing is not None and 2 <= math.log2(crossing) <= top_power:
        x, _ = place(math.log2(crossing), least)
        parts.append(_line("mark", x, _TOP, x, _TOP + _HEIGHT))
        note = f"a priori pays from n = {short(crossing)}"
        parts.append(_label("note", x - 5, _TOP + _HEIGHT - 8, note, "end"))
    box = f"0 0 {_LEFT + _WIDTH + 24} {_TOP + _HEIGHT + 24}"
    return (
        f'<figure class="wide"><svg viewBox="{box}" role="img" aria-label="operations against n">'
        f"{''.join(parts)}</svg><figcaption>Operations of the head with the median rank (layer "
        f"{row['layer']}, head {row['head']}) against the side n of the last map, pyramid of ratio "
        "2, same d, M and error. Exact and a-priori counts are proved; a dashed curve assumes that "
        "the rank found here does not grow, and no row is run exactly: an estimate."
        "</figcaption></figure>"
    )


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _label(name: str, x: float, y: float, text: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{name}" {place}>{escape(text)}</text>'
