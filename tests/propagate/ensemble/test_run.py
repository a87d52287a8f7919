"""R1: the exact logits lie within the bound, and the bound lies above the exact affine radius."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import varnum as vn
from tests.propagate.ensemble.runs import small
from varnum.balls.scalar import precision
from varnum.model.backend import Backend, to_numpy
from varnum.model.generate import Model, teacher_forced_logits


@pytest.mark.parametrize("changes", [{}, {"attn_l2_norm": False}, {"shared_aln": True}])
def test_the_exact_logits_are_enclosed(changes: dict[str, object]) -> None:
    model, tokens = small(1, **changes)
    with precision(300):
        exact = teacher_forced_logits(model.to(Backend("balls")), [2], tokens)
    low, high = exact.bounds()
    found = vn.error_of(model, 2, tokens, samples=16)
    assert found.verdict == "proved"
    assert (found.centre - found.bound <= low).all()
    assert (high <= found.centre + found.bound).all()
    assert found.rounding_bound < 1e-8
    assert found.tokens_certain == found.tokens == 5


@pytest.mark.parametrize("name", ["v_bias and the values", "ffn.fc1"])
def test_a_place_of_zeros_is_enclosed(name: str) -> None:
    """A radius of 1e-140 there once made rounding of its noise refuse every run."""
    model, tokens = small(1, depth=1)
    weights = {n: np.array(x) for n, x in model.var_weights.items()}
    for n, x in weights.items():
        if name in n or ("v_bias" in n and "v_bias" in name):
            x[:] = 0
        elif "mat_qkv" in n and "v_bias" in name:
            x[-len(x) // 3 :] = 0
    model = Model(model.var, model.vae, weights, model.vae_weights)
    found = vn.error_of(model, 2, tokens, samples=16)
    assert found.verdict == "proved"
    with precision(300):
        low, high = teacher_forced_logits(model.to(Backend("balls")), [2], tokens).bounds()
    assert (found.centre - found.bound <= low).all()
    assert (high <= found.centre + found.bound).all()
    assert found.rounding_bound < 1e-8


def test_a_bfloat16_run_is_bounded_by_what_it_differs_and_the_rounding() -> None:
    pytest.importorskip("torch")
    model, tokens = small(2)
    given = to_numpy(teacher_forced_logits(model.to(Backend("torch", "bfloat16")), [0], tokens))
    found = vn.error_of(model, 0, tokens, given, samples=16)
    exact = to_numpy(teacher_forced_logits(model.to(Backend()), [0], tokens))
    assert found.measured == pytest.approx(np.abs(given - exact).max(), rel=1e-9)
    assert found.measured + found.bound.min() < found.logit_error * (1 + 1e-12)
    assert found.logit_error <= found.measured + found.rounding_bound * 1.01
    assert len(found.logit_error_per_scale) == 2
    assert max(found.logit_error_per_scale) == found.logit_error


def test_a_run_without_a_bound_is_unknown() -> None:
    """Queries that are zero: their direction is not that of any float."""
    model, tokens = small(3)
    zero = {n: x * 0 for n, x in model.var_weights.items() if "mat_qkv" in n or "q_bias" in n}
    weights = model.var_weights | zero
    found = vn.error_of(
        Model(model.var, model.vae, weights, model.vae_weights), 0, tokens, samples=4
    )
    assert (found.verdict, found.exit_code) == ("unknown", 3)
    assert "not certified (try 3 of 3)" in found.reason
    assert "cannot be normalised" in str(found)
    assert found.to_dict()["logit_error"] is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"samples": 15}, "samples: 15 is odd"),
        ({"chance": "1/2"}, "chance: 1/2 is not allowed"),
        ({"tokens": np.zeros((1, 4), int)}, "tokens: need integers of shape"),
        ({"labels": 9}, "labels: allowed"),
        ({"labels": -2}, "labels: allowed"),
        ({"logits": np.zeros((1, 5, 3))}, "logits: shape"),
    ],
)
def test_bad_input_is_one_line(changes: dict[str, object], word: str) -> None:
    model, tokens = small(0)
    with pytest.raises(vn.InputError, match=word):
        vn.error_of(**({"model": model, "labels": 0, "tokens": tokens} | changes))  # type: ignore[arg-type]


def test_the_chance_is_split_over_sequences() -> None:
    model, tokens = small(4)
    two = np.concatenate([tokens, tokens])
    one, both = (
        vn.error_of(model, 1, t, samples=16, chance=Fraction(1, 100)) for t in (tokens, two)
    )
    assert both.tokens == 2 * one.tokens
    assert both.assurance == "proved for this run, up to chance 0.01"


def test_a_kernel_error_and_the_largest_one() -> None:
    """Backwards: the kernel error found for a model error keeps it, ten times as much does not."""
    model, tokens = small(4)
    found = vn.error_of(model, 1, tokens, model_error="1e-3", margins=True)
    assert found.verdict == "proved"
    assert found.logit_error <= 1e-3
    assert found.kernel_error is not None
    again = vn.error_of(model, 1, tokens, kernel_error=found.kernel_error)
    assert 0.3e-3 < again.logit_error < 3e-3
    assert again.rounding_bound < again.logit_error
    assert found.tokens_certain >= again.tokens_certain - 1
    with pytest.raises(vn.InputError, match="give one of"):
        vn.error_of(model, 1, tokens, kernel_error="1e-3", model_error="1e-3")
    with pytest.raises(vn.InputError, match="kernel_error: 2 is not allowed"):
        vn.error_of(model, 1, tokens, kernel_error="2")
