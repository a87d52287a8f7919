"""`varnum run`: one run of VAR or FlowAR, from files or with random weights."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, finite, limit, progress
from varnum.cli.complete import presets
from varnum.cli.envelope import print_envelope
from varnum.cli.sources import check_output, load_model, parse_labels, read_tokens
from varnum.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from varnum.model.backend import Backend
    from varnum.model.generate import Model, Settings


def run(
    var: Annotated[str | None, typer.Option(help="Transformer: .npz, .safetensors, .pth.")] = None,
    vae: Annotated[str | None, typer.Option(help="VQVAE: .npz, .safetensors, .pth.")] = None,
    flowar: Annotated[
        str | None, typer.Option(help="FlowAR instead: its state dict, .npz, .safetensors, .pth.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="JSON file of sizes; most are read off the weights.")
    ] = None,
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
    guidance: Annotated[
        str, typer.Option(help="FlowAR: guide only at times up to this, itself included.")
    ] = "0.9",
    num_steps: Annotated[
        int, typer.Option("--num-steps", help="FlowAR: of the sampler; 25 makes 24 evaluations.")
    ] = 25,
    noise: Annotated[
        str | None, typer.Option(help="FlowAR: .npz of latents to start from, noise_0, ..")
    ] = None,
    top_k: Annotated[int, typer.Option(help="Keep the k largest logits; 0 keeps all.")] = 1,
    top_p: Annotated[str, typer.Option(help="Keep probability mass p; 0 keeps all.")] = "0",
    seed: Annotated[int, typer.Option(help="Seed of random weights and of sampling.")] = 0,
    tokens: Annotated[
        str | None, typer.Option(help="Teacher forcing: .npy or .npz with tokens (B, L).")
    ] = None,
    backend: Annotated[str, typer.Option(help="numpy, torch or balls.")] = "numpy",
    dtype: Annotated[str, typer.Option(help="float64, float32 or (torch) bfloat16.")] = "float64",
    device: Annotated[str, typer.Option(help="cpu, or with torch cuda.")] = "cpu",
    attention: Annotated[str, typer.Option(help="Attention kernel: exact, lowrank.")] = "exact",
    output_error: Annotated[
        str, typer.Option("--output-error", help="lowrank: error of each head, of V's range.")
    ] = "1e-2",
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
        if given := [name for name, value in absent.items() if value is not None]:
            raise InputError(f"{given[0]}: not of FlowAR; leave it out with --flowar")
        _check(digits, max_bits, Settings(seed=seed), None, out, None)
        settings_flow = (num_steps, parse(cfg, "cfg"), parse(guidance, "guidance"))
        files = (flowar, config, random, seed)
        wanted = (labels, noise, seed, digits, max_bits, trace)
        result = _flowar(files, settings_flow, where, kernel, wanted)
        raise typer.Exit(_finish(result, where, out, None, kernel, attention, as_json, rests_on))
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
        kernel, rests_on = _kernel_for(model_error, model, chosen, forced)
    if forced is None:
        job = generation_job(chosen, settings, kernel, with_image=bool(image or out))
    else:
        job = teacher_job(chosen, forced, kernel)
    result = _compute(job, model, where, digits, max_bits)
    raise typer.Exit(_finish(result, where, out, image, kernel, attention, as_json, rests_on))


def _flowar(files: Any, settings: Any, where: Backend, kernel: Any, wanted: Any) -> dict[str, Any]:
    from varnum.cli.run_flowar import Wanted, load_flowar, run_flowar
    from varnum.model.flowar.flow_sampling import FlowSettings
    from varnum.model.flowar.numbers import Kernels

    kernels = Kernels(kernel, kernel, kernel)
    return run_flowar(load_flowar(*files), FlowSettings(*settings), where, kernels, Wanted(*wanted))


def _finish(
    result: dict[str, Any], where: Backend, out: str | None, image: str | None, kernel: Any,
    attention: str, as_json: bool, rests_on: str,
) -> int:  # fmt: skip
    """Write files, print, and say the exit code."""
    summary = _write(result, where, out, image)
    if attention == "lowrank":
        summary["attention"] = _guarantee(kernel)
    code = 3 if "unknown" in summary or not summary.get("attention", {}).get("reached", True) else 0
    if as_json:
        bounded = where.name == "balls" or attention == "lowrank"
        return print_envelope(
            "varnum/run/2", summary, verdict="unknown" if code else "done",
            assurance=rests_on if bounded else "measured", exit_code=code,
        )  # fmt: skip
    _print(summary)
    return code


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


def attention_kernel(name: str, output_error: str = "1e-2") -> Any:
    """The attention kernel of that name; raises InputError that lists the known ones."""
    if name == "exact":
        from varnum.model.attention import exact_attention

        return exact_attention
    if name == "lowrank":
        from varnum._slot import GuaranteedKernel

        return GuaranteedKernel(output_error=output_error)
    raise InputError(f"attention: no {name!r}; known: exact, lowrank")


def _kernel_for(model_error: str, model: Model, labels: Any, tokens: Any) -> tuple[Any, str]:
    """The kernel whose entrywise error keeps every logit within `model_error`, and the label.

    By ensembles (`varnum error`). The bound is for exact arithmetic elsewhere. Exit code 3 where no
    kernel error can be certified.
    """
    from fractions import Fraction

    from varnum._slot import GuaranteedKernel
    from varnum.balls import parse, to_text
    from varnum.propagate.ensemble.error import error_of
    from varnum.verdict import up_to_chance

    if len(labels) not in (1, len(tokens)):
        raise InputError(f"labels: {len(labels)} given for {len(tokens)} rows of tokens")
    allowed = []
    for row in range(len(tokens)):
        label = int(labels[row % len(labels)])
        chance = Fraction(1, 10**6 * len(tokens))
        found = error_of(
            model, label, tokens[row : row + 1], model_error=model_error, chance=chance
        )
        if found.kernel_error is None:
            print(f"varnum: unknown: {found.reason}", file=sys.stderr)
            raise typer.Exit(3)
        allowed.append(parse(found.kernel_error, "eps"))
    return GuaranteedKernel(eps=to_text(min(allowed))), up_to_chance("1e-6")


def _guarantee(kernel: Any) -> dict[str, Any]:
    """What the low-rank kernel proved over all its calls, and how many rows it did exactly."""
    made = kernel.certificates
    return {
        "kind": kernel.worst.kind,
        "target": kernel.worst.target,
        "certified_error": finite(kernel.worst.certified_error),
        "output_error": finite(max(c.output_error for c in made)),
        "reached": all(c.reached for c in made),
        "rows": sum(c.rows for c in made),
        "rows_exact": sum(c.rows_exact for c in made),
        "method": "+".join(sorted({name for c in made for name in c.method.split("+")})),
        "operations": kernel.operations,
        "operations_exact": kernel.operations_exact,
    }


# --- work ---------------------------------------------------------------------------------------


def teacher_job(labels: Any, tokens: Any, kernel: Any) -> Callable[..., Any]:
    """A job (model, note) -> arrays by name: the teacher-forced logits."""
    from varnum.model.generate import teacher_forced_logits

    def job(model: Model, note: Any) -> dict[str, Any]:
        def watch(i: int, _: Any) -> None:
            note("all scales", i)

        return {"logits": teacher_forced_logits(model, labels, tokens, kernel, watch)}

    return job


def generation_job(
    labels: Any, settings: Settings, kernel: Any, with_image: bool
) -> Callable[..., Any]:
    """A job (model, note) -> arrays by name: tokens, logits, f_hat of each scale, image."""
    from varnum.model.generate import generate, image_of

    def job(model: Model, note: Any) -> dict[str, Any]:
        def watch(scale: int, block: int) -> None:
            note(f"scale {scale}", block)

        arrays: dict[str, Any] = {}
        for s, scale in enumerate(generate(model, labels, settings, kernel, watch)):
            arrays[f"tokens_s{s}"] = scale.tokens
            arrays[f"logits_s{s}"] = scale.logits
            arrays[f"fhat_s{s}"] = scale.f_hat
        if with_image:
            arrays["image"] = image_of(model, scale.f_hat, kernel)
        return arrays

    return job


def _compute(job: Any, model: Model, where: Backend, digits: int, max_bits: int) -> dict[str, Any]:
    """Run a job on a backend: "arrays", "seconds", and for balls "bits", "digits" or "unknown"."""
    started = time.perf_counter()
    placed = model.to(where)
    with progress() as say:

        def note(stage: str, block: int) -> None:
            say(f"{stage}, block {block} of {model.var.depth}")

        if where.name == "balls":
            result = _in_balls(lambda: job(placed, note), digits, max_bits)
        else:
            result = {"arrays": job(placed, note)}
    return {**result, "seconds": round(time.perf_counter() - started, 3)}


def _in_balls(job: Callable[[], Any], digits: int, max_bits: int) -> dict[str, Any]:
    import numpy as np

    from varnum.model.enclosure import certify_forward
    from varnum.verdict import Unknown

    enclosed = certify_forward(
        job,
        lambda arrays: [x for x in arrays.values() if not isinstance(x, np.ndarray)],
        digits,
        limit=max_bits,
    )
    if isinstance(enclosed, Unknown):
        return {"unknown": enclosed.reason}
    return {"arrays": enclosed.value, "bits": enclosed.bits, "digits": enclosed.digits}


# --- output -------------------------------------------------------------------------------------


def _write(
    result: dict[str, Any], where: Backend, out: str | None, image: str | None
) -> dict[str, Any]:
    """Write the files asked for; returns the summary that goes to stdout."""
    import numpy as np

    from varnum.model.output import host_arrays, write_png

    arrays: dict[str, Any] = host_arrays(result.pop("arrays", {}))
    for name, x in arrays.items():
        if not np.isfinite(x).all():
            raise InputError(f"{name}: not finite; use a wider dtype, or check the weights")
    try:
        if out is not None and arrays:
            np.savez(out, **arrays)
        if image is not None and arrays:
            write_png(image, arrays["image"])
    except OSError as error:
        raise InputError(f"cannot write: {error}") from None
    return {
        "backend": where.name,
        "dtype": "ball" if where.name == "balls" else where.dtype,
        "device": where.device,
        **result,
        "tokens": [arrays[name].tolist() for name in arrays if name.startswith("tokens_s")],
        "arrays": {name: list(x.shape) for name, x in arrays.items()},
    }


def _saved(made: dict[str, Any]) -> str:
    if not made["operations"] < made["operations_exact"]:
        return ""
    return f", {100 * made['operations'] / made['operations_exact']:.1f} % of its operations"


def _print(summary: dict[str, Any]) -> None:
    from varnum.outward import at_most

    if "unknown" in summary:
        print(f"unknown: {summary['unknown']}")
        return
    for s, rows in enumerate(summary["tokens"]):
        shown = [" ".join(map(str, row[:5])) + " .." * (len(row) > 5) for row in rows[:3]]
        print(f"scale {s}: tokens {'; '.join(shown)}" + " ; .." * (len(rows) > 3))
    for name, shape in summary["arrays"].items():
        if name in ("logits", "image") or (
            name.startswith("map_") and not name.endswith("_radius")
        ):
            print(f"{name}: {' x '.join(map(str, shape))}")
    if "attention" in summary:
        made = summary["attention"]
        bound = "unknown" if made["output_error"] is None else at_most(made["output_error"])
        print(
            f"attention: each output within {bound} of V's range, "
            f"{made['rows_exact']} of {made['rows']} rows exact"
            + _saved(made)
            + ("" if made["reached"] else "; unknown: the error asked for was not reached")
        )
    if "t_int" in summary:
        print(f"{len(summary['t_int'])} evaluations a scale")
    if "bits" in summary:
        each = f", per map {summary['map_digits']}" if "map_digits" in summary else ""
        print(f"{summary['digits']} digits certified at {summary['bits']} bits{each}")
    print(
        f"{summary['seconds']} s on {summary['backend']} ({summary['dtype']}), {summary['device']}"
    )
