"""Attention over scales with a guaranteed output error: low rank where certified, exact elsewhere.

Scale s has N_s tokens and sees the keys of scales 1..s. Small scales run exactly; the first large
one settles the basis; from then on each key enters the state once and each query is answered from
it. A row whose bound misses the target is recomputed exactly, so the target holds for every row.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from itertools import takewhile
from time import perf_counter
from typing import TypeAlias, TypeVar

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import empty, join, light, namespace
from varnum.floats.guard import certifying, eagerly
from varnum.floats.inputs import check_out, finite, owned, plain, positive, write
from varnum.floats.norms import farthest
from varnum.floats.qkv import check_inputs
from varnum.floats.rounding import dtype_name, unit_of, up, up_each
from varnum.floats.softmax_error import exact_error
from varnum.floats.turns import Turns
from varnum.floats.values import Offset, ValueRange
from varnum.lowrank.moments.moment_settings import Choice, estimate_best
from varnum.lowrank.moments.moment_state import MomentState
from varnum.lowrank.softmax import exact_rows, exact_to_target
from varnum.tensor import Array, Flags, Tensor
from varnum.verdict import Unknown

Kind: TypeAlias = tuple[str, str, str, int, int]  # of the tokens
Bound = TypeVar("Bound", float, Array)
SMALL = 512  # below this many queries in a scale, exact attention is as fast


@dataclass
class Outcome:
    """What happened: worst certified error over rows, rows done exactly, the rank, and why."""

    certified: float = 0.0
    exact: int = 0
    rows: int = 0
    rank: int = 0
    centres: int = 0
    fused: bool = False  # were rows done by a fused kernel of torch? these are tested only
    reason: str = ""
    seconds_fit: float = 0.0
    seconds_certificate: float = 0.0  # spent on bounds while attending

    @property
    def tested(self) -> str:
        """What ran that is only tested, in words."""
        if not self.fused:
            return ""
        return f"{self.exact} of {self.rows} rows by torch's fused kernel, whose sums are its own"

    def absorb(self, error: float, exact: int, rows: int) -> None:
        """Count one scale; an error that is not a number certifies nothing."""
        self.certified = max(self.certified, error) if error == error else float("inf")
        self.exact += exact
        self.rows += rows


class VarAttention:
    """Block-causal attention for one head, scale by scale: `step` per scale, in order.

    After the first large scale the low-rank work needs the state only; the keys and values are kept
    for the rows that need exact attention (`keep_tokens=False` drops them: such rows then raise the
    certified error instead). What is kept are copies. A step that is refused changes nothing; after
    one that was cut short every further step is refused.

    >>> x, attention = np.linspace(-1, 1, 24).reshape(8, 3), VarAttention(sigma=1.0, target=1e-2)
    >>> attention.step(x[:1], x[:1], x[:1]).shape, attention.step(x[1:], x[1:], x[1:]).shape
    ((1, 3), (7, 3))
    >>> attention.step(x, x, x[:4])
    Traceback (most recent call last):
    varnum.errors.InputError: v: 4 tokens, but k has 8
    >>> attention.outcome.rows, attention.outcome.certified <= attention.target
    (8, True)
    """

    def __init__(self, sigma: float, target: float, *, keep_tokens: bool = True) -> None:
        self._sigma = positive(sigma, "sigma")
        self._target = positive(target, "target", least=1e-300)
        self._keep_tokens = bool(keep_tokens)
        self._turns = Turns("VarAttention")
        self.outcome = Outcome()
        self.state: MomentState | None = None
        self.choice: Choice | Unknown | None = None  # settled by the first large scale
        self._offered: Choice | None = None  # found before, for that very scale
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        self._seen = 0
        self._range: ValueRange | None = None  # of the values that exact attention has seen
        self._far_key = 0.0  # their largest |k|
        self._like: Kind | None = None  # backend, dtype, device, d, d_v
        self._offset: Offset | None = None  # of all values, settled by the first
        self._in_parts = True  # may exact rows take the keys in parts?

    @property
    def sigma(self) -> float:
        """The divisor of the logits; of one value for all steps, as are the next two."""
        return self._sigma

    @property
    def target(self) -> float:
        """The output error that rows must reach."""
        return self._target

    @property
    def keep_tokens(self) -> bool:
        """Are keys and values kept for rows that need exact attention?"""
        return self._keep_tokens

    def __copy__(self) -> VarAttention:
        """A copy goes its own way: it shares no state."""
        return deepcopy(self)

    @eagerly
    def step(self, q: Tensor, k: Tensor, v: Tensor, out: Tensor | None = None) -> Tensor:
        """Tokens (N, d), (N, d), (N, d_v) of the next scale -> its output (N, d_v).

        `out` takes the output; it shares no memory with q, k, v. Raises InputError for what
        `varnum.attention` refuses, for tokens unlike earlier ones, and for an unfit `out`.
        """
        with self._turns.one():
            q, k, v = (plain(part, name) for part, name in ((q, "q"), (k, "k"), (v, "v")))
            with certifying(q):
                like = self._check(q, k, v)
                place = None
                if out is not None:
                    place = check_out(out, (int(q.shape[0]), int(v.shape[1])), v, q, k, v)
                self._turns.change()
                found = self._next(q, k, v, like)
                if place is None:
                    return found
                write(place, found)
                return out

    def _check(self, q: Tensor, k: Tensor, v: Tensor) -> Kind:
        check_inputs(q, k, v, self.sigma, None)
        kind = (namespace(q).__name__, str(q.dtype), str(getattr(q, "device", "cpu")))
        like = (*kind, int(q.shape[-1]), int(v.shape[-1]))
        if len(q.shape) != 2 or dtype_name(q) not in ("float32", "float64"):
            raise InputError(
                f"q: {dtype_name(q)} of shape {tuple(q.shape)}; allowed: float32 or float64, (N, d)"
            )
        if self._like not in (None, like):
            raise InputError(f"q, k, v: {like} differ from earlier scales, {self._like}")
        return like

    def _next(self, q: Tensor, k: Tensor, v: Tensor, like: Kind) -> Tensor:
        """Take in one scale of checked tokens."""
        if self._like is None:
            self._like, self._offset = like, Offset.of(v)
        v = v if self._offset is None else v - self._offset.vector
        out = empty((int(q.shape[0]), int(v.shape[1])), v)
        self._step(q, k, v, None, None, out)
        return out

    def _step(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        all_k: Tensor | None,
        all_v: Tensor | None,
        out: Tensor,
    ) -> None:
        """Attention of v, values from which the offset has been taken, into `out`: v and all."""
        count = int(q.shape[0])
        if all_k is None and (self.keep_tokens or self.state is None):
            self._keys.append(owned(k))
            self._values.append(owned(v))
        self._seen += int(k.shape[0])
        started = self.choice is None and count > SMALL and self._start(q, all_k, all_v)
        if self.state is None or not isinstance(self.choice, Choice):
            self._exact_scale(q, k, v, out, all_k, all_v)
            return
        if not started:
            self.state.add(k, v)
        if started and self.choice.answer is not None:
            out[...], error = self.choice.answer
        else:
            error = self.state.attend(q, out).error
        assert self.state.values is not None  # there are keys
        target, cost = self._inner(self.state.values)
        missed = ~(error <= target)
        wrong = int(missed.sum())
        worst = float(error[~missed].max()) if wrong < count else 0.0
        if wrong:
            worst = max(worst, self._repair(q, out, error, missed, target, all_k, all_v))
        self.outcome.seconds_certificate = self.state.seconds
        self.outcome.absorb(raised(worst, cost, q), wrong if self._can_repair(all_k) else 0, count)
        self._restore(out)

    def _inner(self, seen: ValueRange) -> tuple[float, float]:
        """(target for v - c, what c itself costs): their sum is the target where c leaves room."""
        if self._offset is None:
            return self.target, 0.0
        cost = self._offset.cost(seen)
        return max(self.target - cost, self.target / 4), cost

    def _restore(self, out: Tensor) -> None:
        if self._offset is not None:
            out += self._offset.vector

    def _can_repair(self, all_k: Tensor | None) -> bool:
        return all_k is not None or self.keep_tokens

    def _repair(
        self,
        q: Tensor,
        out: Tensor,
        error: Tensor,
        missed: Flags,
        target: float,
        all_k: Tensor | None,
        all_v: Tensor | None,
    ) -> float:
        if not self._can_repair(all_k):
            return float("inf") if bool((error != error).any()) else float(error.max())
        self._note_fused(q)
        rows = np.flatnonzero(missed) if isinstance(missed, np.ndarray) else missed.nonzero()[:, 0]
        k, v = self._tokens(all_k, all_v)
        assert self.state is not None
        assert self.state.values is not None
        sizes = (self.state.far_key, self.state.values.ratio)
        out[rows], bound = exact_to_target(q[rows], k, v, self.sigma, target, sizes, self._in_parts)
        self.state.values.mend(out)
        return finite(bound)

    def _note_fused(self, q: Tensor) -> None:
        self.outcome.fused = self.outcome.fused or not isinstance(q, np.ndarray)

    def _exact_scale(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        out: Tensor,
        all_k: Tensor | None,
        all_v: Tensor | None,
    ) -> None:
        self._range = ValueRange.of(light(v)) if self._range is None else self._range.including(v)
        self._far_key = max(self._far_key, farthest(k))
        k, v = self._tokens(all_k, all_v)
        sizes = (self._far_key, self._range.ratio)
        target, cost = self._inner(self._range)
        out[...], bound = exact_to_target(q, k, v, self.sigma, target, sizes, self._in_parts)
        self._range.mend(out)
        self._restore(out)
        self._note_fused(q)
        self.outcome.absorb(raised(bound, cost, q), int(q.shape[0]), int(q.shape[0]))

    def exact_start(
        self, q: Tensor, k: Tensor, v: Tensor, scales: tuple[int, ...], out: Tensor
    ) -> int:
        """Do the small scales that come first, with one bound for all; the number of tokens done.

        None are done where that bound is not enough, or not cheap to find: then `step` must.
        """
        small = list(takewhile(lambda count: count <= SMALL, scales))
        ends = np.cumsum(small, dtype=np.int64)
        host = light(v)
        if len(small) < 2 or not isinstance(host, np.ndarray):
            return 0
        end, first = int(ends[-1]), ends - np.array(small)
        seen = ValueRange(  # one row per scale: all values up to its end
            np.minimum.accumulate(np.minimum.reduceat(host[:end], first)),
            np.maximum.accumulate(np.maximum.reduceat(host[:end], first)),
        )
        far_q, far_k = farthest(q[:end]) / self.sigma, farthest(k[:end])
        bound = exact_error(far_q, far_k, end, seen.ratio, int(q.shape[1]), q)
        target, cost = self._inner(seen)
        if not (bound <= target or dtype_name(q) == "float64"):
            return 0
        for low, high, a, b in zip(seen.low, seen.high, first.tolist(), ends.tolist(), strict=True):
            out[a:b] = exact_rows(q[a:b], k[:b], v[:b], self.sigma)
            ValueRange(low, high).mend(out[a:b])
            self._restore(out[a:b])
        self._note_fused(q)
        self._seen, self._far_key = end, far_k
        self._range = ValueRange(seen.low[-1], seen.high[-1])
        self.outcome.absorb(raised(bound, cost, q), end, end)
        return end

    def _tokens(self, all_k: Tensor | None, all_v: Tensor | None) -> tuple[Tensor, Tensor]:
        if all_k is not None and all_v is not None:  # both, or none
            return all_k[: self._seen], all_v[: self._seen]
        if len(self._keys) > 1:
            self._keys, self._values = [join(self._keys)], [join(self._values)]
        return self._keys[0], self._values[0]

    def _start(self, q: Tensor, all_k: Tensor | None, all_v: Tensor | None) -> bool:
        """Settle on a basis, or on none; True if the state already holds every key so far."""
        began = perf_counter()
        k, v = self._tokens(all_k, all_v)
        count = int(q.shape[0])
        self.choice = self._offered or estimate_best(
            q, k, v, self.sigma, self.target, 8 * count, 8 * self._seen
        )
        outcome = self.outcome
        outcome.reason = self.choice.reason
        if isinstance(self.choice, Choice):
            state = self.choice.state
            outcome.rank, outcome.centres = state.basis.rank, len(state.grams)
            if self.choice.answer is None:
                state = MomentState(state.basis, int(v.shape[1]))
                state.add(k, v)
            state.seconds = 0.0  # so far counted as fitting
            self.state = state
            if not self.keep_tokens:
                self._keys, self._values = [], []
        outcome.seconds_fit = perf_counter() - began
        return self.state is not None


def raised(error: Bound, cost: float, like: Tensor) -> Bound:
    """The bound for v from that for v - c: ranges and sums differ by a few roundings."""
    if not cost:
        return error
    if isinstance(error, np.ndarray):
        return up_each(error * (1 + 8 * unit_of(like)) + cost)
    return up(error * (1 + 8 * unit_of(like)) + cost)
