"""How large the logits of a head can be whatever the tokens are, from its weights alone.

l2-normalised heads: |s q.k| <= s = exp(min(scale_mul, log 100)). Plain heads: q = W_q y + b_q with
y = LN(x) (1 + scale) + shift and |LN(x)|_2 <= sqrt(C), claims layernorm-range, linear,
attention-lipschitz; for the given label, since scale and shift come from it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.balls.exact import parse, round_decimal
from varnum.balls.scalar import arb, ball, precision, upper
from varnum.floats.rounding import gamma, up
from varnum.model.transformer import MAX_LOG_SCALE
from varnum.outward import FEW
from varnum.propagate import transfer as t
from varnum.propagate.transfer import Reach

Floats = npt.NDArray[np.float64]

# flint's precision belongs to the process: threads of one process take turns
BALLS = threading.RLock()


@dataclass(frozen=True)
class NormalisedHead:
    """A head with unit queries and keys: the saved logarithm of its factor, its dimension."""

    log_scale: float
    d: int


@dataclass(frozen=True)
class PlainHead:
    """A head without normalisation: maps (d, C), bias of q (d,), AdaLN scale and shift (C,)."""

    w_q: Floats
    w_k: Floats
    b_q: Floats
    scale: Floats
    shift: Floats


def certify_logit_bound(head: NormalisedHead | PlainHead) -> Fraction:
    """A decimal not below |logit| for all tokens, rounding of the float64 run included.

    Norm: l2 of q and k; side: upper.
    """
    with precision(128):
        if isinstance(head, NormalisedHead):
            return parse(round_decimal(upper(_cap(head)), 12, up=True))
        return parse(round_decimal(upper(_from_norms(head)), FEW, up=True))


def _cap(head: NormalisedHead) -> Any:
    log_scale = min(Fraction(head.log_scale), MAX_LOG_SCALE)
    # a unit vector computed in float64 is longer than 1 by a few roundings, and so is exp
    slack = up(1 + gamma(4 * head.d + 64))
    return ball(log_scale).exp() * ball(Fraction(slack)) ** 3


def _from_norms(head: PlainHead) -> Any:
    width = head.w_q.shape[1]
    factor = float(np.abs(1 + head.scale).max()) * (1 + 2.0**-50)
    shift = up(float(np.sqrt(np.square(head.shift).sum())), width + 8)
    unit = Reach.of(width, arb(width).sqrt(), 0, arb(width).sqrt())
    y = t.modulate(unit, Fraction(factor), Fraction(shift), Fraction(shift))
    q = t.linear(y, t.operator(head.w_q, head.b_q))
    k = t.linear(y, t.operator(head.w_k))
    slack = ball(Fraction(up(1 + gamma(8 * width + 64)))) ** 3  # the float64 run that is measured
    return t.logit_size(q, k, 1 / (4 * arb(head.w_q.shape[0]).sqrt())) * slack
