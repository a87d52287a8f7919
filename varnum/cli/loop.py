"""`varnum loop`: the fixed points of a looped network, how many, and which attract."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.standard_input import file_or_stdin
from varnum.errors import InputError

Option = typer.Option


def loop(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="W (d, d), b (d): .npz, .safetensors, .pth; or -."),
    ] = None,
    activation: Annotated[
        str | None,
        Option(
            help="tanh (default), cubic, sigmoid, gelu (default of a block), gelu-tanh, silu, "
            "relu, exp-poly, poly:C0,C1,.. (ascending)."
        ),
    ] = None,
    cubic: Annotated[
        bool, Option("--cubic", help="No file: every W, b with ||W - I|| <= e, |b| <= beta.")
    ] = False,
    tanh: Annotated[
        bool, Option("--tanh", help="No file: every W, b with ||W - c I|| <= e, |b| <= beta.")
    ] = False,
    dimension: Annotated[int | None, Option("--d", help="Dimension, without a file.")] = None,
    e: Annotated[str, Option("--e", help="Largest row sum of |W - c I|, without a file.")] = "0",
    beta: Annotated[str, Option("--beta", help="Largest |b_i|, without a file.")] = "0",
    c: Annotated[str | None, Option("--c", help="W is near c I, without a file.")] = None,
    noise: Annotated[
        str, Option(metavar="NU", help="Noise of at most NU in each entry of each loop.")
    ] = "0",
    exit_: Annotated[
        str | None, Option("--exit", metavar="TOL", help="When may the loop stop for this error?")
    ] = None,
    count: Annotated[
        bool, Option("--count", help="Count every fixed point, exactly; few dimensions.")
    ] = False,
    box: Annotated[
        str | None,
        Option(metavar="LOW,HIGH", help="Of --count: in [LOW, HIGH]^d. Default: all of R^d."),
    ] = None,
    boxes: Annotated[int, Option(help="Of --count: give up after this many boxes.")] = 200_000,
    jobs: Annotated[int, Option(help="Of --count: processes; 0: one per core, if it is long.")] = 1,
    cluster: Annotated[
        str | None, Option(metavar="ADDRESS", help="Of --count: a Dask scheduler's workers.")
    ] = None,
    regions: Annotated[
        Path | None,
        Option(metavar="FILE", help="Arrays low, high (k, d): prove these disjoint regions."),
    ] = None,
    starts: Annotated[int, Option(help="Starts of the search for single fixed points.")] = 64,
    seed: Annotated[int, Option(help="Of random starts.")] = 0,
    plot: Annotated[
        Path | None, Option(help="Draw the points and certified balls: .svg, .png or .pdf.")
    ] = None,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """The fixed points of a looped network x -> g(W x + b): which exist, and do they attract?

    Without --count: 2^d fixed points at once by closed forms where W is near c I; else single ones,
    each with its ball of attraction. A looped transformer block (arrays inject, q.weight, ..) is
    certified at every input of its file.

    Exit code 0: proved; 1: refuted, with a counterexample; 3: unknown.

    Examples: varnum loop --cubic --d 10000 --e 0.1 --beta 0.085; varnum loop net.npz --count
    """
    limit(timeout)
    from varnum.balls import parse

    nu = _norm(parse(noise, "--noise"), "--noise")
    tol = None if exit_ is None else _norm(parse(exit_, "--exit"), "--exit")
    if not count and (box is not None or cluster is not None or jobs != 1):
        raise InputError("--box, --jobs, --cluster: only with --count")
    if count and (cubic or tanh or file is None):
        raise InputError("--count: needs a FILE with W and b")
    if count and (nu or tol is not None):
        raise InputError("--noise, --exit: not with --count; without it, of single fixed points")
    if regions is not None and (file is None or count):
        raise InputError("--regions: needs a FILE with W and b, and no --count")
    if plot is not None:
        if file is None:
            raise InputError("--plot: needs a FILE with W and b")
        from varnum.plots import figure

        figure.checked([plot])
        figure.style()
    if cubic or tanh or file is None:
        from varnum.cli.loop_boxes import run_norms

        name = activation or "tanh"
        return run_norms(file, name, cubic, tanh, dimension, e, beta, c, nu, tol, json)
    if starts < 1 or seed < 0:
        raise InputError("--starts, --seed: allowed are 1 or more starts, a seed of 0 or more")
    from varnum.cli.loop_count import run_count
    from varnum.cli.loop_points import run_blocks, run_net, run_regions
    from varnum.loop.block import blocks_of, is_block
    from varnum.loop.net import net_of, read_file

    with progress() as say:
        say(f"reading {file}")
        state = read_file(str(file_or_stdin(file)))
        if is_block(state):
            if count or regions is not None or plot is not None:
                raise InputError(f"{file}: a looped block; --count, --regions, --plot need W and b")
            found = blocks_of(state, activation or "gelu", str(file))
            return run_blocks(found, str(file), nu, tol, json, say)
        net = net_of(state, activation or "tanh", str(file))
        if count:
            return run_count(net, str(file), _ends(box), boxes, jobs, cluster, plot, json, say)
        if regions is not None:
            return run_regions(net, str(file), str(regions), nu, json)
        return run_net(net, str(file), nu, tol, starts, seed, plot, json, say)


def _norm(value: Any, name: str) -> Any:
    if value < 0:
        raise InputError(f"{name}: {value} is negative; allowed is 0 or more")
    return value


def _ends(text: str | None) -> tuple[Any, Any] | None:
    from varnum.balls import parse

    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 2:
        raise InputError(f"--box: {text!r} is not LOW,HIGH, such as -2,2")
    low, high = (parse(part, "--box") for part in parts)
    if not low < high:
        raise InputError(f"--box: {text} is empty; LOW must be below HIGH")
    return low, high
