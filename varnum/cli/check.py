"""`varnum check`: re-check a certificate with the small independent checker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum import checker


def check(
    file: Annotated[
        str, typer.Argument(help="Certificate written by `varnum certify`; - reads standard input.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Re-check a certificate and say exactly what it proves.

    Uses the standard library alone, exact integers and none of the code that wrote the file.
    Exit code 0: proved; 1: the statement does not follow; 2: damaged, changed or no certificate.
    """
    from varnum import checker

    try:
        proved = checker.check(checker.load(file))
    except checker.NotProved as reason:
        answer: dict[str, Any] = {"verdict": "not proved", "reason": str(reason)}
        text, code = f"not proved: {reason}", 1
    except (OSError, ValueError) as reason:
        raise InputError(f"{file!r}: no certificate that can be checked: {reason}") from None
    else:
        answer, text, code = _answer(proved), str(proved), 0
    typer.echo(json.dumps({"schema": "varnum/check/1", **answer}, indent=1) if as_json else text)
    raise typer.Exit(code)


def _answer(proved: checker.Proved) -> dict[str, Any]:
    from varnum.checker.proof import decimal

    held, least = proved.certificate, proved.least
    return {
        "verdict": "proved",
        "statement": str(proved),
        **{key: held.text[key] for key in ("error", "interval", "eps", "degree", "minimal")},
        "error_at_most": decimal(proved.sup, up=True),
        "lower_degree": held.lower_degree,
        "lower_error_at_least": None if least is None else decimal(least, up=False),
        "assurance": "proved in words (exp-supnorm, minimal-degree) and exact integer arithmetic",
        "digest": held.text["digest"],
    }
