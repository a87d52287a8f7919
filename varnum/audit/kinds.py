"""What a value of a row may be: a test for what comes from a file, and the same as JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """`fits(value)`: it is of this kind. `schema`: JSON Schema of what `--json` prints for it."""

    fits: Callable[[Any], bool]
    schema: dict[str, Any]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return _whole(value) or (isinstance(value, float) and math.isfinite(value))


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _none(value: Any) -> bool:
    return value is None


def maybe(kind: Kind) -> Kind:
    """Or None, where there is no answer."""
    types = kind.schema["type"]
    types = types if isinstance(types, list) else [types]
    if "null" in types:
        return kind
    schema = {**kind.schema, "type": [*types, "null"]}
    return Kind(lambda value: value is None or kind.fits(value), schema)


WHOLE = Kind(_whole, {"type": ["integer", "string"]})  # past 2^53 a string
NUMBER = Kind(_number, {"type": "number"})
TEXT = Kind(_text, {"type": "string"})
EXACT = Kind(_text, {"type": "string", "x-exact": True})
FLAG = Kind(_flag, {"type": "boolean"})
NONE = Kind(_none, {"type": "null"})
PAIR = Kind(
    _pair,
    {
        "type": "array",
        "items": {"type": "number", "description": "end"},
        "minItems": 2,
        "maxItems": 2,
        "x-bound": "both: the lower end, the upper end",
    },
)


TWO = Kind(
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(_whole, value)),
    {
        "type": "array",
        "items": {"type": ["integer", "string"], "description": "count"},
        "minItems": 2,
        "maxItems": 2,
    },
)


def three(kind: Kind) -> dict[str, Any]:
    """JSON Schema of [least, median, largest]; of a pair its upper ends; null where none is."""
    one = NUMBER.schema if kind is PAIR else {"type": kind.schema["type"]}
    types = one["type"] if isinstance(one["type"], list) else [one["type"]]
    known = [name for name in types if name != "null"]
    return {
        "type": ["array", "null"],
        "items": {
            "type": known if len(known) > 1 else known[0],
            "description": "over heads: least, median, largest",
        },
        "minItems": 3,
        "maxItems": 3,
    }
