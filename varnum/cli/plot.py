"""`varnum plot`: one picture per question, over a range of its answers.

A verb of its own, because a picture sweeps what the other verbs answer at one point. `--json`
prints the numbers that are drawn.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError

app = typer.Typer(
    help="Draw the answers: degree, rank, error, cost, tightness, budget, phase.",
    epilog="Example: varnum plot degree degree.svg degree.png",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Files = Annotated[
    list[Path] | None, typer.Argument(metavar="FILE..", help="Where to: .svg, .png or .pdf.")
]


@app.command(short_help="Degree against M, for several eps.")
def degree(
    files: Files = None,
    eps: Annotated[str, typer.Option("--eps", help="Up to five errors.")] = "1e-1,1e-3,1e-6,1e-12",
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Degree against M for several eps: proved least, closed form, minimax curve.

    Example: varnum plot degree degree.svg --eps 1e-2,1e-4
    """
    errors = [part.strip() for part in eps.split(",")]
    if len(errors) > 5:
        raise InputError(f"--eps: {len(errors)} errors; at most 5 can be told apart")
    _make("degree", files, json, timeout, errors=errors)


@app.command(short_help="Rank against M and against d.")
def rank(
    files: Files = None,
    eps: Annotated[str, typer.Option("--eps", help="Kernel error.")] = "1e-2",
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Rank against M and against d, with the lines rank = L of the released models.

    Example: varnum plot rank rank.svg --eps 1e-3
    """
    _make("rank", files, json, timeout, eps=eps)


@app.command(short_help="Error against degree.")
def error(
    files: Files = None,
    M: Annotated[str, typer.Option("--M", help="Largest |logit|, up to 32.")] = "4",
    degrees: Annotated[int, typer.Option("--degrees", help="Largest degree drawn.")] = 30,
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Error against degree: claimed by the closed form, proved, measured in float64.

    Example: varnum plot error error.svg --M 8
    """
    _make("error", files, json, timeout, M=M, most=degrees)


@app.command(short_help="Operations against n.")
def cost(
    files: Files = None,
    R: Annotated[str, typer.Option("--R", help="Largest |entry| of q and k.")] = "1",
    d: Annotated[int, typer.Option("--d", help="Head dimension.")] = 8,
    sigma: Annotated[str, typer.Option("--sigma", help="d, sqrt, 4sqrt or a number.")] = "sqrt",
    output_error: Annotated[
        str, typer.Option("--output-error", help="Error of the output, in units of V's range.")
    ] = "1e-2",
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Operations against the side of the last map, exact and low rank: slopes and crossover.

    Example: varnum plot cost cost.svg --R 1 --d 16
    """
    _make("cost", files, json, timeout, R=R, d=d, sigma=sigma, output_error=output_error)


@app.command(short_help="Measured over claimed, claim by claim.")
def tightness(
    files: Files = None,
    trials: Annotated[int, typer.Option("--trials", help="Trials of each check.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the trials.")] = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """Measured over claimed, for each claim that `varnum verify` checks numerically.

    Example: varnum plot tightness tightness.svg
    """
    _make("tightness", files, json, timeout, trials=trials, seed=seed)


@app.command(short_help="The error each layer may carry.")
def budget(
    files: Files = None,
    random: Annotated[
        str, typer.Option("--random", help="Random weights of a preset.")
    ] = "var-tiny",
    model_error: Annotated[
        str, typer.Option("--model-error", help="Error of the logits.")
    ] = "1e-2",
    label: Annotated[int, typer.Option("--label", help="Class of the run.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the weights.")] = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """The error that each layer may carry, from the kernel's eps to the model's error.

    Example: varnum plot budget budget.svg --model-error 1e-3
    """
    _make("budget", files, json, timeout, model=random, model_error=model_error, label=label,
          seed=seed)  # fmt: skip


@app.command(short_help="The phase diagram: fast, open, hard.")
def phase(
    files: Files = None,
    c: Annotated[str, typer.Option("--c", help="Head dimension over ln L.")] = "1",
    p: Annotated[str, typer.Option("--p", help="Error L^-p.")] = "1",
    json: Json = False,
    timeout: Timeout = None,
) -> None:
    """The phase diagram: fast, open, hard; the picture of `varnum regime --plot`.

    Example: varnum plot phase phase.svg --p 2
    """
    _make("phase", files, json, timeout, c=c, p=p)


def _make(
    name: str, files: list[Path] | None, json: bool, timeout: float | None, **asked: Any
) -> None:
    """Compute the numbers once, write each file, print the numbers or the files' names."""
    limit(timeout)
    if not files and not json:
        raise InputError("plot: give a file to write (.svg, .png or .pdf), or --json")
    from varnum.plots import figure

    picture = importlib.import_module(f"varnum.plots.{name}")
    paths = figure.checked(files or ())
    with progress() as say:
        say(f"numbers of the picture {name}")
        if paths:
            figure.style()  # a missing part is said before the work
        data = picture.numbers(**asked)
        if paths:
            figure.make(picture, data, paths)
    if json:
        print_envelope(
            f"varnum/plot-{name}/2", data | {"files": [str(path) for path in paths]},
            verdict="done", assurance=picture.ASSURANCE, exit_code=0,
        )  # fmt: skip
    else:
        for path in paths:
            print(f"wrote {path}")
