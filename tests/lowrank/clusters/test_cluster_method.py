"""Clusters as a method: bounds in every view, for new tokens too, and false versions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.backends import BACKENDS, placed
from tests.support.oracle import softmax
from varnum.floats.values import ValueRange
from varnum.lowrank.choose import choose
from varnum.lowrank.clusters import Clusters, cluster_method, cluster_summary
from varnum.lowrank.clusters.cluster_method import CLUSTERS, ClusterFit, in_ranges
from varnum.lowrank.problem import Problem, Target
from varnum.lowrank.recovery.recovery_state import Open
from varnum.verdict import Unknown

LONG = np.longdouble
VIEWS = {"all": None, "causal": (1,) * 900, "pyramid": (1, 4, 16, 64, 256, 559)}


def clumped(count=900, clumps=12, seed=0, steep=3.0, spread=0.01, d=5, dtype=np.float64):
    """Keys about a few points, far apart: steep logits, and little lost where clumps are merged."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((clumps, d)) * steep
    which = rng.integers(clumps, size=count)
    k = points[which] + spread * rng.standard_normal((count, d))
    v = rng.standard_normal((clumps, 3))[which] + 0.1 * rng.standard_normal((count, 3))
    return tuple(x.astype(dtype) for x in (rng.standard_normal((count, d)), k, v))


def fitted(q, k, v, target=1e-2, view=None):
    found = CLUSTERS.fit(Problem(q, k, v, 1.5, Target("output", target), view))
    assert isinstance(found, ClusterFit), found.reason
    return found


def off(out, q, k, v):
    return (abs(np.asarray(out) - softmax(q, k, v, 1.5)) / np.ptp(v.astype(LONG), axis=0)).max(1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steep_clumps_are_certified_in_every_view(backend, view, dtype):
    given = clumped(dtype=dtype)
    answer = fitted(*placed(backend, *given), view=VIEWS[view]).answer()
    start = 0
    for end in np.cumsum(VIEWS[view] or [900]):
        rows, seen = slice(start, end), given[2][:end]
        if end > 1 and np.ptp(seen, axis=0).min() > 0:
            error = off(answer.output[rows], given[0][rows], given[1][:end], seen)
            assert error.max() <= answer.output_error
        start = end
    assert answer.output_error <= 1e-2
    assert answer.rows_exact < (50 if VIEWS[view] is None else 600)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_new_tokens_and_open_keys(dtype):
    made = fitted(*clumped(dtype=dtype))
    q, k, v = clumped(700, seed=4, spread=0.3, dtype=dtype)
    state = made.setting.state()
    state.add(k[:300], v[:300])
    state.add(k[300:600], v[300:600])
    out, bound = state.attend(q)
    assert (off(out, q, k[:600], v[:600]) <= bound).all()
    ends = np.arange(100)
    seen = ValueRange.running(v[600:], np.maximum(ends, 1), ValueRange.of(v[:600]))
    out, bound = state.attend(q[600:], seen, Open(k[600:], v[600:], ends))
    spread = (seen.high - seen.low).astype(LONG)
    for row, end in enumerate(ends):
        exact = softmax(q[600 + row :][:1], k[: 600 + end], v[: 600 + end], 1.5)[0]
        assert (abs(out[row] - exact) / spread[row]).max() <= bound[row]


def test_where_nothing_is_lost_by_merging_the_cast_remains():
    q, k, v = clumped(spread=0.0, dtype=np.float32)
    state = fitted(q, k, v).setting.state()
    state.add(k, v)
    out, bound = state.attend(q)
    true = off(out, q, k, v)
    assert (true <= bound).all()
    assert bound.max() < 1e-5
    assert true.max() > 1e-9


def false_versions():
    """A term of the bound dropped, or keys put into another cluster than its sums say."""
    plain = cluster_summary._moved

    def half(*given):
        return plain(*given) / 200

    yield cluster_summary, "_moved", half
    yield cluster_method, "in_ranges", lambda error, seen: in_ranges(error, seen) * 5e-3
    attend = Clusters.attend
    yield Clusters, "attend", lambda self, q, *, more, mask: attend(self, q, more=more)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_false_versions_are_noticed(monkeypatch, index):
    made = fitted(*clumped(spread=0.2), target=0.3)
    q, k, v = clumped(400, seed=4, spread=0.2)
    where, name, false = list(false_versions())[index]
    state = made.setting.state()
    state.add(k[:300], v[:300])
    seen = ValueRange.of(v)
    v = v.copy()
    ends = np.full(400, 40)
    k[340:] += 5  # what a row must not see
    monkeypatch.setattr(where, name, false)
    out, bound = state.attend(q, seen, Open(k[300:], v[300:], ends))
    monkeypatch.undo()
    exact = softmax(q, k[:340], v[:340], 1.5)
    true = (abs(out - exact) / (seen.high - seen.low)).max(1)
    assert (true > bound).any()


def test_numbers_that_squares_do_not_hold_certify_nothing():
    q, k, v = clumped()
    made = fitted(q, k, v)
    made.add(k, v * 1e150)
    out, bound = made.attend(q)
    assert (bound == np.inf).all()
    assert out.shape == (900, 3)
    made = fitted(q, k, v)
    made.add(k * 1e90, v)
    assert (made.attend(q)[1] == np.inf).all()
    error, seen = np.full((1, 2), 1e-3), ValueRange(np.zeros(2), np.array([1e-145, 0]))
    assert in_ranges(error, seen)[0] == np.inf
    assert in_ranges(error, ValueRange(np.zeros(2), np.array([1.0, 0.0])))[0] >= 1e-3


def test_keys_without_clumps_are_unknown():
    rng = np.random.default_rng(0)
    q, k, v = rng.standard_normal((3, 2000, 8))
    found = CLUSTERS.fit(Problem(q, k, v, 1.0, Target("output", 1e-3)))
    assert isinstance(found, Unknown)
    assert "median row" in found.reason


def test_auto_takes_clusters_where_these_alone_certify_and_time_is_there():
    q, k, v = clumped(3000, clumps=6, steep=6.0, spread=0.003)
    asked = Problem(q, k, v, 1.5, Target("output", 1e-2))
    slow = type("Slow", (Problem,), {"exact_seconds": property(lambda _: 20.0)})
    found = choose(slow(**vars(asked)))
    assert found.method == "clusters"
    assert found.reason.startswith("recovery: ")
    few = choose(Problem(q[:700], k[:700], v[:700], 1.5, Target("output", 1e-2)))
    assert few.method == "exact"
