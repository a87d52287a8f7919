"""merge-error, evict-mass, evict-identity on running heads; each term of the bound is needed."""

from __future__ import annotations

from dataclasses import replace

import mpmath
import numpy as np
import pytest

import varnum.lowrank.clusters.cluster_summary as module
from tests.support.oracle import softmax, weights
from varnum.errors import InputError
from varnum.lowrank.clusters import Clusters, group
from varnum.lowrank.clusters.cluster_summary import KEPT
from varnum.lowrank.clusters.reading import Reading


def problem(seed, n=60, d=6, d_v=3, queries=20, size=1.0, dtype=np.float64, offset=0.0):
    rng = np.random.default_rng(seed)
    k = rng.normal(size=(n, d)) + rng.normal(size=(5, d))[rng.integers(5, size=n)]
    q = size * rng.normal(size=(queries, d)) / np.sqrt(d)
    v = rng.normal(size=(n, d_v)) + offset
    labels = group(k, v, 12, seed=seed)
    labels[rng.random(n) < 0.4] = KEPT
    return (x.astype(dtype) for x in (q, k + offset, v)), labels


def violations(found, q, k, v, labels, sigma):
    """How many queries break one of the bounds."""
    exact, w = softmax(q, k, v, sigma), weights(q, k, sigma)
    gone = w[:, labels != KEPT].sum(1).astype(np.float64)  # long double rounds 1 up, too
    bad = (np.abs(found.output - exact) > found.error).any(1)
    bad |= (np.abs(found.dropped - exact) > found.dropped_error).any(1)
    bad |= (gone > found.mass[:, 1]) | (gone < found.mass[:, 0])
    return int(bad.sum())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", [0.01, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_bounds_hold_and_are_not_idle(dtype, size, offset) -> None:
    for seed in range(4):
        (q, k, v), labels = problem(seed, size=size, dtype=dtype, offset=offset)
        found = Clusters.of(k, v, labels, sigma=2.0).attend(q)
        assert violations(found, q, k, v, labels, 2.0) == 0
        assert (found.bound <= 1).all()
        if size == 0.01:
            assert found.bound.max() < 1e-2


def test_rounding_alone_against_fifty_digits() -> None:
    """Every row kept: what is bounded is float64's rounding, at logits up to 1000 too."""
    for size in (1.0, 1000.0):
        (q, k, v), _ = problem(3, n=9, queries=4, size=size, offset=7.0)
        found = Clusters.of(k, v, np.full(9, KEPT), sigma=2.0).attend(q)
        with mpmath.workdps(50):
            for i in range(4):
                w = [mpmath.exp(mpmath.fdot(q[i].tolist(), k[j].tolist()) / 2) for j in range(9)]
                for c in range(3):
                    exact = mpmath.fdot(w, v[:, c].tolist()) / mpmath.fsum(w)
                    assert abs(exact - found.output[i, c]) <= found.error[i, c] < 1e-9


def test_singleton_clusters_are_exact_up_to_rounding() -> None:
    (q, k, v), _ = problem(0)
    found = Clusters.of(k, v, np.arange(len(k)), sigma=1.0).attend(q)
    assert found.bound.max() < 1e-11
    assert np.isnan(found.dropped).all()
    assert (found.dropped_bound == 1).all()
    assert (found.mass[:, 1] == 1).all()


def test_parts_equal_all_at_once() -> None:
    """The sums add up about fixed references, and both bounds hold for new tokens."""
    (q, k, v), labels = problem(5, size=3.0)
    at_once = Clusters.of(k, v, labels, sigma=1.5)
    centres = list(zip(at_once.moments.m, at_once.moments.w, strict=True))
    parts = Clusters.between(centres, 6, 3, 1.5)
    for rows in np.array_split(np.random.default_rng(0).permutation(len(k)), 7):
        parts.add(k[rows], v[rows], labels[rows])
    one, other = at_once.attend(q), parts.attend(q)
    assert np.allclose(one.output, other.output, rtol=0, atol=1e-13)
    assert np.allclose(one.error, other.error, rtol=1e-9, atol=1e-13)
    assert parts.count == at_once.count == len(k)
    far = Clusters.between([(m + 0.3, w - 0.2) for m, w in centres], 6, 3, 1.5)
    far.add(k, v, labels)  # references beside the means: the same function, a little looser
    moved = far.attend(q)
    assert np.allclose(one.output, moved.output, rtol=0, atol=1e-13)
    assert violations(moved, q, k, v, labels, 1.5) == violations(other, q, k, v, labels, 1.5) == 0


def test_weights_that_underflow_are_still_bounded() -> None:
    """A cluster far below the kept row, one of its keys not so far: its mass is not 0."""
    k = np.array([[0.0], [-1000.0], [-700.0]])
    v = np.array([[0.0], [1.0], [1.0]])
    found = Clusters.of(k, v, np.array([KEPT, 0, 0]), sigma=1.0).attend(np.array([[1.0]]))
    with mpmath.workdps(30):
        true = mpmath.exp(-700) / (1 + mpmath.exp(-700))
        assert 0 < true <= found.mass[0, 1]
        assert true <= found.error[0, 0]


def test_references_beside_the_mean_move_the_reach() -> None:
    """Keys at +h and -h, the reference at +h: none is above the reference, half above the mean."""
    k = np.concatenate([np.repeat([[1.0], [-1.0]], 20, axis=0), [[0.0]]])
    labels = np.r_[np.zeros(40, dtype=int), KEPT]
    cache = Clusters.between([(np.array([1.0]), np.array([0.0]))], 1, 1, 1.0)
    cache.add(k, k.copy(), labels)
    q = np.linspace(-3, 3, 13)[:, None]
    assert violations(cache.attend(q), q, k, k, labels, 1.0) == 0


def test_near_ties_at_large_logits() -> None:
    """Logits near 1e5 that differ by 1: float64 has them to 1e-11 only, and the bound knows."""
    rng = np.random.default_rng(4)
    v, seen = np.array([[0.0], [1.0]]), 0
    for _ in range(40):
        q, k = rng.normal(size=(1, 7)) * 1e3, rng.normal(size=(2, 7)) * 40
        k[1] = k[0] + q[0] * rng.normal() / (q @ q.T).item()
        found = Clusters.of(k, v, np.array([KEPT, KEPT]), sigma=1.0).attend(q)
        with mpmath.workdps(40):
            w = [mpmath.exp(mpmath.fdot(q[0].tolist(), (k[j]).tolist())) for j in range(2)]
            off = abs(w[1] / (w[0] + w[1]) - found.output[0, 0])
        assert off <= found.error[0, 0]
        seen += off > 1e-13
    assert seen > 10


def test_outputs_stay_in_the_range_of_the_values() -> None:
    (q, k, v), labels = problem(2, size=30.0)
    found = Clusters.of(k, v, labels, sigma=1.0).attend(q)
    assert (found.output >= v.min(0)).all()
    assert (found.output <= v.max(0)).all()
    assert (found.error <= (v.max(0) - v.min(0)) * (1 + 1e-9)).all()


def test_rows_seen_but_not_stored() -> None:
    (q, k, v), labels = problem(7, queries=10)
    cache = Clusters.of(k[:50], v[:50], labels[:50], sigma=1.0)
    mask = np.tri(10, dtype=bool)
    found = cache.attend(q, more=(k[50:], v[50:]), mask=mask)
    for i in range(10):
        seen = np.concatenate([np.arange(50), 50 + np.flatnonzero(mask[i])])
        exact = softmax(q[i : i + 1], k[seen], v[seen], 1.0)
        assert (np.abs(exact[0] - found.output[i]) <= found.error[i]).all()


# The false versions: each of them breaks the bound on these heads.


def heads():
    rng = np.random.default_rng(11)
    for seed in range(6):
        (q, k, v), labels = problem(seed, n=80, queries=40, size=5.0)
        yield q, k, v, np.where(labels == KEPT, KEPT, labels % 4)
        # values that follow the keys: the sqrt(s2) term carries the error
        k = rng.normal(size=(80, 6))
        yield q, k, k[:, :3].copy(), rng.integers(-1, 4, 80)


def broken() -> int:
    return sum(
        violations(Clusters.of(k, v, labels, sigma=1.0).attend(q), q, k, v, labels, 1.0)
        for q, k, v, labels in heads()
    )


def test_the_honest_version_has_no_violation() -> None:
    assert broken() == 0


def test_merging_without_counts_is_false(monkeypatch) -> None:
    honest = Clusters._block

    def block(self, *arguments):
        own = self.moments
        self.moments = replace(own, n=np.minimum(own.n, 1))
        try:
            return honest(self, *arguments)
        finally:
            self.moments = own

    monkeypatch.setattr(Clusters, "_block", block)
    assert broken() > 100


@pytest.mark.parametrize("name", ["psi0", "jensen_excess"])
def test_without_the_sqrt_term_or_the_variance_term_it_is_false(monkeypatch, name) -> None:
    monkeypatch.setattr(module, name, lambda a, *_: np.zeros_like(a))
    assert broken() > 20


def test_the_mean_reach_for_the_largest_is_false(monkeypatch) -> None:
    honest = Reading.of.__func__

    def mean(cls, own, q, sigma):
        read = honest(cls, own, q, sigma)
        return replace(read, a=np.sqrt(2 / np.pi) * np.sqrt(read.s2))  # E|x| of a normal x

    monkeypatch.setattr(Reading, "of", classmethod(mean))
    monkeypatch.setattr(module, "_without", lambda *a: (np.full(out(a), np.nan), np.nan))
    assert broken() > 0


def out(arguments):
    logits, v = arguments[:2]
    return len(logits), v.shape[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"k": np.ones((3, 2), dtype=np.int64)}, "k: dtype int64"),
        ({"k": np.ma.masked_array(np.ones((3, 2)), mask=np.eye(3, 2))}, "k: has masked entries"),
        ({"v": np.full((3, 1), np.nan)}, "v: holds nan"),
        ({"v": np.ones((2, 1))}, "rows differ"),
        ({"labels": np.array([0, 1, -2])}, "labels: whole numbers"),
        ({"labels": np.array([0.0, 1, 1])}, "labels: whole numbers"),
        ({"sigma": 0.0}, "sigma: 0"),
        ({"k": np.full((3, 2), 1e101)}, "1e.100 or more"),
    ],
)
def test_bad_input(change, says) -> None:
    given = {"k": np.ones((3, 2)), "v": np.ones((3, 1)), "labels": np.zeros(3, int), "sigma": 1.0}
    given |= change
    with pytest.raises(InputError, match=says):
        Clusters.of(given["k"], given["v"], given["labels"], sigma=given["sigma"])


def test_bad_steps_change_nothing() -> None:
    made = Clusters.of(np.ones((3, 2)), np.ones((3, 1)), np.zeros(3, int), sigma=1.0)
    for k, v, labels in (
        (np.ones((1, 3)), np.ones((1, 1)), [0]),
        (np.ones((1, 2)), np.ones((1, 1)), [1]),
    ):
        with pytest.raises(InputError):
            made.add(k, v, np.array(labels))
    assert made.count == 3
    with pytest.raises(InputError, match="head dimension"):
        made.attend(np.ones((1, 3)))
    with pytest.raises(InputError, match="logits up to"):
        made.attend(np.full((1, 2), 1e7))
    with pytest.raises(InputError, match="no rows"):
        Clusters.between([], 2, 1, 1.0).attend(np.ones((1, 2)))


def test_grouping_is_seeded_and_leaves_no_group_empty() -> None:
    rng = np.random.default_rng(0)
    k, v = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    labels = group(k, v, 7, seed=2)
    assert (labels == group(k, v, 7, seed=2)).all()
    assert set(labels) == set(range(labels.max() + 1))
    assert (group(k, v, 40) == np.arange(40)).all()
    same = group(np.ones((9, 3)), np.ones((9, 2)), 4)
    assert (same == 0).all()


@pytest.mark.parametrize("size", [1e-150, 1e-161, 1e-162, 1e-200, 1e-308, 1e-320])
def test_values_whose_squares_underflow_keep_a_true_bound(size: float) -> None:
    """One cluster of keys -1 .. 1 with values of their sign: one mean is far off."""
    k = np.stack([np.linspace(-1, 1, 40), np.zeros(40)], 1)
    sign = np.sign(k[:, :1])
    q = np.array([[3.0, 0.0], [-3.0, 0.0], [1.0, 0.0]])
    weights = np.exp(q @ k.T)
    exact = weights @ sign / weights.sum(1, keepdims=True)  # in units of `size`
    for v in (sign * size, np.concatenate([np.ones((40, 1)), sign * size], 1)):
        found = Clusters.of(k, v, np.zeros(40, dtype=np.int64), sigma=1.0).attend(q)
        true = np.abs(found.output[:, -1:] / size - exact) / 2  # of the range
        assert (found.bound[:, None] >= true * (1 - 1e-9)).all()


def test_keys_whose_squares_underflow_keep_a_true_bound() -> None:
    sign = np.sign(np.linspace(-1, 1, 40))[:, None]
    for q in (1e80, 8e80):
        made = Clusters.of(sign * 1.4e-162, sign, np.zeros(40, dtype=np.int64), sigma=1e-75)
        found = made.attend(np.array([[q], [-q]]))
        assert (found.bound >= np.tanh(q * 1.4e-162 / 1e-75) / 2 * (1 - 1e-9)).all()
