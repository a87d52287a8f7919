"""Every certified number again, in balls or by counting; one made slightly false is seen."""

from __future__ import annotations

import copy
from fractions import Fraction

import numpy as np
import pytest

from varnum.audit.apriori import NormalisedHead, PlainHead
from varnum.audit.head_audit import audit_head
from varnum.audit.task import HeadTask, Target
from varnum.model.generate import Settings
from varnum.proof.checking import load

TARGETS = tuple(Target.of(Fraction(1, n)) for n in (10, 100))


@pytest.fixture(scope="module")
def check():
    return load("audit_confirm")


def alike(scale=0.9, seed=1):
    """A head with correlated tokens, where pivots are certified."""
    rng = np.random.default_rng(seed)
    decay = np.array([1, 0.3, 0.03, 0.003, 0, 0, 0, 0])
    q, k = (rng.normal(size=(56, 8)) * decay + np.eye(8)[0] for _ in range(2))
    q, k = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, k))
    v, names = rng.normal(size=(56, 8)), {"kind": "head", "model": "m", "layer": 0, "head": 0}
    weights = NormalisedHead(float(np.log(scale)), 8)
    factor, sides = float(np.exp(weights.log_scale)), (2, 4, 6)
    return HeadTask(names, q, k, v, factor, weights, sides, TARGETS, every_rank=True)


@pytest.mark.parametrize("name", ["var-tiny", "var-tiny-plain"])
def test_confirmed_on_a_sample_of_heads(check, name):
    tasks = list(check.tasks_of(name, Settings(), [3], TARGETS, 2))
    assert len(tasks) == 2
    for task in tasks:
        for row in audit_head(task):
            findings = check.confirm(task, row)
            assert len(findings) > 30
            assert [f for f in findings if not f.stands] == []


@pytest.fixture(scope="module")
def low(check):
    """(task, row) of a head with certified pivots, and its findings."""
    task = alike()
    row = audit_head(task)[1]
    assert row["pivots"] > row["rank_certified"] > 1
    assert row["rank_lower"] > 1
    assert row["rank_certified"] > row["rank_output"] > 1
    assert 0 < row["rows_exact"] < 56
    return task, row


def test_confirmed_where_pivots_are_certified(check, low):
    assert [f for f in check.confirm(*low) if not f.stands] == []


@pytest.mark.parametrize("far", [False, True])
def test_confirmed_where_logits_are_large(check, far):
    """At 30 the least degree is proved; a plain head whose norms allow 800 is beyond that."""
    rng = np.random.default_rng(3)
    q, k, v = rng.normal(size=(3, 41, 4))
    q, k = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, k))
    weights, factor = NormalisedHead(np.log(30), 4), np.exp(np.log(30))
    if far:
        maps = 5 * rng.normal(size=(2, 4, 8))
        weights = PlainHead(*maps, np.zeros(4), np.ones(8), np.zeros(8))
    names = {"kind": "head", "model": "m", "layer": 0, "head": 0}
    task = HeadTask(names, q, k, v, factor, weights, (3, 4, 4), TARGETS[1:])
    (row,) = audit_head(task)
    assert row["degree_minimal"] != far
    assert (row["M_apriori"] > 800) == far
    assert row["M"][1] > 25
    assert [f for f in check.confirm(task, row) if not f.stands] == []
    false = row | {"degree_apriori": row["degree_apriori"] * 9 // 10}
    assert [f for f in check._degree(task, false) if not f.stands]


CHANGES = [
    ("M_apriori", lambda x: x * 0.999),
    ("M_apriori", lambda x: float(np.nextafter(x, 9)) + 0.02),  # above what the degree was for
    ("eps", lambda x: x * 1.001),
    ("eps_certified", lambda x: x * 1e-3),
    ("rank_certified", lambda x: x - 1),
    ("error_exact", lambda x: x * 1e-4),
    ("error_certified", lambda x: x * 1e-4),
    ("error_attention", lambda x: x * 1e-4),
    ("degree_apriori", lambda x: x - 1),
    ("rank_apriori", lambda x: x - 1),
    ("ops_exact", lambda x: x + 1),
    ("cache", lambda x: x - 1),
    ("state_apriori", lambda x: x - 1),
    ("state_certified", lambda x: x + 1),
    ("pays_apriori", lambda x: not x),
    ("pays_certified", lambda x: not x),
    ("pays_output", lambda x: not x),
    ("ops_certified", lambda x: x - 1),
    ("ops_output", lambda x: x - 1),
    ("state_output", lambda x: x - 1),
    ("rank_output", lambda x: x - 1),
    ("rows_exact", lambda x: x + 1),
    ("error_output", lambda x: x * 0.999),
    ("coordinates", lambda x: x - 1),
    ("degree_spread", lambda x: x - 1),
    ("n_certified", lambda x: x - 1),
    ("n_output", lambda x: x + 1),
    ("n_apriori", lambda x: x - 1),
    ("cap", lambda x: str(Fraction(x) * 2)),
    ("d_max", lambda x: x + 1),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_slightly_false_number_is_seen(check, low, name, change):
    task, row = low
    false = copy.deepcopy(row)
    false[name] = change(row[name])
    assert [f for f in check.confirm(task, false) if not f.stands]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("M", lambda x: [x[0], x[1] * (1 - 1e-5)]),
        ("M", lambda x: [x[0] * (1 + 1e-5), x[1]]),
        ("spread", lambda x: [x[0], x[1] * (1 - 1e-5)]),
        ("rank_certified", lambda x: x - 1),
        ("rank_lower", lambda x: x + 3),
        ("degree_spread", lambda x: x - 1),
        ("ops_certified", lambda x: x - 1),
        ("state_certified", lambda x: x - 1),
        ("rank_output", lambda x: x - 1),
        ("error_output", lambda x: x * 0.999),
        ("ops_output", lambda x: x - 1),
    ],
)
def test_a_slightly_false_scale_is_seen(check, low, name, change):
    task, row = low
    false = copy.deepcopy(row)
    false["scales"][-1][name] = change(row["scales"][-1][name])
    assert [f for f in check.confirm(task, false) if not f.stands]


def test_the_check_by_hand_counts_and_returns_a_code(check, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["audit_confirm", "--heads", "1", "--output-error", "1e-1"])
    assert check.main() == 0
    assert " 0 not" in capsys.readouterr().out
    monkeypatch.setattr(check, "_advice", lambda *_: [check.Finding("x", 1, 2, False)])
    assert check.main() == 1
