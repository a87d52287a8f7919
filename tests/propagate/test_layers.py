"""Error transfer of the layers: the checks in small, and what a false version does."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.scalar import arb, ball
from varnum.errors import InputError
from varnum.model import layers as model
from varnum.proof import checking, ledger
from varnum.propagate import transfer as t
from varnum.propagate.affine_layers import GELU_THIRD
from varnum.propagate.transfer import Reach
from varnum.verdict import Proved


@pytest.mark.parametrize("name", ["layers", "attention_layer", "activations", "bicubic"])
def test_transfer_holds(name):
    results = checking.load(name).measure(trials=200, seed=2)
    assert isinstance(checking.judge(results), Proved), results
    assert min(r.tightness for r in results) > 0.99  # every one of these claims is sharp


@pytest.mark.parametrize("name", ["layers", "layernorm", "activations", "bicubic"])
def test_checks_compute_on_the_device(name):
    pytest.importorskip("torch", reason="devices are torch's")
    results = checking.load(name).measure(trials=50, seed=2, device="cpu:0")
    assert isinstance(checking.judge(results), Proved), results


def test_a_device_that_a_check_would_ignore_is_refused(capsys):
    def measure(trials, seed, device):
        raise AssertionError("must not run")

    assert checking.main(measure, ["--device", "cuda"]) == 4
    assert "CPU only" in capsys.readouterr().err


def test_slopes_are_not_below_the_enclosed_suprema():
    claims = ledger.claims()
    facts = {f.fact: Fraction(f.high) for c in claims.values() for f in c.balls}
    assert facts["gelu-1"] <= t.GELU_SLOPE
    assert facts["silu-1"] <= t.SILU_SLOPE
    assert facts["gelu-3"] <= Fraction(str(GELU_THIRD))


def test_layernorm():
    results = checking.load("layernorm").measure(trials=200, seed=3)
    assert isinstance(checking.judge(results), Proved), results
    assert min(r.tightness for r in results) > 0.99


def test_layernorm_bound_of_the_literature_fails_beyond_one():
    """x' = -x: the l2 error is 2 sqrt(c), above 2 sqrt(c) sin(arcsin(1)/2) = sqrt(2 c)."""
    x = np.array([[1.0, -1.0, 2.0, -2.0]])
    moved = np.linalg.norm(model.layer_norm(-x, 1e-30) - model.layer_norm(x, 1e-30))
    assert moved > 1.4 * np.sqrt(2 * 4)
    reach = t.layer_norm(Reach.of(4, 2, 4), s_min=Fraction(3, 2))
    assert float(reach.norm_error.upper()) >= moved * (1 - 1e-12)


def test_layernorm_needs_a_floor():
    with pytest.raises(InputError, match="s_min"):
        t.layer_norm(Reach.of(4, 2, 1), s_min=0)


def test_operator_norms_are_above_the_true_ones():
    rng = np.random.default_rng(0)
    for shape in ((5, 9), (9, 5), (1, 3)):
        w = rng.normal(size=shape)
        norms = t.operator(w)
        assert float(norms.spectral.upper()) >= np.linalg.norm(w, 2)
        assert float(norms.spectral.upper()) <= np.linalg.norm(w, 2) * (1 + 1e-6)
        assert float(norms.rows.upper()) >= np.abs(w).sum(1).max()


def test_composed_layers_cover_a_perturbed_run():
    rng = np.random.default_rng(5)
    w, b = rng.normal(size=(6, 8)), rng.normal(size=6)
    reach = Reach.of(8, 1, Fraction(1, 10))
    s = np.sqrt(model.linear(np.zeros((1, 8)), w, b).var() + 1e-6)
    out = t.activation(t.linear(reach, t.operator(w, b)), t.GELU_SLOPE)
    for _ in range(200):
        x = rng.uniform(-1, 1, (1, 8))
        y = x + rng.choice([-0.1, 0.1], x.shape)
        before, after = (model.gelu(model.linear(v, w, b)) for v in (x, y))
        assert np.abs(after - before).max() <= float(out.error.upper())
        assert np.linalg.norm(after - before) <= float(out.norm_error.upper())
    assert s > 0


def test_gates_that_move_and_guidance():
    x, g = Reach.of(1, 2, Fraction(1, 4)), Reach.of(1, 3, Fraction(1, 2))
    assert t.product(x, g).bound() >= Fraction(2 * 1, 2) + Fraction(3, 4) + Fraction(1, 8)
    assert t.guidance(x, Fraction(3, 2)).bound() == 1  # (1 + 2 * 3/2) / 4


def test_unit_vectors_move_by_at_most_two():
    assert t.unit_vectors(Reach.of(3, 1, 5), arb(0)).bound() == 2
    assert t.unit_vectors(Reach.of(3, 1, Fraction(1, 100)), ball(1)).bound() < Fraction(2, 100)


def test_unit_vectors_cover_a_move_that_shortens():
    """A move at a right angle to its end: sin(1) long, unit vectors 2 sin(1/2) apart."""
    moved = np.cos(1.0) * np.array([np.cos(1.0), np.sin(1.0)])
    step = Fraction(float(np.hypot(moved[0] - 1, moved[1])))
    reach = t.unit_vectors(replace(Reach.of(2, 1, step, 1), norm_error=ball(step)), ball(1))
    chord = np.hypot(np.cos(1.0) - 1, np.sin(1.0))
    assert step < chord <= float(reach.norm_error.upper()) * (1 + 1e-12)
    assert float(reach.norm_error.upper()) <= chord * (1 + 1e-9)


def test_logits_of_unit_vectors_move_by_at_most_both_moves():
    q = t.unit_vectors(Reach.of(3, 1, Fraction(1, 100)), ball(1))
    both = float((q.norm_error + q.norm_error).upper())
    assert float(t.unit_logit_error(q, q, 5).upper()) <= 5 * both * (1 + 1e-12)
    wild = t.unit_vectors(Reach.of(3, 1, 9), ball(1))
    assert t.unit_logit_error(wild, wild, 5) == 10


def test_kernel_error_must_be_below_one():
    with pytest.raises(InputError, match="eps"):
        t.softmax_share(0, 1)


def test_budget_bisection_is_on_the_safe_side():
    found = t.solve_down(lambda e: ball(e) * 3, Fraction(1), Fraction(1, 2))
    assert Fraction(1, 3) - Fraction(1, 10**5) < found <= Fraction(1, 3)
    assert t.solve_down(lambda e: ball(2), Fraction(1), Fraction(1, 2)) is None
