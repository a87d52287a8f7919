"""Budget backwards on the official tiny models, end to end with the budget's own polynomial."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.questions import bounds
from varnum.balls.scalar import precision
from varnum.errors import InputError
from varnum.propagate.budget import (
    certify_affine_budget,
    certify_budget,
    compose_run,
    teacher_forced_setting,
)
from varnum.propagate.discrete import certify_tokens
from varnum.propagate.run_enclosure import (
    certify_ranges,
    certify_run_difference,
    largest_error,
    polynomial_kernel,
    run_blocks,
)
from varnum.verdict import Unknown


@pytest.fixture(scope="module", params=["a", "b"])
def run(request, tiny_model):
    """(model, x, vectors, compose, logits) of one teacher-forced sequence."""
    model, io = tiny_model(request.param)
    x, vectors = teacher_forced_setting(model, int(io["label_B"][0]), io["tf_tokens"][0])
    logits, _ = certify_ranges(model.var_weights, model.var, x, vectors, model.var.lengths)
    middle = (bounds(logits)[0] + bounds(logits)[1]) / 2
    assert np.abs(middle - io["tf_logits"][0]).max() < 1e-10  # the official model's own numbers
    return model, x, vectors, compose_run(model, x, vectors), middle


@pytest.mark.parametrize("target", ["1e-1", "1e-2", "1e-3"])
def test_end_to_end(run, target):
    model, x, vectors, compose, logits = run
    budget = certify_budget(target, compose, model.var.head_dim)
    assert not isinstance(budget, Unknown)
    assert budget.error <= Fraction(target)
    assert budget.rank is not None
    kernel = polynomial_kernel(budget.least.poly.coefficients())
    found = certify_run_difference(
        lambda attend: run_blocks(
            model.var_weights, model.var, x, vectors, model.var.lengths, attend
        ),
        kernel,
        digits=3,
        start=256,
    )
    assert not isinstance(found, Unknown)
    assert 0 < largest_error(found[0]) <= budget.error
    sure = certify_tokens(logits, float(budget.error))
    low, high = bounds(found[0])
    moved = logits + (low + high) / 2
    assert sure.any()
    assert np.array_equal(moved.argmax(-1)[sure], logits.argmax(-1)[sure])


def test_budget_is_monotone_and_shows_amplification(run):
    _, _, _, compose, _ = run
    loose, tight = (certify_budget(t, compose, 8, with_degree=False) for t in ("1e-1", "1e-3"))
    assert tight.eps < loose.eps
    assert [s.layer for s in tight.steps] == [
        "attention 0", "mlp 0", "attention 1", "mlp 1", "head",
    ]  # fmt: skip
    assert all(s.amplification > 1 for s in tight.steps[1:])
    assert tight.domain >= max(s.logits for s in tight.steps)


def test_bad_targets_are_refused(run):
    with pytest.raises(InputError, match="model_error"):
        certify_budget("0", run[3], 8)


def test_the_affine_budget_allows_far_more(tiny_model):
    model, io = tiny_model("a")
    x, vectors = teacher_forced_setting(model, int(io["label_B"][1]), io["tf_tokens"][1])
    vectors = [vectors[0], vectors[-1]]  # one block and the head
    norms = certify_budget("1e-2", compose_run(model, x, vectors), 8, with_degree=False)
    found = certify_affine_budget("1e-2", model, x, vectors)
    assert found.affine.bound.max() <= 1e-2
    assert found.eps > 100 * norms.eps
    kernel = polynomial_kernel(found.least.poly.coefficients())
    w, config = model.var_weights, model.var
    moved = certify_run_difference(
        lambda attend: run_blocks(w, config, x, vectors, config.lengths, attend),
        kernel,
        digits=3,
        start=256,
    )
    low, high = bounds(moved[0])
    assert np.all(high <= found.affine.high)
    assert np.all(low >= found.affine.low)
    assert largest_error(moved[0]) > Fraction(1, 10**6)  # the budget is used, not idle


def test_ranges_need_more_bits_than_they_start_with(run, monkeypatch):
    """The balls of deep models widen until they bound nothing: more precision, or Unknown."""
    from varnum.propagate import budget, run_enclosure

    model, x, vectors, _, _ = run
    w, var, few = model.var_weights, model.var, (1, 4)
    monkeypatch.setattr(run_enclosure, "BITS", 4)
    with pytest.raises(ArithmeticError, match="unbounded"), precision(4):
        run_blocks(w, var, x[:5], vectors, few, ranges=run_enclosure.Ranges())
    out, found = certify_ranges(w, var, x[:5], vectors, few)
    assert np.isfinite(out.bounds()).all()
    assert f"blocks.{var.depth - 1}.mid" in found.s_min
    monkeypatch.setattr(run_enclosure, "MOST_BITS", 5)
    with pytest.raises(ArithmeticError, match="unbounded at 5 bits"):
        certify_ranges(w, var, x[:5], vectors, few)
    monkeypatch.setattr(budget, "estimate_first_order", lambda *_: np.ones(1))
    found = certify_affine_budget("1", model, x, vectors, with_degree=False)
    assert isinstance(found, Unknown)
    assert "unbounded at 5 bits" in found.reason
    monkeypatch.setattr(budget, "estimate_first_order", lambda *_: np.full(1, np.inf))
    assert "overflows" in certify_affine_budget("1", model, x, vectors).reason
