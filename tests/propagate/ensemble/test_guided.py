"""Logits after guidance: two runs whose errors may have opposite signs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.generate import Settings, generate
from varnum.model.random_weights import random_model
from varnum.propagate.ensemble import guided
from varnum.propagate.ensemble.error import error_of
from varnum.propagate.ensemble.guided import combined, guided_error_of, weights


@pytest.fixture(scope="module")
def case():
    """A model, a label, and the tokens and guided logits of its own generation."""
    model = random_model(*preset("var-tiny"), seed=0)
    label, drawn = np.array([3]), Settings(cfg=Fraction(3, 2))
    scales = list(generate(model.to(Backend("numpy", "float64")), label, drawn))
    tokens = np.concatenate([s.tokens for s in scales], axis=1)
    return model, label, tokens, np.concatenate([s.logits for s in scales], axis=1)


def test_the_guided_logits_of_a_generation_are_within_the_bound(case):
    model, label, tokens, logits = case
    found = guided_error_of(model, label, tokens, logits, cfg="1.5", samples=16)
    assert found.exit_code == 0
    assert found.measured < 1e-12
    assert (abs(logits - found.centre) <= found.bound).all()
    plain = error_of(model, label, tokens, samples=16)
    assert found.logit_error > plain.logit_error  # guidance amplifies
    assert found.tokens_certain == found.tokens == tokens.size


def test_errors_of_opposite_signs_are_within_the_bound(case, monkeypatch):
    """The bound (1 + t) B_c + t B_u is attained; |(1 + t) B_c - t B_u| would be a third of it."""
    model, label, tokens, _ = case
    run = error_of(model, label, tokens, samples=16)
    one = replace(run, centre=np.zeros_like(run.centre), bound=np.ones_like(run.bound))
    monkeypatch.setattr(guided, "error_of", lambda *_, **__: one)
    found = guided_error_of(model, label, tokens, cfg="1", samples=16)
    worst = combined(model, one.bound, -one.bound, "1")  # c is 1 too high, u 1 too low
    assert worst.max() == 3
    assert (worst <= found.bound).all()
    assert found.bound.max() < 3.0001


def test_weights_are_those_of_generation(case):
    model = case[0]
    a, b = weights(model, Fraction(3, 2))
    assert (a + b == 1).all()
    assert (a[0, 0], a[-1, 0], b[-1, 0]) == (1.0, 2.5, -1.5)


def test_a_refused_run_is_refused(case, monkeypatch):
    model, label, tokens, _ = case
    run = error_of(model, label, tokens, samples=16)
    runs = iter([run, replace(run, verdict="unknown", reason="not certified")])
    monkeypatch.setattr(guided, "error_of", lambda *_, **__: next(runs))
    assert guided_error_of(model, label, tokens, cfg="1", samples=16).exit_code == 3


@pytest.mark.parametrize("cfg", ["1e7", "x"])
def test_bad_strengths_are_one_line(case, cfg):
    model, label, tokens, _ = case
    with pytest.raises(InputError, match=r"^cfg: "):
        guided_error_of(model, label, tokens, cfg=cfg)
