"""`varnum error --prompts`: about inputs drawn at random."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from varnum.cli.common import progress
from varnum.cli.sources import parse_labels

if TYPE_CHECKING:
    from varnum.model.generate import Model


def error_prompts(
    model: Model,
    prompts: int,
    labels: str | None,
    run: Any,
    within: str | None,
    share: str | None,
    skip: int,
    confidence: str,
    samples: int,
    bounds_on: str,
    as_json: bool,
) -> None:
    """Of inputs drawn at random; ends the command."""
    from varnum.cli.envelope import print_document
    from varnum.sampled.prompts import error_over

    names = None if labels is None else parse_labels(labels, model.var.num_classes, 0).tolist()
    with progress() as say:
        found = error_over(
            model, prompts, labels=names, run=run, within=within, share=share, skip=skip,
            confidence=confidence, samples=samples, bounds_on=bounds_on, say=say,
        )  # fmt: skip
    if as_json:
        print_document(found.to_dict())
    elif found.exit_code:
        print(f"varnum: unknown: {found.refused} of {found.prompts} refused; {found.summary()}",
              file=sys.stderr)  # fmt: skip
    else:
        print(found)
    raise typer.Exit(found.exit_code)
