"""`varnum certify`: write a self-contained certificate of the least degree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from varnum.cli.bound import D_, M_, R_, W_, Eps, ErrorKind_, MaxDegree, Model, OutputError, Sigma
from varnum.cli.common import Axioms, Timeout, limit, progress
from varnum.errors import InputError


def certify(
    M: M_ = None,
    W: W_ = None,
    R: R_ = None,
    d: D_ = None,
    sigma: Sigma = None,
    eps: Eps = None,
    output_error: OutputError = None,
    error: ErrorKind_ = "relative",
    model: Model = None,
    out: Annotated[str, typer.Option("--out", "-o", help="File to write; - for stdout.")] = "-",
    format_: Annotated[
        Literal["json", "coq"],
        typer.Option("--format", help="The certificate, or the same as a file that Coq checks."),
    ] = "json",
    axioms: Axioms = "primitive",
    coq_prelude: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Only write and compile there what such files build on."),
    ] = None,
    max_degree: MaxDegree = 400,
    timeout: Timeout = None,
) -> int:
    """Write a certificate that a polynomial reaches the error and none of lower degree does.

    It holds the exact polynomial, the brackets that bound its error, the points that exclude lower
    degrees, and a digest. `varnum check` (or any reader of the format) re-checks it without
    trusting this program. With `--format coq` it is a file of two theorems, `reached` and
    `excluded`, that `coqc -R DIR Varnum c.v` checks after `varnum certify --coq-prelude DIR`.

    Exit code 0: both sides proved; 3: only the upper side is (the certificate says so), or nothing
    that the checker would read; 4: --coq-prelude without Coq.

    Examples: varnum certify --M 4 --eps 1e-6 > c.json && varnum check c.json;
    varnum certify --M 4 --eps 1e-6 --format coq > c.v
    """
    limit(timeout)
    if axioms == "minimal" and format_ == "json":
        raise InputError("--axioms: is for --format coq")
    if coq_prelude is not None:
        if any(value is not None for value in (M, W, R, d, sigma, eps, output_error, model)):
            raise InputError("--coq-prelude: a command of its own, without a question beside it")
        return _prelude(Path(coq_prelude))
    from varnum import checker
    from varnum._plan import plan
    from varnum.verdict import Unknown

    with progress() as say:
        answer = plan(
            M, W=W, R=R, d=d, sigma=sigma, eps=eps, output_error=output_error, error=error,
            model=model, max_degree=max_degree, progress=say,
        )  # fmt: skip
    if isinstance(answer.least, Unknown):
        print(f"varnum: unknown: {answer.least.reason}", file=sys.stderr)
        return 3
    text = answer.certify()
    try:
        held = checker.read(text.encode("ascii"))
    except checker.Malformed as reason:
        print(f"varnum: unknown: beyond what the checker reads: {reason}", file=sys.stderr)
        return 3
    if format_ == "coq":
        from varnum.proof.coq.export import coq_file

        text = coq_file(held, axioms == "minimal")
    if out == "-":
        sys.stdout.write(text)
    else:
        try:
            with open(out, "w", encoding="ascii") as file:
                file.write(text)
        except OSError as error_:
            raise InputError(f"--out: cannot write {out!r}: {error_.strerror}") from None
    return 0 if answer.proved_minimal else 3


def _prelude(folder: Path) -> int:
    from varnum.proof.coq.library import write_library

    with progress() as say:
        write_library(folder, say=say)
    return 0
