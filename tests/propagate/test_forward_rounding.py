"""float-forward: what a floating-point evaluation may add."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.model import layers
from varnum.model.attention import exact_attention
from varnum.proof import checking
from varnum.propagate import forward_rounding as r
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


SINGLE = r.Arithmetic.of("float32")
WIDTH = 16


def _singles(values):
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def _tokens(case):
    """(tokens, WIDTH): random sizes, a large common offset, numbers just above a boundary."""
    rng = np.random.default_rng(case)
    x = rng.normal(size=(400, WIDTH)) * 4.0 ** rng.integers(-3, 4)
    if case % 3 == 1:
        x = x / np.abs(x).max() + 1000
    if case % 3 == 2:
        x = 1 + rng.random(x.shape) * 2.0**-20
    return _singles(x)


def _reach(x):
    norm = Fraction(float(np.sqrt((x**2).sum(-1)).max()) * (1 + 1e-12))
    return Reach.of(x.shape[-1], Fraction(float(np.abs(x).max())), norm=norm)


def _conv(x, arithmetic):
    x = np.moveaxis(x.reshape(1, 20, 20, WIDTH), -1, 1)
    rng = np.random.default_rng(7)
    weight, bias = _singles(rng.normal(size=(8, WIDTH, 3, 3))), _singles(rng.normal(size=8))
    bound = r.conv(_reach(np.moveaxis(x, 1, -1)), t.conv_operator(weight, bias), 3, arithmetic)
    return layers.conv2d, (x, weight, bias), {"padding": 1}, bound


def _layer_norm(x, arithmetic):
    s = np.sqrt(x.var(-1).min() + 1e-6) * (1 - 1e-6)
    bound = r.layer_norm(_reach(x), Fraction(float(s)), arithmetic)
    return layers.layer_norm, (x, Fraction(1, 10**6)), {}, bound


def _modulate(x, arithmetic):
    scale, shift = _tokens(30)[:1], _tokens(31)[:1]
    factor, top = (Fraction(float(np.abs(y).max())) for y in (1 + scale, shift))
    return layers.modulate, (x, scale, shift), {}, r.modulate(_reach(x), factor, top, arithmetic)


def _add(x, arithmetic):
    y = np.roll(x, 1, axis=0)
    return np.add, (x, y), {}, r.add(_reach(x), _reach(y), arithmetic)


def _product(x, arithmetic):
    y = np.roll(x, 1, axis=0)
    return np.multiply, (x, y), {}, r.product(_reach(x), _reach(y), arithmetic)


def _gelu(x, arithmetic):
    return layers.gelu, (x,), {}, r.gelu(_reach(x), arithmetic)


def _silu(x, arithmetic):
    return layers.silu, (x,), {}, r.silu(_reach(x), arithmetic)


def _used(layer, x, arithmetic=SINGLE):
    """Largest part of the two bounds that a float32 evaluation uses, float64 being exact here."""
    function, arguments, options, bound = layer(x, arithmetic)
    single = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in arguments]
    low = function(*single, **options)
    assert low.dtype == np.float32
    error = np.abs(low - function(*arguments, **options))
    error = np.moveaxis(error, 1, -1) if error.ndim == 4 else error
    token = np.sqrt((error**2).sum(-1)).max() / float(bound.norm_error.upper())
    return max(error.max() / float(bound.error.upper()), token)


@pytest.mark.parametrize("layer", [_gelu, _silu])
def test_torch_activations_are_covered(layer):
    torch = pytest.importorskip("torch", reason="the fused activations are torch's")
    for case in range(30):
        x = _tokens(case)
        function, _, _, bound = layer(x, SINGLE)
        low = function(torch.tensor(x, dtype=torch.float32)).double().numpy()
        assert np.abs(low - function(x)).max() <= float(bound.error.upper())


# layer, and the part of the unit roundoff that must already be too little
LAYERS = [
    (_conv, 50),
    (_layer_norm, 12),
    (_modulate, 4),
    (_add, 2),
    (_product, 3),
    (_gelu, 12),
    (_silu, 12),
]


@pytest.mark.parametrize("layer", [layer for layer, _ in LAYERS])
def test_float32_layers_are_covered(layer):
    assert all(0 <= _used(layer, _tokens(case)) <= 1 for case in range(30))


@pytest.mark.parametrize(("layer", "part"), LAYERS)
def test_a_smaller_constant_does_not_cover(layer, part):
    less = replace(SINGLE, mu=SINGLE.mu / part)
    assert max(_used(layer, _tokens(case), less) for case in range(30)) > 1


def test_without_the_mean_s_rounding_layer_norm_is_not_covered():
    """A common offset costs digits before the division: the bound without it is too small."""
    x = _tokens(1)
    s = Fraction(float(np.sqrt(x.var(-1).min() + 1e-6) * (1 - 1e-6)))
    error = np.abs(layers.layer_norm(x.astype(np.float32), 1e-6) - layers.layer_norm(x, 1e-6)).max()
    centred = _reach(x - x.mean(-1, keepdims=True))
    bounds = [float(r.layer_norm(y, s, SINGLE).error.upper()) for y in (centred, _reach(x))]
    assert bounds[0] < error <= bounds[1]


def test_what_underflows_needs_the_absolute_term():
    x = np.full((1, WIDTH), 2.0**-149)  # float32's smallest number: x/2 is 0
    assert _used(_silu, x) <= 1 < _used(_silu, x, replace(SINGLE, tiny=Fraction(0)))


def test_attention_covers_weights_that_underflow():
    q, k = np.ones((1, 1, 1, 1)), np.array([0.0, -80, -95, -200]).reshape(1, 1, 4, 1)
    v, scale = np.array([0.0, 1, -1, 1]).reshape(1, 1, 4, 1), np.ones((1, 1, 1, 1))
    exact = exact_attention(q, k, v, scale)
    low = exact_attention(*(x.astype(np.float32) for x in (q, k, v, scale)))
    bound = r.attention(Reach.of(1, 1), Reach.of(1, 200), Reach.of(1, 1), 1, 0, 4, SINGLE)
    assert 0 < np.abs(low - exact).max() <= float(bound.error.upper())


def test_attention_covers_products_with_values_that_underflow():
    """Four weights of 1/4 times float32's smallest number: every product is 0, the output not."""
    v = np.full(4, 2.0**-149, np.float32)
    weights = np.full(4, 0.25, np.float32)
    assert (weights * v).sum() == 0
    bound = r.attention(
        Reach.of(1, 1), Reach.of(1, 1), Reach.of(1, Fraction(1, 2**149)), 1, 0, 4, SINGLE
    )
    assert bound.error.lower() >= 2.0**-149
    assert bound.norm_error.lower() >= 2.0**-149


def test_attention_covers_logits_whose_products_underflow():
    """256 products of 2^-150 are 0 before the scale of 2^126 is applied: the logit is 2^-16."""
    d, scale = 256, np.float32(2.0**126)
    q, k = np.full(d, 2.0**-75, np.float32), np.full(d, 2.0**-75, np.float32)
    assert (q * k).sum() * scale == 0
    logit = Fraction(d) * Fraction(1, 2**150) * Fraction(float(scale))
    error = np.tanh(float(logit) / 2)  # two keys, k and -k, values 1 and -1; computed: 0
    side = Reach.of(d, Fraction(1, 2**75))
    bound = r.attention(side, side, Reach.of(1, 1), Fraction(float(scale)), 0, 2, SINGLE)
    assert error <= float(bound.error.upper())
    least = r.attention(
        side, side, Reach.of(1, 1), Fraction(float(scale)), 0, 2, replace(SINGLE, tiny=0)
    )
    assert float(least.error.upper()) < error  # so the absolute term is needed


def test_layer_norm_refuses_errors_that_reach_s_min():
    for x, s_min in ((Reach.of(4, 1, 1), 1), (Reach.of(4, 1000), Fraction(1, 10**5))):
        with pytest.raises(InputError, match="s_min"):
            r.layer_norm(x, s_min, SINGLE)
    with pytest.raises(InputError, match="s_min"):  # the variance may be flushed to zero
        r.layer_norm(Reach.of(4, Fraction(1, 2**80)), Fraction(1, 2**64), SINGLE)
