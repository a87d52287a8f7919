"""`varnum kv --evict`: what a cache may forget, certified beside measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.cli.common import progress
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError
from varnum.text import aligned, filled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from varnum.hardness.caches.evict_report import Layout
    from varnum.hardness.caches.heads import Head

RUN = "run"  # instead of a file: the heads of a VAR run


@dataclass(frozen=True)
class EvictQuestion:
    """What the options of `varnum kv --evict` say."""

    source: str
    keep: str
    policy: str
    merge: int
    sigma: str | None
    cut: int | None
    schedule: str | None
    per_query: Path | None
    random: str | None
    var: str | None
    vae: str | None
    config: str | None
    label: int
    seed: int
    plot: Path | None = None


def evict(asked: EvictQuestion, json: bool) -> int:
    """Judge a policy on the heads of a file or of a VAR run."""
    from varnum.balls import parse
    from varnum.cli.sources import check_output
    from varnum.hardness.caches.evict_report import report
    from varnum.hardness.caches.eviction import Eviction, check
    from varnum.hardness.caches.policies import POLICIES

    how = Eviction(parse(asked.keep, "--keep"), asked.policy, asked.merge, asked.seed)
    check(how)
    if asked.policy not in POLICIES:
        raise InputError(f"--policy: no {asked.policy!r}; allowed are {', '.join(POLICIES)}")
    if asked.plot is not None:
        from varnum.plots import figure

        figure.checked([asked.plot])
        figure.style()  # a missing part is said before the work
    check_output(None if asked.per_query is None else str(asked.per_query), ".npz")
    with progress() as say:
        heads, layout = _source(asked, say)
        content, arrays = report(heads, layout, how, say)
    if asked.per_query is not None:
        import numpy as np

        np.savez(asked.per_query, **arrays)
    content = {
        "source": asked.source if asked.random is None else f"run of {asked.random}",
        "keep": asked.keep,
        "policy": asked.policy,
        "merge": asked.merge,
        "judged": "scale by scale" if layout.scales else "after the cut" if layout.cut else "all",
    } | content
    if asked.plot is not None:
        from varnum.plots import evict as picture

        axis = "scale" if layout.scales else "head"
        figure.make(picture, content | {"rows": _rows(content), "axis": axis}, [asked.plot])
    if json:
        return print_envelope(
            "varnum/kv-evict/1", content,
            verdict="proved", assurance="proved for this run", exit_code=0,
        )  # fmt: skip
    _show(content)
    if asked.plot is not None:
        print(f"wrote {asked.plot}")
    return 0


def _source(asked: EvictQuestion, say: Any) -> tuple[Iterable[Head], Layout]:
    from varnum.cost.schedule import parse_schedule
    from varnum.hardness.caches.evict_report import Layout
    from varnum.hardness.caches.heads import capture, read_heads

    if asked.source == RUN:
        if asked.cut is not None or asked.schedule or asked.sigma:
            raise InputError("--evict run: --cut, --schedule and --sigma come from the model")
        from varnum.cli.sources import load_model

        say("running the model")
        model = load_model(asked.var, asked.vae, asked.config, asked.random, asked.seed)
        if not -1 <= asked.label < model.var.num_classes:
            raise InputError(f"--label: {asked.label} is not allowed; -1 to "
                             f"{model.var.num_classes - 1}")  # fmt: skip
        heads, lengths = capture(model, asked.label, asked.seed)
        return heads, Layout(scales=lengths)
    for name in ("random", "var", "vae", "config"):
        if getattr(asked, name) is not None:
            raise InputError(f"--{name}: an option of --evict run")
    if asked.cut is not None and asked.schedule:
        raise InputError("--cut: not with --schedule; scales are their own cuts")
    scales = parse_schedule(asked.schedule).lengths if asked.schedule else ()
    return read_heads(Path(asked.source), asked.sigma), Layout(asked.cut, scales)


def _rows(r: dict[str, Any]) -> list[dict[str, Any]]:
    """One a head, or where there are many stages one a scale, the worst of all heads."""
    from varnum.hardness.caches.evict_report import by_stage

    if len(r["heads"][0]["stages"]) > 1:
        return by_stage(r["heads"])
    return [head["stages"][0] | {"name": head["name"]} for head in r["heads"]]


def _show(r: dict[str, Any]) -> None:
    many, rows = len(r["heads"][0]["stages"]) > 1, _rows(r)
    merged = r["merge"] > 0
    error = ["merged <=", "dropped <="] if merged else ["dropped <="]
    table = [["scale" if many else "head", "kept/rows", "mass <=", *error, "floor >="]]
    table += [_row(row, merged) for row in rows]
    print(aligned(table))
    worst = f"worst of {len(r['heads'])} heads and their queries" if many else "worst query"
    print(filled(
        f"{r['policy']}, keep {r['keep']}; {worst}. Errors over V's range per column, proved for "
        "these queries and values, every rounding counted; in brackets what float64 sees."
    ))  # fmt: skip
    print(filled(
        "floor: on some values a policy that keeps nothing of a dropped value errs by this much at "
        "these keys and queries, half of the dropped mass; merging is no such policy."
    ))  # fmt: skip


def _row(row: dict[str, Any], merged: bool) -> list[str]:
    from varnum.outward import at_least, at_most

    def pair(name: str) -> str:
        return f"{at_most(row[f'{name}_certified'])} ({row[f'{name}_measured']:.3g})"

    clusters = f"+{row['clusters']}" if merged else ""
    return [
        str(row["name"]), f"{row['kept']}{clusters}/{row['rows']}", pair("mass"),
        *([pair("error")] if merged else []), pair("dropped"), at_least(row["floor"]),
    ]  # fmt: skip
