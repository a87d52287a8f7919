"""`varnum error`: how wrong a run's logits can be, proved for that run up to a chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.sources import check_output, load_model, parse_labels, read_tokens
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.model.generate import Model


def error(
    var: Annotated[str | None, typer.Option(help="Transformer: .npz, .safetensors, .pth.")] = None,
    vae: Annotated[str | None, typer.Option(help="VQVAE: .npz, .safetensors, .pth.")] = None,
    flowar: Annotated[
        str | None, typer.Option(help="FlowAR instead: its state dict, .npz, .safetensors, .pth.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="JSON file of sizes; most are read off the weights.")
    ] = None,
    random: Annotated[
        str | None, typer.Option(help="Random weights of a preset (var-tiny, flowar-tiny, ..).")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Class labels, e.g. 1,2; -1 is no class; 0, or with --prompts all."),
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
    output_error: Annotated[
        str, typer.Option("--output-error", help="lowrank: error of each head, of V's range.")
    ] = "1e-2",
    backend: Annotated[str | None, typer.Option(help=".. on numpy or torch ..")] = None,
    dtype: Annotated[
        str | None, typer.Option(help=".. in float64, float32 or (torch) bfloat16.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or with torch cuda.")] = "cpu",
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
        typer.Option(
            "--margins", help="Surer tokens: differences of logits, the closest in reverse."
        ),
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
    guidance: Annotated[
        str, typer.Option(help="FlowAR: guide only at times up to this, itself included.")
    ] = "0.9",
    num_steps: Annotated[
        int, typer.Option("--num-steps", help="FlowAR: of the sampler; 25 makes 24 evaluations.")
    ] = 25,
    noise: Annotated[
        str | None, typer.Option(help="FlowAR: .npz of latents to start from, noise_0, ..")
    ] = None,
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
    runs = attention is not None or backend is not None or dtype is not None
    if logits is not None and runs:
        raise InputError("logits: give either --logits, or what to run here, not both")
    if device != "cpu" and not runs:
        raise InputError("device: is for a run made here; give --backend, --dtype or --attention")
    if output_error != "1e-2" and attention != "lowrank":
        raise InputError("output_error: is for --attention lowrank")
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
        if clash := [name for name, value in absent.items() if value is not None]:
            raise InputError(f"{clash[0]}: not of FlowAR; leave it out with --flowar")
        from varnum.cli.error_flowar import Place, error_flowar

        place = Place(attention, output_error, backend, dtype, device)
        files, settings = (flowar, config, random), (num_steps, cfg, guidance)
        inputs = (labels, noise, maps)
        raise typer.Exit(
            error_flowar(files, settings, inputs, place, samples, chance, out, as_json)
        )
    alone = {
        "noise": noise, "maps": maps, "num-steps": None if num_steps == 25 else num_steps,
        "guidance": None if guidance == "0.9" else guidance,
    }  # fmt: skip
    if clash := [name for name, value in alone.items() if value is not None]:
        raise InputError(f"{clash[0]}: of FlowAR; needs --flowar")
    Engine(bounds_on)
    model = load_model(var, vae, config, random, 0)
    if prompts is not None:
        fixed = {
            "tokens": tokens, "logits": logits, "kernel-error": kernel_error,
            "model-error": model_error, "out": out, "image": image,
            "decode": decode or None, "record": record, "logit": logit or None, "cfg": cfg,
            "margins": margins or None, "chance": None if chance == "1e-6" else chance,
        }  # fmt: skip
        for name, value in fixed.items():
            if value is not None:
                raise InputError(f"--{name}: not with --prompts, which draws its inputs")

        def judged(label: Any, drawn: Any) -> Any:
            return _run(model, label, drawn, attention, output_error, backend, dtype, device)

        _over(
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
        for name, value in other.items():
            if value is not None:
                raise InputError(f"--{name}: not with --cfg")
    chosen = parse_labels(labels or "0", model.var.num_classes, 0)
    forced = _greedy(model, chosen) if tokens is None else read_tokens(tokens)
    given = None if logits is None else read_logits(logits)
    shown = None if image is None else read_array(image, "image")
    if runs:
        given = _run(model, chosen, forced, attention, output_error, backend, dtype, device)
        if cfg is not None:
            none = np.full_like(chosen, -1)
            free = _run(model, none, forced, attention, output_error, backend, dtype, device)
            given = combined(model, given, free, cfg)
        if decode:
            shown = _decoded(model, forced, attention, output_error, backend, dtype, device)
    with progress() as say:
        found = (
            error_of(
                model, chosen, forced, given, image=shown, decode=decode,
                kernel_error=kernel_error, model_error=model_error, margins=margins,
                chosen=_chosen(logit), samples=samples, chance=chance, bounds_on=bounds_on, say=say,
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


def _over(
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
    import sys

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


def _chosen(logits: list[str] | None) -> list[tuple[int, ...]]:
    """TOKEN:ID or TOKEN:ID:OTHER each."""
    try:
        return [tuple(int(number) for number in entry.split(":")) for entry in logits or ()]
    except ValueError:
        raise InputError(f"logit: {logits}: allowed are TOKEN:ID, TOKEN:ID:OTHER") from None


def _greedy(model: Model, labels: Any) -> Any:
    """Tokens (B, L) that the model itself chooses, greedily, in float64."""
    import numpy as np

    from varnum.model.backend import Backend
    from varnum.model.generate import Settings, generate

    placed = model.to(Backend("numpy", "float64"))
    return np.concatenate([s.tokens for s in generate(placed, labels, Settings())], axis=1)


def _run(
    model: Model,
    labels: Any,
    tokens: Any,
    attention: str | None,
    output_error: str,
    backend: str | None,
    dtype: str | None,
    device: str,
) -> Any:
    import numpy as np

    from varnum.model.backend import to_numpy
    from varnum.model.generate import teacher_forced_logits

    where, kernel = _place(attention, output_error, backend, dtype, device)
    every = np.broadcast_to(labels, len(tokens)) if len(labels) == 1 else labels
    return to_numpy(teacher_forced_logits(model.to(where), every, tokens, kernel))


def _decoded(
    model: Model,
    tokens: Any,
    attention: str | None,
    output_error: str,
    backend: str | None,
    dtype: str | None,
    device: str,
) -> Any:
    """The image (B, 3, h, w) of the same run, decoder included."""
    from varnum.model.backend import to_numpy
    from varnum.model.generate import image_of
    from varnum.model.quantizer import accumulate, split_scales

    where, kernel = _place(attention, output_error, backend, dtype, device)
    placed = model.to(where)
    f_hat = accumulate(placed.vae_weights, model.vae, split_scales(model.vae, tokens))[-1]
    return to_numpy(image_of(placed, f_hat, kernel))


def _place(
    attention: str | None,
    output_error: str,
    backend: str | None,
    dtype: str | None,
    device: str,
) -> tuple[Any, Any]:
    """Where it runs, and its attention kernel."""
    from varnum.cli.run import attention_kernel
    from varnum.model.backend import Backend

    name = backend or ("torch" if dtype == "bfloat16" else "numpy")
    if name == "balls":
        raise InputError("backend: balls enclose the exact run themselves; see `varnum run`")
    where = Backend(name, dtype or "float64", device)
    return where, attention_kernel(attention or "exact", output_error)


def read_logits(path: str) -> Any:
    """Logits from a .npy, or a .npz with `logits`."""
    return read_array(path, "logits")


def read_array(path: str, name: str) -> Any:
    """From a .npy, or what a .npz has under `name`."""
    import numpy as np

    from varnum.model.npfile import read_arrays, readable_file

    readable_file(path, f"{name}: ")
    try:
        found: Any = read_arrays(path)
        return found if isinstance(found, np.ndarray) else found[name]
    except Exception as problem:  # zipfile, zlib and NumPy each have their own
        raise InputError(f"{name}: {path}: no readable {name} ({str(problem)[:120]})") from None
