"""`varnum bound`: degree, rank, cost, regime and crossover for a target error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.cli.complete import released
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum._plan import Plan

M_ = Annotated[str | None, typer.Option("--M", help="Largest |logit|, e.g. 4, 0.5, 100/3.")]
W_ = Annotated[str | None, typer.Option("--W", help="Width of [-W, 0], for --error additive.")]
R_ = Annotated[str | None, typer.Option("--R", help="Largest |entry| of q and k.")]
D_ = Annotated[int | None, typer.Option("--d", help="Head dimension.")]
Dv = Annotated[int | None, typer.Option("--dv", help="Value dimension; default: d.")]
Sigma = Annotated[
    str | None, typer.Option("--sigma", help="Logit is q.k/sigma: d, sqrt, 4sqrt, 1 or a number.")
]
Eps = Annotated[str | None, typer.Option("--eps", help="Kernel error, in (0, 1).")]
OutputError = Annotated[
    str | None,
    typer.Option("--output-error", help="Error of the attention output, in units of V's range."),
]
ErrorKind_ = Annotated[
    Literal["relative", "additive"],
    typer.Option("--error", help="relative on [-M, M], or additive on [-W, 0]."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        autocompletion=released,
        help="var-d16, -d20, -d24, -d30, -d36, or flowar-s, -l, -h.",
    ),
]
Schedule_ = Annotated[
    str | None, typer.Option("--schedule", help="Sides of the token maps, e.g. 1,2,3,4.")
]
N_ = Annotated[int | None, typer.Option("--n", help="Side of the last map of a geometric pyramid.")]
Alpha = Annotated[int, typer.Option("--alpha", help="Ratio of the geometric pyramid.")]
MaxDegree = Annotated[
    int, typer.Option("--max-degree", help="Do not try to prove a least degree beyond this.")
]
Solve = Annotated[
    Literal["M", "d", "n"] | None,
    typer.Option("--solve", help="Backwards: largest M or d, or smallest n, for which it pays."),
]
ModelError = Annotated[
    str | None,
    typer.Option("--model-error", help="Error of the output: backwards to eps, degree and rank."),
]
Var = Annotated[str | None, typer.Option("--var", help="Weights of the transformer.")]
Vae = Annotated[str | None, typer.Option("--vae", help="Weights of the VQVAE.")]
Config = Annotated[str | None, typer.Option("--config", help="JSON of sizes, with --var.")]
Affine = Annotated[
    bool, typer.Option("--affine", help="With --var: the affine bound (sharp, slow).")
]
Label = Annotated[int, typer.Option("--label", help="Class of the run that is bounded.")]
Norms = Annotated[
    str | None, typer.Option("--norms", help="w_Q,w_K,w_V: maximum row sums, with --R --d.")
]
Scales = Annotated[int | None, typer.Option("--scales", help="Number of scales K, with --norms.")]
Lipschitz = Annotated[
    str | None,
    typer.Option("--lipschitz", help="FlowAR, --model-error: of v_c[,v_u] in the latents."),
]
Gain = Annotated[
    str | None,
    typer.Option("--gain", help="FlowAR, --model-error: of the velocity in the inputs so far."),
]


def bound(
    M: M_ = None,
    W: W_ = None,
    R: R_ = None,
    d: D_ = None,
    d_v: Dv = None,
    sigma: Sigma = None,
    eps: Eps = None,
    output_error: OutputError = None,
    error: ErrorKind_ = "relative",
    model: Model = None,
    schedule: Schedule_ = None,
    n: N_ = None,
    alpha: Alpha = 2,
    solve: Solve = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print the derivation.")] = False,
    max_degree: MaxDegree = 400,
    model_error: ModelError = None,
    var: Var = None,
    vae: Vae = None,
    config: Config = None,
    label: Label = 0,
    affine: Affine = False,
    norms: Norms = None,
    scales: Scales = None,
    lipschitz: Lipschitz = None,
    gain: Gain = None,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Which degree, rank and cost a target error needs, whether it pays, and how we know.

    Say how large the logits are (--M, or --R --d --sigma, or --model) and which error is wanted
    (--eps of the kernel, or --output-error of attention's output).

    Exit code 0: the least degree is proved; 3: it is not known (a sufficient one is printed).

    Examples: varnum bound --model var-d16 --eps 1e-2;
    varnum bound --model flowar-l --M 1 --eps 1e-2;
    varnum bound --R 1 --d 64 --sigma sqrt --n 64 --output-error 1e-2 --json
    """
    limit(timeout)
    flowar = model is not None and model.startswith("flowar")
    if model_error is not None and flowar:
        from varnum.cli.bound_flowar import budget_flowar

        given: dict[str, Any] = {
            "M": M, "W": W, "R": R, "d": d, "dv": d_v, "sigma": sigma, "eps": eps,
            "output-error": output_error, "schedule": schedule, "n": n, "solve": solve,
            "var": var, "vae": vae, "config": config, "norms": norms, "scales": scales,
            "explain": explain or None, "affine": affine or None, "label": label or None,
            "error": None if error == "relative" else error, "alpha": None if alpha == 2 else alpha,
            "max-degree": None if max_degree == 400 else max_degree,
        }  # fmt: skip
        return budget_flowar(model or "", model_error, lipschitz, gain, unused=given, json=json)
    if lipschitz is not None or gain is not None:
        raise InputError("--lipschitz, --gain: with --model flowar-.. and --model-error")
    if model_error is not None:
        from varnum.cli.budget import budget

        given = {"M": M, "W": W, "eps": eps, "output-error": output_error, "model": model}
        for name, value in given.items():
            if value is not None:
                raise InputError(f"--{name}: follows from --model-error; leave it out")
        return budget(
            model_error, var=var, vae=vae, config=config, label=label, affine=affine, norms=norms,
            R=R, d=d, sigma=sigma, scales=scales, json=json,
        )  # fmt: skip
    if model is not None and flowar:
        from varnum.cli.bound_flowar import bound_flowar

        unused = {"W": W, "d": d, "dv": d_v, "schedule": schedule, "n": n, "solve": solve}
        unused |= {"explain": explain or None, "error": None if error == "relative" else error}
        unused |= {"var": var, "vae": vae, "config": config, "norms": norms, "scales": scales}
        unused |= {"label": label or None, "affine": affine or None}
        return bound_flowar(
            model, M=M, R=R, sigma=sigma, eps=eps, output_error=output_error, alpha=alpha,
            max_degree=max_degree, unused=unused, json=json,
        )  # fmt: skip
    from varnum._plan import plan

    with progress() as say:
        answer = plan(
            M, W=W, R=R, d=d, d_v=d_v, sigma=sigma, eps=eps, output_error=output_error,
            error=error, model=model, schedule=schedule, n=n, alpha=alpha, max_degree=max_degree,
            progress=say,
        )  # fmt: skip
        solved = None if solve is None else _solve(answer, solve)
    code = 0 if answer.proved_minimal else 3
    if json:
        _print_json(answer, solved, explain, code)
    else:
        _print(answer, solved, explain)
    return code


def _print_json(answer: Plan, solved: dict[str, Any] | None, explain: bool, code: int) -> None:
    from varnum._plan_json import SCHEMA, content

    more = {} if solved is None else solved
    if explain:
        from varnum.cli.explain import derivation

        more = more | {"derivation": list(derivation(answer))}
    print_envelope(
        SCHEMA, content(answer) | more, verdict="unknown" if code else "proved",
        assurance="proved", exit_code=code,
    )  # fmt: skip


def _print(answer: Plan, solved: dict[str, Any] | None, explain: bool) -> None:
    from varnum._plan_text import backwards
    from varnum.text import filled

    print(answer)
    if solved is not None:
        print(filled(backwards(answer, solved["solve"]), indent=""))
    if explain:
        from varnum.cli.explain import steps

        print("\nDerivation (claim, formula, values, source)")
        for step in steps(answer):
            print(step)


def _solve(answer: Plan, what: str) -> dict[str, Any]:
    """The backwards answer, as the JSON field "solve"."""
    from varnum._plan_json import FAR
    from varnum.balls import to_text
    from varnum.verdict import Unknown

    if what == "M":
        found = answer.largest_size()
        if isinstance(found, Unknown):
            return {"solve": {"for": "M", "value": None, "reason": found.reason}}
        pair = {"value": to_text(found.size), "not_at": to_text(found.above)}
        return {"solve": {"for": "M" if answer.question.error == "relative" else "W", **pair}}
    if what == "d":
        largest = answer.largest_d()
        if largest is None:
            return {"solve": {"for": "d", "value": None, "reason": "a degree is not proved least"}}
        return {"solve": {"for": "d", "value": largest.d, "at_least": largest.open}}
    n = answer.crossover_n
    reason = None if n is not None else answer.reasons.get("crossover_n", FAR)
    return {"solve": {"for": "n", "value": n, "reason": reason}}
