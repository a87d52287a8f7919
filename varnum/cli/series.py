"""`varnum series`: what one attention head cannot reach on a time series, and what lifts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.standard_input import file_or_stdin
from varnum.text import filled

if TYPE_CHECKING:
    from varnum.series.series_answer import SeriesAnswer, SeriesQuestion

Option = typer.Option


def series(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="CSV, a header is optional; or -.")
    ],
    window: Annotated[int, Option(help="Tokens per window, T.")] = 12,
    skip: Annotated[bool, Option("--skip", help="Add the last token to the output.")] = False,
    normalise: Annotated[
        str,
        Option(help="none; train: the mean of all values used is removed; window: each window's."),
    ] = "none",
    heads: Annotated[
        str, Option(help="any (one head), +, - (one sign), +- (two of opposite sign), diff:LAMBDA.")
    ] = "any",
    windows: Annotated[str, Option(help="all, or first:0.7 of the values.")] = "all",
    column: Annotated[str | None, Option(help="Name or number from 1; default: the last.")] = None,
    plot: Annotated[Path | None, Option(help="Draw the errors to this .svg, .png or .pdf.")] = None,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """The least error one attention head can have on a series, whatever its queries and keys.

    For heads with scalar values linear in the token, no value bias, no position in the values.
    Errors are mean squares over E (y - x_T)^2 with --skip, over E y^2 without. Everything is exact
    on the windows given: a necessary condition on a design, not a forecast of how a model does.

    Example: varnum series co2.csv --window 12 --skip
    """
    limit(timeout)
    from varnum.series.read import read_column
    from varnum.series.series_answer import SeriesQuestion, answer

    question = SeriesQuestion(window, skip, normalise, heads, windows)
    if plot is not None:
        _can_draw(plot)
    with progress() as say:
        say(f"reading {file}")
        name, values, header = read_column(file_or_stdin(file, text=True), column)
        say(f"{len(values)} values in windows of {window}")
        result = answer(values, question)
    if header is not None:
        text = f"varnum: the first line of {file} is taken as the header: {header[:40]!r}"
        print(text, file=sys.stderr)
    content = _content(file, name, len(values), question, result)
    if plot is not None:
        _draw(plot, content)
    if json:
        from varnum.cli.envelope import print_envelope

        return print_envelope(
            "varnum/series/1", content,
            verdict="proved", assurance="proved for this run", exit_code=0,
        )  # fmt: skip
    _show(question, result)
    if plot is not None:
        print(f"wrote {plot}")
    return 0


def _content(
    file: Path, name: str, values: int, question: SeriesQuestion, result: SeriesAnswer
) -> dict[str, Any]:
    from varnum.outward import float_down, float_up

    return {
        "file": str(file),
        "column": name,
        "values": values,
        "windows": result.windows,
        "windows_used": question.windows,
        "window": question.window,
        "skip": question.skip,
        "normalise": question.normalise,
        "heads": question.heads,
        "unit": float_up(result.unit),
        "constant_windows": result.constant,
        "sign_inconsistent": float(result.sign_inconsistent),
        "floor": float_down(result.floor),
        "floor_weight": float(result.weight),
        "floor_centred": float_down(result.floor_centred),
        "positional": float_up(result.positional),
        "two_heads": float_up(result.two_heads),
        "least_squares": float_up(result.least_squares),
        "persistence": float_up(result.persistence),
        "both_signs": None if result.both_signs is None else float(result.both_signs),
        "ruled_out": result.ruled_out,
    }


def _show(question: SeriesQuestion, result: SeriesAnswer) -> None:
    from varnum.outward import at_least, at_most

    unit = "E (y - x_T)^2, the error of persistence" if question.skip else "E y^2"
    head = _head(question)
    which = "" if question.windows == "all" else f" ({question.windows} of the values)"
    share = f"{float(100 * result.sign_inconsistent):.1f} %"
    sign = {"+": "positive ", "-": "negative "}.get(question.heads, "")
    rows = [
        ("sign-inconsistent", f"{share} of {result.windows} windows{which}: x_T and y of opposite "
         "signs"),
        (head, f">= {at_least(result.floor)} of {unit}, whatever its queries, keys and positions "
         "(proved on these windows; scalar values linear in the token, no value bias)"),
        ("best positional head", f"{at_most(result.positional)} approached by one {sign}head that "
         "weighs by position only"),
        ("two heads +-", f"{at_most(result.two_heads)} attained by two such heads of opposite "
         "sign: the linear residual"),
    ]  # fmt: skip
    if not question.skip:
        rows.append(("persistence", at_most(result.persistence)))
    if result.both_signs is not None:
        rows.append(("takes both signs", f"on {float(100 * result.both_signs):.1f} % of the "
                     "windows (min/max < lambda < max/min)"))  # fmt: skip
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(filled(f"{name:<{width}}  {text}", indent=" " * (width + 2)))
    print(filled(f"So: {_so(question, result)}", indent="  "))
    print(filled("A necessary condition on such heads, in-sample; no forecast of how a whole "
                 "model, with more heads, layers or vector values, will do."))  # fmt: skip


def _head(question: SeriesQuestion) -> str:
    kinds = {"any": "one head", "+": "heads of sign +", "-": "heads of sign -", "+-": "heads +-"}
    name = kinds.get(question.heads, f"differential {question.heads.partition(':')[2]}")
    return name + (" + skip" if question.skip else "")


def _so(question: SeriesQuestion, result: SeriesAnswer) -> str:
    inputs = {"none": "raw inputs", "train": "inputs less their mean",
              "window": "inputs less each window's mean"}[question.normalise]  # fmt: skip
    if not result.floor:
        return f"with {inputs} nothing is ruled out."
    if not result.ruled_out:
        return (f"with {inputs} the floor does not exceed the linear residual: it rules nothing "
                "out.")  # fmt: skip
    text = f"{inputs} rule such a model out against the linear residual"
    if question.normalise != "window" and not result.floor_centred:
        text += "; with each window's mean removed nothing is ruled out"
    return text + "."


def _draw(path: Path, content: dict[str, Any]) -> None:
    from varnum.plots import figure
    from varnum.plots import series as picture

    figure.make(picture, content, [path])


def _can_draw(path: Path) -> None:
    """A wrong name or a missing part is said before the work."""
    from varnum.plots import figure

    figure.checked([path])
    figure.style()
