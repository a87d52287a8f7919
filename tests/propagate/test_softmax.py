"""softmax-relative, softmax-logit, softmax-compose: held, attained, and not 1 % less."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.formulas import softmax
from varnum.proof import checking
from varnum.verdict import Proved, Refuted


@pytest.fixture(scope="module")
def results():
    return checking.load("softmax").measure(trials=400, seed=1)


def test_bounds_hold_and_are_attained(results):
    assert {r.claim for r in results} == {"softmax-relative", "softmax-logit", "softmax-compose"}
    for r in results:
        assert r.violations == 0
        assert r.tightness == pytest.approx(1, abs=1e-6)
    assert isinstance(checking.judge(results), Proved)


def test_one_percent_less_is_refuted():
    less = [
        checking.summarise(
            "x", "y", (np.array([1.0]), np.array([2.0])), (np.array([1.0]), np.array([0.99]))
        )
    ]
    assert less[0].violations == 1
    assert isinstance(checking.judge(less), Refuted)


def test_a_nan_is_a_violation_and_no_trial_is_no_pass(results):
    nan = checking.summarise("x", "y", (np.array([np.nan]), np.ones(1)), (np.ones(1), np.ones(1)))
    assert nan.violations == 1
    assert not isinstance(checking.judge([]), Proved)
    assert not isinstance(checking.judge([replace(results[0], random=0, adversarial=0)]), Proved)


def test_closed_forms_agree_with_each_other():
    # tanh(artanh(3/5)/2) = 1/3 = (u - 1)/(u + 1) with u = 2, and half the l1 distance
    third = Fraction(1, 3)
    assert softmax.output_rational.exact(u=2) == third
    assert softmax.output_relative.ball(eps=Fraction(3, 5)).contains(
        softmax.output_rational.ball(u=2)
    )
    assert (softmax.l1_relative.ball(eps=Fraction(3, 5)) / 2).overlaps(
        softmax.output_rational.ball(u=2)
    )
    assert softmax.budget_eps.exact(tau=third) == Fraction(3, 5)
    composed = softmax.output_compose.ball(zeta=1, eps=0)
    assert composed.overlaps(softmax.output_logit.ball(zeta=1))
