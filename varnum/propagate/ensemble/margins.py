"""Tokens whose largest logit is certain: by the forward bounds, then by reverse mode.

A forward bound of a difference of two logits loses a factor that the backward pass of this one
difference does not (claim ensemble-reverse). It is spent on the tokens that forward bounds leave
open, those nearest to being decided first. Shapes: L tokens, V logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from varnum.propagate.ensemble.ops import Logits
from varnum.propagate.ensemble.protocol import Accepted, Start
from varnum.propagate.ensemble.reverse import Functional, certify_functionals
from varnum.propagate.forms import Floats
from varnum.tensor import Mask

MOST = 1024  # differences of a sequence and certificate that get a backward pass
_UP = 1 + 2.0**-50


@dataclass(frozen=True)
class Certain:
    """Which tokens are certain by forward bounds, and which by reverse mode alone, (L,) each."""

    forward: Mask
    reverse: Mask
    passes: int = 0

    @property
    def tokens(self) -> Mask:
        """Either, (L,)."""
        return self.forward | self.reverse


def certain(
    start: Start,
    ends: Sequence[Accepted],
    reverse: bool,
    wanted: Mask | bool = True,
    most: int = MOST,
) -> Certain:
    """For all certificates at once (the exact model, all within a kernel error).

    reverse: with backward passes, of what is taped; wanted (L,): the only tokens that get any.
    """
    best = [a.end.centre.argmax(-1) for a in ends]
    same = np.all([b == best[0] for b in best], axis=0)
    clear = [clear_rivals(a.end) for a in ends]
    forward = same & np.all([c.all(-1) for c in clear], axis=0)
    found = np.zeros_like(forward)
    if not reverse:
        return Certain(forward, found)
    for token in np.flatnonzero(same & ~forward & wanted):
        found[token] = True  # until a certificate leaves a rival open
    passes = 0
    for accepted, settled in zip(ends, clear, strict=True):
        pairs = _nearest(accepted.end, settled, found, most)
        found &= settled.all(-1) | np.isin(np.arange(len(found)), [u.token for u in pairs])
        if not pairs or accepted.tape is None:
            found &= settled.all(-1)
            continue
        passes += len(pairs)
        bound = certify_functionals(start, accepted.tape, pairs)
        for u, most_apart in zip(pairs, bound, strict=True):
            found[u.token] &= _apart(accepted.end, u) > most_apart * _UP
    return Certain(forward, found, passes)


def _nearest(end: Logits, clear: Mask, among: Mask, most: int) -> list[Functional]:
    """The open differences of whole tokens, those with the smallest need first, `most` at most."""
    gap, need = _gap(end), _need(end)
    pairs: list[Functional] = []
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(clear, 0.0, need / gap).max(-1)  # infinite where two logits are equal
    for token in sorted(np.flatnonzero(among & np.isfinite(far)), key=lambda t: far[t]):
        rivals = np.flatnonzero(~clear[token])
        if len(pairs) + len(rivals) <= most:
            top = int(end.centre[token].argmax())
            pairs += [Functional(int(token), top, int(rival)) for rival in rivals]
    return pairs


def _apart(end: Logits, u: Functional) -> float:
    """The difference in the float run, rounded down."""
    plus, minus = end.centre[u.token, u.plus], end.centre[u.token, u.minus]
    return float(plus - minus - 2.0**-50 * (abs(plus) + abs(minus)))


def clear_rivals(end: Logits) -> Mask:
    """Which logits are certainly below their token's largest, (L, V); that one counts as clear.

    Where centre - bound is above the other's centre + bound, or the gap above the bound of the
    difference.
    """
    clear = _gap(end) > _need(end)
    np.put_along_axis(clear, end.centre.argmax(-1)[..., None], True, -1)
    return clear


def _gap(end: Logits) -> Floats:
    best = end.centre.argmax(-1)[..., None]
    return np.asarray(np.take_along_axis(end.centre, best, -1) - end.centre)


def _need(end: Logits) -> Floats:
    best = end.centre.argmax(-1)[..., None]
    need = end.bound + np.take_along_axis(end.bound, best, -1)
    if end.apart is not None:
        need = np.minimum(need, end.apart)
    return np.asarray(need * _UP + 2.0**-50 * np.abs(end.centre).max(-1, keepdims=True))
