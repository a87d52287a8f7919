"""Whole models in norms, forms and balls: each part in its place, any precision on the safe side.

Small random models; every expectation is written out from the weights.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import atanh, comb, exp, sqrt

import numpy as np
import pytest

from varnum.balls.questions import bounds
from varnum.balls.scalar import precision, upper
from varnum.errors import InputError
from varnum.model.backend import Backend
from varnum.model.config import preset
from varnum.model.random_weights import random_model
from varnum.proof import checking
from varnum.propagate import affine, discrete, paper_model, run_enclosure, var_model
from varnum.propagate import transfer as t
from varnum.propagate.budget import (
    Budget,
    certify_affine_budget,
    certify_budget,
    compose_run,
    teacher_forced_setting,
)
from varnum.propagate.checked import error_bound
from varnum.propagate.forms import SLOP, UP, Form, Symbols
from varnum.propagate.interpolation_growth import extremal_input
from varnum.propagate.transfer import Reach
from varnum.verdict import Unknown

EPS = Fraction(1, 1000)


@pytest.fixture(scope="module", params=["var-tiny", "var-tiny-plain"])
def model(request):
    """(model, x, vectors) of one sequence of a random model, l2-normalised heads or not."""
    made = random_model(*preset(request.param), seed=0).to(Backend("numpy", "float64"))
    tokens = np.random.default_rng(1).integers(0, made.var.vocab_size, made.var.length)
    return made, *teacher_forced_setting(made, 1, tokens)


def norm_of(found):
    return [float(p.upper()) for p in (found.rows, found.spectral, found.bias, found.bias_norm)]


def test_norms_of_a_block_stand_where_its_heads_are(model):
    made, _, vectors = model
    w, config, d = made.var_weights, made.var, made.var.head_dim
    found = var_model.block_norms(w, config, 1, vectors[1])
    name = "blocks.1.attn"
    qkv = w[f"{name}.mat_qkv.weight"].reshape(3, config.num_heads, d, config.embed_dim)
    bias = np.concatenate([w[f"{name}.{k}"] for k in ("q_bias", "zero_k_bias", "v_bias")])
    bias = bias.reshape(3, config.num_heads, d)
    for head in range(config.num_heads):
        for part in range(3):
            due = norm_of(t.operator(qkv[part, head], bias[part, head]))
            assert norm_of(found.heads[head][part]) == due
        if config.attn_l2_norm:
            scale = exp(min(w[f"{name}.scale_mul_1H11"].ravel()[head], np.log(100)))
        else:
            scale = 0.25 / sqrt(d)
        assert float(found.scales[head].upper()) == pytest.approx(scale, rel=1e-12)
    g1, g2, c1, c2, s1, s2 = (np.abs(v).max() for v in vectors[1])
    c1, c2 = (np.abs(1 + v).max() for v in vectors[1][2:4])
    tops = (*found.gates, *found.factors, *found.shifts)
    for top, due in zip(tops, (g1, g2, c1, c2, s1, s2), strict=True):
        assert due * UP <= float(t.ball(top).upper()) <= due * (1 + 1e-9)


def test_a_composition_names_its_steps_and_covers_the_head(model):
    made, x, vectors = model
    compose = compose_run(made, x, vectors)
    found, none = compose(EPS), compose(Fraction(0))
    assert none.reach.error == 0
    names = [step.layer for step in found.steps]
    assert names == ["attention 0", "mlp 0", "attention 1", "mlp 1", "head"]
    assert all(isinstance(step.error, Fraction) and step.error > 0 for step in found.steps)
    with precision(var_model.BITS):
        assert found.steps[-1].error == upper(found.reach.error)
    assert found.reach.width == made.var.vocab_size
    first, *rest = found.steps
    assert first.amplification == np.inf
    for before, step in zip(found.steps, rest, strict=False):
        assert step.amplification == pytest.approx(float(step.error / before.error), rel=1e-9)
    for wrong in (Fraction(-1), Fraction(1)):
        with pytest.raises(InputError, match="eps"):
            compose(wrong)


def test_the_run_starts_with_its_own_norms(model, monkeypatch):
    """Largest entry and largest token of x, by rows."""
    made, x, vectors = model
    seen = []
    monkeypatch.setattr(
        "varnum.propagate.budget.certify_composition", lambda *given: seen.append(given[2])
    )
    compose_run(made, x, vectors)(EPS)
    assert float(seen[0].size.upper()) == np.abs(x).max()
    norm = np.linalg.norm(x, axis=1).max()
    assert norm <= float(seen[0].norm.upper()) <= norm * (1 + 1e-8)
    assert seen[0].error == 0


def test_any_precision_is_on_the_safe_side(monkeypatch):
    """Eight bits bound what 256 bits bound, layer by layer."""
    config, weights = checking.load("whole_model").paper_setting(0)
    norms = paper_model.norms_of(weights, config)
    fine = paper_model.certify_paper_model(norms, config, Fraction(1, 3), EPS)[1]
    monkeypatch.setattr(paper_model, "_BITS", 8)
    rough = paper_model.certify_paper_model(norms, config, Fraction(1, 3), EPS)[1]
    for a, b in zip(fine.steps, rough.steps, strict=True):
        assert a.layer == b.layer
        assert (a.error, a.zeta, a.logits, a.domain) <= (b.error, b.zeta, b.logits, b.domain)
        assert a.zeta <= b.zeta
        assert a.logits <= b.logits
    assert fine.steps[-1].error < rough.steps[-1].error


def test_positions_by_their_largest_entry():
    config, weights = checking.load("whole_model").paper_setting(0)
    found = paper_model.norms_of(weights, config)
    for k, top in enumerate(found.positions, start=1):
        assert float(top.upper()) == np.abs(weights[f"pos.{k}"]).max()


def test_no_kernel_error_moves_nothing_in_the_paper_s_model():
    config, weights = checking.load("whole_model").paper_setting(0)
    norms = paper_model.norms_of(weights, config)
    for part in paper_model.certify_paper_model(norms, config, Fraction(1), Fraction(0)):
        assert part.reach.error == 0


# --- the closed form -----------------------------------------------------------------------------

GIVEN = {"R": Fraction(1, 2), "d": 4, "sigma": Fraction(9)}
NORMS = (Fraction(1, 2), Fraction(1, 3), Fraction(3, 4))
B = 121 / 64


def closed(K, eps, **changed):
    return paper_model.certify_closed_form(**{**GIVEN, **changed}, K=K, norms=NORMS, eps=eps)


def stays(K, eps):
    """Every eta_k <= R_k, by the recurrence in floats."""
    eta = 0.0
    for k in range(1, K + 1):
        size = 0.5 * (B * 0.75) ** (k - 1)
        if eta > size:
            return False
        gain = B * (0.75 + 3 * 4 * 0.125 * size**2 / 9)
        eta = gain * eta + B * 0.75 * size * atanh(eps)
    return True


def test_where_the_closed_form_holds():
    seen = set()
    for K in range(1, 7):
        for part in range(1, 60):
            eps = Fraction(part, 60)
            holds = closed(K, eps).holds
            assert holds == stays(K, float(eps))
            seen.add((K, holds))
    assert {(2, True), (3, False), (4, False), (6, False), (6, True)} <= seen


@pytest.mark.parametrize(
    "changed", [{"eps": Fraction(-1, 10)}, {"eps": Fraction(1)}, {"R": 0}, {"sigma": 0}, {"d": 0},
                {"K": 0}, {"norms": (Fraction(-1), Fraction(1), Fraction(1))},
                {"norms": (Fraction(1), Fraction(1), Fraction(1, 2))}],
)  # fmt: skip
def test_what_the_closed_form_needs(changed):
    given = {**GIVEN, "K": 2, "norms": NORMS, "eps": EPS}
    with pytest.raises(InputError, match="the closed form needs"):
        paper_model.certify_closed_form(**{**given, **changed})


@pytest.mark.parametrize("K", [1, 2, 5])
def test_a_budget_from_norms_and_its_domain(K):
    target = Fraction(1, 50)
    found = paper_model.certify_norm_budget(target, **GIVEN, K=K, norms=NORMS)
    ranges = [0.5 * (B * 0.75) ** k for k in range(K)]
    assert [float(r) for r in found.ranges] == pytest.approx(ranges, rel=1e-12)
    weight, top, eta = 4 * 0.5 / 3 / 9, ranges[-1], 0.02
    assert float(found.domain) == pytest.approx(weight * (top + eta) ** 2, rel=1e-12)
    assert float(target) * (1 - 1e-9) < float(found.closed.error) <= float(target)
    assert found.closed.holds


def test_a_budget_from_norms_is_refused_where_the_form_does_not_hold():
    with pytest.raises(InputError, match="too large for the closed form"):
        paper_model.certify_norm_budget(Fraction(50), **GIVEN, K=3, norms=NORMS)
    for wrong in ((Fraction(-1), *NORMS[1:]), (*NORMS[:2], Fraction(1, 2))):
        with pytest.raises(InputError, match="norms"):
            paper_model.certify_norm_budget(EPS, **GIVEN, K=3, norms=wrong)
    with pytest.raises(InputError, match="above 0"):
        paper_model.certify_norm_budget(EPS, **GIVEN, K=0, norms=NORMS)


# --- runs in balls and forms ---------------------------------------------------------------------


def test_ranges_are_those_of_the_run():
    """Smallest spread and norm, largest entry, of exact small numbers."""
    ranges = run_enclosure.Ranges()
    x = np.array([[1.0, 1, 1, 1], [3, -1, 3, -1], [2, 2, -2, -1]])
    balls = run_enclosure.BallArray(x)
    run_enclosure._see_norm(ranges, "x", balls, Fraction(1, 4))
    assert float(ranges.s_min["x"].lower()) == pytest.approx(0.5, rel=1e-12)
    run_enclosure._see(ranges, "q", balls)
    assert float(ranges.min_norm["q"].lower()) == pytest.approx(2, rel=1e-12)
    reach = ranges.reach["q"]
    assert reach.width == 4
    assert float(reach.size.upper()) == 3
    assert float(reach.norm.upper()) == pytest.approx(sqrt(20), rel=1e-12)


@pytest.mark.parametrize("lengths", [None, (1, 3)])
def test_a_polynomial_in_place_of_the_kernel(lengths):
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(2, 3, 4, 5)) for _ in range(3))
    scale = np.full((1, 3, 1, 1), 0.3) * np.array([1, 2, 0.5]).reshape(1, 3, 1, 1)
    attend = run_enclosure.polynomial_kernel([Fraction(3), Fraction(1, 2), Fraction(1, 4)])
    found = attend(q, k, v, scale, lengths)
    logits = scale * (q @ k.transpose(0, 1, 3, 2))
    weights = 3 + logits / 2 + logits**2 / 4
    if lengths:
        weights[:, :, :1, 1:] = 0
    due = weights / weights.sum(-1, keepdims=True) @ v
    assert found == pytest.approx(due, rel=1e-12)
    if lengths is None:  # more keys than queries
        found = attend(q[:, :, :2], k, v, scale, None)
        assert found == pytest.approx(due[:, :, :2], rel=1e-12)


def test_the_difference_of_two_runs():
    kernel = run_enclosure.polynomial_kernel([Fraction(1)])

    def run(attend):
        from varnum.balls.array import BallArray

        one = BallArray(np.ones((1, 1, 1, 1)))
        v = BallArray(np.array([1.0, 3.0]).reshape(1, 1, 2, 1))
        k = BallArray(np.array([0.0, 1.0]).reshape(1, 1, 2, 1))
        return attend(one, k, v, one, None)

    found, bits = run_enclosure.certify_run_difference(run, kernel, digits=20)
    due = 2 - (1 + 3 * np.e) / (1 + np.e)
    assert float(found.entries()[0].mid()) == pytest.approx(due, rel=1e-14)
    assert bits >= 128


def test_a_difference_that_64_bits_leave_open_is_found_with_more():
    """1/(sqrt(2)^2 - 2 + 2^-70): at 64 bits the divisor may be 0."""
    kernel = run_enclosure.polynomial_kernel([Fraction(1)])

    def run(attend):
        two = t.ball(2)
        found = 1 / (two.sqrt() ** 2 - 2 + two**-70)
        return run_enclosure.BallArray([found if attend is kernel else t.ball(0)])

    found, bits = run_enclosure.certify_run_difference(run, kernel, digits=5)
    assert float(found.entries()[0].mid()) == pytest.approx(2.0**70, rel=1e-4)
    assert bits >= 128


def test_forms_keep_what_the_run_in_balls_has(model):
    """Kernel errors that are nearly none: what is left is rounding, and it covers the run."""
    made, x, vectors = model
    w, config = made.var_weights, made.var
    few, lengths = x[:5], (1, 4)
    found = affine.certify_blocks(w, config, few, vectors, Fraction(1, 10**9), lengths)
    assert found.bound.shape == (5, config.vocab_size)
    assert (found.low <= 0).all()
    assert (found.high >= 0).all()
    assert 0 < found.bound.max() < 1e-6
    moved = affine.forward(w, config, few, vectors, 0.0, lengths)
    with precision(128):
        run = bounds(run_enclosure.run_blocks(w, config, few, vectors, lengths))[0]
    reach = moved.radius()
    assert (np.abs(moved.centre - run) <= reach).all()
    assert (found.high - found.low >= 2 * (reach + SLOP * np.abs(run))).all()
    for eps in (Fraction(0), Fraction(1), Fraction(3, 2)):
        with pytest.raises(InputError, match="is not between 0 and 1"):
            affine.certify_blocks(w, config, few, vectors, eps, lengths)
    for wrong in (few[:4], few[None]):
        with pytest.raises(InputError, match="expected"):
            affine.certify_blocks(w, config, wrong, vectors, EPS, lengths)


def test_rounding_of_the_last_difference_is_counted(monkeypatch):
    made = random_model(*preset("var-tiny-plain"), seed=0).to(Backend("numpy", "float64"))
    w, config, lengths = made.var_weights, made.var, (1, 4)
    tokens = np.random.default_rng(1).integers(0, config.vocab_size, config.length)
    x, vectors = teacher_forced_setting(made, 1, tokens)
    x, vectors = x[:5], [vectors[0], vectors[-1]]
    eps = Fraction(1, 10**6)
    monkeypatch.setattr(affine, "SLOP", 0.01)
    found = affine.certify_blocks(w, config, x, vectors, eps, lengths)
    below, above = bounds(run_enclosure.certify_ranges(w, config, x, vectors, lengths)[0])
    moved = affine.forward(w, config, x, vectors, atanh(1e-6) * UP, lengths)
    reach, centre = moved.radius(), moved.centre
    size = 0.01 * (np.abs(centre) + np.abs(above) + np.abs(below) + reach)
    assert found.low == pytest.approx(centre - above - reach - size, rel=1e-9)
    assert found.high == pytest.approx(centre - below + reach + size, rel=1e-9)
    wide = {**w, "extra": np.zeros((2, 5000))}
    with pytest.raises(InputError, match="sums of 5000 terms"):
        affine.certify_blocks(wide, config, x, vectors, eps, lengths)


def test_a_budget_is_rounded_down_and_counts_its_monomials():
    def compose(eps):
        step = var_model.Step("head", eps, 1.0, domain=Fraction(1, 3))
        return var_model.Composition(Reach.of(1, 1, eps), (step,))

    found = certify_budget("1/7", compose, 3)
    assert Fraction(1, 7) * (1 - Fraction(1, 10**5)) < found.eps <= Fraction(1, 7)
    assert found.error <= Fraction(1, 7)
    assert Fraction(1, 3) <= found.domain < Fraction(1, 3) + Fraction(1, 10**5)
    assert found.rank == comb(3 + found.least.degree, 3)
    assert found.to_dict()["degree"] == found.least.degree
    assert certify_budget("1/7", compose, 3, with_degree=False).rank is None
    for wrong in ("0", "-1"):
        with pytest.raises(InputError, match="model_error"):
            certify_budget(wrong, compose, 3)
        with pytest.raises(InputError, match="model_error"):
            certify_affine_budget(wrong, None, None, ())


def test_a_budget_without_a_degree_is_shown():
    some = Fraction(1, 2)
    shown = Budget(some, some, some, Unknown("not asked for"), None, (), some)
    assert shown.to_dict()["degree"] is None
    assert "degree" not in str(shown)


def test_sums_too_long_for_the_constants_are_refused(model, monkeypatch):
    made, x, vectors = model
    monkeypatch.setattr(affine, "LONGEST", 4 * made.var.embed_dim - 1)
    with pytest.raises(InputError, match="sums of 128 terms"):
        affine.certify_blocks(made.var_weights, made.var, x, vectors, EPS, made.var.lengths)


def test_forms_of_a_block_by_columns():
    ops = affine.AffineOps({}, None, 0.0, ())
    symbols = Symbols([(0, 2, 1)])
    rng = np.random.default_rng(0)
    a, b = (Form(symbols, *rng.normal(size=(2, 3, 4)), np.ones((3, 4))) for _ in range(2))
    a.matrix, b.matrix = rng.normal(size=(2, 3, 4, 2))
    assert (ops.add(a, b).centre == a.centre + b.centre).all()
    assert (ops.modulate(a, np.full(4, 2.0), np.ones(4)).centre == a.centre * 3 + 1).all()
    part = affine._columns(a, 1, 2)
    assert (part.centre == a.centre[:, 1:3]).all()
    assert (part.matrix == a.matrix[:, 1:3]).all()
    assert part.err.shape == (3, 2)


# --- tokens --------------------------------------------------------------------------------------


def test_agreement_starts_with_certainty():
    assert discrete.certify_agreement([], []) == 1
    assert discrete.certify_agreement([Fraction(0)], [7]) == 1
    assert discrete.certify_agreement([Fraction(1)], [0]) == 1
    lost = discrete.certify_sampling_tv(Fraction(1, 100))
    assert discrete.certify_agreement([Fraction(1, 100), Fraction(0)], [3, 5]) == 1 - 3 * lost


def test_one_number_bounds_an_error():
    assert error_bound(np.array([0.5])) == Fraction(1, 2)
    with pytest.raises(InputError, match="expected one number"):
        error_bound([0.5, 0.25])


def test_signs_of_the_row_that_grows_most():
    assert set(extremal_input(4, 8)) == {1, -1}


def test_norm_bounds_survive_replacement():
    x = Reach.of(3, 1)
    assert replace(x, error=t.ball(2)).tidy().norm_error == 0
