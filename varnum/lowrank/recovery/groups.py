"""Groups of queries, each with a lens and sums of its own: what makes steep heads flat.

A query may be answered by any group, all bounds hold; near its centre its coordinates are small.
The keys enter every group's sums, weighted by that centre and balanced by what its queries need.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from varnum.errors import InputError
from varnum.floats.arrays import beside, caster, empty, light, to_numpy
from varnum.floats.guard import certifying
from varnum.floats.turns import Turns
from varnum.floats.values import ValueRange
from varnum.lowrank.recovery.lens import Lens
from varnum.lowrank.recovery.recovery_state import Open, RecoveryState
from varnum.tensor import Array, Tensor, Whole

_ROUNDS = 8


class GroupedState:
    """As `RecoveryState`, for J of them; `centres` (J, m) in the coordinates of `first`."""

    def __init__(self, first: Lens, centres: Array, states: list[RecoveryState]) -> None:
        self.first, self.centres, self.states = first, centres, states
        self.rank = states[0].rank
        self._turns = Turns("GroupedState")

    def __copy__(self) -> GroupedState:
        """A copy goes its own way."""
        return deepcopy(self)

    @property
    def keys(self) -> int:
        """Seen so far."""
        return self.states[0].keys

    @property
    def values(self) -> ValueRange | None:
        """Range of the values seen so far."""
        return self.states[0].values

    def add(self, k: Tensor, v: Tensor, spread: ValueRange | None = None) -> None:
        """Into every group's sums, or into none: after a call cut short all are refused."""
        self.states[0].check(k, v)
        with self._turns.one(), certifying(k):
            self._turns.change()
            for state in self.states:
                state.add(k, v, spread)

    def attend(
        self, q: Tensor, seen: ValueRange | None = None, own: Open | None = None
    ) -> tuple[Tensor, Array]:
        """Each query by the group whose centre is nearest."""
        if self.values is None:
            raise InputError("attend: keys come first; call add")
        self.states[0].check(q)
        with self._turns.one(), certifying(q):
            owners = nearest(self.first, self.centres, q)
            out = empty((int(q.shape[0]), int(self.states[0].v0.shape[0])), q)
            error = np.empty(len(out))
            for index, state in enumerate(self.states):
                rows = np.flatnonzero(owners == index)
                if not len(rows):
                    continue
                at = beside(rows, q)
                mine = None if own is None else own.rows(rows)
                ranges = seen if seen is None or len(seen.low.shape) == 1 else seen.rows(rows)
                out[at], error[rows] = state.attend(q[at], ranges, mine)
        return out, error


def nearest(lens: Lens, centres: Array, q: Tensor) -> Whole:
    """Which centre (J, m) is nearest to each query's coordinates, (n,); ties and nan: any."""
    cast = caster(q)
    turned = cast(centres.T)
    closeness = ((q - lens.q0) @ lens.query_map) @ turned - cast(0.5 * np.square(centres).sum(1))
    owners = closeness.argmax(1)
    return np.asarray(to_numpy(light(owners)))


def centres_of(x: Array, count: int) -> Array:
    """Centres (count, m) of points x (n, m) by a few rounds of k-means from spread-out points."""
    picks = np.linspace(0, len(x) - 1, count).astype(int)
    order = np.argsort(x[:, 0], kind="stable")
    found = np.array(x[order[picks]], dtype=np.float64)
    for _ in range(_ROUNDS):
        owner = np.argmax(x @ found.T - 0.5 * np.square(found).sum(1), axis=1)
        for index in range(count):
            mine = owner == index
            if mine.any():
                found[index] = x[mine].mean(0)
    return found
