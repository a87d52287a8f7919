"""What `varnum run` computes: its attention kernel, and jobs on a backend."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import typer

from varnum.cli.common import progress
from varnum.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from varnum.model.backend import Backend
    from varnum.model.generate import Model, Settings


def attention_kernel(name: str, output_error: str = "1e-2") -> Any:
    """The attention kernel of that name; raises InputError that lists the known ones."""
    if name == "exact":
        from varnum.model.attention import exact_attention

        return exact_attention
    if name == "lowrank":
        from varnum._slot import GuaranteedKernel

        return GuaranteedKernel(output_error=output_error)
    raise InputError(f"attention: no {name!r}; known: exact, lowrank")


def kernel_for(model_error: str, model: Model, labels: Any, tokens: Any) -> tuple[Any, str]:
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


def compute(job: Any, model: Model, where: Backend, digits: int, max_bits: int) -> dict[str, Any]:
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
