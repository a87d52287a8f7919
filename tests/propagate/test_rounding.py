"""float-forward: what a floating-point evaluation may add."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.model.attention import exact_attention
from varnum.proof import checking
from varnum.propagate import rounding as r
from varnum.propagate import transfer as t
from varnum.propagate.transfer import Reach
from varnum.verdict import Proved


def test_matmul_error_is_covered():
    results = checking.load("float_forward").measure(trials=400, seed=6)
    assert isinstance(checking.judge(results), Proved), results
    assert all(m.measured > 0 for m in results)


def test_half_a_rounding_does_not_cover():
    """One product can lose a whole unit roundoff: half of gamma is too little."""
    a, b = np.array([[1 + 2**-12]]), np.array([[1 + 2**-12]])
    error = abs(float((a.astype(np.float32) @ b.astype(np.float32))[0, 0]) - (1 + 2**-12) ** 2)
    bound = r.certify_product_rounding(a, b, r.Arithmetic.of("float32"))[0, 0]
    assert bound / 2 < error <= bound


def test_float32_attention_is_covered():
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(1, 1, 12, 4)) for _ in range(3))
    q, k, v = (x.astype(np.float32).astype(np.float64) for x in (q, k, v))
    scale = np.full((1, 1, 1, 1), 0.5)
    exact = exact_attention(q, k, v, scale)
    low = exact_attention(*(x.astype(np.float32) for x in (q, k, v, scale)))
    reach = [Reach.of(4, Fraction(float(np.abs(x).max()))) for x in (q, k, v)]
    bound = r.attention(*reach, Fraction(1, 2), 0, 12, r.Arithmetic.of("float32"))
    assert 0 < np.abs(low - exact).max() <= float(bound.error.upper())


def test_more_roundings_than_digits_are_refused():
    with pytest.raises(InputError, match="no bound"):
        r.Arithmetic.of("bfloat16").gamma(256)
    for dtype in ("float8", "tf32"):
        with pytest.raises(InputError, match="dtype"):
            r.Arithmetic.of(dtype)


def test_linear_adds_its_rounding():
    w = t.operator(np.ones((2, 3)))
    exact, low = (
        t.linear(Reach.of(3, 1), w),
        r.linear(Reach.of(3, 1), w, r.Arithmetic.of("float64")),
    )
    assert exact.bound() == 0
    assert Fraction(12, 2**53) <= low.bound() < Fraction(13, 2**53)
