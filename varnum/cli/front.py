"""The front page: `varnum --help` and `varnum --version`, without loading anything heavy."""

from __future__ import annotations

import os
from collections.abc import Mapping

from varnum._version import __version__
from varnum.text import filled

OPTIONS = {
    "--version": "Print the version.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show that completion, to copy it or to change it.",
    "-h, --help": "Show this message and exit.",
}
CODES = (
    "Exit codes: 0 proved or fine, 1 refuted, 2 bad input, 3 unknown, "
    "4 an optional part is missing."
)


def asked(arguments: list[str]) -> bool:
    """Whether the command line asks for this page, or for the version."""
    completing = "_VARNUM_COMPLETE" in os.environ
    return not completing and arguments in ([], ["--help"], ["-h"], ["--version"])


def version() -> str:
    """`varnum 0.2.0`."""
    return f"varnum {__version__}"


def page(verbs: Mapping[str, str]) -> str:
    """What `varnum --help` prints, on lines of at most 80 columns."""
    parts = [
        "Usage: varnum [OPTIONS] COMMAND [ARGS]...",
        filled(
            "  Proved numbers for low-rank attention in visual autoregressive models: "
            "degree, rank, cost, and whether it pays.",
            indent="  ",
        ),
        "Options:\n" + _table(OPTIONS),
        "Commands:\n" + _table(verbs),
        "Example: varnum bound --model var-d16 --eps 1e-2",
        filled(CODES, indent=""),
    ]
    return "\n\n".join(parts)


def _table(rows: Mapping[str, str]) -> str:
    width = max(map(len, rows))
    return "\n".join(f"  {name:<{width}}  {text}" for name, text in rows.items())
