"""Outputs on a few leading monomials, against brute force and 50-digit arithmetic."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import factorial, prod

import numpy as np
import pytest

from varnum.audit.apriori import PlainHead
from varnum.audit.leading_monomials import (
    attend_leading,
    certify_errors,
    certify_output,
    exact_operations,
    fit_leading,
    leading_monomials,
    most_features,
    operations,
)
from varnum.audit.options import certified_calls
from varnum.audit.task import HeadTask, Target
from varnum.cost.schedule import Schedule

LENGTHS = (1, 4, 16, 25)


def exponents(monomials, d):
    found = []
    for parent, j in zip(monomials.parents, monomials.factors, strict=True):
        before = list(found[parent]) if found else [0] * d
        if found:
            before[j] += 1
        found.append(tuple(before))
    return found


@pytest.mark.parametrize("sizes", [(0.9, 0.5, 0.1), (3.0, 0.4, 0.0), (1.0, 1.0, 1.0)])
def test_the_largest_monomials_each_once_with_their_coefficients(sizes):
    found = leading_monomials(sizes, 40)
    powers = exponents(found, 3)
    assert len(set(powers)) == 40
    assert found.degrees == tuple(map(sum, powers))

    def size(alpha):
        return prod(s**a / factorial(a) for s, a in zip(sizes, alpha, strict=True))

    for alpha, coefficient in zip(powers, found.coefficients, strict=True):
        assert coefficient == pytest.approx(1 / prod(map(factorial, alpha)), rel=1e-14)
    if max(sizes) <= 1:  # then what a monomial is a product of is never smaller
        everything = sorted(map(size, product(range(41), repeat=3)), reverse=True)
        assert list(map(size, powers)) == pytest.approx(everything[:40])
    assert found.coordinates(1) == 0
    assert found.coordinates(40) == len({j for j in found.factors if j >= 0})


def tokens(seed=0, size=0.5):
    rng = np.random.default_rng(seed)
    q, k, v = rng.normal(size=(3, sum(LENGTHS), 4))
    return q * size + 1, k * size, v


def exact_output(q, k, v, scale):
    """With logits in float64: its own rounding is far below the errors looked at here."""
    parts, end = [], 0
    for N in LENGTHS:
        end += N
        weights = np.exp(scale * (q[end - N : end] @ k[:end].T))
        parts.append((weights @ v[:end]) / weights.sum(1, keepdims=True))
    return np.concatenate(parts)


def test_many_features_are_the_exact_output():
    q, k, v = tokens()
    lead = fit_leading(q, k, 0.1, 400)
    found = np.concatenate(attend_leading(lead, v, LENGTHS, 400))
    assert np.abs(found - exact_output(q, k, v, 0.1)).max() < 1e-10


def test_errors_are_from_above_and_tight():
    q, k, v = tokens()
    exact, lead = exact_output(q, k, v, 0.7), fit_leading(q, k, 0.7, 8)
    outputs, end = attend_leading(lead, v, LENGTHS, 8), 0
    found = certify_errors(outputs, exact, 1e-9, v, LENGTHS)
    for N, out, error in zip(LENGTHS, outputs, found, strict=True):
        end += N
        worst = Fraction(0)
        for row, right in zip(out, exact[end - N : end], strict=True):
            for column in range(4):
                seen = [Fraction(x) for x in v[:end, column]]
                if len(set(seen)) > 1:
                    off = abs(Fraction(row[column]) - Fraction(right[column]))
                    worst = max(worst, off / (max(seen) - min(seen)))
        assert worst + Fraction(1e-9) <= Fraction(error) <= (worst + Fraction(1e-9)) * (1 + 10**-6)
    outputs[2][0, 0] = np.nan
    assert certify_errors(outputs, exact, 1e-9, v, LENGTHS)[2] == np.inf


def test_the_choice_keeps_the_target_and_costs_less():
    q, k, v = tokens()
    exact, full = exact_output(q, k, v, 0.7), exact_operations(LENGTHS, 4, 4)
    lead = fit_leading(q, k, 0.7, most_features(LENGTHS, 4, 4))
    before = None
    for target in (0.3, 0.1, 0.03, 1e-12):
        found = certify_output(lead, v, LENGTHS, 4, (exact, 1e-14), target)
        assert max(found.errors) <= target
        if found.rank:
            keys, queries = operations(LENGTHS, lead.monomials.coordinates(found.rank), found.rank,
                                       4, 4)  # fmt: skip
            for s, low in enumerate(found.low):
                assert not low or queries[s] < full[s]
                assert found.operations[s] == keys[s] + (queries[s] if low else full[s])
            assert sum(found.operations) < sum(full)
        else:
            assert (found.operations, any(found.low)) == (full, False)
        assert before is None or sum(found.operations) >= before
        before = sum(found.operations)
    assert found.rank == 0


def test_constant_values_and_single_tokens_are_exact():
    q, k, _ = tokens()
    v = np.full((len(q), 2), 3.7)
    lead = fit_leading(q, k, 0.7, 2)
    outputs = attend_leading(lead, v, LENGTHS, 2)
    assert all((out == 3.7).all() for out in outputs)
    assert max(certify_errors(outputs, v, 0.0, v, LENGTHS)) == 0


def test_tokens_that_are_all_the_same():
    one = np.ones((sum(LENGTHS), 3))
    v = np.random.default_rng(1).normal(size=(len(one), 3))
    found = certify_output(
        fit_leading(one, one, 0.5, 3), v, LENGTHS, 3, (exact_output(one, one, v, 0.5), 0.0), 0.01
    )
    assert (found.rank, all(found.low)) == (1, True)


def test_a_head_that_varnum_attention_runs_at_low_rank():
    """A map of so many tokens that looking pays, whose logits few coordinates carry."""
    rng = np.random.default_rng(2)
    q, k, v = rng.normal(size=(3, 64 + 4096, 8)) * 0.3 ** np.arange(8)
    weights = PlainHead(*np.zeros((2, 8, 8)), *np.zeros((3, 8)))
    task = HeadTask({}, q, k, v, 0.5, weights, (8, 64), (Target.of(Fraction(1, 100)),))
    row = certified_calls(task, Schedule(task.sides), task.targets[0])
    assert row["rank_attention"] < 300
    assert 64 <= row["rows_attention"] < 1000  # the first map is small
    assert row["error_attention"] <= 0.01
