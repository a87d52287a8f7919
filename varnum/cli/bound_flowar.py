"""`varnum bound --model flowar-..`: the answer per kind of attention."""

from __future__ import annotations

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
