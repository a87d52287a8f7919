"""Evaluate a head, let an adversary move every output, decide at 3/8: right or refused.

The adversary knows the outputs and pushes each towards the threshold. A decision is given only if
injected error + rounding of the evaluation < 1/8, compared in exact rationals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from varnum.errors import InputError
from varnum.floats.rounding import EXACT_U
from varnum.floats.softmax_error import softmax_head_error
from varnum.hardness.head import ALLOWED, Head
from varnum.model.attention import exact_attention

THRESHOLD = 0.375
_BLOCK = 2**22  # logits held at once

Evaluate = Callable[[Head], "Outputs"]


@dataclass(frozen=True)
class Outputs:
    """Outputs of the real rows (nq,) in float64 and a bound on |given - exact| of each.

    Exact outputs are >= 3/8 + allowed where there is a partner, else <= 3/8 - allowed.
    """

    values: Any
    error: Fraction
    method: str
    allowed: Fraction = ALLOWED


def evaluate_exact(head: Head) -> Outputs:
    """The model's exact attention in float64, at most D queries at a time: memory O(n D)."""
    q, k, v = head.arrays()
    scale = np.full((1, 1, 1, 1), 1 / float(head.sigma))
    step = max(1, min(q.shape[1], _BLOCK // len(k)))
    parts = [
        exact_attention(q[None, None, i : i + step], k[None, None], v[None, None], scale)
        for i in range(0, len(q), step)
    ]
    error = softmax_head_error(head.M, q.shape[1], len(k))
    return Outputs(np.concatenate(parts, axis=2)[0, 0, :, 0], error, "exact")


def inject(outputs: Outputs, error: Fraction) -> Outputs:
    """Move every output by `error` towards the threshold: the worst an adversary can do."""
    if not 0 <= error < 1:
        raise InputError("error: it is not in the range allowed, 0 <= error < 1/8")
    step = float(error)
    away = np.where(outputs.values >= THRESHOLD, -step, step)
    # float(error) and the addition round once each; outputs and steps are below 2 in size.
    total = outputs.error + max(error, Fraction(step)) + 2 * EXACT_U
    return replace(outputs, values=outputs.values + away, error=total)


def rows_with_partner(outputs: Outputs) -> Any:
    """Indices of the rows that have a partner; raises InputError where the error forbids a verdict.

    Under the promise no exact output is within `outputs.allowed` of 3/8, so a smaller error cannot
    carry one across.
    """
    if not outputs.error < outputs.allowed:
        raise InputError(
            f"error: injected and rounding come to {float(outputs.error):.6g}; "
            f"below {outputs.allowed} is needed for a verdict"
        )
    return np.nonzero(outputs.values > THRESHOLD)[0]
