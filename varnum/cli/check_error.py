"""`varnum check RECORD --var .. --vae .. --tokens ..`: an error bound, verified by fresh draws."""

from __future__ import annotations

import json
from typing import Any

from varnum.cli.common import progress
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError

MARK = b'"varnum/error-record/'


def check_error(
    data: bytes,
    var: str | None,
    vae: str | None,
    config: str | None,
    random: str | None,
    labels: str,
    inputs: str | None,
    output: str | None,
    as_json: bool,
) -> int:
    """Print what fresh draws say of the record; the exit code."""
    from varnum.cli.error_run import read_logits
    from varnum.cli.sources import load_model, parse_labels, read_tokens
    from varnum.propagate.ensemble.record import recheck

    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"record: no JSON ({str(problem)[:80]})") from None
    if inputs is None:
        raise InputError("--inputs: a record of varnum error is about tokens; give their file")
    model = load_model(var, vae, config, random, 0)
    logits = None if output is None else read_logits(output)
    chosen = parse_labels(labels, model.var.num_classes, 0)
    with progress() as say:
        found = recheck(record, model, chosen, read_tokens(inputs), logits, say=say)
    code = {"proved": 0, "refuted": 1, "unknown": 3}[found.verdict]
    if as_json:
        content: dict[str, Any] = {
            "statement": found.text,
            "recorded": float(record["logit_error"]),
            "logit_error": found.own.logit_error,
            "chance": found.own.to_dict()["chance"],
            "samples": found.own.samples,
            "sentence": found.own.sentence() if found.own.exit_code == 0 else "",
            "digest": record["digest"],
        }
        word = "estimated" if code == 3 else found.own.assurance
        print_envelope(
            "varnum/check-error/1", content, verdict=found.verdict, assurance=word, exit_code=code
        )
    else:
        print(f"{found.verdict}: {found.text}")
        if code == 0:
            print(f"{found.own.assurance}: {found.own.sentence()}")
    return code
