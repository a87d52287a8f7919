"""The JSON Schema of `varnum audit --json`, made from the table of fields.

`python -m varnum.audit.schema` writes varnum/schemas/audit.json anew; a test holds them together.
"""

from __future__ import annotations

import json
from typing import Any

from varnum.audit.fields import COUNTED, RANGED, Field, of
from varnum.audit.kinds import WHOLE, three
from varnum.envelope import VERDICTS, schema_path

NAME = "varnum/audit/2"
Schema = dict[str, Any]


def document() -> Schema:
    """The whole schema."""
    content = {
        "schema": {"type": "string", "description": "form and version of this document"},
        "version": {"type": "string", "description": "of varnum"},
        "verdict": {
            "type": "string",
            "description": "proved, refuted, unknown, or done where no statement is made",
            "enum": [*VERDICTS],
        },
        "assurance": {
            "type": "string",
            "description": "on what the answer rests: the weakest word of the table in the "
            "glossary that applies",
        },
        "exit_code": {"type": ["integer", "string"], "description": "of the command"},
        "command": {"type": "string", "description": "that made it"},
        "question": {"type": "object", "description": "all that the rows depend on"},
        "assurance_of": {
            "type": "object",
            "description": "field -> what it rests on",
            "additionalProperties": {"type": "string", "description": "word"},
        },
        "rows_taken": {
            "type": "integer",
            "description": "rows taken from the file of --out as found: a checksum shows damage, "
            "not edits, so what is said of them rests on that file",
        },
        "complete": {
            "type": "boolean",
            "description": "of calls: was all attention captured that was noticed",
        },
        "unexplained": _list(
            {"type": "array", "items": {"type": "string", "description": "module, what"}},
            "of calls: attention that was noticed and not captured",
        ),
        "summary": _list(_summary(), "one entry per model and target"),
        "rows": _list(
            _rows(),
            "one entry per head, prompt and target, then one budget per model and prompt; of other "
            "models one per head, call, batch entry and target",
        ),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": NAME,
        "description": "varnum audit: every head of a model",
        **_closed(content, [n for n in content if n not in ("complete", "unexplained")]),
    }


def _rows() -> Schema:
    """Heads, budgets and calls in one: what not all have is optional, `allOf` says who has it.

    A field that several have is as wide as all of them.
    """
    kinds = {
        "head": _properties(of("head")) | {"scales": _scales("scale", "its map")},
        "call": _properties(of("call")) | {"scales": _scales("part", "its rows")},
        "budget": _properties(of("budget"))
        | {"steps": _list(_closed(_properties(of("step"))), "of a budget: layer by layer")},
    }
    names = dict.fromkeys(name for kind in kinds.values() for name in kind)
    both: Schema = {}
    for name in names:
        for kind in kinds.values():
            both[name] = _either(both.get(name), kind.get(name))
    both["scales"] = _list({"type": "object"}, both["scales"]["description"])
    shared = [name for name in names if all(name in kind for kind in kinds.values())]
    asked = {name for name, field in of("budget").items() if field.asked}
    absent = {"budget": {"domain", "reason"} | asked}
    branches = [
        {
            "if": {"properties": {"kind": {"const": kind}}},
            "then": _branch(mine, both, absent.get(kind, set())),
        }
        for kind, mine in kinds.items()
    ]
    return {**_closed(both, shared), "allOf": branches}


def _scales(scope: str, what: str) -> Schema:
    return _list(
        _closed(_properties(of(scope))),
        f"of a head: the same of each scale or part taken alone, {what} against the keys they see",
    )


def _branch(mine: Schema, both: Schema, optional: set[str]) -> Schema:
    """What a row of one kind has, and has not."""
    narrower = {
        name: {"type": part["type"]} if name != "scales" else {"items": part["items"]}
        for name, part in mine.items()
        if part["type"] != both[name]["type"] or name == "scales"
    }
    return {
        "required": [name for name in mine if name not in optional],
        "propertyNames": {"enum": [*mine]},
        "properties": narrower,
    }


def _either(one: Schema | None, other: Schema | None) -> Schema:
    if not one or not other:
        return one or other or {}
    words = [one["description"], other["description"]]
    types = dict.fromkeys(t for part in (one, other) for t in _types(part))
    return {
        **one,
        "type": [*types] if len(types) > 1 else next(iter(types)),
        "description": "; ".join(dict.fromkeys(words)),
    }


def _summary() -> Schema:
    over = {f.name: three(f.kind) | {"description": f.text} for f in RANGED}
    counts = {f.name: {**WHOLE.schema, "description": f"heads in which {f.text}"} for f in COUNTED}
    never = {
        "type": "array",
        "description": "heads that pay in no way: [layer, head, prompt]",
        "items": {
            "type": "array",
            "description": "one head",
            "items": {"type": "integer", "description": "layer, head, prompt"},
            "minItems": 3,
            "maxItems": 3,
        },
    }
    named = _properties(of("summary"))
    parts = named | over | counts | {"pays_never": never}
    absent = {"budget_eps", "model_error"} | {n for n, f in of("summary").items() if f.asked}
    return _closed(parts, [name for name in parts if name not in absent])


def _properties(fields: dict[str, Field]) -> Schema:
    return {name: _property(field) for name, field in fields.items()}


def _property(field: Field) -> Schema:
    said = f"{field.text} ({field.assurance})" if field.assurance else field.text
    bound = {"x-bound": field.bound} if field.bound else {}
    return {**field.kind.schema, **bound, "description": said}


def _types(part: Schema) -> list[str]:
    return part["type"] if isinstance(part["type"], list) else [part["type"]]


def _list(items: Schema, text: str) -> Schema:
    return {"type": "array", "description": text, "items": {"description": "figures", **items}}


def _closed(properties: Schema, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties] if required is None else required,
        "additionalProperties": False,
    }


if __name__ == "__main__":
    schema_path(NAME).write_text(json.dumps(document(), indent=1) + "\n")
