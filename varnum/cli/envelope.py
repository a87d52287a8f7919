"""Printing the envelope of `varnum.envelope`."""

from __future__ import annotations

import json
from typing import Any

from varnum.envelope import envelope, plain, schema_path

__all__ = ["print_envelope", "schema_path"]


def print_envelope(
    schema: str, content: dict[str, Any], *, verdict: str, assurance: str, exit_code: int
) -> int:
    """Print the document to stdout and return the exit code."""
    print_document(
        plain(envelope(schema, content, verdict=verdict, assurance=assurance, exit_code=exit_code))
    )
    return exit_code


def print_document(document: dict[str, Any]) -> None:
    """Print what a result's `to_dict()` gave; NaN raises ValueError."""
    print(json.dumps(document, indent=2, allow_nan=False))
