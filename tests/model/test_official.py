"""Every array of the official fixtures, on NumPy and torch, float64 to 1e-10, float32 to 1e-4."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.model import quantizer, transformer, vqvae
from varnum.model.backend import Backend, namespace, to_numpy
from varnum.model.generate import Settings, generate, image_of, teacher_forced_logits
from varnum.model.layers import softmax
from varnum.model.sampling import filter_logits

NAMES = pytest.mark.parametrize("name", ["a", "b"])
CFG = {"cfg0": Fraction(0), "cfg1p5": Fraction(3, 2)}


def check_teacher_forcing(model, io, tolerance):
    def close(x, key):
        np.testing.assert_allclose(to_numpy(x), io[key], rtol=0, atol=tolerance, err_msg=key)

    maps = quantizer.teacher_maps(model.vae_weights, model.vae, io["tf_tokens"])
    close(namespace(maps[0]).concat(maps, axis=1), "tf_x_BLCv")
    hidden = []
    logits = transformer.teacher_forced(
        model.var_weights, model.var, io["label_B"], maps, watch=lambda _, x: hidden.append(x)
    )
    assert len(hidden) == model.var.depth + 1
    for i, x in enumerate(hidden):
        close(x, f"tf_hidden_{i}")
    close(logits, "tf_logits")
    close(teacher_forced_logits(model, io["label_B"], io["tf_tokens"]), "tf_logits")
    scales = quantizer.split_scales(model.vae, io["tf_tokens"])
    f_hat = quantizer.accumulate(model.vae_weights, model.vae, scales)[-1]
    close(f_hat, "tf_fhat_final")
    close(2 * image_of(model, f_hat) - 1, "tf_image_pm1")


def assert_generation(model, io, prefix, tolerance):
    def close(x, key):
        key = f"{prefix}_{key}"
        np.testing.assert_allclose(to_numpy(x), io[key], rtol=0, atol=tolerance, err_msg=key)

    for s, scale in enumerate(generate(model, io["label_B"], Settings(cfg=CFG[prefix]))):
        np.testing.assert_array_equal(scale.tokens, io[f"{prefix}_tokens_s{s}"])
        close(scale.logits, f"logits_s{s}")
        close(scale.f_hat, f"fhat_s{s}")
        if scale.next_map is not None:
            close(scale.next_map, f"nextmap_s{s}")
        if CFG[prefix]:
            close(scale.raw_logits, f"rawlogits_s{s}")
    assert s == model.var.scales - 1
    close(vqvae.decode(model.vae_weights, model.vae, scale.f_hat), "decoder_raw")
    close(image_of(model, scale.f_hat), "image")


def check_tokenizer(model, io, backend, tolerance):
    latent = vqvae.encode(model.vae_weights, model.vae, backend.array(io["enc_image_pm1"]))
    np.testing.assert_allclose(to_numpy(latent), io["enc_f"], rtol=0, atol=tolerance)
    for s, tokens in enumerate(quantizer.tokenize(model.vae_weights, model.vae, latent)):
        np.testing.assert_array_equal(tokens, io[f"enc_tokens_s{s}"])


@NAMES
def test_float64(official, backend, name):
    model, io = official(name)
    model = model.to(backend)
    check_teacher_forcing(model, io, 1e-10)
    check_tokenizer(model, io, backend, 1e-10)
    for prefix in CFG:
        assert_generation(model, io, prefix, 1e-10)


@NAMES
def test_float32(official, backend32, name):
    model, io = official(name)
    model = model.to(backend32)
    check_teacher_forcing(model, io, 1e-4)
    check_tokenizer(model, io, backend32, 1e-4)
    for prefix in CFG:
        assert_generation(model, io, prefix, 1e-4)


def test_the_comparison_can_fail(official, backend):
    model, io = official("b")
    weights = dict(model.var_weights)
    weights["blocks.0.attn.scale_mul_1H11"] = weights["blocks.0.attn.scale_mul_1H11"] * 1.001
    slightly_wrong = type(model)(model.var, model.vae, weights, model.vae_weights).to(backend)
    with pytest.raises(AssertionError, match="tf_hidden_1"):
        check_teacher_forcing(slightly_wrong, io, 1e-10)


def test_filters(fixture_path, backend):
    with np.load(fixture_path / "sampling.npz") as archive:
        data = dict(archive)
    logits = backend.array(data["logits"])
    for i, (top_k, top_p) in enumerate(data["cases"]):
        kept = filter_logits(logits, int(top_k), Fraction(str(top_p)))
        np.testing.assert_array_equal(to_numpy(kept), data[f"filtered_{i}"])
        np.testing.assert_allclose(to_numpy(softmax(kept)), data[f"probs_{i}"], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(to_numpy(logits), data["logits"])  # the input is left alone


@NAMES
def test_bfloat16_is_close(official, name):
    """8-bit mantissas: the logits' error stays a few percent of their spread, and is not zero."""
    pytest.importorskip("torch", reason="bfloat16 needs torch")
    model, io = official(name)
    logits = teacher_forced_logits(
        model.to(Backend("torch", "bfloat16")), io["label_B"], io["tf_tokens"]
    )
    error = np.sqrt(np.mean((to_numpy(logits) - io["tf_logits"]) ** 2))
    assert 1e-4 < error < 0.05 * io["tf_logits"].std()
