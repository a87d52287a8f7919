"""Recovery for steps that come one by one: when it settles, and which steps its sums answer.

Only time rests on what is decided here: a row's bound comes from the state, and rows that miss are
done exactly by whoever holds the tokens.
"""

from __future__ import annotations

from varnum.floats.arrays import join
from varnum.floats.inputs import owned
from varnum.lowrank.problem import Problem, Target
from varnum.lowrank.recovery.groups import GroupedState
from varnum.lowrank.recovery.recovery_settings import FITTED, Setting, estimate_best
from varnum.lowrank.recovery.recovery_state import RecoveryState
from varnum.tensor import Array, Tensor
from varnum.verdict import Unknown

ENOUGH = 512  # queries, and keys, from which on it is worth a look
_MORE = 8  # times the queries and keys so far are expected
_ANSWER = 1e-3  # seconds that an answer takes, however few the queries
_POOR = 0.5  # of the rows of a step may miss before the state is given up
_LEAST = 32  # rows of a step that say something


class RecoveryStream:
    """Sums over the keys of all steps, once they are expected to pay; memory does not grow."""

    def __init__(self, sigma: float, target: float) -> None:
        self.sigma, self.target = sigma, target
        self.state: RecoveryState | GroupedState | None = None
        self.reason, self.tried = "", False
        self.added = 0  # keys in the state
        self._queries: list[Tensor] = []  # the last ones, at most about FITTED
        self._new, self._next = 0, ENOUGH  # queries since the last look; keys for the next one

    def note(self, q: Tensor) -> None:
        """Queries (n, d) of a step: the last ones shape the lens."""
        if self.state is not None:
            return
        count = int(q.shape[0])
        self._new += count
        self._queries.append(owned(q[max(0, count - FITTED) :]))
        while len(self._queries) > 1 and sum(len(x) for x in self._queries[1:]) >= FITTED:
            self._queries.pop(0)

    def due(self, seen: int) -> bool:
        """Is it time for a look? Not before there are twice the keys of the last one."""
        return self.state is None and self._new >= ENOUGH and seen >= self._next

    def settle(self, k: Tensor, v: Tensor) -> bool:
        """Look at all keys so far, k (n, d), v (n, d_v); False, and why, where it would not pay."""
        self.tried, self._new, self._next = True, 0, 2 * int(k.shape[0])
        last = self._queries[-1]
        q = last if len(last) >= ENOUGH else join(self._queries)
        expected = (_MORE * len(q), _MORE * int(k.shape[0]))
        target = Target("output", self.target)
        problem = Problem(q, k, v, self.sigma, target, seconds=1.0, expected=expected)
        found = estimate_best(q, k, v, problem)
        self.reason = found.reason
        if isinstance(found, Unknown):
            return False
        self.use(found)
        return True

    def use(self, setting: Setting) -> None:
        """Start with this setting."""
        self.state, self.added = setting.state(), 0
        self._queries = []

    def add(self, k: Tensor, v: Tensor) -> None:
        """Keys (n, d), values (n, d_v) that come next."""
        assert self.state is not None
        self.state.add(k, v)
        self.added += int(k.shape[0])

    def attend(self, q: Tensor) -> tuple[Tensor, Array]:
        """Output (n, d_v) over all keys added, and the bound of each row (n,)."""
        assert self.state is not None
        return self.state.attend(q)

    def pays(self, q: Tensor, k: Tensor, v: Tensor) -> bool:
        """Do the sums answer q sooner than exact attention over k, v?"""
        exact = Problem(q, k, v, self.sigma, Target("output", self.target)).exact_seconds
        return exact > _ANSWER

    def judge(self, missed: int, rows: int, seen: int) -> None:
        """After a step: a state that most rows miss is given up, for a look at other tokens."""
        if missed > _POOR * rows and rows >= _LEAST:
            self.state, self._new, self._next = None, 0, 2 * seen
