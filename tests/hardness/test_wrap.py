"""var-wrap on the real layers: right verdicts, exact blocks, gates that matter."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.scalar import ball, certainly_less, precision
from varnum.errors import InputError
from varnum.hardness.cnf import Cnf
from varnum.hardness.decide import inject, rows_with_partner
from varnum.hardness.evaluators import evaluator
from varnum.hardness.head import ov_head, seth_head
from varnum.hardness.solve import solve_sat
from varnum.hardness.wrap import evaluate_wrapped, tokens_of, wrap
from varnum.hardness.wrong import wrong_versions
from varnum.model.interpolation import bicubic

ERROR = Fraction("0.1169")


def verdicts(wrapped, error=ERROR):
    outputs = inject(evaluate_wrapped(wrapped), error)
    flagged = rows_with_partner(outputs)
    return np.isin(np.arange(len(wrapped.head.queries)), flagged)


def test_every_orthogonal_vectors_instance_of_two_by_two_bits():
    bits = [np.array(b, np.int8) for b in itertools.product((0, 1), repeat=2)]
    for u, v in itertools.product(itertools.product(bits, repeat=2), repeat=2):
        u, v = np.array(u), np.array(v)
        truth = (u.astype(int) @ v.T == 0).any(axis=1)
        assert (verdicts(wrap(ov_head(u, v))) == truth).all()


@pytest.mark.parametrize(("seed", "n"), [(0, 3), (1, 3), (2, 15), (3, 15), (4, 14)])
def test_random_hamming_instances(seed, n):
    rng = np.random.default_rng(seed)
    x, y = (rng.choice([-1, 1], (n, 9)).astype(np.int8) for _ in "xy")
    nearest = (x[:, None] != y[None]).sum(axis=2).min(axis=1)
    for t in (1, 2, 3, 5):
        assert (verdicts(wrap(seth_head(x, y, t, t + 1), seed=seed)) == (nearest <= t)).all()


def test_kept_positions_carry_the_block_exactly_in_float64():
    rng = np.random.default_rng(5)
    x, y = (rng.choice([-1, 1], (15, 6)).astype(np.int8) for _ in "xy")
    wrapped = wrap(seth_head(x, y, 2, 3))
    up = bicubic(wrapped.source, 32)
    for rows, columns in itertools.product((3, 4), repeat=2):
        assert (up[:, :, rows::8, columns::8] == wrapped.source[:, :, ::4, ::4]).all()
    content = tokens_of(wrapped)[0, -1024:][wrapped.kept]
    assert (content[:15, :6] == wrapped.head.s * x).all()


def test_every_logit_is_within_the_stated_M_and_junk_is_light():
    rng = np.random.default_rng(6)
    x, y = (rng.choice([-1, 1], (3, 5)).astype(np.int8) for _ in "xy")
    wrapped = wrap(seth_head(x, y, 1, 2))
    tokens, d = tokens_of(wrapped)[0], wrapped.head.queries.shape[1]
    width = wrapped.config.embed_dim
    qkv = tokens @ wrapped.weights["blocks.0.attn.mat_qkv.weight"].T
    logits = qkv[:, :width] @ qkv[:, width : 2 * width].T / float(wrapped.head.sigma)
    assert np.abs(logits).max() <= float(wrapped.M)
    kept = len(tokens) - 256 + wrapped.kept
    junk = np.setdiff1d(np.arange(len(tokens)), kept)
    weights = np.exp(logits[kept[:3]])
    assert (weights[:, junk].sum(axis=1) <= 0.01 * weights[:, kept[-1]]).all()
    assert d == 5 + 3


def test_the_number_of_gates_is_what_the_formula_asks():
    from varnum.formulas import hardness as forms

    head = ov_head(np.eye(3, dtype=np.int8), np.eye(3, dtype=np.int8))
    wrapped = wrap(head)
    with precision(100):
        needed = forms.wrap_penalty.ball(M=wrapped.head.M, L=wrapped.config.length)
        assert certainly_less(needed, wrapped.gates * wrapped.head.rate)
        assert certainly_less((wrapped.gates - 2) * wrapped.head.rate, needed)
        assert certainly_less(ball(0), needed)


def test_slightly_false_version_an_error_of_one_eighth():
    # all keys exactly at the threshold 1/(3n): output near 1/4, moved by 0.1255 it crosses 3/8
    ones = np.ones((3, 1), np.int8)
    wrapped = wrap(ov_head(ones, ones))
    moved = inject(evaluate_wrapped(wrapped), Fraction("0.1255"))
    assert (moved.values > 0.375).any()
    with pytest.raises(InputError, match="117/1000"):
        rows_with_partner(moved)


def test_wrong_versions_fail_as_said():
    found = wrong_versions()
    assert len(found) == 5
    assert all(version.fails for version in found)


def test_a_gate_that_is_too_weak_is_seen():
    ones = np.ones((3, 2), np.int8)
    wrapped = wrap(ov_head(ones, ones))
    gate = 2 * wrapped.head.queries.shape[1]
    earlier = wrapped.earlier.copy()
    earlier[:, :, gate] *= 0.05
    assert verdicts(replace(wrapped, earlier=earlier), Fraction(0)).any()
    assert not verdicts(wrapped).any()


def test_formulas_are_decided_inside_the_pyramid():
    rng = random.Random(3)
    for _ in range(8):
        clauses = [
            frozenset(rng.choice((-1, 1)) * v for v in rng.sample(range(1, 7), 3))
            for _ in range(26)
        ]
        cnf = Cnf(6, tuple(clauses))
        wrapped = solve_sat(cnf, ERROR, evaluate=evaluator("var-wrap"))
        assert wrapped.satisfiable == solve_sat(cnf).satisfiable
        assert wrapped.outputs.method == "var-wrap"


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"^side"):
        wrap(ov_head(np.ones((64, 1), np.int8), np.ones((64, 1), np.int8)))
    with pytest.raises(InputError, match=r"^side"):
        wrap(ov_head(np.ones((2, 1), np.int8), np.ones((2, 1), np.int8)), side=24)
