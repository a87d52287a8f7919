"""Attention head by head: what ran, what is certified, targets in spreads, what costs nothing."""

from __future__ import annotations

import numpy as np
import pytest

import varnum as vn
from tests.support.backends import BACKENDS, placed
from tests.support.heads import correlated as head
from tests.support.oracle import ranges, softmax
from varnum._spread import least_std, spread_error
from varnum.lowrank.baselines import degree_one, estimate_baselines
from varnum.lowrank.choose import choose
from varnum.lowrank.problem import Problem, Target
from varnum.proof.checking import judge, load
from varnum.verdict import Proved, Refuted

SCALES = (1, 4, 16, 60, 200)


def three(length: int = 900) -> list[np.ndarray]:
    """Three heads, the last too steep for any low rank."""
    parts = [head(8, length, seed, dtype=np.float32) for seed in range(3)]
    q, k, v = (np.stack(part) for part in zip(*parts, strict=True))
    q[2] *= 60
    return [q, k, v]


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_head_has_its_own_line(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(("moments", "moments", "exact"))  # what "auto" takes depends on time
    monkeypatch.setattr("varnum._attention.choose", lambda problem, _: choose(problem, next(names)))
    q, k, v = three()
    found = vn.attention(*placed(backend, q, k, v), output_error="1e-2", baselines=32)
    assert len(found.heads) == 3
    assert found.heads is found.certificate.heads
    assert found.heads[0].method == "moments"
    assert found.heads[2].method == "exact"
    whole = found.certificate
    assert whole.certified_error == max(h.certified_error for h in found.heads)
    assert whole.rows == sum(h.rows for h in found.heads) == 2700
    assert whole.rows_exact == sum(h.rows_exact for h in found.heads)
    output = np.asarray(found.output)
    for i, one in enumerate(found.heads):
        exact = softmax(q[i], k[i], v[i], np.sqrt(np.longdouble(8)))
        error = np.abs(output[i] - exact) / ranges(v[i], len(q[i]))
        assert float(error.max()) <= one.certified_error <= 1e-2
        assert one.mean_v_error is not None
        assert one.degree_one_error is not None
        assert one.baseline_rows == 32
    assert found.heads[2].mean_v_error > found.heads[0].mean_v_error
    shown = found.to_dict()
    assert [h["method"] for h in shown["heads"]] == [h.method for h in found.heads]
    assert shown["mean_v_error"] == max(h.mean_v_error for h in found.heads)


def test_baselines_are_what_they_say() -> None:
    q, k, v = head(8, 300, 1)
    found = estimate_baselines(Problem(q, k, v, 2.0, Target("output", 0.1)), 300)
    exact, spread = softmax(q, k, v, 2.0), np.ptp(v, 0)
    mean = np.abs(v.mean(0) - exact) / spread
    assert found.mean_v == pytest.approx(float(mean.max()), rel=1e-9)
    weights = np.exp(q.mean(0) / 2 @ k.T)
    x = (q - q.mean(0)) / 2 @ (k - weights @ k / weights.sum()).T
    plain = ((1 + x) * weights) @ v / ((1 + x) * weights).sum(1, keepdims=True)
    assert degree_one(q / 2, k, v, q.mean(0) / 2) == pytest.approx(plain, rel=1e-9)
    assert found.degree_one == pytest.approx(
        float((np.abs(plain - exact) / spread).max()), rel=1e-9
    )
    assert found.degree_one < found.mean_v


@pytest.mark.parametrize("scales", [SCALES, (1,) * 281])
def test_baselines_see_what_rows_see(scales: tuple[int, ...]) -> None:
    q, k, v = head(8, 281, 2)
    v[:, 0] = 1
    found = estimate_baselines(Problem(q, k, v, 2.0, Target("output", 0.1), scales), 281)
    assert 0 < found.degree_one < found.mean_v < 1
    assert 0 < found.rows <= 281


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scales", [None, (1, 4, 16, 60, 819)])
def test_a_target_in_spreads_holds(backend: str, scales: tuple[int, ...] | None) -> None:
    q, k, v = head(8, 900, 3, dtype=np.float32)
    v = (k @ np.random.default_rng(0).normal(size=(8, 4))).astype(np.float32)
    given = placed(backend, q, k, v)
    found = vn.attention(*given, output_spread="2e-1", scales=scales)
    exact = np.asarray(softmax(q, k, v, np.sqrt(np.longdouble(8)), scales), dtype=float)
    error = np.abs(np.asarray(found.output) - exact).max(0) / exact.std(0)
    assert found.certificate.kind == "output-spread"
    assert found.certificate.reached
    assert error.max() <= found.certificate.certified_error <= 0.2
    assert found.certificate.output_error < 0.2


def test_a_spread_of_nothing_is_not_reached() -> None:
    """All rows of the output are the same: no error is small in units of a spread of 0."""
    q, k, v = head(8, 60, 3)
    found = vn.attention(np.zeros_like(q), k, v, output_spread="1/2")
    assert not found.certificate.reached
    assert found.certificate.certified_error == np.inf
    v[:] = 2
    assert vn.attention(q, k, v, output_spread="1/2").certificate.reached


def test_the_spread_of_the_computed_output_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("spread")
    found = module.measure(trials=200)
    assert isinstance(judge(found), Proved)
    assert found[0].tightness > 0.999
    right = module.spread_error
    monkeypatch.setattr(
        module, "spread_error", lambda o, v, e: (lambda x: x / (1 + x))(right(o, v, e))
    )
    assert isinstance(judge(module.measure(trials=200)), Refuted)


def test_the_standard_deviation_is_never_above() -> None:
    rng = np.random.default_rng(0)
    for far in (0.0, 1e6):
        x = far + rng.normal(size=(500, 3))
        exact = np.asarray(x, dtype=np.longdouble).std(0)
        assert (least_std(x) <= exact).all()
        assert (least_std(x) > 0.99 * exact).all()
    assert spread_error(np.full((3, 1), 1e9), np.array([[0.0], [1.0]]), 1e-9) == np.inf


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give exactly one of"),
        ({"eps": "1e-2", "output_spread": "1e-2"}, "give exactly one of"),
        ({"output_spread": "100"}, "output_spread: 100 is not allowed"),
        ({"output_spread": "1", "baselines": -1}, "baselines: -1"),
        ({"output_spread": "1", "baselines": True}, "baselines: True"),
    ],
    ids=str,
)
def test_what_is_refused(options: dict[str, object], said: str) -> None:
    q, k, v = head(8, 20, 0)
    with pytest.raises(vn.InputError, match=said):
        vn.attention(q, k, v, **options)
