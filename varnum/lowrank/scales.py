"""All scales of one head at once, as in teacher forcing; the setting that they will take."""

from __future__ import annotations

from varnum.floats.arrays import empty
from varnum.floats.guard import certified
from varnum.floats.values import Offset
from varnum.lowrank.moments.moment_settings import Choice, estimate_best
from varnum.lowrank.stream import SMALL, Outcome, VarAttention
from varnum.tensor import Tensor
from varnum.verdict import Unknown


@certified
def attend_scales(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scales: tuple[int, ...] | None,
    sigma: float,
    target: float,
    *,
    low_rank: bool = True,
    choice: Choice | None = None,
    centred: bool = True,
) -> tuple[Tensor, Outcome]:
    """All scales of one head at once (teacher forcing), q, k (L, d), v (L, d_v), L = sum(scales).

    Without `scales` every query sees every key, and their numbers may differ. centred: may an
    offset be taken from v? Then small weights do not show in the output. `choice` is what
    `choose_setting` found for these tokens; otherwise it is found on the way.
    """
    work = VarAttention(sigma, target, method="moments")
    if not low_rank:
        work.choice = Unknown("asked for")
    work._offered = choice
    work._offset = _offset(v, scales) if centred else None
    work._in_parts = centred  # a kernel target is about single weights
    v = v if work._offset is None else v - work._offset.vector
    out = empty((int(q.shape[0]), int(v.shape[1])), v)
    if scales is None:
        work._step(q, k, v, k, v, out)
        return out, work.outcome
    start = 0
    done = work.exact_start(q, k, v, scales, out)
    for count in scales:
        end = start + count
        if end > done:
            work._step(q[start:end], k[start:end], v[start:end], k, v, out[start:end])
        start = end
    return out, work.outcome


@certified
def choose_setting(
    q: Tensor, k: Tensor, v: Tensor, scales: tuple[int, ...] | None, sigma: float, target: float,
    beat: float = 1.0,
) -> Choice | Unknown:  # fmt: skip
    """What `attend_scales` settles on at the first large scale, or why there is none.

    beat: the part of exact attention's time that it has to take less than.
    """
    offset = _offset(v, scales)
    start = 0
    for count in scales or (int(q.shape[0]),):
        end = start + count
        if count > SMALL:
            seen = end if scales else int(k.shape[0])
            values = v[:seen] if offset is None else v[:seen] - offset.vector
            rest = (sigma, target, 8 * count, 8 * seen, beat)
            return estimate_best(q[start:end], k[:seen], values, *rest)
        start = end
    return Unknown("too few tokens for low rank to pay")


def _offset(v: Tensor, scales: tuple[int, ...] | None) -> Offset | None:
    return Offset.of(v if scales is None else v[: scales[0]])
