"""What `varnum poly` writes: source code, the certificate, test vectors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from varnum.errors import InputError

if TYPE_CHECKING:
    from varnum.approx.ship.kernel import Kernel


def write(kernel: Kernel, emit: str | None, certificate: str | None, vectors: str | None) -> int:
    """Write what is asked; 3 where the independent checker does not follow the certificate."""
    from varnum import checker
    from varnum.approx.ship import vectors as test_vectors
    from varnum.approx.ship.emit import LANGUAGES
    from varnum.approx.ship.evaluation_certificate import certificate as made

    text = made(kernel)
    source = None if emit is None else LANGUAGES[emit](kernel, text)
    try:
        checker.evaluation.check((text if source is None else source).encode())
    except (checker.NotProved, checker.Malformed) as reason:
        print(f"varnum: unknown: the certificate is not proved: {reason}", file=sys.stderr)
        return 3
    if certificate is not None:
        _save(certificate, text, "--certificate")
    if vectors is not None:
        _save(vectors, test_vectors.text(kernel), "--vectors")
    if source is not None:
        sys.stdout.write(source)
    return 0


def _save(path: str, text: str, option: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{option}: cannot write {path!r}: {error.strerror}") from None
