"""Write a kernel's certificate, which `varnum/checker` re-checks on its own.

Format: docs/reference/certificate.md. The file is the canonical JSON of its content.
"""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction

from varnum.approx.ship.formats import hexadecimal
from varnum.approx.ship.kernel import Kernel
from varnum.balls import parse, to_text
from varnum.balls.scalar import upper
from varnum.outward import at_most

SCHEMA = "varnum/polynomial/1"
_ROOM = Fraction(1003, 1000)  # for a checker that bounds pieces in its own way


def claimed(kernel: Kernel) -> tuple[Fraction, Fraction]:
    """(eps, polynomial_eps): the errors that the certificate claims, a little above the proved."""
    total = upper(kernel.total_error) * (1 if kernel.seen is not None else _ROOM)
    own = upper(kernel.polynomial.error.high) * _ROOM
    return parse(at_most(total, 5)), parse(at_most(own, 5))


def certificate(kernel: Kernel, eps: Fraction | None = None) -> str:
    """The certificate's text; eps: claim this total error instead."""
    total, own = claimed(kernel)
    goal, how = kernel.goal, kernel.reduction
    content: dict[str, object] = {
        "schema": SCHEMA,
        "function": goal.function,
        "error": goal.kind,
        "interval": [to_text(goal.low), to_text(goal.high)],
        "format": kernel.form.name,
        "coefficients": [hexadecimal(c) for c in kernel.polynomial.coefficients],
        "operations": [[s.result, s.operation, *s.arguments] for s in kernel.how.steps],
        "reduction": None
        if how is None
        else {
            "kind": how.kind,
            "fma": how.fma,
            "constants": [hexadecimal(c) for c in how.constants],
        },
        "domain": None if how is None else [hexadecimal(x) for x in kernel.domain],
        "eps": to_text(total if eps is None else eps),
        "polynomial_eps": to_text(own),
        "by": "analysis" if kernel.seen is None else "enumeration",
    }
    digest = hashlib.sha256(_canonical(content).encode()).hexdigest()
    return _canonical({**content, "digest": f"sha256:{digest}"})


def _canonical(content: dict[str, object]) -> str:
    return json.dumps(content, sort_keys=True, indent=1) + "\n"
