"""`varnum check`: re-check a certificate with the small independent checker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from varnum.cli.check_error import MARK, check_error
from varnum.cli.common import Axioms, Json, Timeout, limit, progress
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.checker import Checked
    from varnum.checker.circuit import Replayed
    from varnum.checker.evaluation import Evaluated

_ATTENTION = b'"varnum/attention-certificate/'


def check(
    file: Annotated[
        str, typer.Argument(help="Certificate, code with one, or circuit file; - for stdin.")
    ],
    coq: Annotated[bool, typer.Option("--coq", help="Let Coq's kernel check it as well.")] = False,
    axioms: Axioms = "primitive",
    inputs: Annotated[
        str | None,
        typer.Option(
            "--inputs",
            help="Of attention: .npz with q, k, v; or q.npy,k.npy,v.npy. Of an error: tokens.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", help="Of attention: the output, .npy. Of an error: the logits."),
    ] = None,
    var: Annotated[str | None, typer.Option("--var", help="Of an error: the transformer.")] = None,
    vae: Annotated[str | None, typer.Option("--vae", help="Of an error: the VQVAE.")] = None,
    config: Annotated[
        str | None, typer.Option("--config", help="Of an error: JSON file of sizes.")
    ] = None,
    random: Annotated[
        str | None, typer.Option("--random", help="Of an error: random weights of a preset.")
    ] = None,
    labels: Annotated[str, typer.Option("--labels", help="Of an error: class labels.")] = "0",
    as_json: Json = False,
    timeout: Timeout = None,
) -> int:
    """Re-check a certificate, or re-run a circuit file, and say exactly what it proves.

    Uses the standard library alone, exact integers and none of the code that wrote the file. With
    --coq, Coq checks the same two theorems too (the first time, seconds to compile its library). Of
    code from `varnum poly` the certificate in its comment is read, never the code. A certificate of
    `varnum attention` is about arrays: attention of --inputs is computed again, row by row, by a
    second program, and compared with --output. A record of `varnum error` is verified by fresh
    draws on the weights and --inputs given, and on the logits in --output.

    Exit code 0: proved, or a circuit right on all inputs that were tried; 1: the statement does not
    follow; 2: damaged, changed or no certificate; 3: with --coq, coqc failed for another reason; 4:
    --coq without Coq.

    Example: varnum certify --M 4 --eps 1e-6 > c.json && varnum check c.json
    """
    limit(timeout)
    if axioms == "minimal" and not coq:
        raise InputError("--axioms: is for --coq")
    from varnum import checker

    try:
        data = checker.load(file, checker.circuit.MAX_BYTES)
        if MARK in data:
            if coq:
                raise ValueError("--coq is for certificates of degrees, not of errors")
            return check_error(data, var, vae, config, random, labels, inputs, output, as_json)
        if _ATTENTION in data or inputs is not None or output is not None:
            from varnum.cli.check_attention import check_attention

            return check_attention(data, inputs, output, coq, as_json)
        if checker.circuit.is_circuit(data):
            if coq:
                raise ValueError("--coq is for certificates of degrees, not for circuits")
            replayed = checker.circuit.replay(checker.circuit.read(data))
            return _replayed(replayed, as_json)
        if checker.evaluation.is_evaluation(data):
            if coq:
                raise ValueError("--coq is for certificates of degrees, not of evaluations")
            return _evaluated(checker.evaluation.check(data), as_json)
        proved = checker.check(data)
    except InputError:
        raise
    except checker.NotProved as reason:
        answer: dict[str, Any] = {"reason": str(reason)}
        text, code = f"not proved: {reason}", 1
    except OSError as reason:
        raise InputError(f"{file!r}: cannot be read ({reason.strerror})") from None
    except ValueError as reason:
        raise InputError(f"{file!r}: no certificate that can be checked: {reason}") from None
    else:
        answer, text, code = _answer(proved), str(proved), 0
        if coq:
            answer, text, code = _in_coq(proved, axioms, answer, text)
    if as_json:
        said = {0: "proved", 1: "refuted", 3: "unknown"}[code]
        word = "estimated" if code == 3 else "proved"
        print_envelope("varnum/check/2", answer, verdict=said, assurance=word, exit_code=code)
    else:
        print(text)
    return code


def _replayed(seen: Replayed, as_json: bool) -> int:
    if not as_json:
        print(seen)
        return 0
    content = {
        "statement": str(seen), **seen.circuit.counts, "inputs_checked": seen.tried,
        "inputs_all": seen.all, "rests_on": "every gate, with integers",
        "digest": seen.circuit.digest,
    }  # fmt: skip
    verdict, word = ("proved", "proved") if seen.all else ("done", "measured")
    return print_envelope("varnum/check/2", content, verdict=verdict, assurance=word, exit_code=0)


def _evaluated(proved: Evaluated, as_json: bool) -> int:
    if not as_json:
        print(proved)
        return 0
    text = proved.certificate.text
    content = {
        "statement": str(proved),
        **{key: text[key] for key in ("function", "error", "interval", "format", "eps", "by")},
        "domain": text["domain"] or text["interval"],
        "polynomial_eps": text["polynomial_eps"],
        "inputs_tried": proved.tried,
        "rests_on": "proofs in words (shipped-error, evaluation-error, range-reduction) and "
        "exact integer arithmetic",
        "digest": text["digest"],
    }
    return print_envelope(
        "varnum/check-polynomial/1", content, verdict="proved", assurance="proved", exit_code=0
    )


def _answer(proved: Checked) -> dict[str, Any]:
    from varnum.outward import float_down, float_up

    held, least = proved.certificate, proved.least
    return {
        "statement": str(proved),
        **{key: held.text[key] for key in ("error", "interval", "eps", "degree", "minimal")},
        "error_at_most": float_up(proved.sup),
        "lower_degree": held.lower_degree,
        "lower_error_at_least": None if least is None else float_down(least),
        "rests_on": "proofs in words (exp-supnorm, minimal-degree) and exact integer arithmetic",
        "digest": held.text["digest"],
    }


def _in_coq(
    proved: Checked, axioms: str, answer: dict[str, Any], text: str
) -> tuple[dict[str, Any], str, int]:
    from varnum.proof.coq.coq_answer import check_in_coq
    from varnum.verdict import Refuted, Unknown

    with progress() as say:
        got = check_in_coq(proved.certificate, axioms == "minimal", say)
    match got.verdict:
        case Refuted(_, how):  # the checker has proved it: Coq lacked digits, or the tool is wrong
            said = f"the checker proves it, but {how}"
            return {"reason": said}, f"unknown: {said}", 3
        case Unknown(reason):
            return {"reason": reason}, f"unknown: {reason}", 3
    integers = "integers of its own" if axioms == "minimal" else "primitive integers"
    held = {"version": got.coq, "theorems": [*got.theorems], "axioms": axioms}
    said = f"checked by Coq {got.coq} ({integers}): {', '.join(got.theorems)}"
    return answer | {"coq": held}, f"{text}\n{said}", 0
