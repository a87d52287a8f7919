"""`varnum run`: one run of VAR or FlowAR, from files or with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit
from varnum.cli.complete import presets
from varnum.cli.options import (
    ConfigFile,
    Device,
    FlowFile,
    GuidedUpTo,
    HeadError,
    Noise,
    Seed,
    Steps,
    VaeFile,
    VarFile,
    refuse,
)
from varnum.cli.run_jobs import attention_kernel, compute, generation_job, kernel_for, teacher_job
from varnum.cli.run_shown import finish
from varnum.cli.sources import check_output, load_model, parse_labels, read_tokens
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.model.backend import Backend
    from varnum.model.generate import Settings


def run(
    var: VarFile = None,
    vae: VaeFile = None,
    flowar: FlowFile = None,
    config: ConfigFile = None,
    random: Annotated[
        str | None,
        typer.Option(
            autocompletion=presets,
            help="Random weights of a preset (var-tiny, var-d16, flowar-s, ..).",
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option(help="Class labels, e.g. 1,2; -1 is no class, 'random' draws one.")
    ] = "0",
    cfg: Annotated[
        str,
        typer.Option(help="Guidance strength at the last scale; FlowAR: 1 or less is none."),
    ] = "0",
    guidance: GuidedUpTo = "0.9",
    num_steps: Steps = 25,
    noise: Noise = None,
    top_k: Annotated[int, typer.Option(help="Keep the k largest logits; 0 keeps all.")] = 1,
    top_p: Annotated[str, typer.Option(help="Keep probability mass p; 0 keeps all.")] = "0",
    seed: Seed = 0,
    tokens: Annotated[
        str | None, typer.Option(help="Teacher forcing: .npy or .npz with tokens (B, L).")
    ] = None,
    backend: Annotated[str, typer.Option(help="numpy, torch or balls.")] = "numpy",
    dtype: Annotated[str, typer.Option(help="float64, float32 or (torch) bfloat16.")] = "float64",
    device: Device = "cpu",
    attention: Annotated[str, typer.Option(help="Attention kernel: exact, lowrank.")] = "exact",
    output_error: HeadError = "1e-2",
    model_error: Annotated[
        str | None,
        typer.Option("--model-error", help="lowrank with --tokens: error of each logit instead."),
    ] = None,
    digits: Annotated[int, typer.Option(help="Balls: digits to certify.")] = 15,
    max_bits: Annotated[int, typer.Option(help="Balls: give up above this precision.")] = 4096,
    out: Annotated[str | None, typer.Option(help="Write arrays to this .npz.")] = None,
    image: Annotated[str | None, typer.Option(help="Write the images to this .png.")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="FlowAR: --out holds conditions and time indices too.")
    ] = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Run VAR once: generate images, or with --tokens compute teacher-forced logits; or FlowAR.

    Weights come from --var and --vae, from --flowar, or from --random. --out holds tokens_s{k},
    logits_s{k} (after guidance), fhat_s{k} and image, or logits with --tokens; for FlowAR map_{k},
    with --trace also z_{k} and t_int; with balls also *_radius.

    Exit code 3: with balls, a token or the digits asked for could not be certified; with
    --attention lowrank, the output error asked for was not reached.

    Example: varnum run --random var-tiny --labels 1,2 --cfg 1.5 --image out.png
    """
    limit(timeout)
    from varnum.balls import parse
    from varnum.model.backend import Backend
    from varnum.model.generate import Settings

    where = Backend(backend, dtype, device)
    if attention != "exact" and where.name == "balls":
        raise InputError("attention: balls take exact alone; lowrank runs on numpy and torch")
    kernel, rests_on = attention_kernel(attention, output_error), "proved for this run"
    if flowar is not None or (random or "").startswith("flowar"):
        absent: dict[str, Any] = {"var": var, "vae": vae, "tokens": tokens, "image": image}
        absent |= {"model-error": model_error, "top-k": None if top_k == 1 else top_k}
        absent |= {"top-p": None if parse(top_p, "top_p") == 0 else top_p}
        refuse(absent, "not of FlowAR; leave it out with --flowar")
        _check(digits, max_bits, Settings(seed=seed), None, out, None)
        settings_flow = (num_steps, parse(cfg, "cfg"), parse(guidance, "guidance"))
        files = (flowar, config, random, seed)
        wanted = (labels, noise, seed, digits, max_bits, trace)
        result = _flowar(files, settings_flow, where, kernel, wanted)
        raise typer.Exit(finish(result, where, out, None, kernel, attention, as_json, rests_on))
    if noise is not None or trace:
        raise InputError(f"{'trace' if noise is None else 'noise'}: of FlowAR; needs --flowar")
    for name, changed in (("num-steps", num_steps != 25), ("guidance", guidance != "0.9")):
        if changed:
            raise InputError(f"{name}: of FlowAR; needs --flowar")
    settings = Settings(parse(cfg, "cfg"), top_k, parse(top_p, "top_p"), seed)
    _check(digits, max_bits, settings, tokens, out, image)
    if model_error is not None and (attention != "lowrank" or tokens is None):
        raise InputError("model-error: needs --attention lowrank and --tokens")
    model = load_model(var, vae, config, random, seed)
    chosen = parse_labels(labels, model.var.num_classes, seed)
    forced = None if tokens is None else read_tokens(tokens)
    if model_error is not None:
        kernel, rests_on = kernel_for(model_error, model, chosen, forced)
    if forced is None:
        job = generation_job(chosen, settings, kernel, with_image=bool(image or out))
    else:
        job = teacher_job(chosen, forced, kernel)
    result = compute(job, model, where, digits, max_bits)
    raise typer.Exit(finish(result, where, out, image, kernel, attention, as_json, rests_on))


def _flowar(files: Any, settings: Any, where: Backend, kernel: Any, wanted: Any) -> dict[str, Any]:
    from varnum.cli.run_flowar import Wanted, load_flowar, run_flowar
    from varnum.model.flowar.flow_sampling import FlowSettings
    from varnum.model.flowar.numbers import Kernels

    kernels = Kernels(kernel, kernel, kernel)
    return run_flowar(load_flowar(*files), FlowSettings(*settings), where, kernels, Wanted(*wanted))


def _check(
    digits: int, max_bits: int, settings: Settings, tokens: str | None, out: str | None,
    image: str | None,
) -> None:  # fmt: skip
    if not (1 <= digits <= 10_000 and 64 <= max_bits <= 10**6):
        raise InputError("digits must be 1 to 10000 and max-bits 64 to 1000000")
    if settings.seed < 0:
        raise InputError(f"seed: {settings.seed} is negative")
    check_output(out, ".npz")
    check_output(image, ".png")
    if tokens is not None and image is not None:
        raise InputError("image: teacher forcing (--tokens) makes no image")
    if tokens is not None and settings.cfg:
        raise InputError("cfg: teacher forcing (--tokens) has no guidance")
