"""The error budget: what each layer may carry so that the logits keep theirs."""

from __future__ import annotations

from typing import Any

import numpy as np

from varnum.balls import round_decimal
from varnum.errors import InputError
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.generate import Settings, generate
from varnum.model.random_weights import random_model
from varnum.outward import float_up
from varnum.plots.figure import BLUE, INK, ORANGE, canvas
from varnum.propagate.budget import certify_budget, compose_run, teacher_forced_setting
from varnum.verdict import Unknown

ASSURANCE = "proved for this run"  # every number drawn
SMALL = (
    "var-tiny",
    "var-tiny-plain",
    "var-tiny-shared",
)  # ranges are enclosed in balls: small ones


def numbers(
    model: str = "var-tiny", model_error: str = "1e-2", label: int = 0, seed: int = 0
) -> dict[str, Any]:
    """Claim norm-composition on one run: per layer its `error` and `amplification`; `eps` at most.

    The model has random weights of a preset; `varnum bound --model-error` does the same on files.
    """
    if model not in SMALL:
        raise InputError(f"random: {model!r} is not allowed in this picture; {', '.join(SMALL)}")
    made = random_model(*preset(model), seed=seed).to(Backend("numpy", "float64"))
    if not 0 <= label < made.var.num_classes:
        raise InputError(f"label: {label} is not allowed; 0 to {made.var.num_classes - 1}")
    outputs = generate(made, np.array([label]), Settings())
    tokens = np.concatenate([scale.tokens for scale in outputs], axis=1)[0]
    x, vectors = teacher_forced_setting(made, label, tokens)
    found = certify_budget(model_error, compose_run(made, x, vectors), made.var.head_dim, False)
    if isinstance(found, Unknown):
        raise InputError(f"model-error: {found.reason}")
    steps = [
        {"layer": s.layer, "error": float_up(s.error), "amplification": s.amplification}
        for s in found.steps
    ]
    return {
        "model": model, "model_error": model_error, "label": label, "seed": seed,
        "eps": round_decimal(found.eps, 6, up=False), "steps": steps,
    }  # fmt: skip


def draw(data: dict[str, Any]) -> Any:
    """Steps up from the kernel's eps to the model's error."""
    steps = data["steps"]
    figure, (axes,) = canvas(6, 3.8)
    places = range(len(steps))
    errors = [step["error"] for step in steps]
    axes.plot(places, errors, "-o", color=BLUE, label="error after the layer, at most")
    axes.axhline(
        float(data["model_error"]), color=ORANGE, ls="--", label=f"target {data['model_error']}"
    )
    axes.axhline(
        float(data["eps"]), color=INK, ls=":", label=f"kernel: eps = {float(data['eps']):.3g}"
    )
    axes.set_yscale("log")
    axes.set_xticks(places, [s["layer"] for s in steps], rotation=30, ha="right", fontsize=8)
    axes.set(ylabel="largest error of an entry")
    axes.set_title(f"Error budget per layer by norm bounds: {data['model']}, seed {data['seed']}")
    axes.legend()
    return figure
