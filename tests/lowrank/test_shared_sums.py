"""States of recovery and clusters that are copied, shared by threads, or cut short."""

from __future__ import annotations

import copy
from contextlib import contextmanager

import numpy as np
import pytest

from tests.support.heads import correlated
from tests.support.oracle import softmax
from varnum.errors import InputError
from varnum.lowrank.clusters.cluster_method import ClusterSetting
from varnum.lowrank.problem import Problem, Target
from varnum.lowrank.recovery.recovery_settings import fixed

SIGMA = 2.0


def tokens():
    q, k, v = (part.astype(np.float64) for part in correlated(4, 400, 1, 1.0, values=2))
    v[:200, 0] = 3.0  # until more keys come this column is constant
    return q, k, v


def made(kind):
    q, k, v = tokens()
    if kind == "clusters":
        problem = Problem(q, k, v, SIGMA, Target("output", 0.5))
        return ClusterSetting(k[:40], v[:40], (1.0, 1.0), problem, 0.0, 1.0).state()
    return fixed(q, k, v, SIGMA, groups=1 if kind == "one" else 4, block=32, tops=(4,)).state()


@pytest.mark.parametrize("kind", ["one", "groups", "clusters"])
def test_keys_that_another_thread_adds_are_in_the_range(kind):
    """They come after `attend` was called and before its turn."""
    q, k, v = tokens()
    state = made(kind)
    state.add(k[:200], v[:200])
    turns = state._turns

    class Late:
        @contextmanager
        def one(self):
            state._turns = turns
            state.add(k[200:], v[200:])
            with turns.one():
                yield

    state._turns = Late()
    out, error = state.attend(q)
    true = (abs(out - softmax(q, k, v, SIGMA)) / np.ptp(v, axis=0)).max(1)
    assert np.isfinite(error).any()
    assert (true <= error).all()


@pytest.mark.parametrize("kind", ["one", "groups", "clusters"])
def test_a_copy_goes_its_own_way(kind):
    q, k, v = tokens()
    state = made(kind)
    state.add(k[:200], v[:200])
    before = state.attend(q)
    copy.copy(state).add(k[200:], v[200:])
    assert all((a == b).all() for a, b in zip(before, state.attend(q), strict=True))


def test_groups_cut_short_answer_nothing():
    """Some have the keys, others do not."""
    q, k, v = tokens()
    state = made("groups")
    state.add(k[:200], v[:200])
    state.states[2]._sums = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        state.add(k[200:], v[200:])
    for one in range(len(q)):
        with pytest.raises(InputError, match="cut short"):
            state.attend(q[one : one + 1])


def test_refused_keys_change_no_group():
    q, k, v = tokens()
    state = made("groups")
    state.add(k[:200], v[:200])
    before = state.attend(q)
    for wrong in ((k, v[:9]), (k[:, :2], v), (k.astype(np.float32), v), (k, v[:, :1])):
        with pytest.raises(InputError, match=r"^[kv]: "):
            state.add(*wrong)
    with pytest.raises(InputError, match=r"^q: "):
        state.attend(q[:, :2])
    assert all((a == b).all() for a, b in zip(before, state.attend(q), strict=True))
