"""Exact attention in parts of the keys: within its bound, term by term, and never recursing."""

import math

import mpmath
import numpy as np
import pytest

import varnum as vn
from varnum.floats import softmax_error
from varnum.floats.rounding import UNIT, gamma
from varnum.lowrank import merged

U = UNIT["float32"]


def tokens(backend, seed=0, length=1500, d=6, d_v=3, scale=2.0):
    rng = np.random.default_rng(seed)
    shapes = ((40, d), (length, d), (length, d_v))
    arrays = [(scale * rng.normal(size=shape)).astype(np.float32) for shape in shapes]
    if backend == "numpy":
        return arrays
    torch = pytest.importorskip("torch")
    return [torch.from_numpy(array) for array in arrays]


def reference(q, k, v, sigma):
    q, k, v = (np.asarray(part, dtype=np.longdouble) for part in (q, k, v))
    logits = q @ k.T / sigma
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights @ v / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize(("d", "d_v"), [(6, 3), (3, 6), (5, 5)])
def test_parts_are_within_their_bound(backend, d, d_v):
    for size, scale in ((256, 1.0), (512, 3.0), (1500, 6.0)):
        q, k, v = tokens(backend, size, d=d, d_v=d_v, scale=scale)
        out = np.asarray(merged.merged_rows(q, k, v, 2.0, size))
        true = reference(q, k, v, 2.0)
        host = [np.asarray(part, dtype=float) for part in (q, k, v)]
        spread = host[2].max(0) - host[2].min(0)
        far_q, far_k = (float(np.linalg.norm(part, axis=1).max()) for part in host[:2])
        ratio = float((np.abs(host[2]).max(0) / spread).max())
        bound = softmax_error.merged_error(far_q / 2, far_k, 1500, size, ratio, d, q)
        assert float((np.abs(out - true) / spread).max()) <= bound


@pytest.mark.parametrize("how", ["transposed", "every other column", "every other row", "one row"])
def test_memory_may_lie_in_any_order(how):
    """torch's kernel reads rows: strided tensors gave numbers of no meaning."""
    torch = pytest.importorskip("torch")

    def made():
        return {
            "transposed": lambda: torch.randn(4, 1200).T,
            "every other column": lambda: torch.randn(1200, 8)[:, ::2],
            "every other row": lambda: torch.randn(2400, 4)[::2],
            "one row": lambda: torch.randn(1, 4).expand(1200, 4),
        }[how]()

    torch.manual_seed(0)
    q, k, v = made(), made(), made()
    out = np.asarray(merged.merged_rows(q, k, v, 2.0, 256))
    assert np.abs(out - reference(q, k, v, 2.0)).max() < 1e-4
    found = vn.attention(q, k, v, sigma=2, output_error="2e-4", method="exact")
    assert np.abs(np.asarray(found.output) - reference(q, k, v, 2.0)).max() < 1e-4


def test_parts_of_very_different_mass_do_not_mix():
    """The first part holds the largest logit; an order of merging that forgot it would be far."""
    q, k, v = tokens("numpy", 3)
    k[7] = 30 * q[0] / np.linalg.norm(q[0])
    out = merged.merged_rows(q, k, v, 1.0, 256)
    assert np.abs(out - reference(q, k, v, 1.0)).max() < 1e-4


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_target_that_one_pass_does_not_carry_stays_in_float32(backend, monkeypatch):
    q, k, v = tokens(backend, length=4500)
    q = k[:40]
    monkeypatch.setattr("varnum.lowrank.softmax.widened", None)  # float64 would call it
    found = vn.attention(q, k, v, output_error="1e-3", method="exact", sigma=2)
    assert found.certificate.reached
    one = vn.attention(q, k, v, output_error="1e-2", method="exact", sigma=2).certificate
    assert one.certified_error > 1e-3


def test_a_kernel_target_is_never_met_in_parts(monkeypatch):
    _, k, v = tokens("numpy", length=4500)
    monkeypatch.setattr(merged, "merged_rows", None)
    monkeypatch.setattr("varnum.lowrank.softmax.merged_rows", None)
    found = vn.attention(k[:40], k, v, eps="1e-3", method="exact", sigma=2).certificate
    assert found.reached


@pytest.mark.parametrize("term", ["own", "slip", "log", "average", "last"])
def test_no_term_of_the_bound_may_go(term):
    """Each term alone, where the others are small, is at least what that step can lose."""
    like = np.zeros(1, np.float32)
    n, parts = 1024, 64
    with mpmath.workdps(30):
        if term == "own":
            found = softmax_error.merged_error(0.0, 0.0, n * parts, n, 3.0, 1, like)
            assert found >= softmax_error.exact_error(0.0, 0.0, n, 3.0, 1, like)
        elif term == "slip":  # sums of weights may lose gamma on both sides of the logarithm
            own = softmax_error.exact_error(0.0, 0.0, n, 0.0, 1, like)
            found = softmax_error.merged_error(0.0, 0.0, n * parts, n, 0.0, 1, like)
            assert found - own >= float(-mpmath.log1p(-gamma(3 * n, U))) / 2
        elif term == "log":  # the logarithm is a float32 as large as the largest logit
            own = softmax_error.exact_error(1e3, 1.0, 1, 0.0, 1, like)
            found = softmax_error.merged_error(1e3, 1.0, 2, 1, 0.0, 1, like)
            assert found - 2 * own >= 1e3 * U
        elif term == "average":
            few = softmax_error.merged_error(0.0, 0.0, n, n, 1e6, 1, like)
            many = softmax_error.merged_error(0.0, 0.0, n * 10**7, n, 1e6, 1, like)
            assert many - few >= gamma(10**7, UNIT["float64"]) * 1e6
        else:
            own = softmax_error.exact_error(0.0, 0.0, 1, 1e6, 1, like)
            found = softmax_error.merged_error(0.0, 0.0, 1, 1, 1e6, 1, like)
            assert found - own >= 1e6 * U


def test_what_is_not_float32_on_the_cpu_is_not_taken_apart():
    wide = np.zeros((1, 2))
    assert merged.part_size(1.0, 1.0, 5000, 0.5, 2, wide, 1e-3) is None
    like = wide.astype(np.float32)
    assert merged.part_size(1.0, 1.0, 5000, 0.5, 2, like, 1e-3) is not None
    assert merged.part_size(math.inf, 1.0, 5000, 0.5, 2, like, 1e-3) is None
    assert merged.part_size(1.0, 1.0, 5000, 100.0, 2, like, 1e-4) is None


def test_a_replaced_sdpa_is_not_called(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", None)
    q, k, v = tokens("torch")
    assert vn.attention(q, k, v, output_error="1e-1").certificate.reached
    from varnum.model.attention import exact_attention

    whole = [part[None, None] for part in (q, k, v)]
    assert tuple(exact_attention(*whole, torch.ones(1, 1, 1, 1)).shape) == (1, 1, 40, 3)
