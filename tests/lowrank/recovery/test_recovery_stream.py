"""VarAttention by recovery: every row of every step within its bound, however few its queries."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.lowrank.recovery.test_views import head, worst
from tests.support.backends import BACKENDS, placed
from tests.support.device import as_on_a_device
from varnum.errors import InputError
from varnum.lowrank.recovery import recovery_stream
from varnum.lowrank.recovery.groups import GroupedState
from varnum.lowrank.recovery.recovery_settings import fixed
from varnum.lowrank.recovery.recovery_state import RecoveryState
from varnum.lowrank.stream import VarAttention

STEPS = {
    "pyramid": (1, 4, 16, 64, 256, 1024, 600),
    "of 40": (40,) * 50,
    "one by one": (1500,) + (1,) * 100,
    "uneven": (700, 3, 900, 1, 50),
}


def run(work, steps, parts, backend="numpy"):
    """Outputs of all steps together."""
    parts, start, found = placed(backend, *parts), 0, []
    for count in steps:
        found.append(work.step(*(part[start : start + count] for part in parts)))
        start += count
    return np.concatenate([np.asarray(out) for out in found])


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """The state answers whatever the time."""
    monkeypatch.setattr(recovery_stream, "_ANSWER", -1.0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("keep", [True, False])
def test_every_step_is_within_its_bound(backend, name, keep):
    steps = STEPS[name]
    parts = head(sum(steps), size=0.6)
    work = VarAttention(1.0, 1e-2, keep_tokens=keep, method="recovery")
    out = run(work, steps, parts, backend)
    assert isinstance(work.state, RecoveryState | GroupedState)
    assert worst(out, *parts, steps) <= work.outcome.certified
    if keep:
        assert work.outcome.certified <= 1e-2
    assert work.outcome.exact < 1200 < sum(steps) == work.outcome.rows
    assert (work._keys == []) is not keep


def test_step_by_step_is_the_whole():
    """The answers to the last queries, keys added in one step or in many small ones."""
    q, k, v = head(2000, size=0.6, dtype=np.float64)
    outs = []
    for steps in ((600, 1300, 100), (600, *(13,) * 100, 100), (600, 1, 1299, 100)):
        work = VarAttention(1.0, 1e-2, method="recovery")
        outs.append(run(work, steps, (q, k, v))[-100:])
        assert work.outcome.certified <= 1e-2
    for other in outs[1:]:
        assert (abs(other - outs[0]).max(0) <= 1e-9 * np.ptp(v, axis=0)).all()


def test_memory_does_not_grow_with_the_keys():
    sizes = []
    q, k, v = head(6000, size=0.6)
    work = VarAttention(1.0, 1e-2, keep_tokens=False, method="recovery")
    for start in range(0, 6000, 750):
        work.step(*(part[start : start + 750] for part in (q, k, v)))
        sizes.append(len(pickle.dumps(work)))
    assert max(sizes[2:]) - min(sizes[2:]) < 20_000 < k[:2000].nbytes  # keys that wait for a block


def test_rows_that_miss_run_exactly_and_a_poor_state_is_given_up():
    q, k, v = head(2600, size=0.6)
    q[1600:] *= 6  # the lens was made for smaller ones
    work = VarAttention(1.0, 1e-2, method="recovery")
    steps = (600, 1000, 500, 500)
    out = run(work, steps, (q, k, v))
    assert worst(out, q, k, v, steps) <= work.outcome.certified <= 1e-2
    assert work.state is None
    assert work.outcome.exact > 900


def test_without_the_tokens_the_bound_says_so():
    q, k, v = head(2600, size=0.6)
    q[1600:] *= 6
    work = VarAttention(1.0, 1e-2, keep_tokens=False, method="recovery")
    steps = (600, 1000, 500, 500)
    out = run(work, steps, (q, k, v))
    assert work.outcome.certified > 1e-2
    assert worst(out, q, k, v, steps) <= work.outcome.certified


def test_false_versions_are_noticed(monkeypatch):
    """Keys left out of the state; bounds of rows before the last keys came."""
    steps = (600, 300, 300)
    q, k, v = head(1200, size=0.6)
    v[900:] += 40

    def broken(change):
        work = VarAttention(1.0, 3e-2, method="recovery")
        with monkeypatch.context() as patch:
            change(patch)
            out = run(work, steps, (q, k, v))
        return worst(out, q, k, v, steps) > work.outcome.certified

    plain = recovery_stream.RecoveryStream.add

    def late(patch):
        def add(self, k, v):
            plain(self, *((k, v) if self.added < 900 else (k[:1], v[:1])))

        patch.setattr(recovery_stream.RecoveryStream, "add", add)

    def bold(patch):
        attend = RecoveryState.attend
        patch.setattr(RecoveryState, "attend", lambda self, q: (attend(self, -q)[0], q[:, 0] * 0))

    assert not broken(lambda _: None)
    assert broken(late)
    assert broken(bold)


def test_where_nothing_pays_it_looks_again_at_twice_the_keys(monkeypatch):
    looks, plain = [], recovery_stream.estimate_best

    def noted(q, k, v, problem):
        looks.append(len(k))
        return plain(q, k, v, problem)

    monkeypatch.setattr(recovery_stream, "estimate_best", noted)
    q, k, v = head(3000, size=8.0)
    work = VarAttention(1.0, 1e-3)
    out = run(work, (100,) * 30, (q, k, v))
    assert looks == [600, 1200, 2400]
    assert work.outcome.exact == 3000
    assert work.outcome.reason.startswith("recovery: low rank does not pay")
    assert worst(out, q, k, v, (100,) * 30) <= work.outcome.certified


def test_groups_of_queries_and_a_device(monkeypatch):
    torch = pytest.importorskip("torch", reason="the torch backend is optional")
    q, k, v = head(1200, size=0.8)
    made = fixed(q, k, v, 1.0, groups=3, block=64)
    monkeypatch.setattr(recovery_stream, "estimate_best", lambda *_: made)
    plain = VarAttention(1.0, 1e-2)
    expected = run(plain, (600, 600), (q, k, v))
    assert plain.outcome.centres == 3
    tensors = [torch.tensor(part) for part in (q, k, v)]
    made = fixed(*tensors, 1.0, groups=3, block=64)
    as_on_a_device(monkeypatch, torch)
    work = VarAttention(1.0, 1e-2)
    found = [work.step(*(part[s] for part in tensors)) for s in (slice(600), slice(600, 1200))]
    found = np.concatenate([np.array(out.tolist()) for out in found])
    monkeypatch.undo()
    assert abs(found - expected).max() < 2e-2 * np.ptp(v, axis=0).max()
    assert worst(found, q, k, v, (600, 600)) <= work.outcome.certified


def test_methods_by_name():
    with pytest.raises(InputError, match="method: 'pivots' is not allowed"):
        VarAttention(1.0, 1e-2, method="pivots")
    parts = head(1500, size=0.6)
    kinds = set()
    for method in ("auto", "recovery", "moments"):
        work = VarAttention(1.0, 1e-2, method=method)
        run(work, (700, 800), parts)
        kinds.add((method, type(work.state).__name__))
    assert kinds == {
        ("auto", "RecoveryState"), ("recovery", "RecoveryState"), ("moments", "MomentState"),
    }  # fmt: skip
