"""`varnum error`: how wrong a run's logits can be, proved for that run up to a chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.error_prompts import error_prompts
from varnum.cli.error_run import RunHere, chosen_logits, greedy, read_array, read_logits
from varnum.cli.options import (
    ConfigFile,
    Device,
    FlowFile,
    GuidedUpTo,
    HeadError,
    Noise,
    Steps,
    VaeFile,
    VarFile,
    refuse,
)
from varnum.cli.sources import check_output, load_model, parse_labels, read_tokens
from varnum.errors import InputError

if TYPE_CHECKING:
    pass


def error(
    var: VarFile = None,
    vae: VaeFile = None,
    flowar: FlowFile = None,
    config: ConfigFile = None,
    random: Annotated[
        str | None, typer.Option(help="Random weights of a preset (var-tiny, flowar-tiny, ..).")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Class labels, e.g. 1,2; -1 is no class. Default: 0, of --prompts all."),
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(help=".npy or .npz with tokens (B, L); default: its own greedy.")
    ] = None,
    logits: Annotated[
        str | None,
        typer.Option(help="Logits (B, L, V) of any run of it: .npy, or .npz with `logits`."),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="Its image (B, 3, h, w) in 0..1: .npy, or .npz with `image`."),
    ] = None,
    decode: Annotated[
        bool, typer.Option("--decode", help="Bound the image too: of what is run here, or float64.")
    ] = False,
    attention: Annotated[
        str | None, typer.Option(help="Or run it here: attention kernel exact or lowrank ..")
    ] = None,
    output_error: HeadError = "1e-2",
    backend: Annotated[str | None, typer.Option(help=".. on numpy or torch ..")] = None,
    dtype: Annotated[
        str | None, typer.Option(help=".. in float64, float32 or (torch) bfloat16.")
    ] = None,
    device: Device = "cpu",
    kernel_error: Annotated[
        str | None,
        typer.Option("--kernel-error", help="Of all models whose kernels err by this, entrywise."),
    ] = None,
    model_error: Annotated[
        str | None,
        typer.Option("--model-error", help="Find the largest kernel error that keeps this."),
    ] = None,
    margins: Annotated[
        bool,
        typer.Option("--margins", help="Bound differences of logits too: more tokens are certain."),
    ] = False,
    logit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOKEN:ID", help="Or TOKEN:ID:OTHER (difference): sharper bound; repeatable."
        ),
    ] = None,
    cfg: Annotated[
        str | None, typer.Option(help="Of logits after guidance of this strength; FlowAR: of maps.")
    ] = None,
    guidance: GuidedUpTo = "0.9",
    num_steps: Steps = 25,
    noise: Noise = None,
    maps: Annotated[
        str | None, typer.Option(help="FlowAR: maps of any run of it, .npz with map_0, ..")
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Size of the ensemble, even: more is tighter and slower.")
    ] = 32,
    bounds_on: Annotated[
        str,
        typer.Option("--bounds-on", help="What computes the bound: numpy, torch, cuda, cuda:N."),
    ] = "numpy",
    chance: Annotated[
        str, typer.Option(help="Chance of printing a false bound, over the tool's own draws.")
    ] = "1e-6",
    prompts: Annotated[
        int | None, typer.Option(help="Of inputs drawn at random: this many are tried.")
    ] = None,
    confidence: Annotated[
        str, typer.Option(help="--prompts: chance of a false statement over the inputs drawn.")
    ] = "1e-6",
    within: Annotated[
        str | None, typer.Option(help="--prompts: which share has a larger error than this?")
    ] = None,
    share: Annotated[
        str | None, typer.Option(help="--within: stop once fewer than this share certainly have.")
    ] = None,
    skip: Annotated[
        int, typer.Option(help="--prompts without --within: leave out this many largest errors.")
    ] = 0,
    out: Annotated[
        str | None, typer.Option(help="Write centre and bound of the exact logits to this .npz.")
    ] = None,
    record: Annotated[
        str | None, typer.Option(help="Write a record that `varnum check` verifies by fresh draws.")
    ] = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Bound how far a run's logits are from the exact model's, on the same weights and tokens.

    Exact means real arithmetic on the stored weights. Give the run's logits (--logits), let it be
    run here (--attention, --backend, --dtype), or neither: then the float64 run is bounded; or
    give a kernel error (--kernel-error), and every model within it is. The seed is drawn by this
    machine after all bounds are fixed, so there is no --seed.

    --cfg is about logits after guidance; a run made here puts its two together in float64.

    --image, or --decode, bounds the decoder's image of these tokens as well.

    With --flowar (or --random flowar-tiny) it is about the sampled maps: all scales, steps and the
    guidance of --cfg, against the sampler in real arithmetic.

    With --prompts labels and tokens are drawn here, and the statement is about such inputs; for
    what is run here, also about the distance between the two laws of tokens.

    Exit code 3: no bound could be certified.

    Example: varnum error --random var-tiny --labels 3 --dtype float32
    """
    limit(timeout)
    import numpy as np

    from varnum.cli.envelope import print_document
    from varnum.propagate.ensemble.engine import Engine
    from varnum.propagate.ensemble.error import error_of
    from varnum.propagate.ensemble.guided import combined, guided_error_of

    check_output(out, ".npz")
    check_output(record, ".json")
    here = RunHere(attention, output_error, backend, dtype, device)
    runs = here.asked
    if logits is not None and runs:
        raise InputError("logits: give either --logits, or what to run here, not both")
    here.check()
    if image is not None and (runs or decode):
        raise InputError("image: give either --image, or --decode and what to run here, not both")
    if flowar is not None or (random or "").startswith("flowar"):
        absent: dict[str, Any] = {
            "var": var, "vae": vae, "tokens": tokens, "logits": logits, "image": image,
            "decode": decode or None, "kernel-error": kernel_error, "model-error": model_error,
            "margins": margins or None, "logit": logit or None, "prompts": prompts,
            "within": within, "share": share, "skip": skip or None, "record": record,
            "confidence": None if confidence == "1e-6" else confidence,
            "bounds-on": None if bounds_on == "numpy" else bounds_on,
        }  # fmt: skip
        refuse(absent, "not of FlowAR; leave it out with --flowar")
        from varnum.cli.error_flowar import error_flowar

        files, settings = (flowar, config, random), (num_steps, cfg, guidance)
        inputs = (labels, noise, maps)
        raise typer.Exit(error_flowar(files, settings, inputs, here, samples, chance, out, as_json))
    alone = {
        "noise": noise, "maps": maps, "num-steps": None if num_steps == 25 else num_steps,
        "guidance": None if guidance == "0.9" else guidance,
    }  # fmt: skip
    refuse(alone, "of FlowAR; needs --flowar")
    Engine(bounds_on)
    model = load_model(var, vae, config, random, 0)
    if prompts is not None:
        fixed = {
            "tokens": tokens, "logits": logits, "kernel-error": kernel_error,
            "model-error": model_error, "out": out, "image": image,
            "decode": decode or None, "record": record, "logit": logit or None, "cfg": cfg,
            "margins": margins or None, "chance": None if chance == "1e-6" else chance,
        }  # fmt: skip
        refuse(fixed, "not with --prompts, which draws its inputs")

        def judged(label: Any, drawn: Any) -> Any:
            return here.logits(model, label, drawn)

        error_prompts(
            model, prompts, labels, judged if runs else None, within, share, skip, confidence,
            samples, bounds_on, as_json,
        )  # fmt: skip
    if within is not None or share is not None or skip:
        raise InputError("--within, --share, --skip: only with --prompts")
    if cfg is not None:
        other = {
            "kernel-error": kernel_error, "model-error": model_error, "margins": margins or None,
            "image": image, "decode": decode or None, "logit": logit or None, "record": record,
        }  # fmt: skip
        refuse(other, "not with --cfg")
    chosen = parse_labels(labels or "0", model.var.num_classes, 0)
    forced = greedy(model, chosen) if tokens is None else read_tokens(tokens)
    given = None if logits is None else read_logits(logits)
    shown = None if image is None else read_array(image, "image")
    if runs:
        given = here.logits(model, chosen, forced)
        if cfg is not None:
            none = np.full_like(chosen, -1)
            free = here.logits(model, none, forced)
            given = combined(model, given, free, cfg)
        if decode:
            shown = here.image(model, forced)
    with progress() as say:
        found = (
            error_of(
                model, chosen, forced, given, image=shown, decode=decode,
                kernel_error=kernel_error, model_error=model_error, margins=margins,
                chosen=chosen_logits(logit), samples=samples, chance=chance,
                bounds_on=bounds_on, say=say,
            )
            if cfg is None
            else guided_error_of(
                model, chosen, forced, given, cfg=cfg, samples=samples, chance=chance,
                bounds_on=bounds_on, say=say,
            )
        )  # fmt: skip
    if found.exit_code == 0 and (out is not None or record is not None):
        try:
            if out is not None:
                arrays: dict[str, Any] = {"logits": found.centre, "bound": found.bound}
                if found.image_error is not None:
                    arrays |= {"image": found.image, "image_bound": found.image_bound}
                np.savez(out, **arrays)
            if record is not None:
                from varnum.propagate.ensemble.record import record_of

                text = json.dumps(record_of(model, chosen, forced, given, found), indent=1)
                Path(record).write_text(text + "\n", encoding="utf-8")
        except OSError as problem:
            raise InputError(f"cannot write: {problem}") from None
    if as_json:
        print_document(found.to_dict())
    elif found.exit_code:
        import sys

        print(f"varnum: unknown: {found.reason}", file=sys.stderr)
    else:
        print(found)
    raise typer.Exit(found.exit_code)
