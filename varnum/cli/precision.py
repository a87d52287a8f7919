"""`varnum precision`: how many bits the tokens of a model need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.common import Json, Timeout, limit, progress
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.circuit.precision import Margins, Row
    from varnum.model.generate import Model
    from varnum.verdict import Unknown

Option = typer.Option


def precision(
    var: Annotated[str | None, Option(help="Transformer: .npz, .safetensors, .pth.")] = None,
    vae: Annotated[str | None, Option(help="VQVAE: .npz, .safetensors, .pth.")] = None,
    config: Annotated[str | None, Option(help="JSON file of sizes.")] = None,
    random: Annotated[str | None, Option(help="Random weights of a preset (var-tiny, ..).")] = None,
    labels: Annotated[str, Option(help="Class label.")] = "0",
    tokens: Annotated[
        str | None,
        Option(help="File of tokens, a row per label; default: the model's own."),
    ] = None,
    bits: Annotated[
        str, Option(help="Significant bits p of every number, 2 to 24.")
    ] = "8,11,14,24",
    in_order: Annotated[
        bool, Option("--in-order", help="Sums in index order, each addition rounded.")
    ] = False,
    every_rounding: Annotated[
        str | None,
        Option("--every-rounding", help="Certify tokens for every rounding to p bits, e.g. 64."),
    ] = None,
    no_enclosure: Annotated[
        bool, Option("--no-enclosure", help="Compare with float64 instead of balls.")
    ] = False,
    seed: Annotated[int, Option(help="Seed of random weights.")] = 0,
    json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Run a model with p-bit numbers, enclose its error, and estimate the bits each token needs.

    Weights, inputs and every operation are rounded to p bits (nearest, ties to even); a sum is
    exact with one rounding, or --in-order. bfloat16 has 8 bits, float16 11, float32 24. Logits are
    teacher-forced. The error is proved for this run; the bits a token needs are a first order. For
    small models: every product is rounded on its own.

    Exit code 0; 3: the real model's logits could not be enclosed.

    Example: varnum precision --random var-tiny --labels 3 --bits 8,11,24
    """
    limit(timeout)
    import numpy as np

    from varnum.circuit.pbit import Rounding
    from varnum.cli.sources import load_model, parse_labels, read_tokens
    from varnum.verdict import Unknown

    several = _bits(bits, "--bits")
    proved = [] if every_rounding is None else _bits(every_rounding, "--every-rounding")
    if any(not 2 <= p <= 4096 for p in proved):
        raise InputError("--every-rounding: bits from 2 to 4096")
    for p in several:
        Rounding(p)
    if seed < 0:
        raise InputError(f"seed: {seed} is negative")
    model = load_model(var, vae, config, random, seed)
    chosen = parse_labels(labels, model.var.num_classes, seed)
    given = None if tokens is None else np.atleast_1d(read_tokens(tokens))[: len(chosen)]
    try:
        found = _measure(model, chosen, given, several, proved, in_order, not no_enclosure)
    except ArithmeticError as reason:  # beyond float64's exponents
        return _unknown(str(reason), json)
    if isinstance(found, Unknown):
        return _unknown(found.reason, json)
    rows, margins, certified = found
    if json:
        from varnum.cli.envelope import print_envelope

        content = _content(rows, margins, in_order, not no_enclosure, certified)
        return print_envelope(
            "varnum/precision/1", content, verdict="done", assurance="estimated", exit_code=0
        )
    _show(rows, margins, in_order, not no_enclosure, certified)
    return 0


def _measure(
    model: Model, labels: Any, given: Any, bits: list[int], proved: list[int], in_order: bool,
    enclosed: bool,
) -> tuple[list[Row], Margins, dict[int, int]] | Unknown:  # fmt: skip
    """Rows, margins, tokens certain for every rounding; Unknown where balls enclose nothing."""
    from varnum.circuit import precision as work
    from varnum.verdict import Unknown

    with progress() as say:
        say("choosing tokens")
        tokens = work.greedy_tokens(model, labels) if given is None else given
        margins = work.estimate_margins(model, labels, tokens, say)
        real: Any = margins.logits
        if enclosed:
            say("enclosing the real model's logits in balls")
            real = work.certify_logits(model, labels, tokens)
            if isinstance(real, Unknown):
                return real
        rows = work.precision_rows(
            model, labels, tokens, bits, real, enclosed, margins, in_order, say
        )
        return rows, margins, work.every_rounding_rows(model, labels, tokens, proved, in_order, say)


def _bits(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option}: {text[:40]!r} is no list of numbers such as 8,11,24") from None


def _unknown(reason: str, json: bool) -> int:
    if json:
        from varnum.cli.envelope import print_envelope

        return print_envelope(
            "varnum/precision/1", {"reason": reason},
            verdict="unknown", assurance="proved for this run", exit_code=3,
        )  # fmt: skip
    print(f"unknown: {reason}")
    return 3


def _content(
    rows: list[Row], margins: Margins, in_order: bool, enclosed: bool, certified: dict[int, int]
) -> dict[str, Any]:
    import numpy as np

    from varnum.outward import float_down, float_up

    least = margins.least_bits()
    total = int(least.size)
    values, counts = np.unique(least, return_counts=True)
    return {
        "sums": "in index order" if in_order else "exact, one rounding",
        "reference": "balls" if enclosed else "float64",
        "tokens": total,
        "rows": [
            {
                "bits": row.bits,
                "error_measured": float_up(row.error_high * 2.0**row.bits),
                "error_at_least": float_down(row.error_low * 2.0**row.bits),
                "first_order": float(margins.constant.max()),
                "certain": row.certain,
                "tokens_equal": row.equal,
                "tokens": total,
            }
            for row in rows
        ],
        "first_order_median": float(np.median(margins.constant)),
        "first_order_independent_median": float(np.median(margins.random)),
        "least_bits": [
            {"bits": int(p), "tokens": int(n)} for p, n in zip(values, counts, strict=True)
        ],
        "all_certain_from": int(least.max()),
        "every_rounding": [{"bits": p, "certain": n} for p, n in certified.items()],
        "assurance_of": {
            "error_measured": "proved for this run" if enclosed else "measured",
            "tokens_equal": "proved for this run" if enclosed else "measured",
            "first_order": "estimated",
            "certain": "estimated",
            "least_bits": "estimated",
            "every_rounding": "proved for this run",
        },
    }


def _show(
    rows: list[Row], margins: Margins, in_order: bool, enclosed: bool, certified: dict[int, int]
) -> None:
    import numpy as np

    from varnum.cli.common import aligned, filled
    from varnum.outward import at_most

    least = margins.least_bits()
    head = ["p", "2^p error, this run", "first order C1", "certain (first order)", "tokens equal"]
    lines = [
        [str(row.bits), at_most(row.error_high * 2.0**row.bits), f"{margins.constant.max():.3g}",
         f"{row.certain}/{least.size}", f"{row.equal}/{least.size}"]
        for row in rows
    ]  # fmt: skip
    print(aligned([head, *lines]))
    how = "in index order" if in_order else "exact, rounded once"
    against = "the real model, proved for this run" if enclosed else "float64, measured"
    print(filled(f"sums {how}; error: largest |logit - logit of {against}|, above"))
    values, counts = np.unique(least, return_counts=True)
    table = ", ".join(f"{p}: {n}" for p, n in zip(values, counts, strict=True))
    print(filled(f"least p, tokens (first order): {table}"))
    print(
        filled(
            f"all tokens certain from p = {least.max()} on (first order, an estimate; median C1 "
            f"{np.median(margins.constant):.3g}, independent roundings "
            f"{np.median(margins.random):.3g})"
        )
    )
    for p, count in certified.items():
        print(
            filled(
                f"every rounding to {p} bits or more leaves {count}/{least.size} tokens as they "
                "are (proved for this run)"
            )
        )
