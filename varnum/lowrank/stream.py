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
from varnum.floats.arrays import beside, empty, join, light, namespace
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
from varnum.lowrank.recovery.groups import GroupedState
from varnum.lowrank.recovery.recovery_state import RecoveryState
from varnum.lowrank.recovery.recovery_stream import RecoveryStream
from varnum.lowrank.rising_rows import rising_to_target
from varnum.lowrank.softmax import exact_rows, exact_to_target
from varnum.tensor import Array, Doubles, Flags, Tensor, Whole
from varnum.verdict import Unknown

Kind: TypeAlias = tuple[str, str, str, int, int]  # of the tokens
Bound = TypeVar("Bound", float, Array)
SMALL = 512  # below this many queries in a scale, exact attention is as fast
STREAMED = ("auto", "recovery", "moments")  # methods that take keys in once
MANY = 64  # small scales, from which on they are done in chunks of rows


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

    method: "recovery" settles once 512 queries have come, of however many steps, where that is
    expected to pay, and any later step may use its sums; "moments" settles at the first step of
    more than 512 queries; "auto" tries recovery, then moments.

    >>> x, attention = np.linspace(-1, 1, 24).reshape(8, 3), VarAttention(sigma=1.0, target=1e-2)
    >>> attention.step(x[:1], x[:1], x[:1]).shape, attention.step(x[1:], x[1:], x[1:]).shape
    ((1, 3), (7, 3))
    >>> attention.step(x, x, x[:4])
    Traceback (most recent call last):
    varnum.errors.InputError: v: 4 tokens, but k has 8
    >>> attention.outcome.rows, attention.outcome.certified <= attention.target
    (8, True)
    """

    def __init__(
        self, sigma: float, target: float, *, keep_tokens: bool = True, method: str = "auto"
    ) -> None:
        self._sigma = positive(sigma, "sigma")
        self._target = positive(target, "target", least=1e-300)
        self._keep_tokens = bool(keep_tokens)
        if method not in STREAMED:
            raise InputError(f"method: {method!r} is not allowed; one of {', '.join(STREAMED)}")
        self._method = method
        self._recovery: RecoveryStream | None = None  # made by the first step
        self._turns = Turns("VarAttention")
        self.outcome = Outcome()
        self.state: MomentState | RecoveryState | GroupedState | None = None
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
        if self._method != "moments" and self._recovery is None and self.choice is None:
            self._recovery = RecoveryStream(self.sigma, self.target)
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
        if self._recovery is not None and self._recovered(self._recovery, q, k, v, out):
            return
        large = count > SMALL and self._method != "recovery"
        started = self.choice is None and large and self._start(q, all_k, all_v)
        if not isinstance(self.state, MomentState) or not isinstance(self.choice, Choice):
            self._exact_scale(q, k, v, out, all_k, all_v)
            return
        if not started:
            self.state.add(k, v)
        if started and self.choice.answer is not None:
            out[...], error = self.choice.answer
        else:
            error = self.state.attend(q, out).error
        assert self.state.values is not None  # there are keys
        self._finish(q, out, error, self.state.values, self.state.far_key, all_k, all_v)
        self.outcome.seconds_certificate = self.state.seconds

    def _recovered(self,
        stream: RecoveryStream, q: Tensor, k: Tensor, v: Tensor, out: Tensor,
    ) -> bool:  # fmt: skip
        """The step by recovery, or exactly where that is sooner; False: it has nothing settled."""
        if isinstance(self.choice, Choice):
            return False
        self._range = ValueRange.of(light(v)) if self._range is None else self._range.including(v)
        self._far_key = max(self._far_key, farthest(k))
        stream.note(q)
        if stream.state is None and not (stream.due(self._seen) and self._settle(stream)):
            return False
        if not self.keep_tokens:
            if stream.added < self._seen:
                stream.add(k, v)
        else:
            every_k, every_v = self._tokens(None, None)
            if not stream.pays(q, every_k, every_v):
                self._exact_scale(q, k, v, out, None, None)
                return True
            if stream.added < self._seen:
                stream.add(every_k[stream.added :], every_v[stream.added :])
        found, error = stream.attend(q)
        out[...] = found
        wrong = self._finish(q, out, error, self._range, self._far_key, None, None)
        if self.keep_tokens:
            stream.judge(wrong, int(q.shape[0]), self._seen)
            self.state = stream.state
        return True

    def _settle(self, stream: RecoveryStream) -> bool:
        began = perf_counter()
        k, v = self._tokens(None, None)
        settled = stream.settle(k, v)
        self.outcome.reason = f"recovery: {stream.reason}"
        if stream.state is not None:
            self.state, self.outcome.rank = stream.state, stream.state.rank
            self.outcome.centres = len(getattr(stream.state, "states", (0,)))
            if not self.keep_tokens:
                stream.add(k, v)
                self._keys, self._values = [], []
        self.outcome.seconds_fit += perf_counter() - began
        return settled

    def _finish(
        self, q: Tensor, out: Tensor, error: Tensor, seen: ValueRange, far_key: float,
        all_k: Tensor | None, all_v: Tensor | None,
    ) -> int:  # fmt: skip
        """Rows that miss the target exactly, if their tokens are there; how many miss it."""
        target, cost = self._inner(seen)
        missed = ~(error <= target)
        wrong, count = int(missed.sum()), int(q.shape[0])
        worst = float(error[~missed].max()) if wrong < count else 0.0
        if wrong:
            sizes = (far_key, seen.ratio)
            worst = max(worst, self._repair(q, out, error, missed, target, sizes, all_k, all_v))
            seen.mend(out)
        self.outcome.absorb(raised(worst, cost, q), wrong if self._can_repair(all_k) else 0, count)
        self._restore(out)
        return wrong

    def _inner(self, seen: ValueRange) -> tuple[float, float]:
        """(target for v - c, what c itself costs)."""
        return inner(self.target, self._offset, seen)

    def _restore(self, out: Tensor) -> None:
        if self._offset is not None:
            out += self._offset.vector

    def _can_repair(self, all_k: Tensor | None) -> bool:
        return all_k is not None or self.keep_tokens

    def _repair(
        self, q: Tensor, out: Tensor, error: Tensor, missed: Flags, target: float,
        sizes: tuple[float, float], all_k: Tensor | None, all_v: Tensor | None,
    ) -> float:  # fmt: skip
        if not self._can_repair(all_k):
            return float("inf") if bool((error != error).any()) else float(error.max())
        self._note_fused(q)
        rows = np.flatnonzero(missed) if isinstance(missed, np.ndarray) else missed.nonzero()[:, 0]
        rows = beside(rows, q)
        k, v = self._tokens(all_k, all_v)
        out[rows], bound = exact_to_target(q[rows], k, v, self.sigma, target, sizes, self._in_parts)
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
        if len(small) > MANY:
            return self._rising_start(q, k, v, np.repeat(ends, small), out)
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
        targets, costs = inner_rows(self.target, self._offset, seen)
        target, cost = float(np.min(targets)), float(np.max(costs))
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

    def _rising_start(self, q: Tensor, k: Tensor, v: Tensor, ends: Whole, out: Tensor) -> int:
        """The same for many scales, such as the tokens of a causal mask: a bound for each row."""
        end = len(ends)
        seen = ValueRange.running(v[:end], ends)
        target, cost = inner_rows(self.target, self._offset, seen)
        out[:end], bound = rising_to_target(
            q[:end], k[:end], v[:end], self.sigma, target, ends, seen, self._in_parts
        )
        self._restore(out[:end])
        self._note_fused(q)
        self._seen, self._far_key = end, farthest(k[:end])
        self._range = ValueRange.of(light(v[:end]))
        worst = finite(float(raised_rows(bound, cost, q).max()))
        self.outcome.absorb(worst, end, end)
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
        before = f"{outcome.reason}; moments: " if outcome.reason else ""
        outcome.reason = before + self.choice.reason
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
        outcome.seconds_fit += perf_counter() - began
        return self.state is not None


def inner(target: float, offset: Offset | None, seen: ValueRange) -> tuple[float, float]:
    """(target for v - c, what c itself costs): their sum is the target where c leaves room."""
    cost = 0.0 if offset is None else offset.cost(seen)
    return max(target - cost, target / 4) if cost else target, cost


def inner_rows(target: float, offset: Offset | None, seen: ValueRange) -> tuple[Doubles, Doubles]:
    """The same for each row of `seen`, (n,) each."""
    costs = np.zeros(len(seen.low)) if offset is None else offset.costs(seen)
    return np.where(costs > 0, np.maximum(target - costs, target / 4), target), costs


def raised(error: Bound, cost: float, like: Tensor) -> Bound:
    """The bound for v from that for v - c: ranges and sums differ by a few roundings."""
    if not cost:
        return error
    if isinstance(error, np.ndarray):
        return up_each(error * (1 + 8 * unit_of(like)) + cost)
    return up(error * (1 + 8 * unit_of(like)) + cost)


def restored(
    out: Tensor, error: Array, offset: Offset | None, seen: ValueRange
) -> tuple[Tensor, Array]:
    """Output and bounds of v from those of v - c; what is not a number bounds nothing."""
    if offset is not None:
        error = raised(error, offset.cost(seen), out)
        out += offset.vector
    return out, np.nan_to_num(error, nan=np.inf, posinf=np.inf)


def raised_rows(error: Array, costs: Doubles, like: Tensor) -> Array:
    """The same where each row has a cost of its own."""
    return np.where(costs > 0, up_each(error * (1 + 8 * unit_of(like)) + costs), error)
