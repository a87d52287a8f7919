"""A small circuit as SVG: inputs on the left, a column per depth, the outputs ringed."""

from __future__ import annotations

from html import escape

from varnum.circuit.gates import Circuit
from varnum.errors import InputError

MOST_GATES, MOST_WIRES = 120, 2000
_STEP, _ROW, _RADIUS = 150, 26, 8


def svg(circuit: Circuit) -> str:
    """The picture as text; raises InputError for a circuit too large to look at.

    Every gate has its inequality as its title; positive wires are solid, negative ones dashed.
    """
    counts = circuit.counts()
    if counts.gates > MOST_GATES or counts.wires > MOST_WIRES:
        raise InputError(
            f"draw: {counts.gates} gates and {counts.wires} wires; at most {MOST_GATES} and "
            f"{MOST_WIRES} can be seen"
        )
    columns: list[list[int]] = [list(range(circuit.inputs))]
    for g, depth in enumerate(circuit.depths):
        columns += [[] for _ in range(depth + 1 - len(columns))]
        columns[depth].append(circuit.inputs + g)
    tallest = max(map(len, columns))
    place = {
        node: (40 + _STEP * c, 30 + _ROW * (row + (tallest - len(column)) / 2))
        for c, column in enumerate(columns)
        for row, node in enumerate(column)
    }
    width, height = 80 + _STEP * (len(columns) - 1), 60 + _ROW * (tallest - 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" '
        'font-family="sans-serif" font-size="9">',
        f"<title>threshold circuit: depth {counts.depth}, {counts.gates} gates</title>",
        f'<rect width="{width}" height="{height:g}" fill="white"/>',
    ]
    for g, (index, _) in enumerate(circuit.gates):
        for node, weight in circuit.sums[index]:
            lines.append(_wire(place[node], place[circuit.inputs + g], weight))
    lines += [_node(circuit, node, where) for node, where in place.items()]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _wire(start: tuple[float, float], end: tuple[float, float], weight: int) -> str:
    dash = ' stroke-dasharray="4 3"' if weight < 0 else ""
    colour = "#b2182b" if weight < 0 else "#4477aa"
    return (
        f'<line x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}" '
        f'stroke="{colour}" stroke-width="0.7" opacity="0.6"{dash}/>'
    )


def _node(circuit: Circuit, node: int, where: tuple[float, float]) -> str:
    x, y = where
    if node < circuit.inputs:
        label, title, fill = f"x{node}", f"input {node}", "#dddddd"
    else:
        index, theta = circuit.gates[node - circuit.inputs]
        label, fill = str(theta), "#ffffff"
        title = f"{_inequality(circuit, index)} >= {theta}"
    ring = "3" if node in circuit.outputs else "1"
    return (
        f"<g><title>{escape(title)}</title>"
        f'<circle cx="{x:g}" cy="{y:g}" r="{_RADIUS}" fill="{fill}" stroke="#222" '
        f'stroke-width="{ring}"/>'
        f'<text x="{x:g}" y="{y + 3:g}" text-anchor="middle">{escape(label)}</text></g>'
    )


def _inequality(circuit: Circuit, index: int) -> str:
    names = [
        f"{w:+d} {'x' if node < circuit.inputs else 'g'}"
        f"{node if node < circuit.inputs else node - circuit.inputs}"
        for node, w in circuit.sums[index]
    ]
    return " ".join(names) or "0"
