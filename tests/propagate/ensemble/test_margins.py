"""Tokens certain by reverse mode: exactly those whose gaps exceed the S(u) of differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.propagate.ensemble.runs import small, start_of
from varnum.propagate.ensemble import protocol
from varnum.propagate.ensemble.error import error_of
from varnum.propagate.ensemble.margins import certain
from varnum.propagate.ensemble.reverse import Functional, certify_functionals

TOKEN = 3


@pytest.fixture(scope="module")
def run() -> tuple[Any, Any]:
    model, tokens = small(0, embed_dim=8)
    start = start_of(model, tokens, taped=True, eta=1e-4, margins=True)
    plan = protocol.Plan(32, 64, slacks=(4.0, 8.0), floor=2.0**-20)
    found = protocol.certify(start, plan)
    assert isinstance(found, protocol.Accepted)
    return start, found


def near(run: tuple[Any, Any], *shares: float) -> Any:
    """The same certificate, with TOKEN's rivals at shares of S(u) below its largest logit."""
    start, found = run
    centre = found.end.centre.copy()
    order = centre[TOKEN].argsort()[::-1]
    for rival, share in zip(order[1:], shares, strict=False):
        u = Functional(TOKEN, int(order[0]), int(rival))
        reach = certify_functionals(start, found.tape, [u])[0]
        centre[TOKEN, rival] = centre[TOKEN, order[0]] - share * reach
    return replace(found, end=replace(found.end, centre=centre))


def test_what_forward_bounds_leave_open_is_decided_by_the_difference(run: Any) -> None:
    start = run[0]
    sure = certain(start, [near(run, 1.01)], reverse=True)
    assert not sure.forward[TOKEN]
    assert sure.reverse[TOKEN]
    assert sure.passes == 1
    assert sure.tokens.all()
    assert not certain(start, [near(run, 1.01)], reverse=False).reverse.any()
    never = np.zeros(5, bool)
    assert certain(start, [near(run, 1.01)], reverse=True, wanted=never).passes == 0


@pytest.mark.parametrize("shares", [(0.99,), (1.01, 0.99), (0.99, 1.01), (0.0,)])
def test_every_rival_must_be_beyond_its_difference(run: Any, shares: tuple[float, ...]) -> None:
    assert not certain(run[0], [near(run, *shares)], reverse=True).tokens[TOKEN]


def test_every_certificate_must_agree(run: Any) -> None:
    both = [near(run, 1.01), near(run, 0.99)]
    for ends in (both, both[::-1]):
        assert not certain(run[0], ends, reverse=True).tokens[TOKEN]
    assert certain(run[0], both[:1] * 2, reverse=True).passes == 2
    away = run[1].end.centre.copy()
    away[TOKEN, away[TOKEN].argmin()] += 100
    other = replace(run[1], end=replace(run[1].end, centre=away))
    assert not certain(run[0], [run[1], other], reverse=True).tokens[TOKEN]


def test_a_token_with_more_rivals_than_passes_stays_open(run: Any) -> None:
    sure = certain(run[0], [near(run, 1.01, 1.01)], reverse=True, most=1)
    assert sure.passes == 0
    assert not sure.tokens[TOKEN]
    assert certain(run[0], [near(run, 1.01, 1.01)], reverse=True, most=2).tokens[TOKEN]


def test_without_a_tape_nothing_is_decided(run: Any) -> None:
    bare = replace(near(run, 1.01), tape=None)
    assert not certain(run[0], [bare], reverse=True).tokens[TOKEN]


def test_the_face_says_how_many_came_from_where() -> None:
    """The runner-up is put 1.3 S(u) below: the forward bound of the difference is twice S(u)."""
    model, tokens = small(0, embed_dim=8)
    plain = error_of(model, [1], tokens, kernel_error="1e-4", margins=True)
    assert (plain.tokens_certain, plain.tokens_by_reverse, plain.differences) == (5, 0, 0)
    logits = plain.centre[0, TOKEN]
    first, second = (int(i) for i in logits.argsort()[:-3:-1])
    (u,) = error_of(model, [1], tokens, kernel_error="1e-4", chosen=[(TOKEN, first, second)]).chosen
    bias = np.asarray(model.var_weights["head.bias"], float).copy()
    bias[second] += logits[first] - logits[second] - 1.3 * u.error
    close = replace(model, var_weights=dict(model.var_weights) | {"head.bias": bias})
    found = error_of(close, [1], tokens, kernel_error="1e-4", margins=True)
    assert found.tokens_by_reverse >= 1
    assert found.tokens_certain > found.tokens - found.tokens_by_reverse - 1
    assert f"{found.tokens_by_reverse} of them by {found.differences} backward" in str(found)
    document = found.to_dict()
    assert document["tokens_by_reverse"] == found.tokens_by_reverse
    assert document["differences"] == found.differences
    other = error_of(close, [1], tokens, kernel_error="1e-4")
    assert other.tokens_certain <= found.tokens_certain - found.tokens_by_reverse
