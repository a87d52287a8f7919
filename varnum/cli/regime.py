"""`varnum regime`: rho(b, c, p), the thresholds b*, and the phase diagram."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, print_json, progress

Option = typer.Option


def regime(
    c: Annotated[str, Option("--c", help="head dimension over ln L")] = "1",
    p: Annotated[str, Option("--p", help="error L^-p")] = "1",
    b: Annotated[str | None, Option("--b", help="M over ln L; prints rho for it")] = None,
    plot: Annotated[
        Path | None, Option(help="write the phase diagram (.png, .pdf, .svg); extra 'plot'")
    ] = None,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Where low-rank attention is below quadratic: M = b ln L, d = c ln L, error L^-p.

    Rank L^rho; below quadratic in L where rho < 1, that is b < b*. The Taylor value is proved, and
    so is the minimax value for p > 0.6453 b (else it is on an asymptotic curve that was tested).
    The lower bound is a hypothesis (SETH): some C makes every b >= C impossible.

    Examples: varnum regime --c 1 --p 1 --json; varnum regime --plot phase.png
    """
    limit(timeout)
    from varnum.balls import parse
    from varnum.cost.regime import b_star, gamma_star, minimax_is_proved, regime_exponent

    taylor, minimax = b_star(c, p)
    result: dict[str, Any] = {"c": c, "p": p, **_pair("b_star", taylor, minimax)}
    result["gamma_star"] = _enclosed(gamma_star(c))
    if b is not None:
        result |= {"b": b, **_pair("rho", *regime_exponent(b, c, p))}
        result["rho_minimax_assurance"] = _assured(minimax_is_proved(parse(b, "b"), p))
    result["assurance"] = {
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
        print_json("varnum/regime/1", result)
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


def _show(r: dict[str, Any]) -> None:
    low, high = r["b_star_taylor_enclosure"]
    print(f"b*(c = {r['c']}, p = {r['p']}) by Taylor  in [{low}, {high}] (proved)")
    low, high = r["b_star_minimax_enclosure"]
    how = r["assurance"]["minimax"]
    print(f"b*(c = {r['c']}, p = {r['p']}) by minimax in [{low}, {high}] ({how})")
    print("below quadratic for M < b* ln L; impossible beyond some C ln L under SETH (hypothesis)")
    if "b" in r:
        print(f"at b = {r['b']}: rho = {r['rho_taylor']:.12g} (Taylor, proved)")
        print(f"         rho = {r['rho_minimax']:.12g} (minimax, {r['rho_minimax_assurance']})")
    for point in r.get("released", []):
        print(
            f"{point['model']}: L = {point['L']}, M = {point['M']}: b = {point['b']:.4g}, "
            f"c = {point['c']:.4g}, p = {point['p']:.4g}, "
            f"rho = {point['rho_taylor']:.4g} (Taylor, proved), {point['rho_minimax']:.4g} "
            f"(minimax, {point['rho_minimax_assurance']}); "
            f"rank 10^{point['rank_log10']:.1f} against L = 10^{point['L_log10']:.1f}"
        )
    if "plot" in r:
        print(f"wrote {r['plot']}")
