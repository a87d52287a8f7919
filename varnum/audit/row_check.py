"""What a row must hold before it is taken from a file: every field, of its kind."""

from __future__ import annotations

from varnum.audit.fields import Field, Row, of

HEAD, SCALE, BUDGET, STEP, CALL, PART = map(of, ("head", "scale", "budget", "step", "call", "part"))


def wrong_field(row: Row) -> str | None:
    """The first field that is missing, too many, or of another kind; None where all are right."""
    if row.get("kind") == "budget":
        absent = {"domain" if row.get("eps") is None else "reason"}
        if not any(BUDGET[name].asked for name in row if name in BUDGET):
            absent |= {name for name, field in BUDGET.items() if field.asked}
        elif row.get("kernel_error") is not None:
            absent.add("kernel_error_reason")
        fields = {name: field for name, field in BUDGET.items() if name not in absent}
        return _wrong(row, fields, "steps", STEP)
    if row.get("kind") == "call":
        return _wrong(row, CALL, "scales", PART)
    return _wrong(row, HEAD, "scales", SCALE)


def _wrong(row: Row, fields: dict[str, Field], listed: str, inner: dict[str, Field]) -> str | None:
    parts = row.get(listed)
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return listed
    if listed == "scales" and not parts:
        return listed
    for part in parts:
        if (name := _first(part, inner)) is not None:
            return f"{listed}: {name}"
    return _first({n: v for n, v in row.items() if n != listed}, fields)


def _first(row: Row, fields: dict[str, Field]) -> str | None:
    for name, field in fields.items():
        if name not in row or not field.kind.fits(row[name]):
            return name
    return next((name for name in row if name not in fields), None)
