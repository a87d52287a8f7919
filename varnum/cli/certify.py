"""`varnum certify`: write a self-contained certificate of the least degree."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from varnum.cli.bound import D_, M_, R_, W_, Eps, ErrorKind_, MaxDegree, Model, OutputError, Sigma
from varnum.cli.common import Timeout, limit, progress


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
    max_degree: MaxDegree = 400,
    timeout: Timeout = None,
) -> int:
    """Write a certificate that a polynomial reaches the error and none of lower degree does.

    It holds the exact polynomial, the brackets that bound its error, the points that exclude lower
    degrees, and a digest. `varnum check` (or any reader of the format) re-checks it without
    trusting this program.

    Exit code 0: both sides proved; 3: only the upper side is (the certificate says so), or nothing
    that the checker would read.

    Example: varnum certify --M 4 --eps 1e-6 > c.json && varnum check c.json
    """
    limit(timeout)
    from varnum import checker
    from varnum._plan import plan
    from varnum.errors import InputError
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
        checker.read(text.encode("ascii"))
    except checker.Malformed as reason:
        print(f"varnum: unknown: beyond what the checker reads: {reason}", file=sys.stderr)
        return 3
    if out == "-":
        sys.stdout.write(text)
    else:
        try:
            with open(out, "w", encoding="ascii") as file:
                file.write(text)
        except OSError as error_:
            raise InputError(f"--out: cannot write {out!r}: {error_.strerror}") from None
    return 0 if answer.proved_minimal else 3
