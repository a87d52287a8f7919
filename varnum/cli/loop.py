"""`varnum loop`: the fixed points of a looped network, how many, and which attract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.errors import InputError
from varnum.text import filled

if TYPE_CHECKING:
    from varnum.loop.orthants import Boxes
    from varnum.verdict import Unknown

Option = typer.Option
SCHEMA = "varnum/loop/1"


def loop(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Arrays W (d, d), b (d): .npz, .safetensors, .pth."),
    ] = None,
    activation: Annotated[
        str,
        Option(help="tanh, cubic, sigmoid, gelu, silu, relu, exp-poly, poly:C0,C1,.. (ascending)."),
    ] = "tanh",
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
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """The fixed points of a looped network x -> g(W x + b): which exist, and do they attract?

    Without --count: 2^d fixed points at once by closed forms where W is near c I.

    Exit code 0: proved; 1: refuted, with a counterexample; 3: unknown.

    Example: varnum loop --cubic --d 10000 --e 0.1 --beta 0.085
    """
    limit(timeout)
    from varnum.balls import parse

    nu = _norm(parse(noise, "--noise"), "--noise")
    if cubic or tanh or file is None:
        return _class(file, activation, cubic, tanh, dimension, e, beta, c, nu, exit_, json)
    from varnum.loop.net import net_of, read_file
    from varnum.loop.orthants import certify_net_boxes

    with progress() as say:
        say(f"reading {file}")
        net = net_of(read_file(str(file)), activation, str(file))
        say("trying the closed forms")
        found = certify_net_boxes(net, nu)
    head = {"file": str(file), "activation": activation, "d": net.d}
    return _boxes(found, head, None, exit_, json, given=True)


def _norm(value: Any, name: str) -> Any:
    if value < 0:
        raise InputError(f"{name}: {value} is negative; allowed is 0 or more")
    return value


def _class(
    file: Path | None, activation: str, cubic: bool, tanh: bool, dimension: int | None,
    e: str, beta: str, c: str | None, nu: Any, exit_: str | None, json: bool,
) -> int:  # fmt: skip
    """All networks of given norms, without a file."""
    from varnum.balls import parse
    from varnum.loop.activations import activation as find
    from varnum.loop.closed import Shape
    from varnum.loop.orthants import certify_boxes, witness

    if file is not None or (cubic and tanh):
        raise InputError("--cubic, --tanh: one of them, and without a file (use --activation)")
    if dimension is None:
        raise InputError("FILE or --d is needed: which network, or which norms? (--help)")
    name = "cubic" if cubic else "tanh" if tanh else activation
    centre = parse(c, "--c") if c is not None else parse("2" if name == "tanh" else "1")
    if name == "cubic" and centre != 1:
        raise InputError("--c: the cubic's closed form is about W near I; allowed is 1")
    if not 0 < centre <= 10**6:
        raise InputError(f"--c: {c} is not allowed; above 0 and at most 1e6")
    shape = Shape(dimension, parse(e, "--e"), parse(beta, "--beta"), centre)
    found = certify_boxes(find(name), shape, nu)
    against = witness(name, shape) if name in ("cubic", "tanh") and not nu else None
    head = {"activation": name, "d": dimension}
    return _boxes(found, head, against, exit_, json, given=False)


def _boxes(
    found: Boxes | Unknown, head: dict[str, Any], against: dict[str, Any] | None,
    exit_: str | None, json: bool, given: bool,
) -> int:  # fmt: skip
    from varnum.verdict import Unknown

    if isinstance(found, Unknown):
        content = head | {"certified": None, "reason": found.reason, "counterexample": against}
        return _end(content, "refuted" if against else "unknown", given, json, _show_unknown)
    content = head | _numbers(found, exit_)
    return _end(content, "proved", given, json, lambda _: _show_boxes(found, exit_))


def _numbers(found: Boxes, exit_: str | None) -> dict[str, Any]:
    from varnum.balls import parse
    from varnum.outward import float_down, float_up

    rate = found.rate
    content: dict[str, Any] = {
        "certified": found.certified,
        "claim": found.claim,
        "intervals": [[float_down(a), float_up(b)] for a, b in found.intervals],
        "attracts": rate is not None,
        "rate": None if rate is None else float_up(rate),
        "c": float(found.shape.c),
        "e": float_up(found.shape.e),
        "beta": float_up(found.shape.beta),
        "shift": float_up(found.shift),
        "tolerance": float_down(found.tolerance),
        "sharp": found.sharp,
        "noise": float_down(found.noise),
        "stop_factor": None if not rate else float_down((1 - rate) / rate),
    }
    if exit_ is not None:
        tolerance = _norm(parse(exit_, "--exit"), "--exit")
        content["stop_below"] = None if not rate else float_down(tolerance * (1 - rate) / rate)
    return content


def _end(content: dict[str, Any], verdict: str, given: bool, json: bool, show: Any) -> int:
    code = {"proved": 0, "refuted": 1, "unknown": 3}[verdict]
    if json:
        from varnum.cli.envelope import print_envelope

        rests = "proved for this run" if given else "proved"
        return print_envelope(SCHEMA, content, verdict=verdict, assurance=rests, exit_code=code)
    show(content)
    return code


def _rows(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(filled(f"{name:<{width}}  {text}", indent=" " * (width + 2)))


def _show_unknown(content: dict[str, Any]) -> None:
    against = content.get("counterexample")
    rows = [("fixed points", f"not certified: {content['reason']}")]
    if against:
        rows.append(("counterexample", f"W = {against['W']}, b = {against['b']} has none in an "
                     "open orthant (proved: loop-" + content["activation"] + ")"))  # fmt: skip
    _rows(rows)


def _show_boxes(found: Boxes, exit_: str | None) -> None:
    from varnum.balls import parse
    from varnum.outward import at_least, at_most

    texts = [f"[{at_least(low, 5)}, {at_most(high, 5)}]" for low, high in found.intervals]
    if found.claim == "loop-coordinates":
        where = f"one per choice, coordinate by coordinate, out of {', '.join(texts)}"
    else:
        where = f"one per orthant box {texts[-1]}"
    rate = found.rate
    if rate is None:
        how = "whether they attract is not known"
    else:
        how = f"attracting, rate <= {at_most(rate)}"
    shift = "e m + beta" if found.claim == "loop-tanh" else "e + beta"
    sharp = " (sharp: beyond it some W, b loses one)" if found.sharp else ""
    near = f" for W near {float(found.shape.c):.5g} I" if found.claim != "loop-cubic" else ""
    rows = [
        ("fixed points", f"{found.certified} certified, {where}; {how}"),
        ("tolerance", f"{shift} is {at_most(found.shift, 4)} of {at_least(found.tolerance, 5)}"
         f"{sharp}{near}"),
        ("noise per loop", f"up to {at_least(found.noise)} keeps every orbit in its box"),
    ]  # fmt: skip
    if rate:
        tol = f"tol * {at_least((1 - rate) / rate)}"
        if exit_ is not None:
            tol = at_least(parse(exit_) * (1 - rate) / rate)
        rows.append(("early exit", f"stop when the step is below {tol}"))
    _rows(rows)
