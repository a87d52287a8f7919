"""`varnum attention`: attention of arrays from files, with a guarantee and what it cost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from varnum.cli.common import Json, Timeout, limit
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError
from varnum.lowrank.method import METHODS
from varnum.text import filled

if TYPE_CHECKING:
    from varnum._certificate import Certificate

    MethodName = str
else:
    MethodName = Literal[("auto", *METHODS)]

_BESIDE = 64  # rows of each head on which the mean of V and degree one are measured


def attention(
    q: Annotated[str, typer.Option("--q", help="Queries, .npy of shape (.., L, d).")],
    k: Annotated[str, typer.Option("--k", help="Keys, .npy of shape (.., L, d).")],
    v: Annotated[str, typer.Option("--v", help="Values, .npy of shape (.., L, d_v).")],
    sigma: Annotated[
        str, typer.Option("--sigma", help="Logit is q.k/sigma: d, sqrt, 4sqrt, or a number.")
    ] = "sqrt",
    eps: Annotated[str | None, typer.Option("--eps", help="Kernel error, in (0, 1).")] = None,
    output_error: Annotated[
        str | None,
        typer.Option("--output-error", help="Error of the output, in units of V's range."),
    ] = None,
    output_spread: Annotated[
        str | None,
        typer.Option("--output-spread", help="The same in units of the output's own spread."),
    ] = None,
    scales: Annotated[
        str | None,
        typer.Option("--scales", help="Tokens per scale, e.g. 1,4,9: block-causal attention."),
    ] = None,
    method: Annotated[
        MethodName, typer.Option("--method", help="Which kernel; auto says why it took one.")
    ] = "auto",
    backend: Annotated[
        Literal["numpy", "torch"], typer.Option("--backend", help="What computes.")
    ] = "numpy",
    bounds: Annotated[
        bool, typer.Option(help="Also bound the rank from below, O(L^3) on up to 1024 tokens.")
    ] = True,
    against: Annotated[
        str | None,
        typer.Option("--against", help="An output (.npy) from anywhere: check random rows of it."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", help="Of --against: how many.")] = 256,
    confidence: Annotated[
        str, typer.Option("--confidence", help="Of --against: chance of a bound to be wrong.")
    ] = "1e-3",
    causal: Annotated[
        bool, typer.Option("--causal", help="Of --against: row i sees keys 0..i.")
    ] = False,
    triage: Annotated[
        bool, typer.Option("--triage", help="Only guess from a sample whether low rank pays.")
    ] = False,
    certificate: Annotated[
        str | None,
        typer.Option("--certificate", help="Write a certificate that `varnum check` recomputes."),
    ] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="Write the output (.npy).")] = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> int:
    """Attention with a guaranteed error: method, rank, certificate, lower bound, time.

    Exit code 0: the target is reached; 3: it is not, the certified error says what is. "proved" on
    NumPy; what torch's fused kernel computed is "tested", not proved.

    With --against nothing is certified: random rows of an output from anywhere run exactly, and
    bound with high probability the share of rows above --output-error and the mean error. Exit code
    0: no row drawn exceeds it; 1: one does; 3: rounding leaves it open.

    With --triage nothing runs: an estimate, in milliseconds a head. Exit code 0.

    Example: varnum attention --q q.npy --k k.npy --v v.npy --sigma sqrt --eps 1e-2
    """
    limit(timeout)
    from time import perf_counter

    from varnum._attention import attention as attend

    arrays = [_load(path, name, backend) for path, name in ((q, "q"), (k, "k"), (v, "v"))]
    sizes = _scales(scales)
    if triage:
        from varnum.cli.attention_triage import print_triage

        return print_triage(arrays, sigma, output_error, sizes, as_json)
    options: dict[str, Any] = {"sigma": sigma, "scales": sizes}
    if against is not None:
        from varnum.cli.attention_sampled import against as check_rows

        _refuse_with_against(
            {
                "--eps": eps, "--output-spread": output_spread, "--out": out,
                "--certificate": certificate,
            }
        )  # fmt: skip
        output = _load(against, "against", backend)
        options["causal"] = causal
        return check_rows(arrays, output, output_error, rows, confidence, options, as_json)
    if causal:
        raise InputError("--causal: is for --against; --scales says what a block-causal row sees")
    options |= {"eps": eps, "output_error": output_error, "output_spread": output_spread}
    portable = certificate is not None
    result = attend(*arrays, method=method, baselines=_BESIDE, portable=portable, **options)
    if method == "exact":
        seconds_exact = result.certificate.seconds
    else:
        began = perf_counter()
        attend(*arrays, method="exact", **options)
        seconds_exact = perf_counter() - began
    lower, reference = _ranks(arrays, sigma, result.certificate) if bounds else (None, None)
    if out is not None:
        _save(out, result.output)
    if certificate is not None:
        write_text(certificate, result.portable())
    content = _content(result.certificate, lower, reference, seconds_exact)
    code = 0 if result.certificate.reached else 3
    if as_json:
        print_envelope(
            "varnum/attention/2", content, verdict=_verdict(result.certificate),
            assurance=result.certificate.word, exit_code=code,
        )  # fmt: skip
    else:
        _print(content, "tested" if result.certificate.tested else "proved")
    return code


def _refuse_with_against(options: dict[str, str | None]) -> None:
    for name, given in options.items():
        if given is not None:
            raise InputError(f"{name}: does not go with --against")


def _verdict(certificate: Certificate) -> str:
    if not certificate.reached:
        return "unknown"
    return "done" if certificate.tested else "proved"


def _load(path: str, name: str, backend: str) -> Any:
    import numpy as np

    from varnum.model.npfile import Damaged, read_arrays, readable_file

    readable_file(path, f"--{name}: cannot read ")
    try:
        array = read_arrays(path)
    except OSError as error:
        raise InputError(f"--{name}: cannot read {path!r}: {error.strerror or error}") from None
    except Damaged as error:
        reason = str(error)[:120]
        raise InputError(f"--{name}: {path!r} is not a .npy file of numbers ({reason})") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.itemsize > 8:
        raise InputError(f"--{name}: {path!r} must hold one array of float16, float32 or float64")
    if backend == "numpy":
        return array
    try:
        import torch
    except ImportError:
        from varnum.errors import MissingExtra

        raise MissingExtra("torch", "torch") from None
    return torch.from_numpy(np.ascontiguousarray(array))


def _save(path: str, output: Any) -> None:
    import numpy as np

    try:
        with open(path, "wb") as file:
            np.save(file, np.asarray(output))
    except OSError as error:
        raise InputError(f"--out: cannot write {path!r}: {error.strerror}") from None


def write_text(path: str, text: str) -> None:
    """Of a certificate; InputError where that is not possible."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"--certificate: cannot write {path!r}: {error.strerror}") from None


def _scales(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--scales: {text!r} is not a list of counts such as 1,4,9") from None


def _ranks(arrays: list[Any], sigma: str, certificate: Certificate) -> tuple[int, int]:
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


def _content(
    certificate: Certificate, lower: int | None, reference: int | None, seconds_exact: float
) -> dict[str, Any]:
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


def _print(content: dict[str, Any], sure: str) -> None:
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
    row("rows done exactly", f"{content['rows_exact']} of {content['rows']}")
    row(
        "seconds",
        f"{content['seconds']:.4f}, of it certificate {content['seconds_certificate']:.4f}",
    )
    row("seconds, exact", f"{content['seconds_exact']:.4f}")
    print(f"assumptions: {content['assumptions']}", file=sys.stderr)
