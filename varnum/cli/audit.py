"""`varnum audit`: head by head, does low-rank attention pay in this model, and how do we know?"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, print_json, progress
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.audit.run import Subject
    from varnum.audit.task import Target


def audit(
    var: Annotated[
        list[str] | None, typer.Option(help="Transformer (.npz, .safetensors, .pth); repeatable.")
    ] = None,
    vae: Annotated[
        list[str] | None, typer.Option(help="VQVAE; one for all, or one per --var.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="JSON file of sizes; most are read off the weights.")
    ] = None,
    random: Annotated[
        list[str] | None, typer.Option(help="Random weights of a preset; repeatable.")
    ] = None,
    labels: Annotated[str, typer.Option(help="One prompt per class label, e.g. 1,2.")] = "0",
    tokens: Annotated[
        str | None, typer.Option(help="Tokens (B, L), .npy or .npz; else the model generates them.")
    ] = None,
    cfg: Annotated[str, typer.Option(help="Generating: guidance strength.")] = "0",
    top_k: Annotated[int, typer.Option(help="Generating: keep the k largest; 0 keeps all.")] = 1,
    top_p: Annotated[str, typer.Option(help="Generating: keep mass p; 0 keeps all.")] = "0",
    seed: Annotated[int, typer.Option(help="Seed of random weights and of sampling.")] = 0,
    output_error: Annotated[
        str,
        typer.Option(help="Attention's output error in units of V's range; several: 1e-1,1e-2."),
    ] = "1e-2",
    model_error: Annotated[
        str, typer.Option(help="Error of the logits that the budget per layer keeps to.")
    ] = "1",
    every_rank: Annotated[
        bool, typer.Option("--every-rank", help="Certify ranks also where they cannot pay (slow).")
    ] = False,
    jobs: Annotated[int | None, typer.Option(help="Processes; default: one per core.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Dask scheduler instead of processes, e.g. tcp://host:8786.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Append rows to this .jsonl as they come.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the file of --out.")] = False,
    html: Annotated[str | None, typer.Option(help="Write a report, one .html page.")] = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> int:
    """Per layer, head and scale: logits, degree, rank from above and below, cost, verdict.

    The model runs in float64 on tokens from a file, or on tokens that it generates itself.

    Exit code 0: every row was computed, whatever it says.

    Example: varnum audit --random var-tiny --output-error 1e-2 --html report.html
    """
    limit(timeout)
    from varnum.audit.work import cluster as on_cluster
    from varnum.audit.work import default_jobs, one_thread, processes

    one_thread()  # before anything numerical is loaded
    _check(jobs, seed, resume, out, html)
    from varnum.audit.rows import RowFile, digest_of
    from varnum.audit.run import Asked
    from varnum.audit.run import audit as run_audit
    from varnum.audit.summary import summarise
    from varnum.balls import parse

    targets, allowed = _targets(output_error), parse(model_error, "model-error")
    if allowed <= 0:
        raise InputError(f"model-error: {model_error} is not above 0")
    prompts = _Prompts(labels, tokens, cfg, top_k, top_p, seed)
    subjects, sources = _subjects(var, vae, config, random, prompts)
    question = {
        "models": sources,
        "labels": labels,
        "tokens": prompts.recorded(),
        "seed": seed,
        "output_error": [str(t.output_error) for t in targets],
        "model_error": str(allowed),
        "every_rank": every_rank,
    }
    rows = RowFile(out, {"digest": digest_of(question), "question": question}, resume=resume)
    with ExitStack() as stack:
        stack.callback(rows.close)
        opener = stack.enter_context(on_cluster(cluster)) if cluster else None
        say = stack.enter_context(progress())
        opener = opener or processes(jobs or default_jobs())
        run_audit(subjects, Asked(targets, allowed, every_rank), rows, opener, say)
    groups = summarise(rows.rows)
    command = _command()
    if html is not None:
        _write_html(html, rows.rows, groups, question, command)
    if as_json:
        from varnum.audit.assurance import ASSURANCE

        content = {"command": command, "question": question, "assurance": ASSURANCE}
        print_json("varnum/audit/1", {**content, "summary": groups, "rows": rows.rows})
    else:
        from varnum.audit.summary import text

        print("\n".join(text(groups)))
    return 0


# --- input --------------------------------------------------------------------------------------


def _check(jobs: int | None, seed: int, resume: bool, out: str | None, html: str | None) -> None:
    if jobs is not None and not 1 <= jobs <= 1024:
        raise InputError(f"jobs: {jobs} is not allowed; 1 to 1024")
    if seed < 0:
        raise InputError(f"seed: {seed} is negative")
    if resume and out is None:
        raise InputError("resume: it continues the file of --out; name it")
    for path, suffix in ((out, ".jsonl"), (html, ".html")):
        if path is not None and (Path(path).suffix != suffix or not Path(path).parent.is_dir()):
            raise InputError(f"{path}: need a name ending in {suffix} in a folder that exists")


def _targets(texts: str) -> tuple[Target, ...]:
    from varnum.audit.task import Target
    from varnum.balls import parse

    found = []
    for text in texts.split(","):
        value = parse(text, "output-error")
        if not 0 < value < 1:
            raise InputError(f"output-error: {text} is not allowed; strictly between 0 and 1")
        if value < parse("1e-12"):
            raise InputError(f"output-error: {text} is below what float64 can keep; from 1e-12 on")
        found.append(Target.of(value))
    if len(set(found)) < len(found):
        raise InputError(f"output-error: {texts!r} names an error twice")
    return tuple(found)


class _Prompts:
    """The options that say which tokens each model runs on."""

    def __init__(
        self, labels: str, tokens: str | None, cfg: str, top_k: int, top_p: str, seed: int
    ) -> None:
        from varnum.balls import parse
        from varnum.cli.sources import read_tokens
        from varnum.model.generate import Settings

        self.labels, self.path, self.seed = labels, tokens, seed
        self.settings = Settings(parse(cfg, "cfg"), top_k, parse(top_p, "top_p"), seed)
        self.tokens = None if tokens is None else read_tokens(tokens)

    def recorded(self) -> dict[str, Any]:
        """What the header says about them."""
        from varnum.audit.rows import digest_of_file

        if self.path is not None:
            return {"sha256": digest_of_file(self.path)}
        s = self.settings
        return {"cfg": str(s.cfg), "top_k": s.top_k, "top_p": str(s.top_p)}


def _subjects(
    var: list[str] | None, vae: list[str] | None, config: str | None, random: list[str] | None,
    prompts: _Prompts,
) -> tuple[list[Subject], list[dict[str, Any]]]:  # fmt: skip
    """The models with their names, and how the header records them."""
    from varnum.audit.rows import digest_of_file

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


def _subject(
    name: str, files: tuple[Any, ...], prompts: _Prompts, before: list[Subject]
) -> Subject:
    from varnum.audit.source import found_and_expected, released_shape, subject
    from varnum.cli.sources import parse_labels

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
    from varnum.cli.sources import load_model
    from varnum.model.checkpoint import read_settings_file
    from varnum.model.config import with_settings

    part, other, config, preset = files
    if preset is not None:
        settings, _ = read_settings_file(config) if config else ({}, [])
        return with_settings(preset, settings)[0], lambda: load_model(None, None, config, preset, seed)
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


# --- output -------------------------------------------------------------------------------------


def _command() -> str:
    """What reproduces this: the command line as given."""
    import shlex

    return shlex.join(["varnum", *sys.argv[1:]])


def _write_html(
    path: str, rows: list[Any], groups: list[Any], question: dict[str, Any], command: str
) -> None:
    from varnum.audit.report import page

    try:
        Path(path).write_text(page(rows, groups, question, command), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot write it ({error.strerror})") from None
