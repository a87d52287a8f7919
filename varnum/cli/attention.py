"""`varnum attention`: attention of arrays from files, with a guarantee and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from varnum.cli.attention_shown import content_of, print_content, ranks
from varnum.cli.common import Json, Timeout, limit
from varnum.cli.envelope import print_envelope
from varnum.errors import InputError
from varnum.lowrank.method import METHODS

if TYPE_CHECKING:
    from varnum._attention import Attention
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
    rows: Annotated[
        int | None,
        typer.Option("--rows", help="Random rows to run exactly; of --against 256 if not given."),
    ] = None,
    confidence: Annotated[
        str, typer.Option("--confidence", help="Of --rows: chance that a bound is wrong.")
    ] = "1e-3",
    causal: Annotated[
        bool, typer.Option("--causal", help="Row i sees keys 0..i: as many queries as keys.")
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
    0: no row drawn exceeds it; 1: one does; 3: rounding leaves it open. --rows alone says the same
    of the output made here, beside its certificate.

    With --triage nothing runs: an estimate, in milliseconds a head. Exit code 0.

    Example: varnum attention --q q.npy --k k.npy --v v.npy --sigma sqrt --eps 1e-2
    """
    limit(timeout)
    from time import perf_counter

    from varnum._attention import attention as attend

    arrays = [_load(path, name, backend) for path, name in ((q, "q"), (k, "k"), (v, "v"))]
    sizes = _scales(scales)
    unused = {"--eps": eps, "--output-spread": output_spread, "--out": out}
    unused |= {"--certificate": certificate, "--method": None if method == "auto" else method}
    if triage:
        from varnum.cli.attention_triage import print_triage

        _refuse(unused | {"--against": against, "--rows": rows}, "--triage")
        return print_triage(arrays, sigma, output_error, sizes, causal, as_json)
    options: dict[str, Any] = {"sigma": sigma, "scales": sizes, "causal": causal}
    if against is not None:
        from varnum.cli.attention_sampled import against as check_rows

        _refuse(unused, "--against")
        output = _load(against, "against", backend)
        count = 256 if rows is None else rows
        return check_rows(arrays, output, output_error, count, confidence, options, as_json)
    seen = dict(options)
    options |= {"eps": eps, "output_error": output_error, "output_spread": output_spread}
    portable = certificate is not None
    result = attend(*arrays, method=method, baselines=_BESIDE, portable=portable, **options)
    if method == "exact":
        seconds_exact = result.certificate.seconds
    else:
        began = perf_counter()
        attend(*arrays, method="exact", **options)
        seconds_exact = perf_counter() - began
    lower, reference = ranks(arrays, sigma, result.certificate) if bounds else (None, None)
    if out is not None:
        _save(out, result.output)
    if certificate is not None:
        _write_certificate(certificate, result)
    content = content_of(result.certificate, lower, reference, seconds_exact)
    if rows is not None:
        from varnum.cli.attention_sampled import of_output

        content["sampled"] = of_output(arrays, result.output, output_error, rows, confidence, seen)
    code = 0 if result.certificate.reached else 3
    if as_json:
        print_envelope(
            "varnum/attention/2", content, verdict=_verdict(result.certificate),
            assurance=result.certificate.word, exit_code=code,
        )  # fmt: skip
    else:
        print_content(content, "tested" if result.certificate.tested else "proved")
    return code


def _refuse(options: Mapping[str, object], beside: str) -> None:
    """Options that would be ignored."""
    for name, given in options.items():
        if given is not None:
            raise InputError(f"{name}: does not go with {beside}")


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


def _write_certificate(path: str, result: Attention) -> None:
    """The portable form; none where the target is not reached."""
    if not result.certificate.reached:
        print("no certificate is written: the target is not reached", file=sys.stderr)
        return
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(result.portable())
    except OSError as error:
        raise InputError(f"--certificate: cannot write {path!r}: {error.strerror}") from None


def _scales(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--scales: {text!r} is not a list of counts such as 1,4,9") from None
