"""`varnum verify`: try every claim of the ledger with everything that is installed here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from varnum.cli.complete import claims
from varnum.cli.envelope import print_document
from varnum.errors import InputError
from varnum.text import WIDTH, filled

if TYPE_CHECKING:
    from varnum.proof.verify import Report


def verify(
    claim: Annotated[
        str | None, typer.Option(help="Only this claim id.", autocompletion=claims)
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds per obligation and solver.")
    ] = 10,
    require: Annotated[
        list[str] | None, typer.Option(help="Must be present: z3, cvc5, or coq, which then runs.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of each numerical check.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the numerical checks.")] = 0,
    no_checks: Annotated[bool, typer.Option("--no-checks", help="Skip numerical checks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable report.")] = False,
) -> None:
    """Try every claim again: obligations with every solver present, balls, values, checks.

    With --claim, its page too: statement, proof, obligations, checks, code.

    A claim holds if all that was tried agrees; what it rests on (a solver, balls, a proof in words,
    tests) stands beside it, with its tightness: the largest measured error over the claimed one.

    Exit code 0: nothing refuted, nothing unknown; 1: something refuted; 3: something unknown, or
    nothing to run for --claim; 4: a required solver is missing. A check that could not run is
    unknown, never a pass.

    Examples: varnum verify --claim softmax-logit --no-checks;
    varnum verify --claim linear --require cvc5
    """
    from varnum.proof.verify import verify as run

    for name, given, most in (("timeout", timeout, 1e7), ("trials", trials, 10**9)):
        if not given <= most:
            raise InputError(f"--{name}: {given:g} is not allowed; up to {most:g}")
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed: {seed} is not allowed; from 0 to 2^63 - 1")
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
        print_document(report.to_dict())
    else:
        _table(report)
        if claim is not None:
            _page(claim)
    raise typer.Exit(report.exit_code)


def _page(claim: str) -> None:
    """What the claim's page says, whole."""
    from varnum.proof.claim_page import render
    from varnum.proof.ledger import claims

    print()
    for line in render(claims()[claim]).splitlines():
        print(filled(line, indent="") if len(line) > WIDTH else line)


SAID = {"Proved": "holds", "Refuted": "refuted", "Unknown": "unknown"}  # by all that was tried


def _table(report: Report) -> None:
    from varnum.proof.ledger import claims
    from varnum.proof.report import detail

    names = list(dict.fromkeys(item.claim for item in report.items))
    rows = [("claim", "rests on", "verdict", "tightness", "by")]
    for name in names:
        verdict = report.verdict(name)
        tried = [item for item in report.of(name) if item.kind != "ledger"]
        ratios = [i.measured / i.claimed for i in tried if i.measured and i.claimed]
        said = SAID[type(verdict).__name__] if tried else "-"
        tight = f"{max(ratios):.6g}" if ratios else ""
        rows.append((name, claims()[name].assurance, said, tight, detail(verdict)))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for *cells, how in rows:
        start = "".join(f"{c:<{w + 2}}" for c, w in zip(cells, widths, strict=True))
        print(filled(f"{start}{how}", indent=" " * len(start)).rstrip())
    for item in report.items:
        shown = item.kind == "twin" and len(names) == 1  # of all claims they would hide the table
        if shown or type(item.verdict).__name__ != "Proved":
            print(filled(f"{item.claim}: {item.kind} {item.name}: {detail(item.verdict)}"))
    if "coq" not in report.solvers and any(claims()[name].theorems for name in names):
        print("theorems of Coq: not run; --require coq runs them")
    solvers = [f"{n} {v}".removesuffix(" installed") for n, v in report.solvers.items()]
    print(f"solvers: {', '.join(solvers) or 'none'}; absent: {', '.join(report.absent) or 'none'}")
