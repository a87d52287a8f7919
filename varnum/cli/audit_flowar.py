"""`varnum audit` of FlowAR: what its attention modules are given while it samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.audit.calls.flow_source import FlowSource


def flow_source(
    flowar: str | None, random: list[str] | None, config: str | None, noise: str | None,
    seed: int, labels: str, settings: tuple[int, str, str], evaluations: int,
    limits: tuple[int | None, int | None], others: dict[str, Any],
) -> FlowSource | None:  # fmt: skip
    """The source that --flowar or --random flowar-.. names, None for neither."""
    from varnum.balls import parse

    name = flowar or next((r for r in random or [] if r.startswith("flowar")), None)
    if name is None:
        if noise is not None:
            raise InputError("noise: of FlowAR; needs --flowar")
        for option, given in (("num-steps", settings[0] != 25), ("guidance", settings[2] != "0.9")):
            if given:
                raise InputError(f"{option}: of FlowAR; needs --flowar")
        return None
    if drawing := [option for option in ("--top-k", "--top-p") if others.pop(option)]:
        raise InputError(f"{drawing[0]}: not of FlowAR; leave it out")
    clash = [option for option, value in others.items() if value]
    if len(random or []) > (flowar is None):
        clash.append("--random")
    if clash:
        raise InputError(f"FlowAR: does not go with {', '.join(clash)}; one model at a time")
    from varnum.audit.calls.flow_source import FlowSource
    from varnum.audit.row_file import digest_of_file
    from varnum.cli.run_flowar import load_flowar, read_noise
    from varnum.cli.sources import parse_labels
    from varnum.model.flowar.flow_sampling import FlowSettings, check_settings

    steps, cfg, guidance = settings
    chosen = FlowSettings(steps, parse(cfg, "cfg"), parse(guidance, "guidance"))
    check_settings(chosen)
    model = load_flowar(flowar, config, None if flowar else name, seed)
    files = {"flowar_file": flowar, "config": config, "noise": noise}
    recorded = {key: digest_of_file(path) for key, path in files.items() if path is not None}
    latents = None if noise is None else read_noise(noise, len(model.config.scales))
    wanted = parse_labels(labels, model.config.classes, seed)
    return FlowSource(
        name, lambda: model, wanted, chosen, latents, seed, evaluations, *limits, recorded
    )
