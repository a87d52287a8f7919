"""Claims `argmax-margin`, `sampling-tv`: what a logit error means for tokens.

Tokens are discrete: an error either leaves them alone, provably, or nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from varnum.balls.scalar import upper
from varnum.errors import InputError
from varnum.formulas.softmax import output_logit
from varnum.propagate.checked import error_bound, exact_floats, whole
from varnum.propagate.forms import TINY, UP, Floats
from varnum.verdict import Proved, Unknown, Verdict


def certify_tokens(logits: Floats, zeta: Floats | float) -> npt.NDArray[np.bool_]:
    """True where no change of the logits by at most zeta changes the argmax: (..., V) -> (...).

    zeta: from 0 on, broadcast against the logits (..., V) or (..., 1). logits: exact numbers; the
    leader must lead each rival by more than the sum of both errors. Raises InputError.
    """
    logits, zetas = exact_floats(logits, "logits"), exact_floats(zeta, "zeta")
    if logits.ndim == 0:
        raise InputError("logits: expected shape (.., V), got a single number")
    if (zetas < 0).any():
        raise InputError("zeta: negative; it bounds a size, so from 0 on")
    try:
        zetas = np.broadcast_to(zetas, logits.shape)
    except ValueError:
        raise InputError(f"zeta: shape {zetas.shape} does not fit logits {logits.shape}") from None
    top = logits.argmax(-1, keepdims=True)
    with np.errstate(all="ignore"):
        lead = np.take_along_axis(logits, top, -1) - logits
        both = np.take_along_axis(zetas, top, -1) + zetas
        safe = lead / UP > both * UP + TINY  # one subtraction and one sum: far less than UP
    np.put_along_axis(safe, top, True, -1)
    return np.asarray(safe.all(-1))


def certify_sampling_tv(zeta: Fraction) -> Fraction:
    """Upper bound of the total variation of one token's distribution, support unchanged."""
    zeta = error_bound(zeta)
    if zeta > 1000:  # e^zeta is beyond any use
        return Fraction(1)
    return min(Fraction(1), upper(output_logit.ball(zeta=zeta))) if zeta else Fraction(0)


def certify_agreement(zetas: Sequence[Fraction], tokens: Sequence[int]) -> Fraction:
    """Lower bound of the probability that coupled generations agree in every token.

    zetas, tokens: logit error and number of tokens N_k of each scale. Raises InputError.
    """
    if len(zetas) != len(tokens):
        raise InputError(f"tokens: {len(tokens)} counts for {len(zetas)} logit errors")
    counts = [whole(n, 0, 10**12, "tokens") for n in tokens]
    lost = sum(
        (n * certify_sampling_tv(z) for z, n in zip(zetas, counts, strict=True)), Fraction(0)
    )
    return max(Fraction(0), 1 - lost)


def certify_support(
    logits: npt.ArrayLike, zeta: float, top_k: int = 0, top_p: float = 0.0
) -> Verdict:
    """Is the set kept by top-k, then top-p the same under every change of at most zeta? (V).

    Proved, or Unknown with the reason; 0 switches a filter off. Raises InputError unless the logits
    (V) are finite, zeta >= 0, 0 <= top_k <= V and 0 <= top_p <= 1.
    """
    row, allowed = exact_floats(logits, "logits"), error_bound(zeta)
    if row.ndim != 1:
        raise InputError(f"logits: expected shape (V), got {row.shape}")
    top_k, mass = whole(top_k, 0, len(row), "top_k"), error_bound(top_p, "top_p")
    if mass > 1:
        raise InputError(f"top_p: {float(mass):.3g} is not within 0 (off) to 1")
    both = Fraction(2 * allowed) * Fraction(UP) + Fraction(TINY)
    row = np.sort(row)

    def apart(larger: float, smaller: float) -> bool:
        """Whether they stay in this order; exactly."""
        return Fraction(float(larger)) - Fraction(float(smaller)) > both

    if top_k and top_k < len(row):
        if not apart(row[-top_k], row[-top_k - 1]):
            return Unknown("the k-th logit leads the next by no more than 2 zeta")
        row = row[-top_k:]
    if not mass:
        return Proved("argmax-margin at the top-k threshold")
    left, moved = float(1 - mass), float(certify_sampling_tv(allowed)) * UP
    with np.errstate(all="ignore"):
        p = np.exp(row - row[-1])
    p /= p.sum()
    total = np.cumsum(p)
    cut = int(np.argmax(total > left)) if total[-1] > left else len(row) - 1
    slack = (len(row) + 64) * 2.0**-50  # of the sums, exp within 2^-46, and of 1 - top_p
    below = total[cut - 1] if cut else 0.0
    if cut and not (below + moved + slack <= left):
        return Unknown("the mass below the top-p cut may pass the threshold")
    if cut and not apart(row[cut], row[cut - 1]):
        return Unknown("the logits at the top-p cut may change places")
    if cut < len(row) - 1 and not (below + p[cut] - moved - slack > left):
        return Unknown("the smallest kept token may fall below the top-p threshold")
    return Proved("the masses at the top-p cut move by less than their distance to it")
