"""The decoder on clouds: enclosed images, exact Jacobians, remainders and rounding covered."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import varnum as vn
from tests.propagate.ensemble.runs import small
from varnum.balls.scalar import precision
from varnum.model import quantizer, vqvae
from varnum.model.backend import Backend, to_numpy
from varnum.model.config import VaeConfig, preset
from varnum.model.generate import Model, image_of
from varnum.model.npfile import read_arrays
from varnum.model.random_weights import random_model
from varnum.propagate.ensemble import picture, protocol
from varnum.propagate.ensemble.cloud import Cloud, Ensemble, Fixed, Pilot, Refused
from varnum.propagate.ensemble.decoder import Decoder
from varnum.propagate.ensemble.embeddings import latent
from varnum.propagate.ensemble.noise import Noise
from varnum.propagate.ensemble.picture import Picture
from varnum.propagate.ensemble.protocol import Accepted, Plan, certify, commit
from varnum.propagate.forms import Floats

PLAN = Plan(gauss=16, split=False)
SIZES = VaeConfig((1, 2), vocab_size=12, Cvae=4, ch=32, ch_mult=(1, 2), num_res_blocks=1)


def model_of(seed: int, config: VaeConfig = SIZES) -> tuple[Model, Any]:
    """A random model of five tokens with this decoder, scaled away from one."""
    model, tokens = small(seed)
    made = random_model(model.var, config, seed)
    rng = np.random.default_rng(seed)
    odd = {
        name: w * rng.uniform(0.5, 2, w.shape) + (0.2 * rng.standard_normal(w.shape))
        for name, w in made.vae_weights.items()
        if "norm" in name or name.endswith("bias")
    }
    return replace(made, vae_weights={**made.vae_weights, **odd}), tokens


def picture_of(model: Model, tokens: Any) -> Picture:
    return Picture(model.vae_weights, model.vae, *latent(model, tokens[0]))


class Quiet(Ensemble):
    """No noise: samples are deviations that were put in; suprema are theirs."""

    def __init__(self, rows: int) -> None:
        super().__init__(Noise(b"", 1, rows), Pilot(1.0), (4096,), Fraction(1, 100), split=False)
        self.kept: list[Cloud] = []

    def inject(self, cloud: Cloud, where: str, first: int = 0) -> Cloud:
        self.kept.append(cloud)
        zero = (np.zeros_like(x) for x in (cloud.entry, cloud.ball, cloud.err))
        return Cloud(cloud.centre, cloud.samples.copy(), *zero)

    def norm(self, samples: Floats, err: Floats, first: int) -> Floats:
        return np.asarray(np.linalg.norm(samples, axis=-1).max(-1))

    def forms(self, values: Floats, err: Floats, first: int) -> Floats:
        return np.asarray(np.abs(values).max(1))


def place(x: Floats, moved: Floats) -> Cloud:
    """x (n,) with deviations (R, n)."""
    rows, n = moved.shape
    return Cloud(x[None], moved[None].copy(), np.zeros((1, n)), np.zeros(1), np.zeros((1, rows)))


def test_the_exact_image_is_enclosed() -> None:
    model, tokens = model_of(1)
    with precision(200):
        balls = model.to(Backend("balls"))
        scales = quantizer.split_scales(model.vae, tokens)
        f_hat = quantizer.accumulate(balls.vae_weights, model.vae, scales)[-1]
        value, error = latent(model, tokens[0])
        low, high = f_hat.bounds()
        exact = image_of(balls, f_hat)
    assert (value - error <= low[0]).all()
    assert (high[0] <= value + error).all()
    assert error.max() < 1e-12
    low, high = exact.bounds()
    found = vn.error_of(model, 1, tokens, decode=True, samples=16)
    assert found.verdict == "proved"
    assert (found.image - found.image_bound <= low).all()
    assert (high <= found.image + found.image_bound).all()
    assert found.image_error is not None
    assert found.image_bound.max() <= found.image_error < 1e-8
    off = np.clip(found.image + 0.25 * (found.image < 0.5), 0, 1)
    moved = vn.error_of(model, 1, tokens, image=off, samples=16)
    assert moved.image_error == pytest.approx(0.25, abs=1e-8)
    assert moved.image_error > 0.25
    assert len(moved.commitments) == 2


def test_deviations_go_through_the_exact_jacobian() -> None:
    """The whole decoder without noise, against central differences: a wrong factor shows."""
    model, tokens = model_of(2)
    f_hat, _ = latent(model, tokens[0])
    step = np.random.default_rng(0).standard_normal((4, f_hat.size))
    found = Quiet(4)
    walk = Decoder(model.vae_weights, model.vae, found)
    seen: list[Floats] = []
    keep = found.forms
    found.forms = lambda v, e, f: seen.append(v) or keep(v, e, f)  # type: ignore[method-assign]
    walk.decode(place(f_hat.reshape(-1), 1e-9 * step))
    wide = {n: np.asarray(w, dtype=np.float64) for n, w in model.vae_weights.items()}
    h = 1e-5
    for row in range(4):
        move = h * step[row].reshape(f_hat.shape)
        high, low = (vqvae.decode(wide, model.vae, (f_hat + s * move)[None]) for s in (1, -1))
        slope = (high - low).reshape(-1) / (2 * h)
        assert np.allclose(seen[-1][0, row] / 1e-9, slope, rtol=0, atol=1e-6 * np.abs(slope).max())


@pytest.mark.parametrize("size", [1e-3, 0.03, 0.3])
def test_remainders_are_covered(size: float) -> None:
    """GroupNorm and SiLU, corner deviations: f(x + d) - f(x) - J d within the ball."""
    model, _ = model_of(3)
    large = {n: 100 * w for n, w in model.vae_weights.items() if n == "decoder.norm_out.weight"}
    model = replace(model, vae_weights={**model.vae_weights, **large})
    rng = np.random.default_rng(4)
    moved = size * rng.choice([-1.0, 1.0], (6, 128))
    name = "decoder.norm_out"
    weight, bias = (model.vae_weights[f"{name}.{part}"] for part in ("weight", "bias"))
    x = rng.standard_normal(128) * 3

    def norm(values: Floats) -> Floats:
        shape = (1, 32, 2, 2)
        return np.asarray(vqvae.group_norm(values.reshape(shape), weight, bias)).reshape(-1)

    layer = Decoder(model.vae_weights, model.vae, Quiet(6))
    out = layer.norm(place(x, moved), name)
    check(layer, norm, x, moved, out)
    layer = Decoder(model.vae_weights, model.vae, Quiet(6))
    x[:64] = 2.3993572805154  # SiLU'' is zero here
    check(layer, vqvae.silu, x, moved, layer.silu(place(x, moved), "here"))


def check(layer: Decoder, f: Any, x: Floats, moved: Floats, out: Cloud) -> None:
    """What is left of every deviation, against the ball; it must not be far below either."""
    kept = layer.ensemble.kept[-1]  # type: ignore[attr-defined]
    worst = 0.0
    for row, step in enumerate(moved):
        rest = np.linalg.norm(f(x + step) - f(x) - out.samples[0, row])
        worst = max(worst, float(rest / kept.ball[0]))
    assert 1e-3 < worst <= 1 + 1e-9


def test_rounding_is_charged_by_terms() -> None:
    """A convolution whose terms cancel: values and samples against balls."""
    model, _ = model_of(5)
    rng = np.random.default_rng(5)
    weights = {
        "c.weight": rng.standard_normal((32, 32, 3, 3)) * 1e6,
        "c.bias": rng.standard_normal(32),
    }
    x = rng.standard_normal(128)
    moved = rng.standard_normal((4, 128))
    found = Decoder(weights, model.vae, Quiet(4)).linear(place(x, moved), "c")
    lost = away(weights, "c", x, found.centre[0])
    assert (lost <= found.entry[0]).all()
    assert (lost > 5 * 2.0**-53 * np.abs(found.centre[0])).any()
    linear = weights | {"c.bias": np.zeros(32)}
    for row, step in enumerate(moved):
        lost = np.linalg.norm(away(linear, "c", step, found.samples[0, row]))
        assert 0 < lost <= found.err[0, row]


def away(weights: dict[str, Floats], name: str, x: Floats, found: Floats) -> Floats:
    """|exact convolution - found|, by balls."""
    with precision(200):
        balls = Backend("balls").weights(
            weights | {"x": x.reshape(1, 32, 2, 2), "found": found.reshape(1, 32, 2, 2)}
        )
        rest = vqvae.conv(balls, name, balls["x"]) - balls["found"]
        return np.abs(np.asarray(rest.estimate())).reshape(-1)


def test_radii_are_fixed_and_checked() -> None:
    """Half the radii are refused; the commitment is of this f_hat; beyond 700 nothing is said."""
    start = picture_of(*model_of(6))
    pilot = Pilot(2.5)
    chance = Fraction(1, 10**12)
    protocol._walk(start, PLAN, pilot, b"pilot", 1, chance)
    protocol._walk(start, PLAN, Fixed(pilot.radii), b"fresh", 1, chance)
    with pytest.raises(Refused):
        protocol._walk(start, PLAN, Fixed([r / 2 for r in pilot.radii]), b"f", 1, chance)
    other = replace(start, f_hat=start.f_hat * 2)
    assert commit(start, PLAN, [], 1, 9) != commit(other, PLAN, [], 1, 9)
    with pytest.raises(ArithmeticError, match="beyond 700"):
        Decoder({}, SIZES, Quiet(4)).silu(place(np.array([701.0]), np.zeros((4, 1))), "here")


def test_a_trained_decoders_float32_image_is_within_a_millionth() -> None:
    """Of a digit that was held out: weights in tests/data/trained, everything in float32."""
    from varnum.cli.sources import load_model

    data = Path(__file__).parents[2] / "data" / "trained"
    files = (str(data / name) for name in ("var.npz", "vae.npz", "config.json"))
    model = load_model(*files, None, 0)
    tokens: Any = read_arrays(str(data / "tokens.npz"))["tokens"][:1]
    found = certify(picture_of(model, tokens), PLAN)
    assert isinstance(found, Accepted)
    image = picture.unit_image(found.end, model.vae)
    narrow = model.to(Backend("numpy", "float32"))
    scales = quantizer.split_scales(model.vae, tokens)
    f_hat = quantizer.accumulate(narrow.vae_weights, model.vae, scales)[-1]
    run = to_numpy(image_of(narrow, f_hat))[0]
    assert 1e-8 < (np.abs(run - image.centre) + image.bound).max() < 1e-6


def test_what_does_not_fit_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "memory", lambda: 10**9)
    with pytest.raises(vn.InputError, match=r"image: the decoder's 32 samples take 17\.\d GB"):
        picture.check_memory(preset("var-d16")[1], 32)
    picture.check_memory(preset("var-tiny")[1], 32)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"image": np.zeros((1, 3, 4, 4))}, "image: shape"),
        ({"image": np.full((1, 3, 2, 2), 2.0)}, "image: entries must be"),
        ({"decode": True, "kernel_error": "1e-3"}, "image: no bound for a kernel error"),
    ],
)
def test_bad_input_is_one_line(changes: dict[str, Any], word: str) -> None:
    model, tokens = small(0)
    with pytest.raises(vn.InputError, match=word):
        vn.error_of(model, 0, tokens, **changes)
