"""One JSON envelope for every verb: schema, version, verdict, assurance, exit code, then the rest.

What is inside is described by `varnum/schemas/NAME.json`, one JSON Schema for each; bounds are JSON
numbers rounded outward (`varnum.outward`), what a double cannot hold is a string.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from varnum._version import __version__
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


def print_envelope(
    schema: str, content: dict[str, Any], *, verdict: str, assurance: str, exit_code: int
) -> int:
    """Print the document to stdout and return the exit code; integers of any size stay exact."""
    sys.set_int_max_str_digits(0)
    document = envelope(schema, content, verdict=verdict, assurance=assurance, exit_code=exit_code)
    print(json.dumps(document, indent=2, allow_nan=False))
    return exit_code


def schema_path(schema: str) -> Path:
    """Where the JSON Schema of "varnum/bound/2" is shipped."""
    return Path(__file__).parents[1] / "schemas" / f"{schema.split('/')[1]}.json"
