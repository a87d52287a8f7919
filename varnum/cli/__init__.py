"""The command `varnum`: one file per verb, each loading its heavy parts when it runs.

The artefact goes to stdout, talk to stderr. Exit codes: 0 proved or fine, 1 refuted, 2 usage or bad
input, 3 unknown or timed out, 4 a needed optional part is missing; 130 interrupted, 141 the reader
of stdout left.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from varnum.cli import front, streams
from varnum.errors import InputError, MissingExtra

if TYPE_CHECKING:
    import typer

VERBS = {  # one line each in `varnum --help`, in this order
    "bound": "Degree, rank and cost that a target error needs.",
    "certify": "Write the proof of a degree as a file.",
    "check": "Re-check such a file, and say what it proves.",
    "attention": "Run attention with a guaranteed error.",
    "run": "Run VAR or FlowAR: NumPy, torch, or balls.",
    "error": "How wrong a run can be, proved for that run.",
    "audit": "Bound every head of a model.",
    "poly": "A polynomial for exp in a float format, and code.",
    "regime": "Where attention is fast, open or hard.",
    "hardness": "Lower bounds on time that run.",
    "kv": "Lower bounds on a key/value cache that run.",
    "series": "What a head cannot reach on a time series.",
    "loop": "Fixed points of a looped network.",
    "circuit": "Threshold circuits that run; a model's depth.",
    "precision": "How many bits a model's tokens need.",
    "verify": "Try every claim again.",
    "plot": "Draw the answers.",
    "doctor": "Say what is installed, and test it.",
}


def build(verbs: Iterable[str] = VERBS) -> typer.Typer:
    """The Typer application with these verbs; `front` has its help and its version."""
    import typer

    app = typer.Typer(
        name="varnum",
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,  # plain help starts in half the time
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)  # a group even if one verb is loaded

    for verb in verbs:
        module = importlib.import_module(f"varnum.cli.{verb}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=verb, short_help=VERBS[verb])
        else:
            app.command(verb, short_help=VERBS[verb])(getattr(module, verb))
    return app


def _usage_errors() -> tuple[type[BaseException], ...]:
    """The base class of Typer's usage errors, wherever this Typer keeps its click."""
    import typer

    parents: tuple[Any, ...] = typer.BadParameter.__mro__
    return tuple(c for c in parents if c.__name__ == "ClickException")


def main() -> None:
    """Run the command line; every expected failure is one line and an exit code."""
    with streams.guarded():
        try:
            code = _run()
            if sys.stdout is not None:
                sys.stdout.flush()
        except streams.OutputLost as lost:  # what nobody read is neither proved nor refuted
            left = lost.reader_left
            code = streams.READER_LEFT if left else _say(f"cannot write the result: {lost}", 3)
    sys.exit(code)


def _run() -> int:
    named = sys.argv[1:2]
    if sys.stdout is None:
        return _say("standard output is closed; results go there", 2)
    if front.asked(sys.argv[1:]):
        print(front.version() if named == ["--version"] else front.page(VERBS))
        return 0
    if named and named[0] not in VERBS and not named[0].startswith("-"):
        return _say(f"no command {named[0]!r}; allowed: {', '.join(VERBS)}", 2)
    return _verb((named[0],) if named and named[0] in VERBS else tuple(VERBS))


def _verb(only: tuple[str, ...]) -> int:
    """Run the command line with these verbs loaded."""
    import typer

    try:
        return build(only)(standalone_mode=False, prog_name="varnum") or 0
    except _usage_errors() as error:
        message = error.format_message()  # type: ignore[attr-defined]
        if type(error).__name__ != "NoArgsIsHelpError":
            return _say(message, 2)
        print(message)  # a group without a command: its help
        return 0
    except InputError as error:
        return _say(_as_option(str(error), only), 2)
    except MissingExtra as error:
        return _say(str(error), 4)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", 130)
    except MemoryError as error:
        return _say(f"not enough memory{': ' if str(error) else ''}{error}", 3)
    except streams.OutputLost:
        raise
    except ArithmeticError as error:  # numbers beyond what is computed with
        return _say(f"unknown: no bound can be computed for these numbers: {error}", 3)
    except Exception as error:
        if "VARNUM_DEBUG" in os.environ:
            raise
        return _say(f"internal: {type(error).__name__}: {error} (VARNUM_DEBUG=1 shows where)", 3)


_OPTIONS = {"chosen": "logit"}  # arguments of the library whose option has another name


def _as_option(message: str, verbs: Iterable[str]) -> str:
    """A message of the library names an argument (`model_error: ..`); here that is an option."""
    name, colon, rest = message.partition(":")
    import typer

    option = "--" + _OPTIONS.get(name, name).replace("_", "-")
    known = {
        text for command in _commands(typer.main.get_command(build(verbs))) for text in command
    }
    return f"{option}:{rest}" if colon and option in known else message


def _commands(command: Any) -> Iterator[list[str]]:
    """The options of a command and of those below it."""
    yield [text for parameter in command.params for text in parameter.opts]
    for below in getattr(command, "commands", {}).values():
        yield from _commands(below)


def _say(message: str, code: int) -> int:
    lines = " ".join(message.split())
    if lines:
        print(f"varnum: error: {lines}", file=sys.stderr)
    return code
