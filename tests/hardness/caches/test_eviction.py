"""Policies, cuts and certificates on trained heads, image pyramids and a VAR run."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.hardness.caches.evict_report import Layout, report
from varnum.hardness.caches.eviction import AUDIT, Eviction, Stage, evict, stages
from varnum.hardness.caches.heads import Head, capture, read_heads
from varnum.hardness.caches.policies import POLICIES, choose, softmax_rows
from varnum.model.config import preset
from varnum.model.random_weights import random_model

DATA = Path(__file__).parents[2] / "data" / "heads"
HALF = Fraction(1, 2)
SCALES = tuple(n * n for n in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16))


def text_head() -> Head:
    (head,) = read_heads(DATA / "text_L160_d32.npz")
    return head


def pyramid_head(scale: float, seed: int = 0) -> Head:
    """680 tokens of the released scales of a photograph, random projections, unit q and k."""
    photo = np.load(DATA / "photo.npz")["photo"] / 255
    tokens = []
    for n in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16):
        edges = np.linspace(0, 64, 4 * n + 1)
        inside = np.minimum(edges[1:, None], np.arange(1, 65)) - np.maximum(
            edges[:-1, None], np.arange(64)
        )
        area = np.maximum(inside, 0) / (64 / (4 * n))  # rows sum to 1: area averages
        small = np.einsum("ia,jb,abc->ijc", area, area, photo)
        patches = small.reshape(n, 4, n, 4, 3).transpose(0, 2, 1, 3, 4)
        tokens.append(patches.reshape(n * n, 48))
    x = np.concatenate(tokens)
    x = (x - x.mean(0)) / x.std()
    rng = np.random.default_rng(seed)
    q, k, v = (x @ rng.normal(size=(48, 64)) / np.sqrt(48) for _ in range(3))
    q, k = (y / np.linalg.norm(y, axis=1, keepdims=True) for y in (q, k))
    return Head(f"s{scale}", scale * q, k, v, 1.0)


def last_scale(head: Head) -> list[Stage]:
    """The released cut: 424 cached rows, the 256 queries of the last scale, which see these."""
    return [Stage(424, 424, 680, 424)]


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_image_pyramids_reach_what_is_asked(scale: float) -> None:
    for seed in range(2):
        head = pyramid_head(scale, seed)
        how = Eviction(HALF, "h2o", 64)
        (one,) = evict(head, last_scale(head), how)
        assert one.kept == 212
        assert one.clusters == 64
        assert one.error.max() <= 7 * one.error_measured.max()
        assert one.mass.max() <= 1.05 * one.mass_measured.max()
        assert (one.mass <= 1.05 * one.mass_measured).all()
        assert (one.error_measured <= one.error).all()
        assert (one.mass_measured <= one.mass).all()
        assert one.dropped_measured.max() > 5 * one.error_measured.max()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("merge", [0, 16])
def test_certified_is_above_measured(policy: str, merge: int) -> None:
    head = text_head()
    for timeline in (stages(head), stages(head, cut=100), stages(head, scales=(1, 4, 25, 130))):
        for one in evict(head, timeline, Eviction(HALF, policy, merge, seed=1)):
            assert (one.error_measured <= one.error).all()
            assert (one.dropped_measured <= one.dropped).all()
            assert (one.mass_measured <= one.mass).all()
            assert one.clusters <= max(merge, 1)
            assert one.kept == one.rows // 2
            assert one.floor <= one.mass_measured.max() / 2


def test_policies_keep_what_they_say() -> None:
    masses = np.zeros((50, 10))
    masses[:, 3] = 1.0  # over all queries most mass
    masses[-32:, 7] = 5.0  # in the last 32 more
    masses[:18, 5] = 40.0
    rows = np.arange(10)
    assert set(choose("h2o", rows, 2, masses, 0)) == {5, 7}
    assert set(choose("snapkv", rows, 2, masses, 0)) == {7, 3}
    assert choose("streaming", rows, 6, masses, 0).tolist() == [0, 1, 2, 3, 8, 9]
    assert choose("streaming", rows, 3, masses, 0).tolist() == [0, 1, 2]
    assert choose("h2o", rows, 1, np.zeros((1, 10)), 0).tolist() == [0]  # ties: the earlier
    a, b = choose("random", rows, 5, masses, 1), choose("random", rows, 5, masses, 1)
    assert a.tolist() == b.tolist()
    assert a.tolist() != choose("random", rows, 5, masses, 2).tolist()
    assert len(choose("h2o", rows, 99, masses, 0)) == 10
    with pytest.raises(InputError, match="allowed are h2o"):
        choose("lru", rows, 1, masses, 0)


def test_only_queries_before_the_cut_choose() -> None:
    """A query after the cut cannot change which rows are kept."""
    head = text_head()
    later = head.q.copy()
    later[130:] = 5 * head.q[:30]
    timeline = stages(head, cut=100)
    how = Eviction(HALF, "h2o", 8)
    (one,), (other,) = evict(head, timeline, how), evict(replace(head, q=later), timeline, how)
    assert other.mass[:30] == pytest.approx(one.mass[:30], abs=1e-12)
    assert (abs(one.mass[30:] - other.mass[30:]) > 1e-3).any()
    (alone,) = evict(head, [Stage(100, 100, 101, 101, True)], how)
    assert alone.mass[0] == pytest.approx(one.mass[0], abs=1e-12)


def test_a_policy_blind_to_values_errs_by_half_of_the_dropped_mass() -> None:
    """Two caches that differ in all dropped values: any one answer is p/2 off on one of them."""
    head = text_head()
    P = softmax_rows(head.q, head.k, head.sigma)
    kept = choose("h2o", np.arange(160), 80, P, 0)
    gone = np.setdiff1d(np.arange(160), kept)
    high, low = np.ones(160), np.ones(160)
    low[gone] = 0
    apart = np.abs(P @ high - P @ low).max()
    (one,) = evict(head, stages(head), Eviction(HALF))
    assert one.floor <= apart / 2 <= one.floor * 1.3  # Jensen's loss at this many clusters


def test_dropping_is_bounded_by_the_mass() -> None:
    """evict-identity, and its false version: the bound without the number of dropped keys."""
    head = text_head()
    (one,) = evict(head, stages(head), Eviction(HALF, "streaming"))
    P = softmax_rows(head.q, head.k, head.sigma)
    gone = np.r_[4 : 160 - 76]
    assert P[:, gone].sum(1) == pytest.approx(one.mass_measured)
    largest = P[:, gone].max(1)  # of one dropped key instead of all of them
    assert (one.dropped_measured > largest).any()
    assert (one.dropped_measured <= one.mass_measured + 1e-12).all()


def test_rows_once_dropped_stay_dropped_and_clusters_grow() -> None:
    head = pyramid_head(2.0)
    judged = evict(head, stages(head, scales=SCALES), Eviction(HALF, "snapkv", 64))
    assert [one.rows for one in judged] == list(np.cumsum(SCALES)[:-1])
    assert judged[-1].clusters == 64
    clusters = [one.clusters for one in judged]
    assert clusters == sorted(clusters)


def test_a_var_run_scale_by_scale() -> None:
    model = random_model(*preset("var-tiny"), 0)
    heads, lengths = capture(model, 1, seed=0)
    assert lengths == tuple(n * n for n in model.var.patch_nums)
    assert len(heads) == model.var.depth * model.var.num_heads
    how = Eviction(HALF, "h2o", 4)
    content, arrays = report(heads, Layout(scales=lengths), how, lambda _: None)
    assert content["error_measured"] <= content["error_certified"] <= 1
    assert len(content["heads"][0]["stages"]) == len(lengths) - 1
    assert len(arrays) == 4 * len(heads) * (len(lengths) - 1)
    assert content["mass_certified"] <= 1.3 * content["mass_measured"]


def test_without_merging_clusters_only_certify() -> None:
    (one,) = evict(text_head(), stages(text_head()), Eviction(HALF, "random", 0))
    assert one.clusters == 0
    assert (one.error == one.dropped).all()
    assert AUDIT == 64


@pytest.mark.parametrize("keep", [Fraction(0), Fraction(1)])
def test_ends_of_keep(keep: Fraction) -> None:
    (one,) = evict(text_head(), stages(text_head()), Eviction(keep, "h2o", 8))
    assert one.kept == 160 * keep
    if keep == 1:
        assert one.error.max() < 1e-11
        assert (one.mass == 0).all()
    else:
        assert (one.mass == 1).all()
        assert (one.dropped == 1).all()


def test_bad_files(tmp_path: Path) -> None:
    def written(**arrays):
        path = tmp_path / "h.npz"
        np.savez(path, **arrays)
        return path

    ok = np.ones((3, 2))
    for arrays, says in (
        ({"x": ok}, "no arrays q_NAME"),
        ({"q_0": ok, "k_0": ok}, "v_0 missing"),
        ({"q": ok, "k": ok, "v": np.ones((4, 2))}, "3 keys, 4 values"),
        ({"q": ok, "k": np.ones((3, 3)), "v": ok}, "widths 2, 3"),
        ({"q": ok * np.nan, "k": ok, "v": ok}, "nan or inf"),
        ({"q": np.ones(3), "k": ok, "v": ok}, "shape"),
        ({"q": np.array([{}]), "k": ok, "v": ok}, "no readable .npz"),
        ({"q": ok, "k": ok[:1], "v": ok[:1]}, "2 to"),
    ):
        with pytest.raises(InputError, match=says):
            list(read_heads(written(**arrays)))
    with pytest.raises(InputError, match="does not exist"):
        list(read_heads(tmp_path / "none.npz"))
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(InputError, match="no readable"):
        list(read_heads(tmp_path / "text.npz"))
    np.save(tmp_path / "a.npy", ok)
    with pytest.raises(InputError, match="no readable"):
        list(read_heads(tmp_path / "a.npy"))
    (head,) = read_heads(written(q=ok, k=ok, v=ok), "d")
    assert head.sigma == 2
    with pytest.raises(InputError, match="sigma"):
        list(read_heads(written(q=ok, k=ok, v=ok), "-1"))


def test_bad_questions() -> None:
    head = text_head()
    for bad, says in (
        (Eviction(Fraction(2)), "keep"),
        (Eviction(HALF, merge=-1), "merge"),
        (Eviction(HALF, seed=-1), "seed"),
    ):
        with pytest.raises(InputError, match=says):
            evict(head, stages(head), bad)
    with pytest.raises(InputError, match="cut"):
        stages(head, cut=160)
    with pytest.raises(InputError, match="schedule"):
        stages(head, scales=(1, 2))
