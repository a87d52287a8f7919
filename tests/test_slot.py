"""The slot's own terms: a product that rounds, a cast, ranges per scale; all else stubbed exact."""

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

import varnum as vn
from tests.support.oracle import softmax
from varnum import _slot
from varnum._attention import Attention, Certificate
from varnum.lowrank.stream import VarAttention

FLOAT32 = 2.0**-24


def certificate(kind, error):
    return Certificate(kind, error, error, error, "exact", 0, 1, 0, "", 0.0, 0.0)


def exact_attention(error=0.0):
    """Attention without any error of its own, which claims `error`."""

    def attention(q, k, v, *, sigma, scales, eps, output_error):
        assert (sigma, scales) == (1, None)
        kind = "eps" if output_error is None else "output-error"
        return Attention(softmax(q, k, v).astype(np.float64), certificate(kind, error))

    return attention


def cancelling(seed):
    """q.k = 0 before q is multiplied by a factor, with terms of 1e5: rounding shows at once."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(2**22, 2**23, 2) / 2.0**13).astype(np.float32)
    q, k = np.array([[a, b]]), np.array([[b, -a], [-b, a]])
    return [part[None, None].astype(np.float32) for part in (q, k, np.array([[0.0], [1.0]]))]


@pytest.mark.parametrize("kind", ["output_error", "eps"])
def test_the_rounding_of_the_product_is_in_both_certificates(kind, monkeypatch):
    monkeypatch.setattr(_slot, "attention", exact_attention())
    scale = np.full((1, 1, 1, 1), 0.337, dtype=np.float32)
    worst = 0.0
    for seed in range(30):
        q, k, v = cancelling(seed)
        kernel = _slot.GuaranteedKernel(**{kind: "0.9"})
        out = kernel(q, k, v, scale).astype(np.float64)
        moved = float(abs(out[0, 0, 0, 0] - 0.5))  # without rounding it is 1/2
        assert moved <= kernel.worst.output_error < 0.5
        if kind == "eps":  # the odds of the two keys are e^(2 z)
            assert math.log(out.max() / (1 - out.max())) / 2 <= math.log1p(
                kernel.worst.certified_error
            )
        worst = max(worst, moved / kernel.worst.output_error)
    assert worst > 0.15


def test_a_logit_error_multiplies_the_kernels_own(monkeypatch):
    """(1 + e) e^zeta - 1, and zeta/2 on top of what the output lost before."""
    q, k, v = cancelling(0)
    scale = np.ones((1, 1, 1, 1), dtype=np.float32)
    monkeypatch.setattr(_slot, "attention", exact_attention(0.5))
    monkeypatch.setattr(_slot, "_logit_error", lambda *_: 0.3)
    kernel = _slot.GuaranteedKernel(eps="0.9")
    kernel(q, k, v, scale)
    assert kernel.worst.certified_error >= 1.5 * math.exp(0.3) - 1
    assert kernel.worst.output_error >= 0.5 + math.tanh(0.15)
    assert (kernel.worst.asked, kernel.worst.target) == ("0.9", 0.9)


def test_the_product_is_bounded_where_a_rounding_is_largest():
    """1 + half a unit is half a unit off, relative; the factor itself is off as much."""
    for scaled, factor in [(1 + 2.0**-24, 1 + 2.0**-24), (1 - 2.0**-25, 1 - 2.0**-25)]:
        exact = Fraction(scaled) * Fraction(factor) * 1000
        found = np.full((1, 1), np.float32(scaled) * np.float32(factor))
        moved = abs(exact - 1000 * Fraction(float(found[0, 0])))
        assert moved <= Fraction(_slot._logit_error(found, np.full((1, 1), np.float32(1000))))
        assert moved > 990 * Fraction(FLOAT32)


@pytest.mark.parametrize(("q", "k"), [(1e-25, 1e18), (3e-42, 1e10), (2e-30, 1.0)])
def test_the_product_is_bounded_where_squares_and_products_underflow(q, k):
    worst = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x, s = np.float32(q * rng.uniform(1, 2)), np.float32(rng.uniform(0.5, 1))
        y = np.full((1, 1), np.float32(k))
        moved = abs(Fraction(float(x)) * Fraction(float(s)) - Fraction(float(x * s)))
        moved *= Fraction(float(y[0, 0]))
        assert moved <= Fraction(_slot._logit_error(np.full((1, 1), x * s), y))
        worst = max(worst, moved)
    assert worst > 0


def test_the_cast_is_measured_against_what_each_scale_sees():
    """Early rows see a range of 1e-3, whatever comes later; quotients are rounded up."""
    rng = np.random.default_rng(0)
    v = np.concatenate([rng.random((6, 1)) * 1e-3, rng.random((4, 1))])
    wide = rng.random((10, 1))
    narrow = wide.astype(np.float16)
    for blocks, ends in (((6, 4), (6, 10)), (None, (10,))):
        start, worst = 0, Fraction(0)
        for end in ends:
            spread = Fraction(float(v[:end].max())) - Fraction(float(v[:end].min()))
            for row in range(start, end):
                moved = abs(Fraction(float(wide[row, 0])) - Fraction(float(narrow[row, 0])))
                worst = max(worst, moved / spread)
            start = end
        found = _slot._cast_error(wide, narrow, v, blocks)
        assert worst <= Fraction(found) <= worst * (1 + Fraction(1, 10**9))


def test_a_cast_that_moves_a_constant_column_has_no_bound():
    assert _slot._cast_error(np.array([[0.1]]), np.array([[0.0]]), np.ones((1, 1)), None) > 1e300
    same = SimpleNamespace(x=np.array([[0.1]]))
    assert _slot._cast_error(same.x, same.x, np.ones((1, 1)), None) == 0


def test_the_factor_may_be_a_number_and_must_be_finite():
    q, k, v = np.random.default_rng(0).standard_normal((3, 1, 2, 6, 4))
    kernel = vn.GuaranteedKernel(output_error="1e-2")
    assert (kernel(q, k, v, 0.25) == kernel(q, k, v, np.array(0.25))).all()
    with pytest.raises(vn.InputError, match="the factor: nan or inf"):
        kernel(q, k, v, float("nan"))
    with pytest.raises(vn.InputError, match="nan or inf"):
        kernel(q * np.nan, k, v, 0.25)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_factor_given_as_a_number_is_not_rounded_to_the_dtype_of_q(dtype):
    torch = pytest.importorskip("torch", reason="half precision is a torch type")
    q, k = (torch.randn(1, 1, 8, 4, generator=torch.manual_seed(0)) * 9 for _ in range(2))
    q, k = q.to(getattr(torch, dtype)), k.to(getattr(torch, dtype))
    v = torch.randn(1, 1, 8, 3, dtype=torch.float64)
    kernel, factor = vn.GuaranteedKernel(output_error="1e-10"), 0.3
    found = kernel(q.double().to(q.dtype), k, v, factor).double().numpy()[0, 0]
    wide_q, wide_k = (part[0, 0].double().numpy().astype(np.longdouble) for part in (q, k))
    weights = np.exp(wide_q @ wide_k.T * np.longdouble(factor))
    values = v[0, 0].numpy().astype(np.longdouble)
    exact = weights @ values / weights.sum(1, keepdims=True)
    error = (np.abs(found - exact) / np.ptp(values, axis=0)).max()
    assert error <= kernel.certificates[-1].output_error <= 1e-10


def test_gradients_are_refused_unless_they_are_off():
    torch = pytest.importorskip("torch", reason="gradients are torch's")
    q = torch.nn.Parameter(torch.randn(600, 4))
    work, kernel = VarAttention(2.0, 1e-2), vn.GuaranteedKernel(output_error="1e-2")
    calls = (
        lambda: vn.attention(q, q, q, output_error="1e-2").output,
        lambda: vn.attention(q.detach(), q.detach(), q, eps="1e-2").output,
        lambda: work.step(q, q, q),
        lambda: kernel(q[None, None], q[None, None], q[None, None], 0.5),
        lambda: kernel(*(q.detach()[None, None],) * 3, torch.ones((), requires_grad=True)),
    )
    for call in calls:
        with pytest.raises(vn.InputError, match="requires a gradient"):
            call()
        with torch.no_grad():
            assert not call().requires_grad
    assert work.outcome.certified <= 1e-2


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "factor", [0.3, np.float32(0.3), np.float64(0.3), 1, np.array(0.3)], ids=str
)
def test_a_factor_of_any_kind_works_on_numpy(dtype, factor):
    q, k, v = (part[None, None].astype(dtype) for part in HEAD)
    for target in ({"output_error": "1e-2"}, {"eps": "1e-2"}):
        kernel = vn.GuaranteedKernel(**target)
        found = kernel(q, k, v, factor)
        assert found.dtype == v.dtype
        values = v.astype(np.longdouble)
        exact = softmax(q.astype(np.longdouble) * np.longdouble(factor), k, v)
        error = (abs(found - exact) / np.ptp(values, axis=-2, keepdims=True)).max()
        assert error <= kernel.worst.output_error < 0.1
        assert kernel.worst.reached


def test_mixed_dtypes_and_backends():
    q, k, v = (part[None, None] for part in HEAD)
    kernel = vn.GuaranteedKernel(output_error="1e-2")
    assert kernel(q.astype(np.float32), k.astype(np.float32), v, 0.3).dtype == np.float64
    for bad in ("x", None, [0.3], np.array(1), np.ma.masked_array([0.3], [True])):
        with pytest.raises(vn.InputError, match="the factor") as caught:
            kernel(q, k, v, bad)
        assert "\n" not in str(caught.value)
    with pytest.raises(vn.InputError, match="the factor: nan or inf"):
        kernel(q, k, v, 10**400)
    assert len(kernel.certificates) == 1


HEAD = np.random.default_rng(3).standard_normal((3, 40, 4))
