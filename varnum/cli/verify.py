"""`varnum verify`: try every claim of the ledger with everything that is installed here."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from varnum.proof.verify import Item, Report


def verify(
    claim: Annotated[str | None, typer.Option(help="Only this claim id.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds per obligation and solver.")
    ] = 10,
    require: Annotated[
        list[str] | None, typer.Option(help="A solver that must be present: z3 or cvc5.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each numerical check.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the numerical checks.")] = 0,
    no_checks: Annotated[bool, typer.Option("--no-checks", help="Skip numerical checks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable report.")] = False,
) -> None:
    """Obligations with every solver present, ball checks and numerical checks, claim by claim.

    Exit code 0: nothing refuted, nothing unknown; 1: something refuted; 3: something unknown;
    4: a required solver is missing. A check that could not run is unknown, never a pass.

    Examples: varnum verify --claim softmax-logit --no-checks; varnum verify --require cvc5
    """
    from varnum.proof.verify import verify as run

    talk = sys.stderr.isatty()

    def progress(name: str) -> None:
        if talk:
            print(f"\r\x1b[Kverifying {name}", end="", file=sys.stderr, flush=True)

    report = run(
        claim,
        timeout=timeout,
        require=tuple(require or ()),
        trials=trials,
        seed=seed,
        checks=not no_checks,
        progress=progress,
    )
    if talk:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps(to_json(report), indent=1))
    else:
        _table(report)
    raise typer.Exit(report.exit_code)


def to_json(report: Report) -> dict[str, Any]:
    """The report as schema varnum/verify/1."""
    from varnum.proof.ledger import claims

    names = dict.fromkeys(item.claim for item in report.items)
    return {
        "schema": "varnum/verify/1",
        "solvers": report.solvers,
        "absent": list(report.absent),
        "exit_code": report.exit_code,
        "claims": [
            {
                "id": name,
                "assurance": claims()[name].assurance,
                "statement": claims()[name].statement,
                "repaired": claims()[name].repaired,
                "tight": claims()[name].tight,
                "verdict": type(report.verdict(name)).__name__,
                "items": [_item(item) for item in report.of(name)],
            }
            for name in names
        ],
    }


def _item(item: Item) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": item.kind, "name": item.name}
    fields["verdict"] = type(item.verdict).__name__
    fields["detail"] = _detail(item.verdict)
    if item.measured is not None:
        fields |= {"measured": item.measured, "claimed": item.claimed}
    return fields


def _detail(verdict: Any) -> str:
    how = getattr(verdict, "how", "") or getattr(verdict, "reason", "")
    witness = getattr(verdict, "witness", None)
    return f"{how}: {witness}" if witness is not None else str(how)


def _table(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    from varnum.proof.ledger import claims

    console = Console()
    table = Table(box=None, pad_edge=False)  # fits 80 columns; `tight` in words is in --json
    for name in ("claim", "rests on", "verdict", "by"):
        table.add_column(name, no_wrap=name != "by")
    table.add_column("measured\n/claimed", no_wrap=True)
    for name in dict.fromkeys(item.claim for item in report.items):
        verdict = report.verdict(name)
        ratios = [i.measured / i.claimed for i in report.of(name) if i.measured and i.claimed]
        table.add_row(
            name,
            claims()[name].assurance,
            type(verdict).__name__,
            _detail(verdict),
            f"{max(ratios):.6f}" if ratios else "",
        )
    console.print(table)
    for item in report.items:
        if type(item.verdict).__name__ != "Proved":
            console.print(f"{item.claim}: {item.kind} {item.name}: {_detail(item.verdict)}")
        elif item.kind == "twin":
            console.print(f"{item.claim}: twin {item.name}: {_detail(item.verdict)}")
    solvers = ", ".join(f"{n} {v}" for n, v in report.solvers.items()) or "none"
    console.print(f"solvers: {solvers}; absent: {', '.join(report.absent) or 'none'}")
