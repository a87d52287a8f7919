"""Which coordinates and how many centres: the cheapest setting that does on the first large scale.

Nothing rests on the choice: every row is certified afterwards, and rows that miss go to exact
attention. The estimate is only about time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from varnum.floats.arrays import empty, spread_rows, to_numpy
from varnum.lowrank.moments.basis import energy, fit_basis, leading_directions
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.problem import Problem
from varnum.tensor import Array, Tensor
from varnum.verdict import Unknown

FIRST = (7, 3, 1)  # d1, d2, centres: enough where entries are small and correlated
# then d2 and centres for as many coordinates as a sample needs; if that is few, entries are large
FEW = ((5, 4), (4, 8), (8, 16), (8, 32), (16, 16))
MANY = ((3, 1), (8, 1), (16, 1), *FEW)
_EXACT_RATE = 4.0  # a fused exact kernel does about this many times more operations per second
_TRIAL = 2048  # tokens looked at
_GLANCE = 512  # where another method does already
_SAMPLE = 256  # tokens that shape the basis
_BUDGET = 0.25  # trials may cost this part of what the best setting so far will
_ROOM = 0.7  # later scales have farther tokens: count rows above this part of the target


@dataclass(frozen=True)
class Choice:
    """A state that has taken in the trial keys, and what speaks for it.

    Where the trial was not a sample but everything there is, `answer` has its output and bounds.
    """

    state: MomentState
    reason: str
    answer: tuple[Tensor, Tensor] | None = None
    work: float = 1.0  # expected time as a part of exact attention's, missed rows included


def estimate_best(
    q: Tensor, k: Tensor, v: Tensor, sigma: float, target: float, queries: int, keys: int,
    beat: float = 1.0,
) -> Choice | Unknown:  # fmt: skip
    """The cheapest setting for about `queries` x `keys` tokens, judged on q, k, v (n, .).

    Costs are operation counts; the share of rows that will miss `target` is read off the trial.
    Trials stop at a part of the cost of the best setting found (or of exact attention).
    """
    most = _TRIAL if beat >= 1 else _GLANCE
    whole = max(int(q.shape[0]), int(k.shape[0])) <= most
    q, k, v = spread_rows(q, most), spread_rows(k, most), spread_rows(v, most)
    d, values = int(q.shape[1]), int(v.shape[1])
    wide_q, wide_k = _wide(spread_rows(q, _SAMPLE)), _wide(spread_rows(k, _SAMPLE))
    exact = 2.0 * queries * keys * (d + values)
    best, least, spent, answer = None, beat, 0.0, None
    reason = "no setting certifies enough rows"
    for size, top, centres in _settings(wide_q, wide_k, sigma, target):
        if centres * 8 > len(wide_q) or (centres > 1 and beat < 1):
            continue  # another method does better than several centres
        count = (size, top, centres, d, values)
        work = _EXACT_RATE * _operations(*count, queries, keys) / exact
        if work >= least:
            continue
        if spent > _BUDGET * least:
            reason += ", and looking further would take too long"
            break
        spent += _EXACT_RATE * _operations(*count, len(q), len(k)) / exact
        state = MomentState(fit_basis(wide_q, wide_k, sigma, size, top, centres, q), values)
        state.add(k, v)
        out = empty((len(q), values), v)
        error = state.attend(q, out).error
        missing = float((~(error <= _ROOM * target)).sum()) / len(q)
        if work + missing < least:
            best, least, answer = state, work + missing, (out, error)
            reason = f"about {100 * missing:.2g} % of the rows may need exact attention"
        if missing == 0 or beat < 1:
            break
    if best is None:
        return Unknown(f"low rank does not pay here: {reason}")
    return Choice(best, reason, answer if whole else None, least)


def _settings(q: Array, k: Array, sigma: float, target: float) -> Iterator[tuple[int, int, int]]:
    """(d1, d2, centres), cheap ones first; the number of coordinates from sample tokens (n, d)."""
    d = q.shape[1]
    yield min(FIRST[0], d), min(FIRST[1], d), FIRST[2]
    size = _coordinates(q, k, sigma, target)
    for top, centres in MANY if size > 2 * FIRST[0] else FEW:
        yield min(max(size, top), d), min(top, d), centres


def directions(problem: Problem) -> float:
    """In how many directions sampled keys vary: (sum of variances)^2 over the sum of squares."""
    k = to_numpy(spread_rows(problem.k, _SAMPLE)).astype(np.float64)
    moments = energy(k - k.mean(0))
    return 1 / max(float(np.square(moments).sum()), 1e-300)


@np.errstate(all="ignore")
def _coordinates(q: Array, k: Array, sigma: float, target: float) -> int:
    """How many coordinates leave 95 % of the rows with less than an eighth of the target."""
    dq, dk = q - q.mean(0), k - k.mean(0)
    directions = leading_directions(energy(dq) + energy(dk), q.shape[1])
    rest_q, rest_k = (
        np.sqrt(np.cumsum(np.square(part @ directions)[:, ::-1], axis=1))[:, ::-1]
        for part in (dq, dk)
    )  # column j: what coordinates j, j+1, .. hold
    left = np.quantile(rest_q, 0.95, axis=0) * rest_k.max(0) / (2 * sigma)
    return int((~(left <= target / 8)).sum())


def _operations(
    size: int, top: int, centres: int, d: int, values: int, queries: int, keys: int
) -> float:
    rank = 1 + size + top * (top + 1) // 2
    per_key = 2.0 * d * (size + 3) + centres * 2.0 * (rank**2 + rank * values)
    per_query = 2.0 * d * (size + 3) + 2.0 * (rank**2 + rank * values)
    return per_key * keys + per_query * queries


def _wide(array: Tensor) -> Tensor:
    return np.asarray(to_numpy(array), dtype=np.float64)
