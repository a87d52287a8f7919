"""A record of an error: verified by fresh draws, refused where it is of something else, refuted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from varnum.errors import InputError
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.generate import teacher_forced_logits
from varnum.model.random_weights import random_model
from varnum.propagate.ensemble import record as module
from varnum.propagate.ensemble.error import error_of
from varnum.propagate.ensemble.record import recheck, record_of


@pytest.fixture(scope="module")
def case():
    model = random_model(*preset("var-tiny"), seed=0)
    tokens = np.random.default_rng(0).integers(0, model.var.vocab_size, (1, model.var.length))
    label = np.array([3])
    single = model.to(Backend("numpy", "float32"))
    logits = np.asarray(teacher_forced_logits(single, label, tokens), dtype=np.float64)
    found = error_of(model, label, tokens, logits, samples=16)
    return model, label, tokens, logits, found


def sealed(record, **changes):
    """The record with other contents and a digest that fits them."""
    content = {k: v for k, v in (record | changes).items() if k != "digest"}
    return content | {"digest": module._digest(content)}


def test_fresh_draws_agree(case):
    model, label, tokens, logits, found = case
    record = json.loads(json.dumps(record_of(model, label, tokens, logits, found)))
    again = recheck(record, model, label, tokens, logits)
    assert again.verdict == "proved"
    assert again.own.logit_error <= found.logit_error
    assert again.own.samples == 32


def test_a_claim_that_is_too_small_is_refuted(case):
    model, label, tokens, logits, found = case
    small = sealed(record_of(model, label, tokens, logits, found), logit_error=1e-9)
    assert recheck(small, model, label, tokens, logits).verdict == "refuted"  # measured: 1e-6


def test_a_claim_that_this_check_does_not_reach_is_unknown(case):
    model, label, tokens, _, _ = case
    found = error_of(model, label, tokens, samples=16)
    small = sealed(record_of(model, label, tokens, None, found), logit_error=1e-14)
    assert recheck(small, model, label, tokens).verdict == "unknown"


@pytest.mark.parametrize("what", ["weights", "inputs", "label", "logits", "no logits"])
def test_of_something_else(case, what):
    model, label, tokens, logits, found = case
    record = record_of(model, label, tokens, logits, found)
    given = {
        "weights": (random_model(*preset("var-tiny"), seed=1), label, tokens, logits),
        "inputs": (model, label, (tokens + 1) % model.var.vocab_size, logits),
        "label": (model, label + 1, tokens, logits),
        "logits": (model, label, tokens, logits + 1e-12),
        "no logits": (model, label, tokens, None),
    }[what]
    with pytest.raises(InputError, match="record: of other"):
        recheck(record, *given)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": "varnum/error/2"}, "no document"),
        ({"more": 1}, "missing or unknown: more"),
        ({"samples": "16"}, "samples is not"),
        ({"samples": True}, "samples is not"),
        ({"samples": 2}, "samples 2"),
        ({"logit_error": -1.0}, "is no bound"),
        ({"chance": "1/2"}, "chance 1/2"),
        ({"chance": "0"}, "chance 0"),
    ],
)
def test_damaged(case, changes, said):
    model, label, tokens, logits, found = case
    record = record_of(model, label, tokens, logits, found)
    with pytest.raises(InputError, match=said):
        recheck(sealed(record, **changes), model, label, tokens, logits)
    with pytest.raises(InputError, match="digest"):
        recheck(record | {"logit_error": 1.0}, model, label, tokens, logits)


@pytest.mark.parametrize("number", ["NaN", "1e999"])
def test_numbers_that_json_reads_and_no_record_has(case, number):
    model, label, tokens, logits, found = case
    record = record_of(model, label, tokens, logits, found) | {"logit_error": json.loads(number)}
    with pytest.raises(InputError, match="record: NaN or infinity"):
        recheck(record, model, label, tokens, logits)
