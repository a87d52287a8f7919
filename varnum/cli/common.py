"""What the verbs share: options, JSON, progress, a time limit that holds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from varnum.errors import InputError
from varnum.text import aligned as aligned
from varnum.text import filled as filled

Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Give up after this long, exit code 3."),
]

Axioms = Annotated[
    Literal["primitive", "minimal"],
    typer.Option(help="Of Coq: with its primitive integers, or the real numbers' four (slower)."),
]


def limit(seconds: float | None) -> None:
    """Run this same command in a child process that is ended after `seconds`; None: go on here.

    Ending a process is what works on C code too.
    """
    if seconds is None:
        return
    if not 0 < seconds < 1e7:
        raise InputError(f"--timeout: {seconds:g} is not allowed; above 0 and below 1e7 seconds")
    command = [sys.executable, "-m", "varnum", *_without_timeout(sys.argv[1:])]
    child = subprocess.Popen(command, start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGHUP):  # ending this process ends the child too
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    try:
        code = child.wait(seconds)
        if code < 0:
            print(f"varnum: unknown: ended by signal {-code}", file=sys.stderr)
            code = 3
    except subprocess.TimeoutExpired:
        _end(child)
        print(f"varnum: unknown: not finished after {seconds:g} s (--timeout)", file=sys.stderr)
        code = 3
    except BaseException:
        _end(child)
        raise
    raise typer.Exit(code)


def _end(child: subprocess.Popen[bytes]) -> None:
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _without_timeout(arguments: list[str]) -> list[str]:
    kept, skip = [], False
    for argument in arguments:
        if skip or argument.startswith("--timeout="):
            skip = False
        elif argument == "--timeout":
            skip = True
        else:
            kept.append(argument)
    return kept


def finite(value: float) -> float | None:
    """JSON has no infinity: null means that nothing is certified."""
    return float(value) if value < float("inf") else None


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A spinner with what is being done and the time left, on stderr and only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    from varnum.cli.spinner import TimeLeft

    with Console(stderr=True).status("starting") as status:
        yield TimeLeft(status.update)
