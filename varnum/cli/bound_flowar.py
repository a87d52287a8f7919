"""`varnum bound --model flowar-..`: per kind of attention, or backwards from a map's error."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from varnum.cli.common import progress
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError


def bound_flowar(
    model: str,
    *,
    M: str | None,
    R: str | None,
    sigma: str | None,
    eps: str | None,
    output_error: str | None,
    alpha: int,
    max_degree: int,
    unused: dict[str, Any],
    json: bool,
) -> int:
    """Print the plan of a FlowAR model; options that a module fixes (`unused`) are refused."""
    for name, value in unused.items():
        if value is not None:
            raise InputError(f"--{name}: not with a FlowAR model, whose modules fix it")
    from varnum._plan_flowar import plan_flowar
    from varnum._plan_flowar_text import SCHEMA, content

    with progress() as say:
        answer = plan_flowar(
            model, M, R=R, sigma=sigma, eps=eps, output_error=output_error, alpha=alpha,
            max_degree=max_degree, progress=say,
        )  # fmt: skip
    code = 0 if answer.proved_minimal else 3
    if json:
        print_envelope(
            SCHEMA, content(answer), verdict="unknown" if code else "proved", assurance="proved",
            exit_code=code,
        )  # fmt: skip
    else:
        print(answer)
    return code


def budget_flowar(
    model: str,
    model_error: str,
    lipschitz: str | None,
    gain: str | None,
    *,
    unused: dict[str, Any],
    json: bool,
) -> int:
    """Which error of the velocities keeps the last map within model_error, and how it grows."""
    from varnum.balls import parse, to_text
    from varnum.cost.flowar import flow_sizes
    from varnum.outward import float_down, float_up
    from varnum.propagate.euler import certify_velocity_budget

    for name, value in unused.items():
        if value is not None:
            raise InputError(f"--{name}: no part of a FlowAR model's --model-error; leave it out")
    if lipschitz is None or gain is None:
        raise InputError("--model-error: a FlowAR model needs --lipschitz and --gain with it")
    slopes = [parse(part, "--lipschitz") for part in lipschitz.split(",")]
    if len(slopes) not in (1, 2):
        raise InputError(f"--lipschitz: {len(slopes)} numbers; one, or v_c,v_u")
    fed = parse(gain, "--gain")
    if min(*slopes, fed) < 0:
        raise InputError(f"--{'gain' if fed < 0 else 'lipschitz'}: below 0; allowed: from 0 on")
    sizes = flow_sizes(model)
    sampler, pair = sizes.sampler, (slopes[0], slopes[-1])
    eps, scales = certify_velocity_budget(
        parse(model_error, "--model-error"), sizes.schedule.sides, sampler, lipschitz=pair,
        input_gain=fed,
    )  # fmt: skip
    result = {
        "model": model,
        "model_error": model_error,
        "lipschitz": [to_text(slope) for slope in pair],
        "gain": gain,
        "evaluations": sampler.evaluations,
        "velocity_error": float_down(eps),
        "amplification": float_up(scales[-1].error / eps),
        "scales": [
            {
                "side": s.side,
                "guidance": to_text(s.guidance),
                "sampler_gain": float_up(s.gain),
                "resample": None if s.resample is None else to_text(s.resample),
                "error": float_up(s.error),
            }
            for s in scales
        ],
    }
    if json:
        print_envelope(
            "varnum/bound-flowar-error/1", result, verdict="proved", assurance="proved",
            exit_code=0,
        )  # fmt: skip
    else:
        _show_budget(result, eps, [s.error for s in scales])
    return 0


def _show_budget(result: dict[str, Any], eps: Fraction, errors: list[Fraction]) -> None:
    from varnum.balls import parse
    from varnum.outward import at_least, at_most
    from varnum.text import aligned, filled

    rows = [("scale", "guidance", "sampler's factor", "resampling", "error")]
    for s, error in zip(result["scales"], errors, strict=True):
        rho = "-" if s["resample"] is None else at_most(parse(s["resample"]), 4)
        cells = at_most(parse(s["guidance"])), at_most(s["sampler_gain"], 4)
        rows.append((str(s["side"]), *cells, rho, at_most(error)))
    print(aligned(rows))
    said = (
        f"{result['model']}: velocities within {at_least(eps)} of the exact "
        f"ones keep the last map within {result['model_error']}: they are amplified "
        f"{at_most(errors[-1] / eps)} times through {result['evaluations']} evaluations a "
        f"scale, for velocities of Lipschitz constants {' and '.join(result['lipschitz'])} in the "
        f"latents and {result['gain']} in the inputs."
    )
    print(filled(said, indent=""))
