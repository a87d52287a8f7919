"""`varnum bound --model-error`: from the error of a model's output back to eps, degree and rank."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from varnum.cli.common import finite
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError
from varnum.text import aligned, filled

if TYPE_CHECKING:
    from varnum._plan import Plan
    from varnum.verdict import Unknown


def budget(
    model_error: str,
    *,
    var: str | None,
    vae: str | None,
    config: str | None,
    label: int,
    affine: bool,
    norms: str | None,
    R: str | None,
    d: int | None,
    sigma: str | None,
    scales: int | None,
    json: bool,
) -> int:
    """For given weights (--var, --vae: one generated run) or norm bounds (--norms, --R, ..)."""
    if (var is None) == (norms is None):
        raise InputError("--model-error: needs either --var and --vae, or --norms with --R --d")
    if affine and var is None:
        raise InputError("--affine: bounds given weights; it needs --var")
    answer = (
        _given(model_error, var, vae, config, label, affine)
        if var
        else _norms(model_error, norms or "", R, d, sigma, scales)
    )
    if not isinstance(answer, dict):
        print(f"varnum: unknown: --model-error: {answer.reason}", file=sys.stderr)
        return 3
    code = 0 if answer["degree_proved_minimal"] else 3
    if json:
        print_envelope(
            "varnum/bound-model-error/2", answer, verdict="unknown" if code else "proved",
            assurance="proved" if norms is not None else "proved for this run", exit_code=code,
        )  # fmt: skip
    else:
        _show(answer)
    return code


def _given(
    model_error: str, var: str, vae: str | None, config: str | None, label: int, affine: bool
) -> dict[str, Any] | Unknown:
    import numpy as np

    from varnum.model.backend import Backend
    from varnum.model.checkpoint import load_model, read_settings_file
    from varnum.model.generate import Settings, generate
    from varnum.outward import float_up
    from varnum.propagate.budget import (
        certify_affine_budget,
        certify_budget,
        compose_run,
        teacher_forced_setting,
    )
    from varnum.verdict import Unknown

    if vae is None:
        raise InputError("--vae: needed with --var, to make the tokens of the run")
    settings = read_settings_file(config)[0] if config else None
    model = load_model(var, vae, settings).to(Backend("numpy", "float64"))
    labels = np.array([label])
    tokens = np.concatenate([s.tokens for s in generate(model, labels, Settings())], axis=1)[:1]
    x, vectors = teacher_forced_setting(model, label, tokens[0])
    if affine:
        found = certify_affine_budget(model_error, model, x, vectors, False)
    else:
        try:
            compose = compose_run(model, x, vectors)
        except ArithmeticError as error:
            return Unknown(str(error))
        found = certify_budget(model_error, compose, model.var.head_dim, False)
    if isinstance(found, Unknown):
        return found
    steps = [
        {
            "layer": s.layer,
            "error": finite(float_up(s.error)),
            "amplification": s.amplification if s.amplification != float("inf") else None,
            "M": finite(float_up(s.logits)),
            "zeta": finite(float_up(s.zeta)),
        }
        for s in found.steps
    ]
    schedule = ",".join(str(side) for side in model.var.patch_nums)
    answers = "norm-composition: this run, teacher-forced on its own tokens"
    if affine:
        answers = "affine: this run; the layers above and zeta are norm-composition's at this eps"
    return _answer(found.eps, found.domain, model.var.head_dim, schedule, answers, steps)


def _norms(
    model_error: str, norms: str, R: str | None, d: int | None, sigma: str | None, K: int | None
) -> dict[str, Any]:
    from varnum.balls import parse
    from varnum.outward import float_up
    from varnum.propagate.paper_model import certify_norm_budget

    parts = [parse(part, "--norms") for part in norms.split(",")]
    if len(parts) != 3 or R is None or d is None or K is None:
        raise InputError("--norms: needs w_Q,w_K,w_V and with them --R, --d and --scales")
    width = _sigma(sigma, d)
    entries = parse(R, "--R")
    found = certify_norm_budget(
        parse(model_error, "--model-error"), entries, d, width, K, (parts[0], parts[1], parts[2])
    )
    pairs = zip(found.ranges, found.closed.amplification, strict=True)
    steps = [
        {
            "layer": f"scale {k}",
            "range": finite(float_up(size)),
            "amplification": finite(float_up(gain)),
        }
        for k, (size, gain) in enumerate(pairs, 1)
    ]
    answers = "end-to-end: K x (attention, interpolation) within these norms"
    return _answer(found.eps, found.domain, d, None, answers, steps)


def _sigma(sigma: str | None, d: int) -> Fraction:
    """d (default), 1, a number, or a rational just below sqrt(d), 4 sqrt(d): the error grows as
    sigma shrinks."""
    from varnum.balls import parse
    from varnum.balls.scalar import ball, lower

    if d < 1:
        raise InputError(f"--d: {d} is not above 0")
    if sigma in ("sqrt", "4sqrt"):
        return (4 if sigma == "4sqrt" else 1) * lower(ball(d).sqrt())
    return Fraction(d) if sigma in ("d", None) else parse(sigma or "", "--sigma")


def _answer(
    eps: Fraction,
    domain: Fraction,
    d: int,
    schedule: str | None,
    answers: str,
    steps: list[dict[str, Any]],
) -> dict[str, Any]:
    from varnum._plan import plan
    from varnum.balls import parse, round_decimal, to_text

    eps = parse(round_decimal(eps, 6, up=False))
    domain = parse(round_decimal(domain, 6, up=True))
    found: Plan = plan(M=domain, eps=eps, d=d, schedule=schedule)
    return {
        "answers": answers,
        "steps": steps,
        "eps": to_text(eps),
        "kernel_domain": to_text(domain),
        "degree": found.degree if found.degree is not None else found.degree_closed_form,
        "degree_proved_minimal": found.proved_minimal,
        "rank": found.rank,
        "cost": None
        if found.cost is None
        else {"exact": found.cost.exact, "lowrank": found.cost.lowrank},
        "pays": found.pays,
    }


def _show(answer: dict[str, Any]) -> None:
    from varnum.balls import parse, round_decimal
    from varnum.outward import at_most
    from varnum.text import big

    columns = list(answer["steps"][0])
    rows = [
        [at_most(c, 4) if isinstance(c, float) else str(c or "-") for c in step.values()]
        for step in answer["steps"]
    ]
    print(aligned([columns, *rows]))
    print(filled(f"answers        {answer['answers']}", indent=" " * 15))
    print(f"eps            {round_decimal(parse(answer['eps']), 6, up=False)}")
    print(f"kernel domain  |logit| <= {answer['kernel_domain']} (M + zeta)")
    proved = "proved least" if answer["degree_proved_minimal"] else "suffices"
    print(f"degree         {answer['degree']} ({proved})")
    print(f"rank           {big(answer['rank'])}")
    if answer["cost"] is not None:
        cost = answer["cost"]
        print(f"cost per head  exact {big(cost['exact'])}, low rank {big(cost['lowrank'])}")
        print(f"pays           {'yes' if answer['pays'] else 'no'}")
