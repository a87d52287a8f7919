"""`varnum regime`: rho(b, c, p), the thresholds b*, and the phase diagram."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.complete import released
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError
from varnum.text import aligned, filled

Option = typer.Option


def regime(
    c: Annotated[str, Option("--c", help="Head dimension over ln L.")] = "1",
    p: Annotated[str, Option("--p", help="Error L^-p.")] = "1",
    b: Annotated[str | None, Option("--b", help="M over ln L; prints rho for it.")] = None,
    plot: Annotated[
        Path | None, Option(help="Write the phase diagram (.png, .pdf, .svg); extra 'plot'.")
    ] = None,
    model: Annotated[
        str | None,
        Option(
            autocompletion=released, help="Parts of var-d16, .., flowar-s, ..; with --M and --eps."
        ),
    ] = None,
    M: Annotated[str | None, Option("--M", help="With --model: largest |logit|.")] = None,
    eps: Annotated[str, Option(help="With --model: kernel error.")] = "1e-2",
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Where low-rank attention is below quadratic: M = b ln L, d = c ln L, error L^-p.

    Rank L^rho; below quadratic in L where rho < 1, that is b < b*. The Taylor value is proved, and
    so is the minimax value for p > 0.6453 b (else it is on an asymptotic curve that was tested).
    The lower bound is a hypothesis (SETH): some C makes every b >= C impossible.

    Examples: varnum regime --c 1 --p 1 --json; varnum regime --plot phase.png;
    varnum regime --model flowar-l --M 1
    """
    limit(timeout)
    if model is not None:
        from varnum.cli.regime_model import regime_model

        if b is not None or plot is not None:
            raise InputError("--b, --plot: not with --model, which computes b")
        return regime_model(model, M, eps, json)
    if M is not None:
        raise InputError("--M: needs --model; give --b, which is M over ln L")
    from varnum.balls import parse
    from varnum.cost.regime import b_star, gamma_star, minimax_is_proved, regime_exponent

    taylor, minimax = b_star(c, p)
    result: dict[str, Any] = {"c": c, "p": p, **_pair("b_star", taylor, minimax)}
    result["gamma_star"] = _enclosed(gamma_star(c))
    if b is not None:
        result |= {"b": b, **_pair("rho", *regime_exponent(b, c, p))}
        result["rho_minimax_assurance"] = _assured(minimax_is_proved(parse(b, "b"), p))
    result["assurance_of"] = {
        "taylor": "proved",
        "minimax": _assured(minimax_is_proved(minimax, p)),
        "lower bound": "hypothesis (SETH): some C makes every b >= C impossible",
    }
    if plot is not None:
        from varnum.plots import figure, phase

        paths = figure.checked([plot])
        with progress() as say:
            say("drawing")
            figure.make(phase, data := phase.numbers(c, p), paths)
        result |= {"plot": str(plot), "released": data["released"]}
    if json:
        weakest = "proved" if result["assurance_of"]["minimax"] == "proved" else "measured"
        print_envelope("varnum/regime/2", result, verdict="done", assurance=weakest, exit_code=0)
    else:
        _show(result)
    return 0


def _assured(proved: bool) -> str:
    return "proved" if proved else "tested"


def _pair(name: str, taylor: Any, minimax: Any) -> dict[str, Any]:
    """The number to show, and the decimals that enclose it, per route."""
    found: dict[str, Any] = {}
    for route, value in (("taylor", taylor), ("minimax", minimax)):
        ends = _enclosed(value)
        found[f"{name}_{route}"] = float(ends[0])
        found[f"{name}_{route}_enclosure"] = ends
    return found


def _enclosed(value: Any) -> list[str]:
    from varnum.balls.scalar import enclosure_text, precision

    with precision(256):
        return list(enclosure_text(value, 16))


NAMES = {"taylor": "Taylor", "minimax": "minimax"}


def _show(r: dict[str, Any]) -> None:
    how = {"taylor": "proved", "minimax": r["assurance_of"]["minimax"]}
    print(f"c = {r['c']}, p = {r['p']}")
    for route, assured in how.items():
        low, high = r[f"b_star_{route}_enclosure"]
        print(f"  b*, {NAMES[route]:<7}  {low} .. {high}  {assured}")
    if "b" in r:
        print(f"at b = {r['b']}")
        for route, assured in (how | {"minimax": r["rho_minimax_assurance"]}).items():
            low, high = r[f"rho_{route}_enclosure"]
            print(f"  rho, {NAMES[route]:<7} {low} .. {high}  {assured}")
    last = "Below quadratic for M < b* ln L; impossible beyond some C ln L under SETH (hypothesis)."
    print(filled(last, indent=""))
    if "released" in r:
        _show_released(r["released"])
    if "plot" in r:
        print(f"wrote {r['plot']}")


def _show_released(points: list[dict[str, Any]]) -> None:
    """A row per model and M; ranks and numbers of tokens as powers of ten."""
    names = ("model", "M", "b", "c", "rho, Taylor", "rho, minimax", "rank", "L")
    rows = [
        (
            point["model"],
            point["M"],
            *(f"{point[key]:.4g}" for key in ("b", "c", "rho_taylor")),
            f"{point['rho_minimax']:.4g} {point['rho_minimax_assurance']}",
            f"10^{point['rank_log10']:.1f}",
            str(point["L"]),
        )
        for point in points
    ]
    print(aligned([names, *rows]))
