"""One JSON envelope for every verb: schema, version, verdict, assurance, exit code, then the rest.

What is inside is described by `varnum/schemas/NAME.json`, one JSON Schema for each; bounds are JSON
numbers rounded outward (`varnum.outward`), what a double cannot hold exactly and must, is a string.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from varnum._version import __version__
from varnum.balls.exact import to_text
from varnum.verdict import ANSWER_WORDS

VERDICTS = {
    "proved": "the statement holds",
    "refuted": "the statement is false, a witness is shown",
    "unknown": "neither was reached, `reason` says why",
    "done": "what was asked was computed; no statement is made",
}


def envelope(
    schema: str, content: dict[str, Any], *, verdict: str, assurance: str, exit_code: int
) -> dict[str, Any]:
    """The document: `schema` as "varnum/bound/2"; `verdict` of VERDICTS; `assurance` of the table.

    `assurance` may go on after a comma ("proved for this run, up to chance 1e-6"). ValueError for
    words outside the tables and for content that would overwrite the envelope.
    """
    head = {"schema": schema, "version": __version__, "verdict": verdict, "assurance": assurance,
            "exit_code": exit_code}  # fmt: skip
    if verdict not in VERDICTS:
        raise ValueError(f"verdict {verdict!r} is none of {[*VERDICTS]}")
    if assurance.partition(",")[0] not in ANSWER_WORDS:
        raise ValueError(f"assurance {assurance!r} is none of {[*ANSWER_WORDS]}")
    if taken := head.keys() & content.keys():
        raise ValueError(f"{sorted(taken)} belong to the envelope")
    return head | content


def plain(value: Any) -> Any:
    """`value` as JSON: integers that a double cannot hold (past 2^53) as strings, inf as null."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, int) and abs(value) > 1 << 53:
        return to_text(value)
    if isinstance(value, float) and math.isinf(value):
        return None  # nothing is bounded
    return value


def schema_path(schema: str) -> Path:
    """Where the JSON Schema of "varnum/bound/2" is shipped."""
    return Path(__file__).parent / "schemas" / f"{schema.split('/')[1]}.json"
