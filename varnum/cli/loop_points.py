"""`varnum loop`: single fixed points, of a network, a looped block, or given regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.cli.loop_boxes import run_boxes
from varnum.cli.loop_rows import SHOWN, draw, end, show_rows

if TYPE_CHECKING:
    from varnum.loop.block import Block
    from varnum.loop.loop_certificate import Certificate
    from varnum.loop.net import Net


def run_net(
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
        return run_boxes(closed, head, None, tol, nu, json, given=True)
    found, failed = certify_points(net, starts, seed, say)
    if plot is not None:
        draw(net, found, plot)
    content = head | _certified(found, nu) | {"not_certified": failed}
    verdict = "proved" if content["certified"] else "unknown"
    if verdict == "unknown":
        content["reason"] = f"none was certified of {failed} candidates from {starts} starts"
    return end(content, verdict, True, json, lambda _: _show_points(net, found, content, nu, tol))


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
        show_rows([("fixed points", f"not certified: {content['reason']}")])
        return
    under = f" that stand noise {nu}" if nu else ""
    rows = [("fixed points", f"{len(kept)} certified{under}, each the only one in its ball; there "
             "may be more (--count counts all)")]  # fmt: skip
    for i, c in enumerate(kept[:SHOWN]):
        place = ", ".join(f"{x:.5g}" for x in c.point[:4]) + (", .." if net.d > 4 else "")
        text = f"({place})  {_STABLE[c.stable]}; alone within {at_least(c.entry_radius)} per entry"
        if c.rate is not None and c.near is not None:
            text += (f", rate <= {at_most(c.rate)}, at the point {at_most(c.near)} ({c.norm} norm);"
                     f" noise up to {at_least(c.entry_noise)}")  # fmt: skip
            if tol is not None and c.rate:
                text += f"; {'no step proves the exit under noise' if nu else _stop(c, tol)}"
        rows.append(("" if i else "points", text))
    if len(kept) > SHOWN:
        rows.append(("", f".. and {len(kept) - SHOWN} more (--json)"))
    show_rows(rows)


def _stop(c: Certificate, tol: Any) -> str:
    """The Euclidean step below which an iterate in half the ball is within tol per entry."""
    from varnum.outward import at_least

    step = c.stop_below(tol)
    if step is None:
        return "no step proves the exit"
    return f"stop within half the ball when the step is below {at_least(step)} (Euclidean)"


def run_blocks(found: list[Block], file: str, nu: Any, tol: Any, json: bool, say: Any) -> int:
    """A looped transformer, one certificate per input."""
    from varnum.loop.leave import certify_exit
    from varnum.loop.loop_certificate import certify_fixed_point
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
    return end(content, verdict, True, json, lambda _: _show_blocks(proved, items, content, tol))


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
    show_rows(rows)


def run_regions(net: Net, file: str, regions: str, nu: Any, json: bool) -> int:
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
    return end(content, "unknown" if failed else "proved", True, json, _show_regions)


def _show_regions(content: dict[str, Any]) -> None:
    from varnum.outward import at_most

    rows = [("regions", f"{content['certified']} proved: mapped into themselves and contracted, so "
             "exactly one attracting fixed point in each")]  # fmt: skip
    if "reason" in content:
        rows.append(("unknown", content["reason"]))
    if content["rate"] is not None:
        rows.append(("rate", f"<= {at_most(content['rate'])}"))
    show_rows(rows)
