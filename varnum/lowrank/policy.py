"""Which coordinates and how many centres: the cheapest setting that does on the first large scale.

Nothing rests on the choice: every row is certified afterwards, and rows that miss go to exact
attention. The estimate is only about time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from varnum.lowrank.backend import empty, to_numpy
from varnum.lowrank.basis import fit_basis
from varnum.lowrank.state import MomentState

SETTINGS = (  # d1, d2, centres: few coordinates first, then more of them, then more centres
    (6, 3, 1), (8, 5, 4), (8, 5, 8), (12, 12, 1), (16, 16, 1), (10, 5, 16), (16, 16, 4),
    (12, 5, 32), (16, 16, 16),
)  # fmt: skip
_EXACT_RATE = 4.0  # a fused exact kernel does about this many times more operations per second
_TRIAL = 2048  # tokens looked at
_SAMPLE = 256  # tokens that shape the basis
_ROOM = 0.8  # later scales have farther tokens: count rows above this part of the target


@dataclass(frozen=True)
class Choice:
    """A state that has taken in the trial keys, or None, and why.

    Where the trial was not a sample but everything there is, `answer` has its output and bounds.
    """

    state: MomentState | None
    reason: str
    answer: tuple[Any, Any] | None = None


def estimate_best(
    q: Any, k: Any, v: Any, sigma: float, target: float, queries: int, keys: int
) -> Choice:
    """The cheapest setting for about `queries` x `keys` tokens, judged on q, k, v (n, .).

    Costs are operation counts; the share of rows that will miss `target` is read off the trial.
    """
    whole = max(int(q.shape[0]), int(k.shape[0])) <= _TRIAL
    q, k, v = sample(q, _TRIAL), sample(k, _TRIAL), sample(v, _TRIAL)
    d, values = int(q.shape[1]), int(v.shape[1])
    wide_q, wide_k = _wide(sample(q, _SAMPLE)), _wide(sample(k, _SAMPLE))
    best, least, reason, answer = None, 1.0, "no setting certifies enough rows", None
    # where d is small, settings with more coordinates than d repeat others: once each
    settings = dict.fromkeys((min(size, d), min(top, d), count) for size, top, count in SETTINGS)
    for size, top, centres in settings:
        if centres * 8 > len(wide_q):
            continue
        exact = 2.0 * queries * keys * (d + values)
        work = _EXACT_RATE * _operations(size, top, centres, d, values, queries, keys)
        if work / exact >= least:
            continue
        state = MomentState(fit_basis(wide_q, wide_k, sigma, size, top, centres, q), values)
        state.add(k, v)
        out = empty((len(q), values), v)
        error = state.attend(q, out).error
        missing = float((~(error <= _ROOM * target)).sum()) / len(q)
        cost = work / exact + missing
        if cost < least:
            best, least, answer = state, cost, (out, error)
            reason = f"about {100 * missing:.2g} % of the rows may need exact attention"
        elif cost > 1.5 * least:
            break
        if missing == 0:
            break
    if best is None:
        return Choice(None, f"low rank does not pay here: {reason}")
    return Choice(best, reason, answer if whole else None)


def _operations(
    size: int, top: int, centres: int, d: int, values: int, queries: int, keys: int
) -> float:
    rank = 1 + size + top * (top + 1) // 2
    per_key = 2.0 * d * (size + 3) + centres * 2.0 * (rank**2 + rank * values)
    per_query = 2.0 * d * (size + 3) + 2.0 * (rank**2 + rank * values)
    return per_key * keys + per_query * queries


def sample(array: Any, most: int) -> Any:
    """At most `most` rows, evenly spread."""
    step = -(-int(array.shape[0]) // most)
    return array[::step] if step > 1 else array


def _wide(array: Any) -> Any:
    return np.asarray(to_numpy(array), dtype=np.float64)
