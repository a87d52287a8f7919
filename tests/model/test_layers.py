"""Layers and interpolations: the Array API alone, closed forms, and torch's own layers."""

from __future__ import annotations

from fractions import Fraction

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.model import interpolation, layers
from varnum.model.attention import exact_attention
from varnum.model.backend import Backend, is_balls, to_numpy
from varnum.model.config import preset
from varnum.model.generate import Model, image_of, teacher_forced_logits
from varnum.model.random_weights import random_model
from varnum.model.statedict import vae_shapes, var_shapes
from varnum.model.vqvae import encode

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["var-tiny", "var-tiny-plain", "var-tiny-shared"])
def test_the_model_needs_nothing_beyond_the_standard(name):
    numpy_model = random_model(*preset(name), seed=2).to(Backend())

    def strict(weights):
        return {k: array_api_strict.asarray(x) for k, x in weights.items()}

    strict_model = Model(
        numpy_model.var,
        numpy_model.vae,
        strict(numpy_model.var_weights),
        strict(numpy_model.vae_weights),
    )
    tokens = RNG.integers(64, size=(2, 30))
    logits = teacher_forced_logits(strict_model, np.array([0, -1]), tokens)
    expected = teacher_forced_logits(numpy_model, np.array([0, -1]), tokens)
    np.testing.assert_allclose(np.asarray(logits), expected, rtol=0, atol=1e-13)
    f_hat = RNG.standard_normal((1, 8, 4, 4))
    image = image_of(strict_model, array_api_strict.asarray(f_hat))
    np.testing.assert_allclose(np.asarray(image), image_of(numpy_model, f_hat), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["numpy", "torch", "balls"])
def test_fused_kernels_are_the_formulas(kind):
    """Each layer against its formula in NumPy float64, on every backend."""
    if kind == "torch":
        pytest.importorskip("torch", reason="the torch backend needs torch")
    backend = Backend(kind)
    x, w = RNG.standard_normal((2, 5, 8)) * 3, RNG.standard_normal((6, 8))
    image, kernel = RNG.standard_normal((1, 32, 4, 5)), RNG.standard_normal((3, 32, 3, 3))
    scale, shift = RNG.standard_normal((2, 32))
    bias = RNG.standard_normal(6)
    centred = x - x.mean(-1, keepdims=True)
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    convolved = [
        [(padded[0, :, i : i + 3, j : j + 3] * k).sum() for j in range(5)]
        for k in kernel
        for i in range(4)
    ]
    maps = image.mean((2, 3), keepdims=True)  # 32 groups of one channel
    spread = np.sqrt(((image - maps) ** 2).mean((2, 3), keepdims=True) + 1e-6)
    normal = (image - maps) / spread * scale[:, None, None] + shift[:, None, None]
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    array = backend.array
    cases = {
        "linear": (layers.linear(array(x), array(w), array(bias)), x @ w.T + bias),
        "gelu": (layers.gelu(array(x)), x / 2 * (1 + np.tanh(inner))),
        "silu": (layers.silu(array(x)), x / (1 + np.exp(-x))),
        "softmax": (layers.softmax(array(x)), np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        "layer_norm": (
            layers.layer_norm(array(x), 1e-6),
            centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6),
        ),
        "unit_vectors": (
            layers.unit_vectors(array(x)),
            x / np.linalg.norm(x, axis=-1, keepdims=True),
        ),
        "group_norm": (layers.group_norm(array(image), array(scale), array(shift)), normal),
        "conv2d": (
            layers.conv2d(array(image), array(kernel), array(bias[:3]), padding=1),
            np.reshape(convolved, (1, 3, 4, 5)) + bias[:3, None, None],
        ),
    }
    for name, (found, expected) in cases.items():
        found = found.estimate() if is_balls(found) else to_numpy(found)
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-13, err_msg=name)


def test_silu_does_not_overflow():
    x = np.array([-1e4, -800.0, 0.0, 1e4], dtype=np.float32)
    np.testing.assert_allclose(layers.silu(x), [0, 0, 0, 1e4])


def test_block_causal_attention_is_a_mask(backend):
    q, k, v = (RNG.standard_normal((2, 3, 14, 4)) for _ in range(3))
    scale = np.array([0.5, 1.0, 2.0]).reshape(1, 3, 1, 1)
    level = np.repeat([0, 1, 2], [1, 4, 9])
    logits = np.where(level[:, None] >= level[None, :], scale * (q @ k.swapaxes(2, 3)), -np.inf)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ v
    out = exact_attention(*map(backend.array, (q, k, v, scale)), (1, 4, 9))
    np.testing.assert_allclose(to_numpy(out), expected, rtol=0, atol=1e-13)


def test_the_attention_slot_is_used_everywhere(backend):
    """A kernel in the slot sees every block, every AttnBlock, and its output counts."""
    model = random_model(*preset("var-tiny"), seed=0).to(backend)
    calls = []

    def halved(q, k, v, scale, blocks):
        calls.append((tuple(q.shape), blocks))
        return exact_attention(q, k, v, scale, blocks) * 0.5

    tokens = np.zeros((1, 30), dtype=np.int64)
    exact = teacher_forced_logits(model, np.array([1]), tokens)
    changed = teacher_forced_logits(model, np.array([1]), tokens, halved)
    assert calls == [((1, 4, 30, 8), (1, 4, 9, 16))] * 2
    assert np.abs(to_numpy(exact) - to_numpy(changed)).max() > 1e-2
    calls.clear()
    f_hat = backend.array(RNG.standard_normal((1, 8, 4, 4)))
    image_of(model, f_hat, halved)
    assert calls == [((1, 1, 16, 64), None)] * 4  # mid, and three at the coarsest level


# --- interpolation ------------------------------------------------------------------------------

SIDES = [(p, 16) for p in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)] + [(24, 32), (7, 3), (5, 4)]


@pytest.mark.parametrize(("size_in", "size_out"), SIDES)
def test_resampling_is_that_of_torch(size_in, size_out, backend):
    torch = pytest.importorskip("torch", reason="compared with torch's interpolate")
    x = RNG.standard_normal((2, 3, size_in, size_in))
    interpolate, t = torch.nn.functional.interpolate, torch.from_numpy(x)
    up = interpolate(t, size=(size_out, size_out), mode="bicubic").numpy()
    np.testing.assert_allclose(
        to_numpy(interpolation.bicubic(backend.array(x), size_out)), up, rtol=0, atol=1e-13
    )
    down = interpolate(t, size=(size_out, size_out), mode="area").numpy()
    np.testing.assert_allclose(
        to_numpy(interpolation.area(backend.array(x), size_out)), down, rtol=0, atol=1e-13
    )


@given(
    st.integers(1, 12), st.integers(1, 24), st.fractions(-2, 0, max_denominator=8), st.booleans()
)
def test_matrices_are_exact(size_in, size_out, a, area):
    """Rows sum to one exactly; bicubic reproduces straight lines away from the border."""
    if area:
        matrix = interpolation.area_matrix(size_in, size_out)
        assert all(w >= 0 for row in matrix for w in row)
    else:
        matrix = interpolation.bicubic_matrix(size_in, size_out, a)
        for o, row in enumerate(matrix):
            source = Fraction(2 * o + 1, 2) * size_in / size_out - Fraction(1, 2)
            if 1 <= source < size_in - 2 and a == Fraction(-1, 2):
                assert sum(w * i for i, w in enumerate(row)) == source
    assert all(sum(row) == 1 for row in matrix)


def test_bicubic_known_weights():
    """Doubling with half-pixel centres: taps (-27, 225, 67, -9)/256 for a = -3/4."""
    row = interpolation.bicubic_matrix(8, 16)[6]  # source coordinate 2.75
    assert [w * 256 for w in row] == [0, -9, 67, 225, -27, 0, 0, 0]
    assert sum(map(abs, row)) == Fraction(41, 32)


def test_nearest_double(backend):
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    expected = np.kron(x, np.ones((2, 2)))
    np.testing.assert_array_equal(
        to_numpy(interpolation.nearest_double(backend.array(x))), expected
    )


@pytest.mark.parametrize("name", ["var-tiny", "var-tiny-plain", "var-tiny-shared"])
def test_everything_stays_on_one_device(name):
    """On torch's meta device a stray CPU tensor raises, as it would on CUDA."""
    torch = pytest.importorskip("torch", reason="the meta device is torch's")
    var, vae = preset(name)

    def empty(shapes):
        return {k: torch.empty(s, device="meta") for k, s in shapes.items()}

    model = Model(var, vae, empty(var_shapes(var)), empty(vae_shapes(vae)))
    logits = teacher_forced_logits(model, np.array([1, -1]), np.zeros((2, 30), dtype=np.int64))
    assert (logits.device.type, tuple(logits.shape)) == ("meta", (2, 30, 64))
    image = image_of(model, torch.empty((1, 8, 4, 4), device="meta"))
    latent = encode(model.vae_weights, vae, image)
    assert (latent.device.type, tuple(latent.shape)) == ("meta", (1, 8, 4, 4))


def test_read_only_arrays_are_taken():
    pytest.importorskip("torch", reason="torch warns about read-only memory")
    x = np.arange(3.0)
    x.flags.writeable = False
    np.testing.assert_array_equal(to_numpy(Backend("torch").array(x)), x)
