"""exp with a proved error, and attention with it."""

from __future__ import annotations

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.floats.softmax_error import exact_error
from varnum.lowrank.proved_exp import certify_exp_error, proved_exp
from varnum.lowrank.softmax import exact_rows


@pytest.mark.parametrize(("dtype", "low"), [("float32", -86.6), ("float64", -707.7)])
def test_within_the_proved_error_and_below_the_assumed_one(dtype: str, low: float) -> None:
    x = np.random.default_rng(0).uniform(low, 0, 2**18).astype(dtype)
    bound = certify_exp_error(dtype)
    unit = np.finfo(dtype).eps / 2
    error = np.abs(proved_exp(x) / np.exp(x.astype(np.longdouble)) - 1).max()
    assert bound / 2 < error <= bound
    assert bound < 2 * unit  # 4 ulp are up to 8 units


def test_ends() -> None:
    x = np.array([[0, -np.inf], [np.nan, -1e4]], dtype=np.float32)
    assert np.array_equal(proved_exp(x), [[1, 0], [np.nan, 0]], equal_nan=True)
    with pytest.raises(InputError, match="above 88"):
        proved_exp(np.array([100], dtype=np.float32))
    with pytest.raises(InputError, match="float16"):
        proved_exp(np.array([0], dtype=np.float16))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_attention_with_it_is_within_the_smaller_bound(dtype: str) -> None:
    rng = np.random.default_rng(1)
    q, k, v = (rng.standard_normal((40, 8)).astype(dtype) for _ in range(3))
    out = exact_rows(q, k, v, 2.0, proved_exp)
    long = [a.astype(np.longdouble) for a in (q, k, v)]
    weights = np.exp(long[0] @ long[1].T / 2)
    true = weights @ long[2] / weights.sum(1, keepdims=True)
    spread = np.ptp(long[2], axis=0).max()
    far = [float(np.sqrt((a.astype(float) ** 2).sum(1)).max()) for a in (q, k)]
    given = (far[0], far[1] / 2, 40, float(np.abs(v).max() / spread), 8, q)
    proved = exact_error(*given, exp_error=certify_exp_error(dtype))
    assert float(np.abs(out - true).max() / spread) <= proved < exact_error(*given)
