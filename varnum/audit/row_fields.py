"""What a row must hold before it is taken from a file: every field, of its kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return _whole(value) or (isinstance(value, float) and math.isfinite(value))


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


def _or_none(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or kind(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _fields(**kinds: tuple[Callable[[Any], bool], str]) -> dict[str, Callable[[Any], bool]]:
    return {name: kind for kind, names in kinds.values() for name in names.split()}


_SHARED = {
    **_fields(
        whole=(_whole, "rank_certified pivots rank_lower rank_reference degree_spread rank_spread "
               "ops_exact ops_certified cache state_certified rank_output rows_exact ops_output"),
        pair=(_pair, "M spread"), flag=(_flag, "pays_certified"),
        maybe=(_or_none(_number), "error_output"),
    )
}  # fmt: skip
SCALE = _SHARED | _fields(whole=(_whole, "side tokens prefix"))
HEAD = _SHARED | _fields(
    text=(_text, "kind model output_error M_rounded"),
    whole=(_whole, "layer prompt label head d degree_apriori rank_apriori coordinates "
           "degree_output state_output rank_attention rows_attention ops_apriori state_apriori"),
    number=(_number, "eps M_apriori dimension"),
    maybe=(_or_none(_number), "eps_certified error_certified error_attention error_exact "
           "error_apriori n_certified n_output n_apriori d_max"),
    maybe_text=(_or_none(_text), "cap"),
    flag=(_flag, "degree_minimal pays_output pays_apriori centred"),
)  # fmt: skip
STEP = _fields(text=(_text, "layer"), maybe=(_or_none(_number), "error amplification zeta domain"))
BUDGET = _fields(
    text=(_text, "kind model assurance model_error"), whole=(_whole, "prompt label"),
    maybe=(_or_none(_number), "eps"), none=(lambda value: value is None, "layer head"),
)  # fmt: skip
_FOUND = _fields(maybe=(_or_none(_number), "domain"))
_NONE_FOUND = _fields(text=(_text, "reason"))


def wrong_field(row: Row) -> str | None:
    """The first field that is missing, too many, or of another kind; None where all are right."""
    if row.get("kind") == "budget":
        more = _NONE_FOUND if row.get("eps") is None else _FOUND
        return _wrong(row, BUDGET | more, "steps", STEP)
    return _wrong(row, HEAD, "scales", SCALE)


def _wrong(
    row: Row, fields: dict[str, Callable[[Any], bool]], listed: str,
    inner: dict[str, Callable[[Any], bool]],
) -> str | None:  # fmt: skip
    parts = row.get(listed)
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return listed
    if listed == "scales" and not parts:
        return listed
    for part in parts:
        if (name := _first(part, inner)) is not None:
            return f"{listed}: {name}"
    return _first({n: v for n, v in row.items() if n != listed}, fields)


def _first(row: Row, fields: dict[str, Callable[[Any], bool]]) -> str | None:
    for name, kind in fields.items():
        if name not in row or not kind(row[name]):
            return name
    return next((name for name in row if name not in fields), None)
