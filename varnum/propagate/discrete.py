"""Claims `argmax-margin`, `sampling-tv`: what a logit error means for tokens.

Tokens are discrete: an error either leaves them alone, provably, or nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from varnum.balls.scalar import upper
from varnum.formulas.softmax import output_logit
from varnum.propagate.forms import UP, Floats
from varnum.verdict import Proved, Unknown, Verdict


def certify_tokens(logits: Floats, zeta: Floats | float) -> npt.NDArray[np.bool_]:
    """True where no change of the logits by at most zeta changes the argmax: (..., V) -> (...).

    zeta: broadcast against the logits (..., V) or (..., 1). logits: exact numbers; the leader must
    lead each rival by more than the sum of both errors.
    """
    logits = np.asarray(logits, dtype=np.float64)
    zeta = np.broadcast_to(np.asarray(zeta, dtype=np.float64), logits.shape)
    top = logits.argmax(-1, keepdims=True)
    lead = np.take_along_axis(logits, top, -1) - logits
    both = np.take_along_axis(zeta, top, -1) + zeta
    safe = lead / UP > both * UP  # one subtraction and one sum: far less than UP
    np.put_along_axis(safe, top, True, -1)
    return np.asarray(safe.all(-1))


def certify_sampling_tv(zeta: Fraction) -> Fraction:
    """Upper bound of the total variation of one token's distribution, support unchanged."""
    return min(Fraction(1), upper(output_logit.ball(zeta=zeta))) if zeta else Fraction(0)


def certify_agreement(zetas: Sequence[Fraction], tokens: Sequence[int]) -> Fraction:
    """Lower bound of the probability that coupled generations agree in every token.

    zetas, tokens: logit error and number of tokens N_k of each scale.
    """
    lost = sum(
        (n * certify_sampling_tv(z) for z, n in zip(zetas, tokens, strict=True)), Fraction(0)
    )
    return max(Fraction(0), 1 - lost)


def certify_support(logits: Any, zeta: float, top_k: int = 0, top_p: float = 0.0) -> Verdict:
    """Is the set kept by top-k, then top-p the same under every change of at most zeta? (V).

    Proved, or Unknown with the reason; 0 switches a filter off.
    """
    row = np.sort(np.asarray(logits, dtype=np.float64))
    if top_k and top_k < len(row):
        if not (row[-top_k] - row[-top_k - 1]) / UP > 2 * zeta * UP:
            return Unknown("the k-th logit leads the next by no more than 2 zeta")
        row = row[-top_k:]
    if not top_p:
        return Proved("argmax-margin at the top-k threshold")
    moved = float(certify_sampling_tv(Fraction(zeta))) * UP
    p = np.exp(row - row[-1])
    p /= p.sum()
    total = np.cumsum(p)
    cut = int(np.argmax(total > 1 - top_p)) if total[-1] > 1 - top_p else len(row) - 1
    slack = (len(row) + 64) * 2.0**-50  # of the sums, and exp within 2^-46
    below = total[cut - 1] if cut else 0.0
    if cut and not (below + moved + slack <= 1 - top_p):
        return Unknown("the mass below the top-p cut may pass the threshold")
    if cut and not (row[cut] - row[cut - 1]) / UP > 2 * zeta * UP:
        return Unknown("the logits at the top-p cut may change places")
    if cut < len(row) - 1 and not (below + p[cut] - moved - slack > 1 - top_p):
        return Unknown("the smallest kept token may fall below the top-p threshold")
    return Proved("the masses at the top-p cut move by less than their distance to it")
