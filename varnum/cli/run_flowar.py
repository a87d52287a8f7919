"""`varnum run --flowar`: one sampling run of FlowAR, from a file or with random weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.model.backend import Backend
    from varnum.model.flowar.flow_sampling import FlowModel, FlowSettings
    from varnum.model.flowar.numbers import Kernels


@dataclass(frozen=True)
class Wanted:
    """What a run is asked for besides the model."""

    labels: str
    noise: str | None
    seed: int
    digits: int
    max_bits: int
    trace: bool


def load_flowar(flowar: str | None, config: str | None, random: str | None, seed: int) -> FlowModel:
    """From a state dict, or with random weights of a preset; a configuration changes its sizes."""
    from dataclasses import replace

    from varnum.model.flowar.flow_checkpoint import load_flow_model, read_flow_settings_file
    from varnum.model.flowar.flow_config import flow_preset
    from varnum.model.flowar.random_flow_weights import random_flow_model

    settings = read_flow_settings_file(config) if config else {}
    if flowar is not None:
        if random is not None:
            raise InputError("random: give either --random or --flowar, not both")
        return load_flow_model(flowar, settings)
    assert random is not None
    return random_flow_model(replace(flow_preset(random), **settings), seed)


def run_flowar(
    model: FlowModel, settings: FlowSettings, where: Backend, kernels: Kernels, wanted: Wanted
) -> dict[str, Any]:
    """ "arrays", "seconds", "t_int", and for balls "bits", "digits", "map_digits" or "unknown"."""
    from varnum.cli.common import progress
    from varnum.cli.sources import parse_labels
    from varnum.model.flowar.flow_sampling import check_noise, check_settings, draw_noise, indices

    if where.dtype == "bfloat16":
        raise InputError("dtype: bfloat16 has no time indices of its own here; use float32")
    check_settings(settings)
    labels = parse_labels(wanted.labels, model.config.classes, wanted.seed)
    if wanted.noise is None:
        noise = draw_noise(model.config, labels.size, wanted.seed)
    else:
        noise = read_noise(wanted.noise, len(model.config.scales))
    check_noise(model.config, noise, labels.size)
    started = time.perf_counter()
    placed, latents = model.to(where), [where.array(x) for x in noise]
    with progress() as say:
        least = wanted.digits if where.name == "balls" else None

        def job() -> dict[str, Any]:
            return _sampled(placed, labels, latents, settings, kernels, wanted.trace, say, least)

        if where.name == "balls":
            result = _in_balls(job, wanted.digits, wanted.max_bits)
        else:
            result = {"arrays": job()}
    if wanted.trace and "arrays" in result:
        result["arrays"]["t_int"] = indices(settings)
    seconds = round(time.perf_counter() - started, 3)
    return {**result, "seconds": seconds, "t_int": indices(settings).tolist()}


def _sampled(
    model: FlowModel, labels: Any, noise: Any, settings: FlowSettings, kernels: Kernels,
    trace: bool, say: Any, least: int | None,
) -> dict[str, Any]:  # fmt: skip
    """map_k, and with `trace` z_k, of every scale; balls give up at a map below `least` digits."""
    from varnum.model.flowar.flow_sampling import sample_maps
    from varnum.model.sampling import UndecidedError

    def watch(scale: int, evaluation: int, *_: Any) -> None:
        say(f"scale {scale}, evaluation {evaluation}")

    arrays: dict[str, Any] = {}
    scales = sample_maps(model, labels, noise, settings, kernels, watch)
    for k, scale in enumerate(scales):
        arrays[f"map_{k}"] = scale.map
        if least is not None and (found := _digits(scale.map)) < least:
            raise UndecidedError(f"map {k}: {found} of {least} digits certified")
        if trace:
            arrays[f"z_{k}"] = scale.z
    return arrays


def _in_balls(job: Any, digits: int, max_bits: int) -> dict[str, Any]:
    from varnum.model.enclosure import certify_forward
    from varnum.verdict import Unknown

    enclosed = certify_forward(job, lambda arrays: arrays.values(), digits, limit=max_bits)
    if isinstance(enclosed, Unknown):
        return {"unknown": enclosed.reason}
    return {
        "arrays": enclosed.value,
        "bits": enclosed.bits,
        "digits": enclosed.digits,
        "map_digits": [_digits(x) for name, x in enclosed.value.items() if name.startswith("map_")],
    }


def _digits(x: Any) -> int:
    """Digits certified in every number of a ball array, those below one counted after the point."""
    from varnum.balls.questions import certified_digits

    return int(certified_digits(x, scale=1).min())


def read_noise(path: str, scales: int, stem: str = "noise", option: str = "noise") -> list[Any]:
    """Arrays `noise_k` (or of another stem) of all scales from a .npz; others are ignored."""
    import numpy as np

    from varnum.model.npfile import Damaged, read_arrays, readable_file

    readable_file(path, f"{option}: ")
    try:
        found = read_arrays(path)
    except (OSError, Damaged) as error:
        raise InputError(f"{option}: {path}: no readable .npz ({str(error)[:120]})") from None
    names = [f"{stem}_{k}" for k in range(scales)]
    if isinstance(found, np.ndarray) or any(name not in found for name in names):
        raise InputError(f"{option}: {path}: need the arrays {', '.join(names)}")
    arrays = [found[name] for name in names]
    for name, x in zip(names, arrays, strict=True):
        if x.dtype.kind != "f" or x.dtype.itemsize > 8 or not np.isfinite(x).all():
            raise InputError(f"{option}: {path}: {name} must hold finite floating-point numbers")
    return arrays
