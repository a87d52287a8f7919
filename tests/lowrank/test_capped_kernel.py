"""Low rank known from norms alone: the bounds hold, and false ones are seen."""

import numpy as np
import pytest

from tests.support.backends import BACKENDS, placed
from tests.support.oracle import ranges, softmax, weights
from varnum.lowrank import capped_kernel
from varnum.lowrank.problem import Problem, Target
from varnum.verdict import Unknown

LENGTHS = (1, 4, 16, 64)


def unit(rng, n, d):
    tokens = rng.standard_normal((n, d))
    return tokens / np.linalg.norm(tokens, axis=1, keepdims=True)


def drawn(cap, d=6, n=85, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    q, k = cap * unit(rng, n, d), unit(rng, n, d)
    k[:5] = q[:5] / cap  # the largest logits there are
    k[5:9] = -q[:4] / cap
    return [part.astype(dtype) for part in (q, k, rng.standard_normal((n, 3)) + 2)]


def problem(arrays, error, view=None):
    return Problem(*arrays, 1.0, Target("output", error), view)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("view", [None, LENGTHS])
@pytest.mark.parametrize(("cap", "error"), [(0.79, 1e-1), (0.4, 1e-2), (0.1, 1e-2)])
def test_both_bounds_hold(backend, dtype, view, cap, error):
    arrays = drawn(cap, dtype=dtype)
    given = problem(placed(backend, *arrays), error, view)
    found = capped_kernel.attend_apriori(given)
    assert not isinstance(found, Unknown)
    q, k, v = arrays
    exact = softmax(q, k, v, scales=view)
    out = np.asarray(found.output).astype(np.longdouble)
    spread = ranges(v, len(q), view)
    assert (np.abs(out - exact) <= found.output_error * spread).all()
    assert found.output_error <= error
    assert found.rank < 85
    assert type(found.output) is type(given.v)


def test_the_kernel_is_within_its_error_and_half_of_it_would_be_false(monkeypatch):
    arrays = drawn(0.79, n=300)
    values = np.eye(300)[:, :9]  # the output is the weight of a key
    given = problem([*arrays[:2], values], 1e-1)
    found = capped_kernel.attend_apriori(given)
    exact = weights(*arrays[:2])[:, :9]
    ratio = np.asarray(found.output) / exact
    low, high = float(ratio.min()), float(ratio.max())
    assert high / low <= (1 + found.kernel_error) / (1 - found.kernel_error)
    half = found.kernel_error / 2
    assert high / low > (1 + half) / (1 - half)


def test_a_polynomial_for_a_smaller_reach_is_seen_to_fail(monkeypatch):
    signs = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None]
    given = problem([np.full((40, 1), 0.79), signs, signs], 1e-1)
    exact = softmax(given.q, given.k, given.v)
    found = capped_kernel.attend_apriori(given)
    assert np.abs(found.output - exact).max() <= 2 * found.output_error
    monkeypatch.setattr(capped_kernel, "farthest", lambda part: 0.3)
    found = capped_kernel.attend_apriori(given)
    assert np.abs(found.output - exact).max() > 2 * found.output_error


@pytest.mark.parametrize(
    ("cap", "d", "n", "why"),
    [(20.0, 6, 85, "logits up to"), (1.2, 64, 12, "rank 2145 takes"), (2.0, 16, 85, "rank")],
)
def test_what_does_not_pay_is_unknown_with_the_reason(cap, d, n, why):
    found = capped_kernel.attend_apriori(problem(drawn(cap, d, n), 1e-1))
    assert isinstance(found, Unknown)
    assert why in found.reason


def test_operations_are_counted_as_they_stand():
    given = problem(drawn(0.79, 6), 1e-1, LENGTHS)
    pairs = 1 * 1 + 4 * 5 + 16 * 21 + 64 * 85
    needed = capped_kernel.work(given, 7)
    assert needed.exact == 2 * pairs * (6 + 3)
    assert needed.low == 2 * 85 * 7 * (2 * 4 + 1)
    assert capped_kernel.work(problem(drawn(0.79, 6), 1e-1), 7).exact == 2 * 85 * 85 * 9


def test_large_work_must_save_time_too():
    assert capped_kernel.Work(100, 99).pays
    assert not capped_kernel.Work(2**28, 2**27).pays
    assert capped_kernel.Work(2**28, 2**26 - 1).pays
