"""Exact rows that see ever more keys: against long double, every bound row by row."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.backends import BACKENDS, placed
from tests.support.device import as_on_a_device
from tests.support.heads import correlated
from varnum import attention
from varnum.floats.values import ValueRange
from varnum.lowrank import rising_rows as module
from varnum.lowrank.rising_rows import rising_rows, rising_to_target

LONG = np.longdouble
ENDS = {
    "causal": np.arange(1, 1201),
    "later rows": np.arange(700, 1201),
    "steps": np.repeat([3, 40, 600, 1200], [10, 30, 300, 5]),
    "far apart": np.array([1, 900, 901, 1200]),
    "ends like a triangle": np.repeat([1, 3, 40, 600, 1200], [1, 2, 37, 560, 600]),
}


def exact(q, k, v, ends, sigma):
    found = []
    for row, end in zip(q.astype(LONG), ends, strict=True):
        weights = np.exp((k[:end].astype(LONG) @ row) / LONG(sigma))
        found.append(weights @ v[:end].astype(LONG) / weights.sum())
    return np.array(found)


def given(name, dtype, offset=0.0):
    ends = ENDS[name]
    q, k, v = correlated(8, 1200, 1, 2.0, values=3)
    return q[: len(ends)].astype(dtype), k.astype(dtype), (v + offset).astype(dtype), ends


def ratio(out, bound, q, k, v, ends, sigma=2.0):
    """Largest true error over its bound; columns whose range is 0 are exact."""
    seen = ValueRange.running(v, ends)
    spread = (seen.high - seen.low).astype(LONG)
    off = abs(np.asarray(out) - exact(q, k, v, ends, sigma))
    assert (off[spread == 0] < 1e-15).all()  # the oracle rounds
    true = np.where(spread > 0, off / np.where(spread > 0, spread, 1), 0).max(1)
    return float((true / np.maximum(bound, 1e-300))[bound > 0].max())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("size", [0, 256])
def test_rows_are_those_of_softmax(backend, name, size):
    q, k, v, ends = given(name, np.float32)
    out = np.asarray(rising_rows(*placed(backend, q, k, v), 2.0, ends, size))
    assert abs(out - exact(q, k, v, ends, 2.0)).max() < 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_scales_that_begin_with_one_token(backend):
    """As many queries as keys, the first sees one: no triangle for all that."""
    scales = (1,) * 60 + (3,) * 20
    ends = np.repeat(np.cumsum(scales), scales)
    q, k, v = (part[: len(ends)] for part in correlated(8, 1200, 1, 2.0, values=3))
    found = attention(*placed(backend, q, k, v), sigma=2, output_error="1e-9", scales=scales)
    bound = np.full(len(ends), found.certificate.certified_error)
    assert ratio(found.output, bound, q, k, v, ends) <= 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("target", "offset"), [(1e-2, 0), (1e-3, 0), (2e-4, 0), (1e-3, 30.0)])
def test_every_row_is_within_its_bound(backend, dtype, target, offset):
    q, k, v, ends = given("causal", dtype, offset)
    seen = ValueRange.running(v, ends)
    out, bound = rising_to_target(*placed(backend, q, k, v), 2.0, target, ends, seen)
    assert (bound <= target).all()
    assert ratio(out, bound, q, k, v, ends) <= 1


def test_float32_in_one_pass_in_parts_and_float64(monkeypatch):
    """Which rows go where: the first ones see little of the range, later ones sum much."""
    q, k, v, ends = given("causal", np.float32)
    sizes, plain = [], rising_rows

    def noted(q, k, v, sigma, ends, size=0):
        sizes.append((size, str(q.dtype), len(ends)))
        return plain(q, k, v, sigma, ends, size)

    monkeypatch.setattr(module, "rising_rows", noted)
    target = np.where(ends < 900, 5e-4, 2e-4)  # row 1 needs 8e-4 in one pass
    _, bound = rising_to_target(q, k, v, 2.0, target, ends, ValueRange.running(v, ends))
    assert (bound <= target).all()
    assert {size for size, *_ in sizes} >= {0, 256}
    assert sum(count for _, kind, count in sizes if kind == "float64") < 100


def test_a_key_too_many_is_noticed():
    q, k, v, ends = given("causal", np.float64)
    seen = ValueRange.running(v, ends)
    out, bound = rising_to_target(q, k, v, 2.0, 1e-2, ends, seen)
    more = np.minimum(ends + 1, 1200)
    wrong = rising_rows(q, k, v, 2.0, more)
    assert ratio(out, bound, q, k, v, ends) <= 1
    assert (abs(wrong - out).max(1) > bound)[:1100].mean() > 0.9


def test_parts_longer_than_their_bound_counts_are_noticed(monkeypatch):
    """What only some rows see is a part too: rows far apart are not taken together."""
    q, k, v, ends = given("far apart", np.float32)
    longest, plain = [], module.merged_rows

    def noted(q, k, v, sigma, size, hidden):
        longest.append((hidden.shape[1], size))
        return plain(q, k, v, sigma, size, hidden)

    monkeypatch.setattr(module, "merged_rows", noted)
    rising_rows(q, k, v, 2.0, ends, 256)
    assert all(keys <= size for keys, size in longest)
    assert len(longest) == 3


def test_on_a_device(monkeypatch):
    torch = pytest.importorskip("torch", reason="the torch backend is optional")
    q, k, v, ends = given("later rows", np.float32)
    seen = ValueRange.running(v, ends)
    tensors = [torch.tensor(part) for part in (q, k, v)]
    as_on_a_device(monkeypatch, torch)
    out, bound = rising_to_target(*tensors, 2.0, 3e-4, ends, seen)
    output = np.array(out.tolist())
    monkeypatch.undo()
    assert ratio(output, bound, q, k, v, ends) <= 1
