"""`varnum check`: re-check a certificate with the small independent checker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.checker import Proved


def check(
    file: Annotated[str, typer.Argument(help="Certificate of `varnum certify`; - for stdin.")],
    as_json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Re-check a certificate and say exactly what it proves.

    Uses the standard library alone, exact integers and none of the code that wrote the file.

    Exit code 0: proved; 1: the statement does not follow; 2: damaged, changed or no certificate.

    Example: varnum certify --M 4 --eps 1e-6 > c.json && varnum check c.json
    """
    limit(timeout)
    from varnum import checker

    try:
        proved = checker.check(checker.load(file))
    except checker.NotProved as reason:
        answer: dict[str, Any] = {"reason": str(reason)}
        text, code = f"not proved: {reason}", 1
    except OSError as reason:
        raise InputError(f"{file!r}: cannot be read ({reason.strerror})") from None
    except ValueError as reason:
        raise InputError(f"{file!r}: no certificate that can be checked: {reason}") from None
    else:
        answer, text, code = _answer(proved), str(proved), 0
    if as_json:
        said = "refuted" if code else "proved"
        print_envelope("varnum/check/2", answer, verdict=said, assurance="proved", exit_code=code)
    else:
        print(text)
    return code


def _answer(proved: Proved) -> dict[str, Any]:
    from varnum.outward import float_down, float_up

    held, least = proved.certificate, proved.least
    return {
        "statement": str(proved),
        **{key: held.text[key] for key in ("error", "interval", "eps", "degree", "minimal")},
        "error_at_most": float_up(proved.sup),
        "lower_degree": held.lower_degree,
        "lower_error_at_least": None if least is None else float_down(least),
        "rests_on": "proofs in words (exp-supnorm, minimal-degree) and exact integer arithmetic",
        "digest": held.text["digest"],
    }
