"""`varnum loop`: the fixed points of a looped network, how many, and which attract."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.errors import InputError
from varnum.text import filled

if TYPE_CHECKING:
    from fractions import Fraction

    from varnum.loop.block import Block
    from varnum.loop.certificate import Certificate
    from varnum.loop.count import Count
    from varnum.loop.net import Net
    from varnum.loop.orthants import Boxes
    from varnum.verdict import Unknown

Option = typer.Option
SCHEMA = "varnum/loop/1"
_SHOWN = 12  # points on the terminal


def loop(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Arrays W (d, d), b (d): .npz, .safetensors, .pth."),
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
        name = activation or "tanh"
        return _class(file, name, cubic, tanh, dimension, e, beta, c, nu, tol, json)
    if starts < 1 or seed < 0:
        raise InputError("--starts, --seed: allowed are 1 or more starts, a seed of 0 or more")
    from varnum.loop.block import blocks_of, is_block
    from varnum.loop.net import net_of, read_file

    with progress() as say:
        say(f"reading {file}")
        state = read_file(str(file))
        if is_block(state):
            if count or regions is not None or plot is not None:
                raise InputError(f"{file}: a looped block; --count, --regions, --plot need W and b")
            found = blocks_of(state, activation or "gelu", str(file))
            return _blocks(found, str(file), nu, tol, json, say)
        net = net_of(state, activation or "tanh", str(file))
        if count:
            return _count(net, str(file), _ends(box), boxes, jobs, cluster, plot, json, say)
        if regions is not None:
            return _regions(net, str(file), str(regions), nu, json)
        return _net(net, str(file), nu, tol, starts, seed, plot, json, say)


def _net(
    net: Net, file: str, nu: Any, tol: Any, starts: int, seed: int, plot: Path | None,
    json: bool, say: Any,
) -> int:  # fmt: skip
    """All boxes at once if a closed form fits, else single fixed points."""
    from varnum.loop.orthants import certify_net_boxes
    from varnum.loop.points import certify_points
    from varnum.verdict import Unknown

    head = {"file": file, "activation": net.g.name, "d": net.d}
    say("trying the closed forms")
    closed = certify_net_boxes(net, nu)
    if plot is None and (not isinstance(closed, Unknown) or net.d > 256):
        return _boxes(closed, head, None, tol, nu, json, given=True)
    found, failed = certify_points(net, starts, seed, say)
    if plot is not None:
        _draw(net, found, plot)
    content = head | _certified(found, nu) | {"not_certified": failed}
    verdict = "proved" if content["certified"] else "unknown"
    if verdict == "unknown":
        content["reason"] = f"none was certified of {failed} candidates from {starts} starts"
    return _end(content, verdict, True, json, lambda _: _show_points(net, found, content, nu, tol))


def _certified(found: list[Certificate], nu: Any) -> dict[str, Any]:
    """The list, and the numbers that hold for all of it; with noise, those that stand it."""
    from varnum.outward import float_down, float_up

    kept = [c for c in found if not nu or (c.stable and c.entry_noise >= nu)]
    attracting = [c for c in kept if c.rate is not None]
    return {
        "certified": [_one(c) for c in kept] or None,
        "tolerance": None,
        "rate": float_up(max(c.rate for c in attracting if c.rate is not None))
        if attracting else None,
        "noise": float_down(min(c.entry_noise for c in attracting)) if attracting else None,
    }  # fmt: skip


_STABLE = {True: "attracting", False: "not attracting", None: "unknown"}


def _one(c: Certificate) -> dict[str, Any]:
    from varnum.outward import float_down, float_up

    return {
        "point": list(c.point),
        "within": float_up(c.entry_within),
        "stability": _STABLE[c.stable],
        "norm": c.norm,
        "bound": c.bound,
        "radius": float_down(c.radius),
        "entry_radius": float_down(c.entry_radius),
        "euclidean_radius": float_down(c.length),
        "rate": None if c.rate is None else float_up(c.rate),
        "rate_at_point": None if c.near is None else float_up(c.near),
        "noise": float_down(c.entry_noise),
    }


def _show_points(
    net: Net, found: list[Certificate], content: dict[str, Any], nu: Any, tol: Any
) -> None:
    from varnum.outward import at_least, at_most

    kept = [c for c in found if not nu or (c.stable and c.entry_noise >= nu)]
    if not kept:
        _rows([("fixed points", f"not certified: {content['reason']}")])
        return
    under = f" that stand noise {nu}" if nu else ""
    rows = [("fixed points", f"{len(kept)} certified{under}, each the only one in its ball; there "
             "may be more (--count counts all)")]  # fmt: skip
    for i, c in enumerate(kept[:_SHOWN]):
        place = ", ".join(f"{x:.5g}" for x in c.point[:4]) + (", .." if net.d > 4 else "")
        text = f"({place})  {_STABLE[c.stable]}; alone within {at_least(c.entry_radius)} per entry"
        if c.rate is not None and c.near is not None:
            text += (f", rate <= {at_most(c.rate)}, at the point {at_most(c.near)} ({c.norm} norm);"
                     f" noise up to {at_least(c.entry_noise)}")  # fmt: skip
            if tol is not None and c.rate:
                text += f"; {'no step proves the exit under noise' if nu else _stop(c, tol)}"
        rows.append(("" if i else "points", text))
    if len(kept) > _SHOWN:
        rows.append(("", f".. and {len(kept) - _SHOWN} more (--json)"))
    _rows(rows)


def _stop(c: Certificate, tol: Any) -> str:
    """The Euclidean step below which an iterate in half the ball is within tol per entry."""
    from varnum.outward import at_least

    step = c.stop_below(tol)
    if step is None:
        return "no step proves the exit"
    return f"stop within half the ball when the step is below {at_least(step)} (Euclidean)"


def _blocks(found: list[Block], file: str, nu: Any, tol: Any, json: bool, say: Any) -> int:
    """A looped transformer, one certificate per input."""
    from varnum.loop.certificate import certify_fixed_point
    from varnum.loop.leave import certify_exit
    from varnum.verdict import Unknown

    proved: list[Certificate] = []
    items: list[dict[str, Any]] = []
    missing: list[str] = []
    for i, block in enumerate(found):
        say(f"input {i + 1} of {len(found)}")
        one = certify_fixed_point(block)
        if isinstance(one, Unknown):
            missing.append(f"input {i + 1}: {one.reason}")
            continue
        if nu and not (one.stable and one.entry_noise >= nu):
            missing.append(f"input {i + 1}: noise {nu} is above what was proved")
            continue
        proved.append(one)
        item = _one(one) | {"input": i + 1}
        if tol is not None:
            left = certify_exit(block, one, tol)
            item |= {"loops_measured": left.true, "loops_certified": left.certified}
        items.append(item)
    content = {"file": file, "activation": f"block, {found[0].g.name}", "d": found[0].d,
               "inputs": len(found)} | _certified(proved, 0)  # fmt: skip
    content["certified"] = items or None
    if missing:
        content["reason"] = f"{len(missing)} of {len(found)} not certified; {missing[0]}"
    verdict = "unknown" if missing else "proved"
    return _end(content, verdict, True, json, lambda _: _show_blocks(proved, items, content, tol))


def _show_blocks(
    proved: list[Certificate], items: list[dict[str, Any]], content: dict[str, Any], tol: Any
) -> None:
    from varnum.outward import at_least, at_most

    attract = sum(c.stable is True for c in proved)
    rows = [("fixed points", f"{len(proved)} of {content['inputs']} inputs certified, {attract} "
             "attracting: exactly one fixed point in each ball")]  # fmt: skip
    if "reason" in content:
        rows.append(("unknown", content["reason"]))
    balls = [c for c in proved if c.rate is not None and c.near is not None]
    if balls:
        entry, length = [c.entry_radius for c in balls], [c.length for c in balls]
        rows += [
            ("attraction from", f"{at_least(min(entry))} to {at_least(max(entry))} per entry, "
             f"{at_least(min(length))} to {at_least(max(length))} in Euclidean length"),
            ("rate", f"<= {at_most(max(c.rate for c in balls if c.rate is not None))} in the ball, "
             f"<= {at_most(max(c.near for c in balls if c.near is not None))} at the point"),
            ("noise per loop", f"up to {at_least(min(c.entry_noise for c in balls))} in each entry "
             "keeps a ball"),
        ]  # fmt: skip
    if tol is not None:
        pairs = [(i["loops_measured"], i["loops_certified"]) for i in items]
        text = ", ".join(f"{a}/{b if b is not None else '-'}" for a, b in pairs)
        rows.append(("early exit", f"from 0 within {float(tol):g} per entry at loop (measured/"
                     f"certified): {text}"))  # fmt: skip
    _rows(rows)


def _regions(net: Net, file: str, regions: str, nu: Any, json: bool) -> int:
    """Given regions, proved one by one."""
    from varnum.loop.net import read_file
    from varnum.loop.regions import boxes_of, certify_regions
    from varnum.outward import float_up

    found = certify_regions(net, boxes_of(read_file(regions), net.d, regions), nu)
    failed = [(i, r.reason) for i, r in enumerate(found) if r.reason is not None]
    rates = [r.rate for r in found if r.rate is not None]
    content: dict[str, Any] = {
        "file": file, "activation": net.g.name, "d": net.d,
        "regions": [{"proved": r.reason is None, "norm": r.norm, "reason": r.reason,
                     "rate": None if r.rate is None else float_up(r.rate)} for r in found],
        "certified": f"{len(rates)} of {len(found)} regions", "tolerance": None,
        "rate": float_up(max(rates)) if rates else None,
        "noise": None,
    }  # fmt: skip
    if failed:
        content["reason"] = f"region {failed[0][0] + 1}: {failed[0][1]}"
    return _end(content, "unknown" if failed else "proved", True, json, _show_regions)


def _show_regions(content: dict[str, Any]) -> None:
    from varnum.outward import at_most

    rows = [("regions", f"{content['certified']} proved: mapped into themselves and contracted, so "
             "exactly one attracting fixed point in each")]  # fmt: skip
    if "reason" in content:
        rows.append(("unknown", content["reason"]))
    if content["rate"] is not None:
        rows.append(("rate", f"<= {at_most(content['rate'])}"))
    _rows(rows)


def _draw(net: Net, found: Any, path: Path) -> None:
    from varnum.plots import figure
    from varnum.plots import loop as picture

    figure.make(picture, picture.numbers(net, found), [path])


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


def _count(
    net: Net, file: str, box: tuple[Any, Any] | None, boxes: int, jobs: int, cluster: str | None,
    plot: Path | None, json: bool, say: Any,
) -> int:  # fmt: skip
    """Every fixed point, exactly, over this process, several, or a cluster."""
    from contextlib import nullcontext

    from varnum.audit.executor import Crew, default_jobs, one_thread, processes
    from varnum.audit.executor import cluster as open_cluster
    from varnum.loop.count import certify_count

    if boxes < 1 or jobs < 0:
        raise InputError("--boxes, --jobs: negative or 0; allowed are 1 or more (--jobs 0: cores)")
    many = jobs or default_jobs()
    one_thread()
    opened = open_cluster(cluster) if cluster else nullcontext(processes(many))
    pieces = 1 if many == 1 and not cluster else max(16, 8 * many)
    with opened as executor:

        def run(work: Any, parts: Any) -> Any:
            crew: Crew[Any, Any] = Crew(work, executor)
            try:
                for part in parts:
                    crew.submit(part)
                for i in range(len(parts)):
                    say(f"piece {i + 1} of {len(parts)}")
                    yield crew.next()
            finally:
                crew.close()

        found = certify_count(net, box, run, pieces, boxes)
    if plot is not None:
        _draw(net, found.points, plot)
    content = _count_numbers(net, file, found, box)
    verdict = "proved" if found.complete else "unknown"
    return _end(content, verdict, True, json, lambda _: _show_count(net, found, box))


def _count_numbers(net: Net, file: str, found: Count, box: Any) -> dict[str, Any]:
    from varnum.balls import to_text
    from varnum.loop.sturm import fixed_points_of_the_plane
    from varnum.outward import float_down, float_up

    unknown = found.labelled("unknown")
    points = [
        {
            "point": list(point.estimate),
            "low": [float_down(low) for low, _ in point.box],
            "high": [float_up(high) for _, high in point.box],
            "stability": point.label,
            "spectral_radius": None if point.radius is None else float_up(point.radius[1]),
        }
        for point in found.points
    ]
    content = {
        "file": file,
        "activation": net.g.name,
        "d": net.d,
        "box": None if box is None else [to_text(end) for end in box],
        "complete": found.complete,
        "count": len(found.points) if found.complete else None,
        "found": len(found.points),
        "attracting": found.labelled("attracting"),
        "not_attracting": found.labelled("not attracting"),
        "stability_unknown": unknown,
        "boxes": found.boxes,
        "points": points,
        "sturm": fixed_points_of_the_plane(net) if box is None else None,
    }
    return content if found.complete else content | {"reason": found.reason}


def _show_count(net: Net, found: Count, box: Any) -> None:
    from varnum.balls import to_text
    from varnum.loop.sturm import fixed_points_of_the_plane

    where = f"R^{net.d}" if box is None else f"[{to_text(box[0])}, {to_text(box[1])}]^{net.d}"
    number, attract = len(found.points), found.labelled("attracting")
    unknown = found.labelled("unknown")
    split = f"{attract} attracting, {found.labelled('not attracting')} not"
    if unknown:
        split += f", {unknown} not known"
    if found.complete:
        text = f"{number} in {where}, exactly ({found.boxes} boxes): {split}"
    else:
        text = f"unknown in {where}: {found.reason}; {number} found ({split})"
    rows = [("fixed points", text)]
    second = fixed_points_of_the_plane(net) if box is None else None
    if second is not None:
        rows.append(("Sturm", f"{second} by a second method, exact rationals, no boxes"))
    for i, point in enumerate(found.points[:_SHOWN]):
        place = ", ".join(f"{x:.6g}" for x in point.estimate[:6])
        dots = ", .." if net.d > 6 else ""
        rows.append(("" if i else "points", f"({place}{dots})  {point.label}"))
    if number > _SHOWN:
        rows.append(("", f".. and {number - _SHOWN} more (--json)"))
    _rows(rows)


def _class(
    file: Path | None, activation: str, cubic: bool, tanh: bool, dimension: int | None,
    e: str, beta: str, c: str | None, nu: Any, tol: Any, json: bool,
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
    return _boxes(found, head, against, tol, nu, json, given=False)


def _boxes(
    found: Boxes | Unknown, head: dict[str, Any], against: dict[str, Any] | None,
    tol: Any, nu: Fraction, json: bool, given: bool,
) -> int:  # fmt: skip
    from varnum.verdict import Unknown

    if isinstance(found, Unknown):
        content = head | {"certified": None, "reason": found.reason, "counterexample": against}
        return _end(content, "refuted" if against else "unknown", given, json, _show_unknown)
    content = head | _numbers(found, tol, nu)
    return _end(content, "proved", given, json, lambda _: _show_boxes(found, tol, nu))


def _numbers(found: Boxes, tol: Any, nu: Fraction) -> dict[str, Any]:
    from varnum.loop.leave import largest_step
    from varnum.outward import float_down, float_up

    rate = found.rate
    content: dict[str, Any] = {
        "certified": found.certified,
        "claim": found.claim,
        "intervals": [[float_down(a), float_up(b)] for a, b in found.intervals],
        "attracts": True if rate is not None else None,
        "rate": None if rate is None else float_up(rate),
        "c": float(found.shape.c),
        "e": float_up(found.shape.e),
        "beta": float_up(found.shape.beta),
        "shift": float_up(found.shift),
        "tolerance": float_down(found.tolerance),
        "sharp": found.sharp,
        "noise": float_down(found.noise),
        "stop_factor": None if not rate or nu else float_down((1 - rate) / rate),
    }
    if tol is not None:
        step = largest_step(rate, tol, nu) if rate else None
        content["stop_below"] = None if step is None else float_down(step)
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


def _exit_text(rate: Fraction, tol: Any, nu: Fraction) -> str:
    from varnum.loop.leave import largest_step
    from varnum.outward import at_least

    if tol is None:
        step: str | None = None if nu else f"tol * {at_least((1 - rate) / rate)}"
    else:
        most = largest_step(rate, tol, nu)
        step = None if most is None else at_least(most)
    if step is None:
        return "no step proves it under this noise; --exit TOL says for one tolerance"
    return f"stop when the step is below {step}, with both iterates in that box"


def _show_boxes(found: Boxes, tol: Any, nu: Fraction) -> None:
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
         f"{sharp}{near}{', without noise' if nu else ''}"),
        ("noise per loop", f"up to {at_least(found.noise)}: a box around each then keeps its "
         "orbits"),
    ]  # fmt: skip
    if rate:
        rows.append(("early exit", _exit_text(rate, tol, nu)))
    _rows(rows)
