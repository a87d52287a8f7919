"""Ball runs: enclose the official arrays, certify digits, decide tokens only where certain."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from varnum.balls.array import BallArray
from varnum.balls.namespace import broadcast_to
from varnum.balls.scalar import current_precision, hull, precision
from varnum.errors import InputError
from varnum.model import sampling
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.enclosure import Enclosed, certify_forward
from varnum.model.generate import Settings, generate, image_of, teacher_forced_logits
from varnum.model.layers import unit_vectors
from varnum.model.output import host_arrays
from varnum.model.random_weights import random_model
from varnum.proof.checking import load
from varnum.verdict import Unknown

BALLS = Backend("balls")
NAMES = pytest.mark.parametrize("name", ["a", "b"])


def assert_encloses(x, expected):
    """|expected - midpoint| <= radius + 1e-10, the midpoint's rounding to float64 included."""
    arrays = host_arrays({"x": x})
    assert np.all(np.abs(expected - arrays["x"]) <= arrays["x_radius"] + 1e-10)


@NAMES
def test_logits_enclose_the_official_ones(official, name):
    model, io = official(name)
    model = model.to(BALLS)
    found = certify_forward(
        lambda: teacher_forced_logits(model, io["label_B"], io["tf_tokens"]), lambda x: [x], 15
    )
    assert isinstance(found, Enclosed)
    assert found.digits >= 15
    radii = found.value.radius_upper()
    sizes = np.maximum(np.abs(found.value.estimate()), 1)
    assert np.all(radii <= 10.0**-found.digits * sizes * (1 + 1e-9))
    assert_encloses(found.value, io["tf_logits"])
    with pytest.raises(AssertionError):
        assert_encloses(found.value, io["tf_logits"] + 1e-9)


@NAMES
def test_generation_encloses_the_official_one(official, name):
    model, io = official(name)
    model = model.to(BALLS)
    settings = Settings(cfg=Fraction(3, 2))
    found = certify_forward(
        lambda: list(generate(model, io["label_B"], settings)),
        lambda scales: [scale.logits for scale in scales],
        15,
    )
    assert isinstance(found, Enclosed)
    for s, scale in enumerate(found.value):
        np.testing.assert_array_equal(scale.tokens, io[f"cfg1p5_tokens_s{s}"])
        assert_encloses(scale.logits, io[f"cfg1p5_logits_s{s}"])
        assert_encloses(scale.f_hat, io[f"cfg1p5_fhat_s{s}"])


def test_image_encloses_float64():
    """The whole VQVAE decoder in balls, at a small size."""
    var, vae = preset("var-tiny")
    model = random_model(var, replace(vae, ch_mult=(1,), num_res_blocks=1), seed=3)
    f_hat = np.random.default_rng(0).standard_normal((1, 8, 4, 4))
    with precision(192):
        image = image_of(model.to(BALLS), BALLS.array(f_hat))
    assert image.radius_upper().max() < 1e-10
    assert_encloses(image, image_of(model.to(Backend()), f_hat))


def test_more_precision_shrinks_and_stays_inside(official):
    """Two precisions enclose the same numbers: the balls overlap and the finer one is smaller."""
    model, io = official("a")
    model = model.to(BALLS)
    runs = []
    for bits in (128, 256):
        with precision(bits):
            runs.append(teacher_forced_logits(model, io["label_B"], io["tf_tokens"]))
    coarse, fine = runs
    assert all(x.overlaps(y) for x, y in zip(coarse.entries(), fine.entries(), strict=True))
    assert fine.radius_upper().max() < 1e-30 * coarse.radius_upper().max()


def test_too_few_bits_are_unknown(official):
    model, io = official("a")
    model = model.to(BALLS)
    found = certify_forward(
        lambda: teacher_forced_logits(model, io["label_B"], io["tf_tokens"]),
        lambda x: [x],
        digits=200,
        limit=128,
    )
    assert isinstance(found, Unknown)
    assert "of 200 digits certified at 128 bits" in found.reason


def test_depth_16_at_toy_width():
    var, vae = preset("var-tiny")
    model = random_model(
        replace(var, depth=16, patch_nums=(1, 2)), replace(vae, patch_nums=(1, 2)), 0
    )
    tokens = np.array([[3, 1, 4, 1, 5]])
    balls = model.to(BALLS)
    found = certify_forward(
        lambda: teacher_forced_logits(balls, np.array([7]), tokens), lambda x: [x], 15
    )
    assert isinstance(found, Enclosed)
    assert_encloses(found.value, teacher_forced_logits(model.to(Backend()), np.array([7]), tokens))


# --- discrete steps -----------------------------------------------------------------------------


def fuzzy(logits, radius):
    """Balls of the given radius around exact logits."""
    exact = BallArray(logits)
    blur = hull(Fraction(-radius), Fraction(radius))
    return exact + broadcast_to(BallArray(blur), exact.shape)


@pytest.mark.parametrize(
    ("top_k", "top_p"), [(0, "0"), (1, "0"), (10, "0"), (0, "0.5"), (0, "0.95"), (10, "0.9")]
)
def test_draws_on_balls_are_those_on_floats(top_k, top_p):
    logits = np.random.default_rng(1).standard_normal((2, 5, 24)) * 2
    top_p = Fraction(top_p)
    for seed in range(3):
        on_floats = sampling.sample(logits, top_k, top_p, np.random.default_rng(seed), "x")
        with precision(96):
            on_balls = sampling.sample(
                fuzzy(logits, Fraction(1, 10**12)), top_k, top_p, np.random.default_rng(seed), "x"
            )
        np.testing.assert_array_equal(on_balls, on_floats)


@pytest.mark.parametrize(("top_k", "top_p"), [(0, "0"), (1, "0"), (3, "0"), (0, "0.5")])
def test_what_is_not_certain_is_undecided(top_k, top_p):
    """Balls so wide that the order of the logits is open leave every kind of draw open."""
    logits = np.random.default_rng(1).standard_normal((1, 1, 24))
    wide, rng = fuzzy(logits, Fraction(1)), np.random.default_rng(0)
    with pytest.raises(sampling.UndecidedError) as caught:
        sampling.sample(wide, top_k, Fraction(top_p), rng, "token of scale 2")
    assert isinstance(caught.value.verdict, Unknown)
    assert "token of scale 2" in str(caught.value)


@pytest.mark.parametrize(("top_k", "top_p"), [(1, "0"), (2, "0"), (1, "0.6"), (0, "0")])
def test_exact_ties_are_drawn_as_on_floats(top_k, top_p):
    """Logits that are equal points: every filter keeps all of them, on balls too."""
    logits = np.zeros((1, 40, 5))
    logits[..., 1:3] = 2.0
    seeds = [np.random.default_rng(4), np.random.default_rng(4)]
    on_floats = sampling.sample(logits, top_k, Fraction(top_p), seeds[0], "x")
    with precision(128):
        on_balls = sampling.sample(BallArray(logits), top_k, Fraction(top_p), seeds[1], "x")
    np.testing.assert_array_equal(on_balls, on_floats)
    assert set(np.unique(on_floats)) >= {1, 2}


@pytest.mark.parametrize("top_k", [1, 2])
def test_logits_closer_than_float64_can_tell(top_k):
    with precision(256):
        row = BallArray([1, 1 + Fraction(1, 2**100), Fraction(3, 2), 0])
        if top_k == 1:
            row = row[[0, 1, 3]]
        kept = sampling._certain_top_k(row, top_k, "x")
    assert kept.tolist() == ([1] if top_k == 1 else [1, 2])


def test_the_last_precision_tried_is_the_limit():
    tried = []

    def run():
        tried.append(current_precision())
        return BallArray([1]) / 3

    assert isinstance(certify_forward(run, lambda x: [x], 100, limit=180), Unknown)
    assert tried == [64, 128, 180]
    with pytest.raises(InputError, match="allowed are 2 <= start <= limit"):
        certify_forward(run, lambda x: [x], 5, limit=32)


def test_a_vector_that_may_be_zero_is_normalised():
    """Rounding noise around zero: the norm is at most 1e-12 for sure, so the result is bounded."""
    noise = fuzzy(np.zeros((1, 4)), Fraction(1, 10**20))
    assert unit_vectors(noise).radius_upper().max() < 1.0001e-8


def test_an_exact_tie_stays_undecided_at_any_precision(official):
    """Two equal rows of the head tie for ever; the run says so instead of choosing one."""
    model, io = official("a")
    weights = dict(model.var_weights)
    bias = weights["head.bias"].copy()
    bias[[5, 9]] = 100.0
    weights["head.bias"] = bias
    head = weights["head.weight"].copy()
    head[9] = head[5]
    weights["head.weight"] = head
    balls = type(model)(model.var, model.vae, weights, model.vae_weights).to(BALLS)
    found = certify_forward(
        lambda: list(generate(balls, io["label_B"])), lambda s: [x.logits for x in s], 5, limit=256
    )
    assert isinstance(found, Unknown)
    assert "token of scale 0" in found.reason


def test_sampling_frequencies(backend):
    """Seeded draws follow softmax over what the filters keep, and nothing else is ever drawn."""
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4]))
    many = backend.array(np.broadcast_to(logits, (20000, 4)).copy())
    drawn = sampling.sample(many, 3, Fraction(0), np.random.default_rng(0), "x")
    counts = np.bincount(drawn, minlength=4) / 20000
    np.testing.assert_allclose(counts, [0, 2 / 9, 3 / 9, 4 / 9], atol=0.02)
    again = sampling.sample(many, 3, Fraction(0), np.random.default_rng(0), "x")
    np.testing.assert_array_equal(drawn, again)


@pytest.mark.parametrize("name", ["var-tiny", "var-tiny-plain"])
def test_mpmath_at_twice_the_precision_lies_inside(name):
    """A second program, no slack: 128-bit balls against mpmath at 320 bits; a moved ball fails."""
    check = load("model_balls_speed")
    var, vae = preset(name)
    sizes = {"depth": 1, "patch_nums": (1, 2), "embed_dim": 16, "num_heads": 2}
    balls, mpmath_pass = check.pair(replace(var, **sizes), replace(vae, patch_nums=(1, 2)))
    with precision(128):
        logits = balls()
        moved = logits + Fraction(1, 10**24)
    with mpmath.workprec(320):
        reference = mpmath_pass()
        assert check.inside(logits, reference)
        assert not check.inside(moved, reference)


def test_overflow_is_not_a_token(backend32):
    logits = backend32.array(np.array([[1.0, np.nan, 0.0], [1.0, np.inf, 0.0]]))
    for row in (logits[:1], logits[1:]):
        with pytest.raises(InputError, match="scale 3: logits are not finite"):
            sampling.sample(row, 1, Fraction(0), np.random.default_rng(0), "token of scale 3")
