"""What `varnum run` writes and prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from varnum.cli.common import finite
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.model.backend import Backend


def finish(
    result: dict[str, Any], where: Backend, out: str | None, image: str | None, kernel: Any,
    attention: str, as_json: bool, rests_on: str,
) -> int:  # fmt: skip
    """Write files, print, and say the exit code."""
    summary = _write(result, where, out, image)
    if attention == "lowrank":
        summary["attention"] = _guarantee(kernel)
    code = 3 if "unknown" in summary or not summary.get("attention", {}).get("reached", True) else 0
    if as_json:
        bounded = where.name == "balls" or attention == "lowrank"
        return print_envelope(
            "varnum/run/2", summary, verdict="unknown" if code else "done",
            assurance=rests_on if bounded else "measured", exit_code=code,
        )  # fmt: skip
    _print(summary)
    return code


def _guarantee(kernel: Any) -> dict[str, Any]:
    """What the low-rank kernel proved over all its calls, and how many rows it did exactly."""
    made = kernel.certificates
    return {
        "kind": kernel.worst.kind,
        "target": kernel.worst.target,
        "certified_error": finite(kernel.worst.certified_error),
        "output_error": finite(max(c.output_error for c in made)),
        "reached": all(c.reached for c in made),
        "rows": sum(c.rows for c in made),
        "rows_exact": sum(c.rows_exact for c in made),
        "method": "+".join(sorted({name for c in made for name in c.method.split("+")})),
        "operations": kernel.operations,
        "operations_exact": kernel.operations_exact,
    }


def _write(
    result: dict[str, Any], where: Backend, out: str | None, image: str | None
) -> dict[str, Any]:
    """Write the files asked for; returns the summary that goes to stdout."""
    import numpy as np

    from varnum.model.output import host_arrays, write_png

    arrays: dict[str, Any] = host_arrays(result.pop("arrays", {}))
    for name, x in arrays.items():
        if not np.isfinite(x).all():
            raise InputError(f"{name}: not finite; use a wider dtype, or check the weights")
    try:
        if out is not None and arrays:
            np.savez(out, **arrays)
        if image is not None and arrays:
            write_png(image, arrays["image"])
    except OSError as error:
        raise InputError(f"cannot write: {error}") from None
    return {
        "backend": where.name,
        "dtype": "ball" if where.name == "balls" else where.dtype,
        "device": where.device,
        **result,
        "tokens": [arrays[name].tolist() for name in arrays if name.startswith("tokens_s")],
        "arrays": {name: list(x.shape) for name, x in arrays.items()},
    }


def _saved(made: dict[str, Any]) -> str:
    if not made["operations"] < made["operations_exact"]:
        return ""
    return f", {100 * made['operations'] / made['operations_exact']:.1f} % of its operations"


def _print(summary: dict[str, Any]) -> None:
    from varnum.outward import at_most

    if "unknown" in summary:
        print(f"unknown: {summary['unknown']}")
        return
    for s, rows in enumerate(summary["tokens"]):
        shown = [" ".join(map(str, row[:5])) + " .." * (len(row) > 5) for row in rows[:3]]
        print(f"scale {s}: tokens {'; '.join(shown)}" + " ; .." * (len(rows) > 3))
    for name, shape in summary["arrays"].items():
        if name in ("logits", "image") or (
            name.startswith("map_") and not name.endswith("_radius")
        ):
            print(f"{name}: {' x '.join(map(str, shape))}")
    if "attention" in summary:
        made = summary["attention"]
        bound = "unknown" if made["output_error"] is None else at_most(made["output_error"])
        print(
            f"attention: each output within {bound} of V's range, "
            f"{made['rows_exact']} of {made['rows']} rows exact"
            + _saved(made)
            + ("" if made["reached"] else "; unknown: the error asked for was not reached")
        )
    if "t_int" in summary:
        print(f"{len(summary['t_int'])} evaluations a scale")
    if "bits" in summary:
        each = f", per map {summary['map_digits']}" if "map_digits" in summary else ""
        print(f"{summary['digits']} digits certified at {summary['bits']} bits{each}")
    print(
        f"{summary['seconds']} s on {summary['backend']} ({summary['dtype']}), {summary['device']}"
    )
