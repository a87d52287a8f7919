"""A head in FlowAR's flow net: right verdicts at every evaluation, fast pairs wrong."""

import random

import numpy as np
import pytest

from tests.hardness.test_flowar_wrap import formula, orthogonal
from varnum.errors import InputError
from varnum.hardness import flowar_flow as ff
from varnum.hardness.decide import inject, rows_with_partner
from varnum.hardness.evaluators import evaluator
from varnum.hardness.head import ALLOWED, ov_head, seth_head
from varnum.hardness.solve import solve_sat

ERROR = ALLOWED * 999 / 1000


def flagged(flow, error=ERROR):
    outputs = inject(ff.evaluate_flowar_flow(flow), error)
    return np.isin(np.arange(len(flow.head.queries)), rows_with_partner(outputs))


def test_formulas_are_decided_in_the_flow_net():
    rng = random.Random(5)
    found = []
    for names in [3, 4, 5, 6] * 6:
        cnf = formula(rng, names, 6)
        inside = solve_sat(cnf, ERROR, evaluate=evaluator("flowar-flow"))
        assert inside.satisfiable == solve_sat(cnf).satisfiable
        assert inside.outputs.method == "flowar-flow"
        found.append(inside.satisfiable)
    assert 3 < sum(found) < 21


def test_all_rows_and_keys_of_a_map():
    rng = np.random.default_rng(2)
    u, v = ((rng.random((255, 12)) < 0.45).astype(np.int8) for _ in "uv")
    flow = ff.flowar_flow(ov_head(u, v))
    assert flow.config.scales[-1] == 16
    assert (flagged(flow) == orthogonal(u, v)).all()
    assert 0 < orthogonal(u, v).sum() < 255


def test_fast_pairs_are_wrong():
    rng = np.random.default_rng(0)
    u, v = ((rng.random((15, 12)) < 0.6).astype(np.int8) for _ in "uv")
    u[:, 0] = v[:, 0] = 1  # no partner
    assert not flagged(ff.flowar_flow(ov_head(u, v))).any()
    assert flagged(ff.flowar_flow(ov_head(u, v), fast=True), ERROR * 0).any()


def test_every_evaluation_is_the_same_head():
    flow = ff.flowar_flow(ov_head(np.eye(3, dtype=np.int8), np.eye(3, dtype=np.int8)))
    one, many = (ff.evaluate_flowar_flow(flow, n).values for n in (2, 25))
    assert (one == many).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="only ov-head"):
        ff.flowar_flow(seth_head(np.ones((2, 3), np.int8), np.ones((2, 3), np.int8), 1, 2))
    with pytest.raises(InputError, match="coordinates"):
        ff.flowar_flow(ov_head(np.ones((2, 60), np.int8), np.ones((2, 60), np.int8)))
    with pytest.raises(InputError, match="do not fit"):
        ff.flowar_flow(ov_head(np.ones((20, 2), np.int8), np.ones((20, 2), np.int8)), side=4)
