"""What `varnum attention` shows of a certificate: its document, its table, ranks beside it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from varnum.lowrank.method import METHODS
from varnum.text import filled

if TYPE_CHECKING:
    from varnum._certificate import Certificate


def ranks(arrays: list[Any], sigma: str, certificate: Certificate) -> tuple[int, int]:
    """Lower bound and reference of the head that needs most, at the kernel error in question.

    For an output error t the kernel error with the same consequence, 2t/(1 + t^2), is taken; of a
    spread, the output error that is certified.
    """
    from varnum._attention import resolve_sigma
    from varnum.floats.arrays import split_heads, to_double
    from varnum.lowrank.limits import MOST_TOKENS, certify_rank_lower, estimate_rank_reference

    eps = _kernel_error(certificate)
    number = resolve_sigma(sigma, int(arrays[0].shape[-1]))
    heads = [(to_double(head_q), to_double(head_k)) for head_q, head_k, _ in split_heads(*arrays)]
    # a few SVDs each: half the tokens of the reference are enough to see how low it can be
    lower = max(certify_rank_lower(*head, number, eps, most=MOST_TOKENS // 2) for head in heads)
    return lower, max(estimate_rank_reference(one, two, number, eps) for one, two in heads)


def _kernel_error(certificate: Certificate) -> float:
    if certificate.kind == "eps":
        return certificate.target
    spread = certificate.kind == "output-spread"
    target = min(certificate.output_error, 0.5) if spread else certificate.target
    return 2 * target / (1 + target * target)


def _is_low_rank_kernel(name: str) -> bool:
    from varnum.lowrank.method import method

    return name in METHODS and name != "exact" and method(name).promises == "kernel"


def content_of(
    certificate: Certificate, lower: int | None, reference: int | None, seconds_exact: float
) -> dict[str, Any]:
    """The document without its envelope."""
    rank = certificate.rank
    kernel = _is_low_rank_kernel(certificate.method)
    return certificate.to_dict() | {
        "rank_lower": lower,
        "rank_reference": reference,
        "rank_kernel_error": _kernel_error(certificate),
        "gap_proved": rank / lower if lower and kernel else None,
        "gap_reference": rank / reference if reference and kernel else None,
        "seconds_exact": seconds_exact,
        "sampled": None,
    }


def _beside(content: dict[str, Any]) -> str:
    """What costs nothing, beside what was certified."""
    mean, first = content["mean_v_error"], content["degree_one_error"]
    rows = content["baseline_rows"]
    return f"mean of V errs by {mean:.3g}, degree one by {first:.3g} (seen on {rows} rows)"


def print_content(content: dict[str, Any], sure: str) -> None:
    """For people; what it assumes goes to stderr."""
    from varnum.lowrank.limits import MOST_TOKENS
    from varnum.outward import at_most

    def row(name: str, text: str) -> None:
        print(filled(f"{name:22}{text}", " " * 22))

    row("method", f"{content['method']} ({content['reason']})")
    row("rank", str(content["rank"] or "none: exact attention"))
    if content["rank_lower"] is not None:
        gap = "" if content["gap_proved"] is None else f"; gap {content['gap_proved']:.2f}"
        at = (
            "" if content["kind"] == "eps" else f", kernel error {content['rank_kernel_error']:.3g}"
        )
        lower = f"{content['rank_lower']} for one global factorisation{at}{gap}"
        row("rank, proved at least", lower)
        gap = "" if content["gap_reference"] is None else f"; gap {content['gap_reference']:.2f}"
        note = f" (on at most {MOST_TOKENS} tokens; an estimate)"
        row("rank, singular values", f"{content['rank_reference']}{note}{gap}")
    bound = content["certified_error"]
    shown = "nothing" if bound is None else at_most(bound)
    word = sure if content["reached"] else "NOT reached"
    row("certified error", f"{shown} ({content['kind']}, target {content['target']:.3g}: {word})")
    output = content["certified_output_error"]
    row("output error", "nothing" if output is None else f"{at_most(output)} of V's range")
    row("trivial baselines", _beside(content))
    if content["sampled"] is not None:
        from varnum.cli.attention_sampled import in_short

        row("sampled", in_short(content["sampled"], content["target"]))
    row("rows done exactly", f"{content['rows_exact']} of {content['rows']}")
    row(
        "seconds",
        f"{content['seconds']:.4f}, of it certificate {content['seconds_certificate']:.4f}",
    )
    row("seconds, exact", f"{content['seconds_exact']:.4f}")
    print(f"assumptions: {content['assumptions']}", file=sys.stderr)
