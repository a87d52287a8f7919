"""Statements about inputs drawn at random, the distance of two laws, and what must fail."""

from __future__ import annotations

import importlib.util
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.model.config import preset
from varnum.model.random_weights import random_model
from varnum.sampled import prompts, stop
from varnum.sampled.prompts import error_over, parting

CHECK = Path(__file__).parents[2] / "checks" / "claims" / "inputs.py"


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("inputs_check", CHECK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    return random_model(*preset("var-tiny"), seed=0)


def refusing(bounds):
    """An `error_of` that gives these bounds in turn; None refuses."""
    left = iter(bounds)

    def error_of(model, label, tokens, given, **_):
        value = next(left)
        shape = (1, model.var.length, model.var.vocab_size)
        return SimpleNamespace(
            exit_code=3 if value is None else 0, logit_error=value,
            centre=np.zeros(shape), bound=np.zeros(shape),
        )  # fmt: skip

    return error_of


def test_a_few_runs(model):
    found = error_over(model, 3, confidence="1/10", samples=16)
    assert found.prompts == 3
    assert found.error_above == max(found.bounds) < 1e-8
    # three draws: p^3 = 1/10 lost, and the runs' own chance is in it
    assert abs(found.share - (1 - 0.1 ** (1 / 3) + 0.1)) < 1e-6
    assert found.distance is None
    assert found.exit_code == 0


def test_a_run_that_is_judged(model):
    def zero(label, tokens):
        return np.zeros((1, model.var.length, model.var.vocab_size))

    found = error_over(model, 2, run=zero, within="1e-3", confidence="1/10", samples=16)
    assert found.share == 1  # every logit is off by more
    assert found.exit_code == 3
    assert found.distance == 1


def test_a_run_that_writes_to_its_tokens_changes_nothing(model, monkeypatch):
    seen = []
    real = prompts.error_of

    def error_of(model, label, tokens, given, **options):
        seen.append(tokens.copy())
        return real(model, label, tokens, given, **options)

    def run(label, tokens):
        drawn.append(tokens.copy())
        tokens[:], label[:] = 0, 0
        return np.zeros((1, model.var.length, model.var.vocab_size))

    drawn = []
    monkeypatch.setattr(prompts, "error_of", error_of)
    error_over(model, 1, run=run, confidence="1/10", samples=16)
    assert drawn[0].any()
    assert (seen[0] == drawn[0]).all()


def test_refused_runs_count_as_infinite(model, monkeypatch):
    monkeypatch.setattr(prompts, "error_of", refusing([1.0, None, 1.0, None]))
    found = error_over(model, 4, within="2", confidence="1/10")
    assert found.refused == 2
    dropped = 1 - 0.1 ** (1 / 2)  # what two good draws alone would claim
    assert found.share > dropped
    monkeypatch.setattr(prompts, "error_of", refusing([1.0, None]))
    assert error_over(model, 2, confidence="1/10").exit_code == 3  # the largest is infinite
    monkeypatch.setattr(prompts, "error_of", refusing([1.0, None]))
    assert error_over(model, 2, skip=1, confidence="1/10").error_above == 1


def test_stopping_early(model, monkeypatch):
    monkeypatch.setattr(prompts, "error_of", refusing([1.0] * 100))
    found = error_over(model, 100, within="2", share="1/2", confidence="1/10")
    assert found.stopped
    assert found.prompts < 10
    assert found.share == pytest.approx(0.6)
    monkeypatch.setattr(prompts, "error_of", refusing([1.0] * 3))
    short = error_over(model, 3, within="2", share="1/2", confidence="1/100")
    assert not short.stopped
    assert short.share == 1  # the count alone may not be used: its size was not fixed


def test_a_bet_without_its_loss_is_too_often_wrong(check, monkeypatch):
    share, chance = Fraction(1, 5), Fraction(1, 10)
    assert check.wrongly_stopped(share, 0.2, chance) <= 0.1
    real = stop.capital
    monkeypatch.setattr(stop, "capital", lambda bad, good, p: real(0, good, p))
    assert check.wrongly_stopped(share, 0.2, chance) > 0.1


def test_the_first_form_of_the_distance_is_false(check):
    exact, ours, first = check.distances(*check.COUNTER)
    assert exact == pytest.approx(0.83, abs=0.005)
    assert first < exact <= ours


def test_parting_is_a_probability():
    assert parting(np.array([-np.inf])) == 1
    assert 0 < parting(np.zeros(9)) < 1e-11  # rounded upward
    assert parting(np.array([5.0])) == parting(np.array([0.0]))  # gains do not help
    assert parting(np.array([-1.0]), np.array([-1.0])) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prompts": 0}, "prompts: 0 is not allowed"),
        ({"prompts": 2, "skip": 2}, "skip: 2"),
        ({"prompts": 2, "confidence": "1"}, "confidence: 1"),
        ({"prompts": 2, "share": "1/2"}, "share: it belongs to within"),
        ({"prompts": 2, "within": "0"}, "within: 0"),
        ({"prompts": 2, "labels": []}, "labels: none"),
    ],
)
def test_bad_input_is_one_line(model, given, said):
    with pytest.raises(InputError, match=said):
        error_over(model, **given)
