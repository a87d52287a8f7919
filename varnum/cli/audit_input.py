"""What `varnum audit` is asked about: models from files or random ones, and their tokens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from varnum.cli.sources import load_model, parse_labels, read_tokens
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.audit.run import Subject


class Prompts:
    """The options that say which tokens each model runs on."""

    def __init__(
        self, labels: str, tokens: str | None, cfg: str, top_k: int, top_p: str, seed: int
    ) -> None:
        from varnum.balls import parse
        from varnum.model.generate import Settings

        self.labels, self.path, self.seed = labels, tokens, seed
        self.settings = Settings(parse(cfg, "cfg"), top_k, parse(top_p, "top_p"), seed)
        if tokens is not None and (self.settings.cfg or top_k != 1 or self.settings.top_p):
            raise InputError("tokens: with --tokens nothing is generated; leave out --cfg, --top-*")
        self.tokens = None if tokens is None else read_tokens(tokens)

    def recorded(self) -> dict[str, Any]:
        """What the header says about them."""
        from varnum.audit.row_file import digest_of_file

        s = self.settings
        tokens: dict[str, Any] = {"cfg": str(s.cfg), "top_k": s.top_k, "top_p": str(s.top_p)}
        if self.path is not None:
            tokens = {"sha256": digest_of_file(self.path)}
        return {"labels": self.labels, "tokens": tokens, "seed": self.seed}


def subjects_of(
    var: list[str] | None, vae: list[str] | None, config: str | None, random: list[str] | None,
    prompts: Prompts,
) -> tuple[list[Subject], list[dict[str, Any]]]:  # fmt: skip
    """The models with their names, and how the header records them."""
    from varnum.audit.row_file import digest_of_file

    if random and (var or vae):
        raise InputError("random: give either --random or --var and --vae, not both")
    subjects: list[Subject] = []
    sources: list[dict[str, Any]] = []
    settings = {} if config is None else {"config": digest_of_file(config)}
    for preset in random or []:
        sources.append({"random": preset, **settings})
        subjects.append(_subject(preset, (None, None, config, preset), prompts, subjects))
    if random:
        return subjects, sources
    for part, other in _pairs(var or [], vae or []):
        files = {"var": digest_of_file(part), "vae": digest_of_file(other)}
        sources.append({**files, **settings})
        subjects.append(_subject(Path(part).name, (part, other, config, None), prompts, subjects))
    if not subjects:
        raise InputError("weights: give --var and --vae (files), or --random (a preset)")
    return subjects, sources


def _pairs(var: list[str], vae: list[str]) -> list[tuple[str, str]]:
    if var and len(vae) == 1:
        return [(part, vae[0]) for part in var]
    if len(var) != len(vae):
        raise InputError(f"vae: {len(vae)} for {len(var)} --var; give one, or one for each")
    return list(zip(var, vae, strict=True))


def _subject(name: str, files: tuple[Any, ...], prompts: Prompts, before: list[Subject]) -> Subject:
    from varnum.audit.source import found_and_expected, released_shape, subject

    while name in {s.name for s in before}:
        name += "'"
    config, model = _sizes(files, prompts.seed)
    if files[0] is not None and released_shape(config) is None:
        print(f"varnum: note: {name}: {found_and_expected(config)}", file=sys.stderr)
    labels = parse_labels(prompts.labels, config.num_classes, prompts.seed)
    tokens = prompts.settings if prompts.tokens is None else prompts.tokens
    return subject(name, model, config, labels, tokens)


def _sizes(files: tuple[Any, ...], seed: int) -> tuple[Any, Any]:
    """(sizes of the transformer, a function that loads the model): random weights wait for it."""
    from varnum.model.checkpoint import read_settings_file
    from varnum.model.config import with_settings

    part, other, config, preset = files
    if preset is not None:
        settings, _ = read_settings_file(config) if config else ({}, [])
        return with_settings(preset, settings)[0], lambda: load_model(
            None, None, config, preset, seed
        )
    try:
        model = load_model(part, other, config, None, seed)
    except InputError as error:
        raise _misfit(error, part) from None
    return model.var, lambda: model


def _misfit(error: InputError, path: str) -> InputError:
    """With the list of what was found and expected, where the file is a state dict at all."""
    from varnum.audit.source import explain_misfit
    from varnum.model.checkpoint import read_state

    try:
        state = read_state(path, "var_wo_ddp")
    except InputError:
        return error
    return explain_misfit(error, state)
