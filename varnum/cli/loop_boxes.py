"""`varnum loop`: all boxes at once, by the closed forms near c I."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.cli.loop_rows import end, show_rows
from varnum.errors import InputError

if TYPE_CHECKING:
    from fractions import Fraction

    from varnum.loop.orthants import Boxes
    from varnum.verdict import Unknown


def run_norms(
    file: Path | None, activation: str, cubic: bool, tanh: bool, dimension: int | None,
    e: str, beta: str, c: str | None, nu: Any, tol: Any, json: bool,
) -> int:  # fmt: skip
    """All networks of given norms, without a file."""
    from varnum.balls import parse
    from varnum.loop.activations import activation as find
    from varnum.loop.closed_orthants import Shape
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
    return run_boxes(found, head, against, tol, nu, json, given=False)


def run_boxes(
    found: Boxes | Unknown, head: dict[str, Any], against: dict[str, Any] | None,
    tol: Any, nu: Fraction, json: bool, given: bool,
) -> int:  # fmt: skip
    """What the closed forms say of every orthant box at once."""
    from varnum.verdict import Unknown

    if isinstance(found, Unknown):
        content = head | {"certified": None, "reason": found.reason, "counterexample": against}
        return end(content, "refuted" if against else "unknown", given, json, _show_unknown)
    content = head | _numbers(found, tol, nu)
    return end(content, "proved", given, json, lambda _: _show_boxes(found, tol, nu))


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


def _show_unknown(content: dict[str, Any]) -> None:
    against = content.get("counterexample")
    rows = [("fixed points", f"not certified: {content['reason']}")]
    if against:
        rows.append(("counterexample", f"W = {against['W']}, b = {against['b']} has none in an "
                     "open orthant (proved: loop-" + content["activation"] + ")"))  # fmt: skip
    show_rows(rows)


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
    show_rows(rows)
