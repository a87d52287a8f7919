"""`varnum error --flowar`: how wrong the sampled maps of a FlowAR run can be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.cli.error_run import RunHere
    from varnum.model.flowar.flow_sampling import FlowModel, FlowSettings


def error_flowar(
    files: tuple[str | None, str | None, str | None],
    settings: tuple[int, str | None, str],
    inputs: tuple[str | None, str | None, str | None],
    here: RunHere,
    samples: int,
    chance: str,
    out: str | None,
    as_json: bool,
) -> int:
    """Print the answer; gives the exit code.

    files: state, configuration, preset; settings: steps, guidance strength, cut-off; inputs:
    labels, noise, maps.
    """
    from varnum.balls import parse
    from varnum.cli.common import progress
    from varnum.cli.envelope import print_document
    from varnum.cli.run_flowar import load_flowar, read_noise
    from varnum.cli.sources import parse_labels
    from varnum.model.flowar.flow_sampling import FlowSettings, check_settings, draw_noise
    from varnum.propagate.ensemble.flow_error import flow_error_of

    labels, noise, maps = inputs
    if maps is not None and here.asked:
        raise InputError("maps: give either --maps, or what to run here, not both")
    steps, cfg, cut = settings
    chosen = FlowSettings(steps, parse(cfg or "1", "cfg"), parse(cut, "guidance"))
    check_settings(chosen)
    model = load_flowar(*files, 0)
    scales = len(model.config.scales)
    names = parse_labels(labels or "0", model.config.classes, 0)
    if noise is None:
        starts: list[Any] = list(draw_noise(model.config, len(names), 0))
    else:
        starts = read_noise(noise, scales)
    given = None if maps is None else read_noise(maps, scales, "map", "maps")
    with progress() as say:
        if here.asked:
            given = _sampled(model, names, starts, chosen, here)
        found = flow_error_of(
            model, names, starts, given, settings=chosen, samples=samples, chance=chance, say=say
        )
    if found.exit_code == 0 and out is not None:
        _write(out, found.centre, found.bound)
    if as_json:
        print_document(found.to_dict())
    elif found.exit_code:
        print(f"varnum: unknown: {found.reason}", file=sys.stderr)
    else:
        print(found)
    return found.exit_code


def _sampled(
    model: FlowModel, labels: Any, noise: list[Any], settings: FlowSettings, here: RunHere
) -> list[Any]:
    """The maps (B, N_k, c) of a run made here."""
    from varnum.model.backend import to_numpy
    from varnum.model.flowar.flow_sampling import check_noise, sample_maps
    from varnum.model.flowar.numbers import Kernels

    where, kernel = here.place()
    check_noise(model.config, noise, len(labels))
    latents = [where.array(x) for x in noise]
    kernels = Kernels(kernel, kernel, kernel)
    scales = sample_maps(model.to(where), labels, latents, settings, kernels)
    return [to_numpy(scale.map) for scale in scales]


def _write(out: str, centre: Any, bound: Any) -> None:
    import numpy as np

    arrays = {f"map_{k}": x for k, x in enumerate(centre)}
    try:
        np.savez(out, **arrays, **{f"bound_{k}": x for k, x in enumerate(bound)})
    except OSError as problem:
        raise InputError(f"cannot write: {problem}") from None
