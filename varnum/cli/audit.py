"""`varnum audit`: head by head, does low-rank attention pay in this model, and how do we know?"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.audit_calls import calls_of, say_unexplained
from varnum.cli.audit_flowar import flow_source
from varnum.cli.audit_input import Prompts, subjects_of
from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.complete import presets
from varnum.cli.envelope import print_envelope
from varnum.cli.options import ConfigFile, Noise, Seed
from varnum.cli.sources import check_output
from varnum.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from varnum.audit.row_file import RowFile
    from varnum.audit.run import Asked, Calls, Subject
    from varnum.audit.task import Target


def audit(
    var: Annotated[
        list[str] | None, typer.Option(help="Transformer (.npz, .safetensors, .pth); repeatable.")
    ] = None,
    vae: Annotated[
        list[str] | None, typer.Option(help="VQVAE; one for all, or one per --var.")
    ] = None,
    config: ConfigFile = None,
    random: Annotated[
        list[str] | None,
        typer.Option(autocompletion=presets, help="Random weights of a preset; repeatable."),
    ] = None,
    flowar: Annotated[
        str | None, typer.Option(help="FlowAR: its state dict, .npz, .safetensors, .pth.")
    ] = None,
    torch: Annotated[
        str | None, typer.Option(help="Any model: script.py:build returns (model, inputs).")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The same from a module: package.module:build.")
    ] = None,
    arrays: Annotated[
        str | None, typer.Option(help="No model: q, k, v (or q_NAME, ..) of a .npz file.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Of --torch, FlowAR: so many batch entries; default: all.")
    ] = None,
    heads: Annotated[
        int | None, typer.Option(help="Of --torch, FlowAR: so many heads a call; default: all.")
    ] = None,
    labels: Annotated[str, typer.Option(help="One prompt per class label, e.g. 1,2.")] = "0",
    tokens: Annotated[
        str | None, typer.Option(help="Tokens (B, L), .npy or .npz; else the model generates them.")
    ] = None,
    cfg: Annotated[str, typer.Option(help="Generating: guidance strength.")] = "0",
    top_k: Annotated[int, typer.Option(help="Generating: keep the k largest; 0 keeps all.")] = 1,
    top_p: Annotated[str, typer.Option(help="Generating: keep mass p; 0 keeps all.")] = "0",
    seed: Seed = 0,
    num_steps: Annotated[int, typer.Option(help="FlowAR: of the sampler.")] = 25,
    guidance: Annotated[str, typer.Option(help="FlowAR: guided at times up to this.")] = "0.9",
    noise: Noise = None,
    evaluations: Annotated[
        int, typer.Option(help="FlowAR: so many evaluations of the flow net are looked at.")
    ] = 3,
    output_error: Annotated[
        str,
        typer.Option(help="Attention's output error in units of V's range; several: 1e-1,1e-2."),
    ] = "1e-2",
    model_error: Annotated[
        str | None,
        typer.Option(
            help="Error of the logits that the budget per layer keeps to, in norms; given, also "
            "the kernel error that ensembles verify (slow). Default: 1, in norms alone."
        ),
    ] = None,
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

    A VAR model runs in float64 on tokens from a file, or on tokens that it generates itself. With
    --torch any model runs once on inputs that a function of yours returns; its attention is
    captured as it runs, and what is noticed and not captured is said on stderr. FlowAR is looked at
    while it samples; with guidance the batch entries past the labels are those without a class.

    Exit code 0: every row was computed, whatever it says.

    Example: varnum audit --random var-tiny --output-error 1e-2 --html report.html
    """
    limit(timeout)
    from varnum.audit.executor import one_thread

    one_thread()  # before anything numerical is loaded
    _check(jobs, seed, resume, out, html)
    from varnum.audit.row_file import RowFile, digest_of

    asked = _asked(output_error, model_error, every_rank)
    others = {"--var": var, "--vae": vae, "--config": config, "--random": random,
              "--tokens": tokens}  # fmt: skip
    flow = flow_source(
        flowar, random, config, noise, seed, labels, (num_steps, cfg, guidance), evaluations,
        (batch, heads), {"--var": var, "--vae": vae, "--tokens": tokens, "--torch": torch,
                         "--model": model, "--arrays": arrays, "--top-k": top_k != 1,
                         "--top-p": top_p != "0"},
    )  # fmt: skip
    calls = flow or calls_of(torch, model, arrays, batch, heads, others)
    if calls is not None:
        return _audit_calls(calls, asked, out, resume, html, jobs, cluster, as_json)
    prompts = Prompts(labels, tokens, cfg, top_k, top_p, seed)
    subjects, sources = subjects_of(var, vae, config, random, prompts)
    question = _question(sources, prompts, asked)
    rows = RowFile(out, {"digest": digest_of(question), "question": question}, resume=resume)
    _compute(subjects, asked, rows, jobs, cluster)
    if rows.taken:
        print(f"varnum: note: {trusted(rows.taken, out)}", file=sys.stderr)
    _show(rows, question, html, as_json)
    return 0


def _audit_calls(
    calls: Calls, asked: Asked, out: str | None, resume: bool, html: str | None,
    jobs: int | None, cluster: str | None, as_json: bool,
) -> int:  # fmt: skip
    from varnum._version import __version__
    from varnum.audit.row_file import RowFile, digest_of

    question = {
        "varnum": __version__, **calls.question(),
        "output_error": [str(t.output_error) for t in asked.targets],
        "every_rank": asked.every_rank,
    }  # fmt: skip
    rows = RowFile(out, {"digest": digest_of(question), "question": question}, resume=resume)
    _compute([calls], asked, rows, jobs, cluster)
    if rows.taken:
        print(f"varnum: note: {trusted(rows.taken, out)}", file=sys.stderr)
    _show(rows, question, html, as_json, say_unexplained(calls))
    return 0


def _check(jobs: int | None, seed: int, resume: bool, out: str | None, html: str | None) -> None:
    if jobs is not None and not 1 <= jobs <= 1024:
        raise InputError(f"jobs: {jobs} is not allowed; 1 to 1024")
    if seed < 0:
        raise InputError(f"seed: {seed} is negative")
    if resume and out is None:
        raise InputError("resume: it continues the file of --out; name it")
    check_output(out, ".jsonl")
    check_output(html, ".html")


def _asked(output_error: str, model_error: str | None, every_rank: bool) -> Asked:
    from varnum.audit.run import Asked
    from varnum.balls import parse

    targets = _targets(output_error)
    allowed = parse("1" if model_error is None else model_error, "model-error")
    if allowed <= 0:
        raise InputError(f"model-error: {model_error} is not above 0")
    if model_error is not None and allowed >= 10**6:
        raise InputError(f"model-error: {model_error} is not allowed; below 1000000")
    return Asked(targets, allowed, every_rank, model_error is not None)


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


def _question(sources: list[dict[str, Any]], prompts: Prompts, asked: Asked) -> dict[str, Any]:
    """All that the rows depend on, for the header of their file."""
    from varnum._version import __version__

    return {
        "varnum": __version__,
        "models": sources,
        **prompts.recorded(),
        "output_error": [str(t.output_error) for t in asked.targets],
        "model_error": str(asked.model_error),
        "every_rank": asked.every_rank,
        **({"model_error_verified": True} if asked.verified else {}),
    }


def _compute(
    subjects: Sequence[Subject | Calls],
    asked: Asked,
    rows: RowFile,
    jobs: int | None,
    cluster: str | None,
) -> None:
    from varnum.audit.executor import cluster as on_cluster
    from varnum.audit.executor import default_jobs, processes
    from varnum.audit.run import audit as run_audit

    with ExitStack() as stack:
        stack.callback(rows.close)
        opener = stack.enter_context(on_cluster(cluster)) if cluster else None
        say = stack.enter_context(progress())
        try:
            run_audit(subjects, asked, rows, opener or processes(jobs or default_jobs()), say)
        except KeyboardInterrupt:
            if rows.path is not None:
                kept = f"{len(rows.rows)} rows are in {rows.path}; --resume continues"
                print(f"varnum: interrupted: {kept}", file=sys.stderr)
            raise


def trusted(count: int, path: str | None) -> str:
    """What the rows of a resumed file rest on."""
    rows = "1 row was" if count == 1 else f"{count} rows were"
    return (
        f"{rows} taken from {path} as found: a checksum shows damage, not edits, so what is said "
        "of them rests on that file"
    )


def _show(
    found: RowFile, question: dict[str, Any], html: str | None, as_json: bool,
    unexplained: list[list[str]] | None = None,
) -> None:  # fmt: skip
    import shlex

    from varnum.audit.fields import ASSURANCE
    from varnum.audit.page.page import page
    from varnum.audit.schema import NAME
    from varnum.audit.summary import summarise, text

    rows = found.rows
    groups, command = summarise(rows), shlex.join(["varnum", *sys.argv[1:]])
    if html is not None:
        note = trusted(found.taken, found.path) if found.taken else ""
        missed = [f"noticed, not captured: {module}: {what}" for module, what in unexplained or []]
        note = "; ".join([note] * bool(note) + list(dict.fromkeys(missed)))
        _write_html(html, page(rows, groups, question, command, note))
    if as_json:
        content: dict[str, Any] = {
            "command": command, "question": question, "assurance_of": ASSURANCE,
        }  # fmt: skip
        if unexplained is not None:
            content |= {"complete": not unexplained, "unexplained": unexplained}
        content |= {"rows_taken": found.taken, "summary": groups, "rows": rows}
        print_envelope(NAME, content, verdict="done", assurance="estimated", exit_code=0)
    else:
        print("\n".join(text(groups)))


def _write_html(path: str, text: str) -> None:
    try:
        # a name that is not UTF-8 holds what no page can: it is shown escaped
        Path(path).write_bytes(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise InputError(f"{path}: cannot write it ({error.strerror})") from None
