"""The kernel error of every layer that ensembles verify for one run (claim ensemble-run).

Beside the budget in norms, which is empty at depth. Each row draws its own noise from the system:
another audit finds a slightly other number, and both hold.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from varnum.audit.fields import Row
from varnum.balls.exact import parse, to_text
from varnum.model.backend import Ints
from varnum.model.generate import Model
from varnum.outward import float_down
from varnum.propagate.ensemble.error import error_of
from varnum.verdict import up_to_chance

CHANCE = Fraction(1, 10**6)  # that any row of an audit is false, over its own draws
ASSURANCE = up_to_chance("1e-6")


def whp_kernel_error(
    model: Model, label: int, tokens: Ints, model_error: Fraction, rows: int, say: Any
) -> Row:
    """The largest relative error of all kernel entries that is verified to keep every logit.

    tokens (L,), one run; model_error: absolute, of each logit. rows: how many such rows the audit
    has in all; each takes an equal part of CHANCE. kernel_error None, with a reason, where refused.
    """
    found = error_of(
        model, label, tokens[None], model_error=to_text(model_error), chance=CHANCE / rows, say=say
    )
    row: Row = {"kernel_error_assurance": ASSURANCE}
    if found.kernel_error is None:
        return {"kernel_error": None, **row, "kernel_error_reason": found.reason}
    return {"kernel_error": float_down(parse(found.kernel_error, "kernel_error")), **row}
