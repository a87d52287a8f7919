"""The report as one page that needs nothing else: tables, heat maps, what every number rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from html import escape
from importlib.resources import files
from typing import Any

from varnum.audit.fields import (
    DOWN,
    ESTIMATED,
    HEADS,
    MAPS,
    MEASURED,
    PROVED,
    RUN,
    SCALES,
    Field,
    Row,
    of,
)
from varnum.audit.page.charts import cost_curves, heat_map
from varnum.audit.summary import advice, short, verdict
from varnum.balls.exact import parse
from varnum.errors import InputError
from varnum.outward import at_most

_KIND = {PROVED: "proved", RUN: "run", ESTIMATED: "estimated", MEASURED: "measured"}


def page(
    rows: Sequence[Row], groups: Sequence[Row], question: dict[str, Any], command: str,
    note: str = "",
) -> str:  # fmt: skip
    """The whole HTML document. Every string from outside is escaped; `note`: what to know first."""
    heads = [row for row in rows if row["kind"] in ("head", "call")]
    budgets = [row for row in rows if row["kind"] == "budget"]
    parts = [_opening(groups, command)]
    if note:
        parts.append(f"<p><strong>{escape(note)}.</strong></p>")
    for group in groups:
        mine = [
            row for row in heads
            if (row["model"], row["output_error"]) == (group["model"], group["output_error"])
        ]  # fmt: skip
        parts.append(_group(group, mine, len(groups) > 1))
    parts += [_budget(budget) for budget in budgets]
    parts.append(_table(heads))
    parts.append(_assurances(question))
    return _document("".join(parts), heads)


def _document(body: str, heads: Sequence[Row]) -> str:
    here = files("varnum.audit.page")
    css, js = (here.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    columns = [
        [f.name, f.scales.title or f.title, f.assurance, f.assurance and _KIND[f.assurance]]
        for f in SCALES
        if f.scales is not None
    ]
    data = [
        {
            "title": _title(r),
            "advice": f"{verdict(r)}. {_guess(r)}For the a-priori rank to pay: {advice(r)}.",
            "command": reproduce(r),
            "scales": r["scales"],
        }
        for r in heads
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>varnum audit</title><style>{css}</style></head><body><main>{body}</main>"
        f"{_json('rows', data)}{_json('columns', columns)}<script>{js}</script></body></html>\n"
    )


def _title(r: Row) -> str:
    rest = f"{r['model']}, output error {r['output_error']}"
    if r["kind"] == "call":
        return (
            f"{r['module']}, head {r['head']}, call {r['call']}, batch {r['batch']}, "
            f"{r['tokens'][0]} x {r['tokens'][1]}, mask {r['mask']}, {rest}"
        )
    return (
        f"Layer {r['layer']}, head {r['head']}, prompt {r['prompt']} (label {r['label']}), {rest}"
    )


def _guess(r: Row) -> str:
    """Of a call: what triage says, and why figures are missing."""
    said = f"Triage, an estimate: {r['triage']}. " if r.get("triage") else ""
    return said + (f"No ranks: {r['reason']}. " if r.get("reason") else "")


def _json(name: str, value: Any) -> str:
    text = json.dumps(value).replace("<", "\\u003c")  # no tag can end the script element
    return f'<script type="application/json" id="{name}">{text}</script>'


def reproduce(row: Row) -> str:
    """The command that gives degree, rank, cost and crossover of a head again, from M alone."""
    if row["kind"] == "call":
        if row["M_rounded"] is None:
            return ""
        return (
            f"varnum bound --M {row['M_rounded']} --d {row['d']} "
            f"--output-error {row['output_error']}"
        )
    sides = ",".join(str(scale["side"]) for scale in row["scales"])
    d = row["d"]
    return (
        f"varnum bound --M {row['M_rounded']} --d {d} --output-error {row['output_error']} "
        f"--schedule {sides}"
    )


def _opening(groups: Sequence[Row], command: str) -> str:
    names = ", ".join(dict.fromkeys(escape(g["model"]) for g in groups))
    return (
        f"<h1>Does low-rank attention pay in {names}?</h1>"
        + "".join(map(_answer, groups))
        + '<p class="soft">Everything on this page comes from this command:</p>'
        + f"<pre>{escape(command)}</pre>"
    )


def _answer(g: Row) -> str:
    def share(name: str) -> str:
        part = at_most(Fraction(100 * g[name], g["ops_all"]))
        return f"with the best choice for each head {part} % of the "

    return (
        f"<p><strong>{escape(g['model'])}, output error {escape(g['output_error'])}:</strong> of "
        f"{g['heads']} heads</p><ul>"
        f"<li><strong>{g['pays_apriori']}</strong> pay for all tokens, a priori "
        f"({share('best_apriori')}operations of exact attention);</li>"
        f"<li><strong>{g['pays_certified']}</strong> pay on the tokens of this run with a "
        f"certified kernel ({share('best_certified')}operations), and {g['pays_somewhere']} at "
        "some scale taken alone;</li>"
        f"<li><strong>{g['pays_output']}</strong> pay on the tokens of this run with features "
        f"whose output was compared with exact attention ({share('best_output')}"
        "operations);</li>"
        f"<li>in <strong>{g['low_attention']}</strong> <code>varnum attention</code> takes low "
        "rank for some scale by itself, certified call by call as it runs.</li></ul>"
    )


def _group(g: Row, rows: Sequence[Row], several: bool) -> str:
    title = f": {escape(g['model'])}, output error {escape(g['output_error'])}" if several else ""
    length = g["tokens"]
    lines = []
    for f in HEADS:
        # what has no range is the same for every head of a model
        values = [rows[0][f.name]] * 3 if f.ranged is None else g.get(f.name) or [None] * 3
        cells = "".join(f"<td>{escape(_shown(v, f.name))}</td>" for v in values)
        lines.append(f"<tr><td>{escape(f.title)} {_tag(f)}</td>{cells}</tr>")
    maps = "".join(heat_map(f, rows, length) for f in MAPS)
    curves = "" if rows[0]["kind"] == "call" else _curves(rows, title)
    return (
        f"<h2>Over the heads{title}</h2>"
        '<div class="scroll"><table><thead><tr><th>per head</th><th>least</th><th>median</th>'
        "<th>largest</th></tr></thead><tbody>"
        f"{''.join(lines)}</tbody></table></div>"
        f'<h2>Layers and heads{title}</h2><div class="heats">{maps}</div>{curves}'
    )


def _curves(rows: Sequence[Row], title: str) -> str:
    """Of a pyramid of maps."""
    middle = sorted(rows, key=lambda r: r["rank_apriori"])[(len(rows) - 1) // 2]
    return f"<h2>Cost against n{title}</h2>{cost_curves(middle, middle['d'])}"


def _tag(field: Field) -> str:
    assert field.assurance is not None
    return f'<span class="tag {_KIND[field.assurance]}">{escape(field.assurance)}</span>'


_EXACT = {name for name, field in of("head").items() if "x-exact" in field.kind.schema}


def _shown(value: Any, field: str = "") -> str:
    """Rounded outward; a name as it is, an exact number by its value."""
    if isinstance(value, str):
        try:
            value = parse(value) if field in _EXACT and field in DOWN else value
        except InputError:
            return str(value)
    return value if isinstance(value, str) else short(value, up=field not in DOWN)


def _budget(row: Row) -> str:
    title = f"{escape(row['model'])}, label {row['label']}"
    if row["eps"] is None:
        body = f"<p>None: {escape(row['reason'])}.</p>"
    else:
        lines = "".join(
            f"<tr><td>{escape(s['layer'])}</td><td>{escape(short(s['amplification']))}</td>"
            f"<td>{escape(short(s['error']))}</td><td>{escape(short(s['zeta'] or None))}</td>"
            f"<td>{escape(short(s['domain'] or None))}</td></tr>"
            for s in row["steps"]
        )
        tag = f'<span class="tag estimated">{ESTIMATED}</span>'
        eps = short(row["eps"], up=False)
        body = (
            f"<p>Kernel error {eps} {tag} in every layer keeps the logits within "
            f"{escape(row['model_error'])}, in norms, for this run. An estimate: the norms of the "
            "weights are proved, but the ranges of the run are read off in float64.</p>"
            '<div class="scroll tall"><table><thead><tr><th>after</th>'
            f"<th>amplification{tag}</th><th>error at most{tag}</th>"
            f"<th>logits move by{tag}</th><th>kernel domain{tag}</th></tr></thead>"
            f"<tbody>{lines}</tbody></table></div>"
        )
    return f"<h2>Budget per layer: {title}</h2>{_verified(row)}{body}"


def _verified(row: Row) -> str:
    """What ensembles verified for the same run, where they were asked."""
    if "kernel_error" not in row:
        return ""
    tag = f'<span class="tag run">{escape(row["kernel_error_assurance"])}</span>'
    if row["kernel_error"] is None:
        return f"<p>By ensembles, none {tag}: {escape(row['kernel_error_reason'])}.</p>"
    return (
        f"<p>Kernel error {short(row['kernel_error'], up=False)} {tag} in every layer keeps every "
        f"logit of this run within {escape(row['model_error'])}: verified by ensembles drawn by "
        "this audit. The chance is over those draws, for all its budgets together; it is not "
        "the probability that a printed number is false.</p>"
    )


def _table(heads: Sequence[Row]) -> str:
    calls = any(row["kind"] == "call" for row in heads)
    places: tuple[str, ...] = ("model", "layer", "head", "label", "output_error")
    if calls:
        places = ("model", "module", "layer", "call", "batch", "head", "mask", "output_error")
    titles = "".join(f"<th><button>{name.replace('_', ' ')}</button></th>" for name in places)
    titles += '<th class="left"><button>verdict</button></th>'
    titles += "".join(f"<th><button>{escape(f.title)}</button>{_tag(f)}</th>" for f in HEADS)
    lines = []
    for index, row in enumerate(heads):
        cells = "".join(_cell(row[name]) for name in places)
        cells += f'<td class="left">{escape(verdict(row))}</td>'
        cells += "".join(_cell(row[f.name], f.name) for f in HEADS)
        lines.append(f'<tr class="head" tabindex="0" data-index="{index}">{cells}</tr>')
    return (
        '<h2>Every head</h2><p class="soft">Click a title to sort, a row for its scales, what to '
        'change, and a command that reproduces it.</p><div class="scroll tall"><table><thead><tr>'
        f"{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        '<div id="detail" aria-live="polite"></div>'
    )


def _cell(value: Any, field: str = "") -> str:
    value = value[1] if isinstance(value, list) else value
    shown = escape(_shown(value, field))
    try:
        key = -1.0 if value is None else float(value)
    except (ValueError, OverflowError):
        return f"<td>{shown}</td>"
    return f'<td data-key="{key!r}">{shown}</td>'


def _assurances(question: dict[str, Any]) -> str:
    return (
        "<h2>What the words mean</h2><dl>"
        f"<dt>{PROVED}</dt><dd>Holds for all tokens (without l2 normalisation: of that label), by "
        "inequalities and rigorous arithmetic from the weights alone.</dd>"
        f"<dt>{RUN}</dt><dd>Holds for the queries, keys and values of this run, the float64 "
        "numbers that attention was given, rounding included. Other tokens can differ.</dd>"
        f"<dt>{ESTIMATED}</dt><dd>No bound: a floating-point estimate, or an assumption that is "
        "named with it.</dd>"
        f"<dt>{MEASURED}</dt><dd>A count of what was used.</dd></dl>"
        "<p>M is the largest |logit|. A kernel of some rank is certified where it is within the "
        "kernel error, entry by entry; a rank equal to the number of tokens is exact attention. "
        "Below the lower bound no kernel is, for any one scale: this says nothing of ranks that "
        "only keep the output.</p><p><em>Output compared</em>: the output of a few leading "
        "monomials was compared with exact attention, every entry, and scales where they miss run "
        "exactly. It holds for these tokens and no others; making sure again takes exact attention "
        "again.</p><p><em>varnum attention</em>: what that command does with this head. It "
        "certifies each call without exact attention, and runs rows exactly where it cannot.</p>"
        "<p>Errors are of the attention output, in units of the range of each value "
        "column. One operation is a multiply-add, a multiplication or an exp; cache, state and "
        "numbers kept count numbers. Least, median and largest are over heads, field by "
        "field.</p>"
        f"<h3>The question</h3><pre>{escape(json.dumps(question, indent=1))}</pre>"
    )
