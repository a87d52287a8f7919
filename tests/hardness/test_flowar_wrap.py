"""flowar-wrap on the real layers: right verdicts, one RMS, turns that cost what is said."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum.balls.scalar import ball, certainly_less, precision
from varnum.errors import InputError
from varnum.formulas import hardness as forms
from varnum.hardness import flowar_run as fr
from varnum.hardness import flowar_wrap as fw
from varnum.hardness.cnf import Cnf
from varnum.hardness.decide import inject, rows_with_partner
from varnum.hardness.evaluators import evaluator
from varnum.hardness.flowar_wrong import wrong_flowar_versions
from varnum.hardness.head import ov_head, seth_head
from varnum.hardness.solve import solve_sat
from varnum.model.flowar.network import Tokens, transformer
from varnum.model.layers import rms_norm

ERROR = Fraction("0.1149")


def verdicts(wrapped, error=ERROR):
    outputs = inject(fr.evaluate_flowar_wrapped(wrapped), error)
    return np.isin(np.arange(len(wrapped.head.queries)), rows_with_partner(outputs))


def orthogonal(u, v):
    return (u.astype(int) @ v.T == 0).any(axis=1)


def formula(rng, names, ratio=4.3):
    clauses = [
        frozenset(rng.choice((-1, 1)) * v for v in rng.sample(range(1, names + 1), 3))
        for _ in range(round(ratio * names))
    ]
    return Cnf(names, tuple(clauses))


def test_every_orthogonal_vectors_instance_of_two_by_two_bits():
    bits = [np.array(b, np.int8) for b in itertools.product((0, 1), repeat=2)]
    for u, v in itertools.product(itertools.product(bits, repeat=2), repeat=2):
        u, v = np.array(u), np.array(v)
        assert (verdicts(fw.flowar_wrap(ov_head(u, v))) == orthogonal(u, v)).all()


def test_formulas_are_decided_inside_flowar():
    rng = random.Random(3)
    found = []
    for names in [3, 4, 5, 6, 7, 8] * 5:
        cnf = formula(rng, names, 6.5)
        inside = solve_sat(cnf, ERROR, evaluate=evaluator("flowar-wrap"))
        assert inside.satisfiable == solve_sat(cnf).satisfiable
        assert inside.outputs.method == "flowar-wrap"
        found.append(inside.satisfiable)
    assert 5 < sum(found) < 25  # both answers occur


def test_twelve_variables_fit():
    cnf = formula(random.Random(1), 12, 4)
    inside = solve_sat(cnf, ERROR, evaluate=evaluator("flowar-wrap"))
    assert inside.satisfiable == solve_sat(cnf).satisfiable
    assert inside.head.n == 64


@pytest.mark.parametrize("seed", range(4))
def test_random_hamming_instances(seed):
    """Products of both signs: turns cost an error, which the allowance counts."""
    rng = np.random.default_rng(seed)
    x, y = (rng.choice([-1, 1], (4, 5)).astype(np.int8) for _ in "xy")
    nearest = (x[:, None] != y[None]).sum(axis=2).min(axis=1)
    for t in (1, 2):
        wrapped = fw.flowar_wrap(seth_head(x, y, t, t + 1), seed=seed)
        assert wrapped.error > 0
        assert (verdicts(wrapped, Fraction("0.089")) == (nearest <= t)).all()
        with pytest.raises(InputError, match="is needed for a verdict"):
            verdicts(wrapped, fw.ALLOWED - wrapped.error)


def test_fast_pairs_are_wrong():
    rng = np.random.default_rng(0)
    wrong = []
    for _ in range(8):
        u, v = ((rng.random((4, 6)) < 0.6).astype(np.int8) for _ in "uv")
        u[:, 0] = v[:, 0] = 1  # no partner
        head = ov_head(u, v)
        assert not verdicts(fw.flowar_wrap(head)).any()
        wrong.append(verdicts(fw.flowar_wrap(head, fast=True), Fraction(0)).sum())
    assert sum(wrong) > 8


def test_the_whole_model_says_the_same():
    u, v = np.array([[1, 0, 1], [0, 1, 0]], np.int8), np.array([[1, 1, 0], [0, 1, 1]], np.int8)
    wrapped = fw.flowar_wrap(ov_head(u, v))
    some, whole = (fr.evaluate_flowar_wrapped(wrapped, whole) for whole in (False, True))
    assert whole.values == pytest.approx(some.values, abs=1e-14)
    assert some.error < Fraction(1, 10**9)


def test_clean_tokens_have_one_rms_and_gated_ones_the_range_said():
    rng = np.random.default_rng(5)
    u, v = ((rng.random((16, 5)) < 0.5).astype(np.int8) for _ in "uv")
    wrapped = fw.flowar_wrap(ov_head(u, v))
    at = fw.channels(wrapped)
    x = fr.input_of(wrapped) + wrapped.weights["encoder_pos_embed_learned"]
    squares = (x[0] ** 2).sum(axis=1)
    clean = [0, *range(1, 1 + wrapped.earlier.shape[1]), *wrapped.kept]
    assert (squares[clean] == 2 * at.D + 3).all()
    assert squares.min() >= 2
    assert squares.max() <= float(Fraction(41, 32) ** 4) * (2 * at.D + 3)
    assert squares.max() > 1.05 * (2 * at.D + 3) or squares.min() < 0.9 * (2 * at.D + 3)
    content = x[0, wrapped.kept]  # up-sampling and z_proj are exact
    assert (content[:, : at.D] == wrapped.head.queries).all()
    assert (content[:, at.key : at.key + at.D] == wrapped.head.keys[:-1]).all()
    y = rms_norm(rms_norm(x, fw.EPS), fw.EPS)
    kappa = y[0, wrapped.kept, at.one]
    assert (kappa == kappa[0]).all()
    value = wrapped.weights["encoder_blocks.0.attn.qkv.weight"][2 * wrapped.config.model_width]
    assert kappa[0] * value[at.value] == pytest.approx(1, abs=1e-14)


def logits_of(wrapped):
    """Logits of the kept queries with every key, and sums of absolute products, in the model."""
    found = {}

    def kernel(q, k, v, scale, blocks):
        rows = wrapped.kept[: len(wrapped.head.queries)]
        found["x"] = scale[0, 0] * (q[0, 0, rows] @ k[0, 0].T)
        found["m"] = scale[0, 0] * (np.abs(q[0, 0, rows]) @ np.abs(k[0, 0]).T)
        raise fr._Reached

    active = wrapped.weights["encoder_blocks.0.ada_lin.1.bias"].reshape(6, 1, 1, -1)
    sixes = {"encoder_blocks": [list(active)], "decoder_blocks": [list(active)]}
    scales = Tokens(0, len(wrapped.config.scales))
    with pytest.raises(fr._Reached):
        transformer(
            wrapped.weights, wrapped.config, fr.input_of(wrapped), sixes, scales,
            fr.Kernels(ar=kernel),
        )  # fmt: skip
    return found["x"], found["m"]


def test_logits_are_within_M_and_junk_is_light():
    rng = np.random.default_rng(6)
    u, v = ((rng.random((16, 4)) < 0.6).astype(np.int8) for _ in "uv")
    wrapped = fw.flowar_wrap(ov_head(u, v))
    x, m = logits_of(wrapped)
    assert m.max() <= float(wrapped.M) * (
        1 + 2**0.5
    )  # the turned parts: |cc'| + |ss'| summed apart
    assert np.abs(x).max() <= float(wrapped.M)
    clean = [0, *wrapped.kept[: wrapped.head.n]]
    junk = np.setdiff1d(np.arange(x.shape[1]), clean)
    assert (np.exp(x[:, junk]).sum(axis=1) <= 0.01 * np.exp(x[:, 0])).all()
    product = u.astype(int) @ v.T
    clean_logits = x[:, wrapped.kept[: wrapped.head.n]]
    assert (clean_logits[product == 0] == 0).all()  # a partner's products are 0 however they turn
    least = -float(wrapped.head.rate) * product
    assert (clean_logits <= least + 1e-9).all()  # the factor 1/cos tau keeps the rate
    assert (clean_logits >= least / float(wrapped.cosine) - 1e-9).all()


def test_the_number_of_gates_is_what_the_formula_asks():
    head = ov_head(np.eye(3, dtype=np.int8), np.eye(3, dtype=np.int8))
    wrapped = fw.flowar_wrap(head)
    rate = head.rate / wrapped.cosine
    with precision(128):
        junk = ball(100 * wrapped.config.length) * ball(Fraction(9, 2)).sqrt()
        needed = forms.flowar_penalty.ball(M=rate * head.width, junk=junk, cosine=wrapped.cosine)
        assert certainly_less(needed, wrapped.gates * rate)
        assert certainly_less((wrapped.gates - 1) * rate, needed)


def test_slightly_false_version_an_error_of_one_eighth():
    ones = np.ones((4, 1), np.int8)
    wrapped = fw.flowar_wrap(ov_head(ones, ones))
    values = fr.evaluate_flowar_wrapped(wrapped).values
    assert (values < float(Fraction(3, 8) - fw.ALLOWED)).all()
    with pytest.raises(InputError, match="23/200"):
        verdicts(wrapped, Fraction(115, 1000))


def test_a_gate_that_is_too_weak_is_seen():
    ones = np.ones((4, 1), np.int8)
    wrapped = fw.flowar_wrap(ov_head(ones, ones))
    weights = dict(wrapped.weights)
    qkv = weights["encoder_blocks.0.attn.qkv.weight"].copy()
    qkv[:, fw.channels(wrapped).gate] *= 0.02
    weights["encoder_blocks.0.attn.qkv.weight"] = qkv
    assert verdicts(replace(wrapped, weights=weights), Fraction(0)).any()
    assert not verdicts(wrapped).any()


def test_wrong_versions_fail_as_said():
    found = wrong_flowar_versions()
    assert len(found) == 4
    assert all(version.fails for version in found)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"^side"):
        fw.flowar_wrap(ov_head(np.ones((65, 1), np.int8), np.ones((65, 1), np.int8)))
    with pytest.raises(InputError, match=r"^side"):
        fw.flowar_wrap(ov_head(np.ones((2, 1), np.int8), np.ones((2, 1), np.int8)), side=24)
    with pytest.raises(InputError, match="channels to turn slowly"):
        fw.flowar_wrap(ov_head(np.ones((2, 900), np.int8), np.ones((2, 900), np.int8)))
