"""Scales with settings of their own: every row within its bound, against long double."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.lowrank.recovery.test_views import head, worst
from varnum.lowrank.problem import Problem, Target
from varnum.lowrank.recovery import by_scale, view_attention
from varnum.lowrank.recovery.by_scale import Ways, estimate_ways
from varnum.lowrank.recovery.recovery_settings import Setting, fixed
from varnum.lowrank.recovery.recovery_state import RecoveryState
from varnum.verdict import Unknown

VIEW = (16, 600, 700, 900)
TARGET = 3e-2


def apart(seed=0, dtype=np.float32):
    """The queries of each scale lie about a centre of their own."""
    q, k, v = head(sum(VIEW), seed, 0.5, dtype=dtype)
    start = 0
    for index, count in enumerate(VIEW):
        q[start : start + count, :2] += 3 * np.array([np.cos(2 * index), np.sin(2 * index)])
        start += count
    v[616:1316] += 1  # the values, too
    return q, k, v


def problem(q, k, v, error=TARGET, seconds=None):
    return Problem(q, k, v, 1.0, Target("output", error), VIEW, seconds)


def own(q, k, v, start, count):
    return fixed(
        q[start : start + count], k[: start + count], v[: start + count], 1.0, block=256, tops=(4,)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", ["shared", "exact", "own"])
def test_each_way_keeps_every_bound(way, dtype):
    q, k, v = apart(dtype=dtype)
    main = own(q, k, v, 1316, 900)
    given = own(q, k, v, 616, 700) if way == "own" else way
    answer = view_attention.attend_view(
        problem(q, k, v), Ways(main, {16: "exact", 616: given}), None
    )
    assert worst(answer.output, q, k, v, VIEW) <= answer.output_error <= TARGET
    middle = answer.rows_exact - 616
    assert middle < 250 if way == "own" else middle >= 690  # far from the last scale's centre


def test_a_scale_of_its_own_that_misses_its_own_keys_is_caught(monkeypatch):
    q, k, v = apart()
    ways = Ways(own(q, k, v, 1316, 900), {16: "exact", 616: own(q, k, v, 616, 700)})
    whole = RecoveryState.add

    def late(self, keys, values, spread=None):
        """Forgets the scale itself where all comes at once."""
        most = 616 if len(keys) == 1316 else len(keys)
        whole(self, keys[:most], values[:most], spread)

    monkeypatch.setattr(RecoveryState, "add", late)
    answer = view_attention.attend_view(problem(q, k, v), ways, None)
    assert worst(answer.output, q, k, v, VIEW) > answer.output_error


def test_a_scale_that_cannot_share_gets_its_own(monkeypatch):
    monkeypatch.setattr(by_scale, "_WORTH", 0.0)
    q, k, v = apart()
    ways = estimate_ways(problem(q, k, v), v, np.inf)
    assert isinstance(ways, Ways)
    assert isinstance(ways.of(616), Setting)
    assert ways.of(0) == "shared"  # too small to ask
    answer = view_attention.attend_view(problem(q, k, v), ways, None)
    assert worst(answer.output, q, k, v, VIEW) <= answer.output_error <= TARGET
    assert answer.rows_exact < 400


def test_scales_alike_share():
    q, k, v = head(sum(VIEW), 0, 0.4)
    ways = estimate_ways(problem(q, k, v), v, np.inf)
    assert isinstance(ways, Ways)
    assert {ways.of(616), ways.of(16)} == {"shared"}


def test_no_way_where_exact_attention_is_faster():
    q, k, v = apart()
    found = estimate_ways(replace(problem(q, k, v, 1e-5), seconds=1e-3), v, 1.0)
    assert isinstance(found, Unknown)
    assert found.reason.startswith("low rank does not pay here: ")


@pytest.mark.parametrize(("view", "share"), [((1,) * 64, 1.0), ((500, 100, 400), 0.5), (None, 0.0)])
def test_rows_that_see_few_keys_are_said_to_run_exactly(view, share):
    q, k, v = head(sum(view or (900,)), 0, 0.4)
    asked = Problem(q, k, v, 1.0, Target("output", 0.5), view)
    assert by_scale.early_share(asked) == share
    ways = estimate_ways(asked, v, np.inf)
    assert isinstance(ways, Ways)
    assert ways.reason.startswith(f"about {100 * share:.2g} % ")
