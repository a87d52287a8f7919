"""p-bit runs: rounding against rationals, bounds against runs, derivatives against differences."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.balls.array import BallArray
from varnum.circuit import precision
from varnum.circuit.adjoint import Tape
from varnum.circuit.every_rounding import Wide, certify_every_rounding, fraction_of, weight
from varnum.circuit.pbit import PArray, Rounding, matmul, round_exactly, round_to
from varnum.errors import InputError
from varnum.model.config import VaeConfig, VarConfig
from varnum.model.generate import Model, teacher_forced_logits
from varnum.model.layers import gelu, layer_norm, softmax
from varnum.model.random_weights import random_model

SIDES = (1, 2)
SMALL = (
    VarConfig(SIDES, 1, 16, 2, vocab_size=16, Cvae=4, num_classes=3),
    VaeConfig(SIDES, vocab_size=16, Cvae=4, ch=32, ch_mult=(1,), num_res_blocks=1),
)
LABELS = np.array([1])


@cache
def run() -> tuple[Model, np.ndarray, precision.Margins, Any]:
    model = random_model(*SMALL, seed=3)
    tokens = precision.greedy_tokens(model, LABELS)
    margins = precision.estimate_margins(model, LABELS, tokens)
    return model, tokens, margins, precision.certify_logits(model, LABELS, tokens)


@given(st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-200), st.integers(2, 24))
def test_rounding_is_that_of_rationals(x: float, p: int) -> None:
    assert float(round_to(x, p)) == round_exactly(Fraction(x), p)
    below, above = (round_exactly(Fraction(x) * f, p) for f in (Fraction(99, 100), Fraction(1)))
    assert abs(below) <= abs(above)


@pytest.mark.parametrize(("x", "even"), [(1.125, 1.0), (1.375, 1.5), (-1.125, -1.0), (3.75, 4.0)])
def test_ties_go_to_even(x: float, even: float) -> None:
    assert float(round_to(x, 3)) == round_exactly(Fraction(x), 3) == even


@given(st.integers(2, 24), st.integers(0, 2**32 - 1))
def test_every_operation_is_correctly_rounded(p: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    r = Rounding(p)
    x, y = (r.array(rng.standard_normal(5) * 10.0 ** rng.integers(-3, 4)) for _ in range(2))
    a, b = (list(map(Fraction, v.values.tolist())) for v in (x, y))
    for got, right in (
        (x + y, [s + t for s, t in zip(a, b, strict=True)]),
        (x - y, [s - t for s, t in zip(a, b, strict=True)]),
        (x * y, [s * t for s, t in zip(a, b, strict=True)]),
        (x / y, [s / t for s, t in zip(a, b, strict=True)]),
    ):
        assert got.values.tolist() == [round_exactly(v, p) for v in right]
    total = sum((Fraction(round_exactly(s * t, p)) for s, t in zip(a, b, strict=True)), Fraction(0))
    got = matmul(x[None, :], PArray(y.values[:, None], r)).values[0, 0]
    assert got == round_exactly(total, p)


def test_sums_that_float64_cannot_decide_are_exact() -> None:
    r = Rounding(4)
    terms = np.array([1.0, 1 / 16, 2.0**-80, -(2.0**-80)])  # exactly a tie: to even
    assert r.sum(terms, 0) == 1.0
    assert r.sum(terms[:3], 0) == 1.125
    assert Rounding(4, in_order=True).sum(terms[:3], 0) == 1.0
    one = PArray(np.array([0.0, 1.0]), Rounding(24))
    xp = one.__array_namespace__()
    assert xp.exp(one).values.tolist() == [1.0, round_exactly(Fraction(np.e), 24)]


def dot(w: np.ndarray, x: np.ndarray, p: int, in_order: bool) -> tuple[Fraction, Fraction]:
    r = Rounding(p, in_order)
    got = Fraction(float(matmul(PArray(w[None, :], r), PArray(x[:, None], r)).values[0, 0]))
    terms = [Fraction(a) * Fraction(b) for a, b in zip(w.tolist(), x.tolist(), strict=True)]
    u, t = Fraction(1, 1 << p), sum(terms)
    return abs(got - t), (1 + u) * u * sum(map(abs, terms)) + u * abs(t)


def test_products_keep_the_bound_and_sums_in_order_break_it() -> None:
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(300):
        p, n = int(rng.integers(3, 9)), int(rng.integers(2, 60))
        w, x = (round_to(abs(rng.standard_normal(n)), p) for _ in range(2))
        error, bound = dot(w, x, p, in_order=False)
        assert error <= bound
        error, bound = dot(w, x, p, in_order=True)
        broken += error > bound
    assert broken > 30


def test_the_bound_is_about_the_computed_input_and_rounded_weights() -> None:
    """With the exact input on its right, or against weights not yet rounded, it is false."""
    rng = np.random.default_rng(3)
    worst = {"computed": 0.0, "exact": 0.0, "unrounded": 0.0}
    p, u = 4, Fraction(1, 16)
    for trial in range(300):
        real = 1 + rng.random((2, 2))
        w = round_to(real[0], p)
        seen = round_to(real[1] * (1 + rng.uniform(0, 10, 2)), p)
        if trial == 0:  # found by search
            w, real[1], seen = np.array([[1.5, 1.375], [1.6583, 1.0249], [18.0, 7.0]])
        r = Rounding(p)
        got = Fraction(float(matmul(PArray(w[None, :], r), PArray(seen[:, None], r)).values[0, 0]))
        W, X, S, free = (list(map(Fraction, v.tolist())) for v in (w, real[1], seen, real[0]))
        eta = sum(a * abs(s - x) for a, s, x in zip(W, S, X, strict=True))
        true = sum(a * x for a, x in zip(W, X, strict=True))
        computed = sum(a * s for a, s in zip(W, S, strict=True))
        other = sum(a * s for a, s in zip(free, S, strict=True))
        for name, error, size, more in (
            ("computed", abs(got - true), computed, eta),
            ("exact", abs(got - true), true, eta),
            ("unrounded", abs(got - other), other, Fraction(0)),
        ):
            bound = (1 + u) * u * size + u * size + more
            worst[name] = max(worst[name], float(error / bound))
    assert worst["computed"] <= 1
    assert worst["exact"] > 1
    assert worst["unrounded"] > 1


def test_an_enclosure_holds_the_error_of_the_run() -> None:
    model, tokens, margins, real = run()
    for p in (8, 11, 24):
        logits = precision.run_pbit(model, LABELS, tokens, Rounding(p))
        low, high, equal = precision.compare(logits, real, True)
        assert low <= high <= low * (1 + 1e-9)
        assert abs(abs(logits - margins.logits).max() - high) < 1e-12
        assert equal <= tokens.size
    again = precision.run_pbit(model, LABELS, tokens, Rounding(24))
    assert (again == logits).all()
    other = random_model(*SMALL, seed=4)
    moved = precision.run_pbit(other, LABELS, tokens, Rounding(24))
    assert precision.compare(moved, real, True)[0] > 1e3 * high


def test_the_first_order_is_kept_by_the_run() -> None:
    model, tokens, margins, _ = run()
    for p in (11, 17, 24):
        logits = precision.run_pbit(model, LABELS, tokens, Rounding(p))
        best, second = (
            np.take_along_axis(logits, i[..., None], -1)[..., 0]
            for i in (margins.best, margins.second)
        )
        moved = abs(best - second - margins.margin) * 2.0**p
        assert (moved <= margins.constant).all()
        assert (moved > 0).any()
        assert (margins.random < margins.constant).all()


def test_aligned_weight_errors_come_near_their_part_of_the_first_order() -> None:
    """Every weight moved by u its own size, the way it hurts: what the constant is about."""
    tape = Tape()
    x = tape.weight(np.array([[1.0, -2.0, 0.5]]))
    w = tape.weight(np.array([[0.5, 1.5, -1.0]]))
    y = x * w
    total = y.__array_namespace__().sum(y, axis=-1)
    constant, _ = tape.estimate_constants(total, np.ones((1, 1)))
    products = abs(x.value * w.value).sum()
    assert constant[0] == 3 * products + abs((x.value * w.value).sum())  # x, w, product, sum


def test_certain_tokens_do_not_change() -> None:
    model, tokens, margins, real = run()
    least = margins.least_bits()
    rows = precision.precision_rows(model, LABELS, tokens, [6, 8, 11, 14, 24], real, True, margins)
    for row in rows:
        logits = precision.run_pbit(model, LABELS, tokens, Rounding(row.bits))
        assert row.certain == (least <= row.bits).sum()
        assert (logits.argmax(-1) == margins.best)[least <= row.bits].all()
    certain = [row.certain for row in rows]
    assert certain == sorted(certain)
    assert certain[-1] == tokens.size
    boasting = replace(margins, margin=1e4 * margins.margin).least_bits()
    logits = precision.run_pbit(model, LABELS, tokens, Rounding(2))
    assert not (logits.argmax(-1) == margins.best)[boasting <= 2].all()


def test_every_rounding_holds_a_float64_run_and_the_real_model() -> None:
    """float64 is one way to round to 53 bits in some order; with 48 bits it is inside."""
    model, tokens, margins, real = run()
    held = precision.converted(model, lambda w: weight(w, Fraction(1, 1 << 48), in_order=True))
    low, high = teacher_forced_logits(held, LABELS, tokens).value.bounds()
    assert 0 < (high - low).max() < 1
    assert (low <= margins.logits).all()
    assert (margins.logits <= high).all()
    exact = real.bounds()
    assert (low <= exact[0]).all()
    assert (exact[1] <= high).all()


def test_tokens_certain_for_every_rounding() -> None:
    model, tokens, margins, _ = run()
    counts = precision.every_rounding_rows(model, LABELS, tokens, [2, 24, 40])
    assert counts[2] == 0
    assert counts[2] <= counts[24] <= counts[40] == tokens.size
    certain = certify_every_rounding(model, LABELS, tokens, 24)
    logits = precision.run_pbit(model, LABELS, tokens, Rounding(24))
    assert (logits.argmax(-1) == margins.best)[certain].all()


def numerically(f: Any, x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """d f / d x by differences, f scalar."""
    out = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[i] = h
        out[i] = (f(x + step) - f(x - step)) / (2 * h)
    return out


LAYERS: dict[str, Any] = {
    "layer_norm": lambda x: layer_norm(x, 1e-3),
    "gelu": gelu,
    "softmax": softmax,
    "quotient": lambda x: (1 - x) / (x * x + 2.0) + 1 / (x * x + 3.0),
}


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_every_rounding_holds_each_p_bit_layer(name: str, in_order: bool) -> None:
    rng = np.random.default_rng(2)
    for p in (8, 11, 24):
        x = round_to(rng.standard_normal((3, 6)), p)
        got = LAYERS[name](Rounding(p, in_order).array(x)).values
        low, high = LAYERS[name](Wide(BallArray(x), Fraction(1, 1 << p), in_order)).value.bounds()
        assert (low <= got).all()
        assert (got <= high).all()
        narrow = LAYERS[name](Wide(BallArray(x), Fraction(1, 1 << (p + 8)), in_order)).value
        low, high = narrow.bounds()
        assert ((got < low) | (got > high)).any()  # 8 bits more: what is there is too narrow


@pytest.mark.parametrize("name", LAYERS)
def test_derivatives_are_those_of_differences(name: str) -> None:
    rng = np.random.default_rng(1)
    x, seed = rng.standard_normal((2, 5)), rng.standard_normal((2, 5))
    tape = Tape()
    leaf = tape.weight(x)
    result = LAYERS[name](leaf)
    assert np.allclose(result.value, LAYERS[name](x))
    tape.locals = [None] * len(tape.locals)
    expected = numerically(lambda v: float((LAYERS[name](v) * seed).sum()), x)
    for i in np.ndindex(2, 5):  # |derivative| to one entry at a time
        local = np.zeros((2, 5))
        local[i] = 1.0
        tape.locals[leaf.index] = (local, local)
        constant, _ = tape.estimate_constants(result, seed[None])
        assert abs(constant[0] - abs(expected[i])) < 1e-6


def test_a_whole_models_derivative() -> None:
    """One weight of the model, moved: the margin moves as reverse mode says."""
    model, tokens, margins, _ = run()
    tape = Tape()
    held = precision.converted(model, tape.weight)
    logits = teacher_forced_logits(held, LABELS, tokens)
    seed = np.zeros((1, *logits.shape))
    seed[0, 0, -1, margins.best[0, -1]], seed[0, 0, -1, margins.second[0, -1]] = 1, -1
    name = "blocks.0.attn.mat_qkv.weight"
    leaf = held.var_weights[name]
    tape.locals = [None] * len(tape.locals)
    local = np.zeros(leaf.shape)
    local[3, 5] = 1.0
    tape.locals[leaf.index] = (local, local)
    constant, _ = tape.estimate_constants(logits, seed)

    def margin(h: float) -> float:
        weights = {k: np.array(v, dtype=float) for k, v in model.var_weights.items()}
        weights[name][3, 5] += h
        vae = {k: np.array(v, dtype=float) for k, v in model.vae_weights.items()}
        out = teacher_forced_logits(Model(model.var, model.vae, weights, vae), LABELS, tokens)
        return float((out * seed[0]).sum())

    slope = (margin(1e-5) - margin(-1e-5)) / 2e-5
    assert abs(constant[0] - abs(slope)) < 1e-5 * max(1, abs(slope))


def test_bits_out_of_range_are_named() -> None:
    for p in (1, 25):
        with pytest.raises(InputError, match="2 to 24"):
            Rounding(p)
    for wrong in (np.inf, np.nan, 1e305, 1e-305):
        with pytest.raises(ArithmeticError, match="beyond float64's exponents"):
            round_to([wrong], 8)
    x = PArray(np.array([-800.0]), Rounding(8))
    with pytest.raises(ArithmeticError, match="an exp"):
        x.__array_namespace__().exp(x)


def test_constants_are_the_fractions_they_stand_for() -> None:
    for exact in (Fraction(44715, 10**6), Fraction(-27, 256), Fraction(1, 9), Fraction(1, 10**6)):
        assert fraction_of(float(exact)) == exact
    assert fraction_of(2 / np.pi) is None
    assert fraction_of(1e-24) is None


@pytest.mark.parametrize("p", [1, 2, 8, 11, 24])
def test_one_rounding_attains_its_bound(p):
    u = Fraction(1, 2**p)
    for x in (1 + u, -(1 + u), 4 * (1 + u)):
        made = Fraction(float(round_to(np.array([float(x)]), p)[0]))
        assert abs(made - x) / abs(x) == u / (1 + u)
    near = 1 + u * Fraction(99, 100)
    made = Fraction(float(round_to(np.array([float(near)]), p)[0]))
    assert abs(made - Fraction(float(near))) / near < u / (1 + u)
