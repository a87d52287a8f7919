"""From logits to tokens: the largest entry, top-k and top-p filtering, seeded draws.

On balls a token is chosen only where the enclosures leave one choice; else UndecidedError.
Temperature is 1 throughout. V is the vocabulary size.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np

from varnum.balls.exact import to_text
from varnum.errors import InputError
from varnum.model.backend import Array, Ints, is_balls, namespace, to_numpy, torch_kernels
from varnum.model.layers import softmax
from varnum.verdict import Unknown


class UndecidedError(ArithmeticError):
    """A discrete step is not certain at this precision; carries an Unknown verdict."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.verdict = Unknown(reason)


def check_filter(top_k: int, top_p: Fraction, vocabulary: int) -> None:
    """Raise InputError unless 0 <= top_k <= V and 0 <= top_p <= 1 (0 switches a filter off)."""
    if not 0 <= top_k <= vocabulary:
        raise InputError(
            f"top_k: {top_k} is not within 0 (off) to the vocabulary size {vocabulary}"
        )
    if not 0 <= top_p <= 1:
        raise InputError(f"top_p: {to_text(top_p)[:60]} is not within 0 (off) to 1")


def choose_largest(x: Array, what: str) -> Ints:
    """Index of the largest entry of the last axis, first of equals: (..., V) -> (...).

    On balls: the entry certainly above all others; raises UndecidedError naming `what`.
    """
    if not is_balls(x):
        return np.asarray(to_numpy(namespace(x).argmax(x, axis=-1)), dtype=np.int64)
    from varnum.balls.questions import argmax_certain

    found = argmax_certain(x)
    if isinstance(found, Unknown):
        raise UndecidedError(f"{what}: {found.reason}")
    return found


def filter_logits(logits: Array, top_k: int, top_p: Fraction) -> Array:
    """-inf where a logit is filtered out: (..., V) -> (..., V), on NumPy and torch.

    top_k drops what lies strictly below the k-th largest (ties at the threshold stay). top_p then
    drops, in ascending order, while the cumulative probability is at most 1 - top_p.
    """
    xp = namespace(logits)
    if top_k > 0:
        threshold = xp.sort(logits, axis=-1)[..., -top_k, None]
        logits = xp.where(logits < threshold, -xp.inf, logits)
    if top_p > 0:
        order = xp.argsort(logits, axis=-1, stable=True)
        probabilities = softmax(xp.take_along_axis(logits, order, axis=-1))
        drop = xp.cumulative_sum(probabilities, axis=-1) <= float(1 - top_p)
        drop[..., -1] = False
        ranks = xp.argsort(order, axis=-1)
        logits = xp.where(xp.take_along_axis(drop, ranks, axis=-1), -xp.inf, logits)
    return logits


def sample(logits: Array, top_k: int, top_p: Fraction, rng: np.random.Generator, what: str) -> Ints:
    """One token per position after filtering: (..., V) -> (...); one uniform number each.

    The uniform number u picks the first token whose cumulative weight exceeds u times the total,
    so a seed gives the same tokens on every backend up to rounding. Raises UndecidedError on balls
    and InputError where the logits overflowed.
    """
    u = rng.random(logits.shape[:-1])
    if is_balls(logits):
        return _sample_balls(logits, top_k, top_p, u, what)
    xp = namespace(logits)
    if torch_kernels(logits) is not None:
        u = xp.asarray(u, device=logits.device)
    if not bool(xp.all(xp.isfinite(logits))):
        raise InputError(f"{what}: logits are not finite; use a wider dtype, or check the weights")
    logits = filter_logits(xp.astype(logits, xp.float64), top_k, top_p)
    cumulative = xp.cumulative_sum(softmax(logits), axis=-1)
    total = cumulative[..., -1:]
    # the second count is the last kept token: rounding must not step past it
    below = xp.sum(xp.astype(cumulative <= u[..., None] * total, xp.int64), axis=-1)
    last = xp.sum(xp.astype(cumulative < total, xp.int64), axis=-1)
    return np.asarray(to_numpy(xp.minimum(below, last)), dtype=np.int64)


def _sample_balls(logits: Array, top_k: int, top_p: Fraction, u: Any, what: str) -> Ints:
    tokens = np.zeros(logits.shape[:-1], dtype=np.int64)
    for where in np.ndindex(*tokens.shape):
        row = logits[where]  # (V)
        kept = _certain_top_k(row, top_k, what) if top_k else np.arange(row.shape[0])
        if top_p:
            kept = kept[_certain_top_p(row[kept], top_p, what)]
        weights = _certain_sums(softmax(row[kept]), Fraction(float(u[where])))
        low, high = weights.bounds()
        index = int(np.argmax(low > 0))
        if not low[index] > 0 or (index > 0 and high[index - 1] > 0):
            raise UndecidedError(f"{what}: the draw at {where} is not certain")
        tokens[where] = kept[index]
    return tokens


def _certain_sums(probabilities: Array, less: Fraction) -> Array:
    """Cumulative sums of probabilities (n) minus a constant."""
    sums = list(accumulate(probabilities.entries()))
    return namespace(probabilities).asarray(sums) - less


def _certain_top_k(row: Array, top_k: int, what: str) -> Ints:
    """Indices of the tokens with fewer than k larger ones; every token's fate must be certain."""
    near = np.sort(row.estimate())[-top_k]  # float64 bounds are sharpest around zero
    low, high = (row - near).bounds() if np.isfinite(near) else row.bounds()
    possibly_larger = np.searchsorted(np.sort(-high), -low, side="left")  # high_j > low_i
    possibly_larger -= high > low  # not itself
    certainly_larger = np.searchsorted(np.sort(-low), -high, side="left")  # low_j > high_i
    kept, dropped = possibly_larger < top_k, certainly_larger >= top_k
    if not np.all(kept | dropped):
        raise UndecidedError(f"{what}: the top-{top_k} set is not certain")
    return np.asarray(np.flatnonzero(kept), dtype=np.int64)


def _certain_top_p(row: Array, top_p: Fraction, what: str) -> Ints:
    """Positions in `row` that top-p keeps; the cut and its sides must be certain."""
    low, high = row.bounds()
    order = np.argsort(row.estimate(), kind="stable")
    probabilities = softmax(row[order])
    excess_low, excess_high = _certain_sums(probabilities, 1 - top_p).bounds()
    cut = int(np.argmin(excess_high <= 0))  # the prefix that is certainly dropped
    if cut:
        # whichever kept token is the smallest, its own sum must pass the threshold
        one_more = _certain_sums(probabilities[:cut], 1 - top_p)[cut - 1] + probabilities[cut:]
        excess_low = one_more.bounds()[0]
        apart = high[order[:cut]].max() < low[order[cut:]].min()
    else:
        excess_low, apart = (probabilities - (1 - top_p)).bounds()[0], True
    if not (apart and np.all(excess_low > 0)):
        raise UndecidedError(f"{what}: the top-p set is not certain")
    return np.sort(order[cut:])
