"""Results are values: compared, hashed, pickled, copied, framed, sent to other processes, shown."""

from __future__ import annotations

import copy
import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import FrozenInstanceError
from fractions import Fraction
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import varnum as vn
from varnum.cost.counts import Cost
from varnum.verdict import Proved, Refuted, Unknown

QUESTIONS: list[dict[str, Any]] = [
    {"M": "1", "d": 8, "eps": "1e-3", "n": 16},
    {"W": "4", "eps": "1/1000", "error": "additive"},
    {"M": "300", "eps": "1e-2", "max_degree": 9, "d": 4},
    {"M": "0", "eps": "1e-2"},
]


@pytest.fixture(scope="module", params=QUESTIONS, ids=str)
def plan(request: pytest.FixtureRequest) -> vn.Plan:
    return vn.plan(**request.param)


def flint_inside(value: Any) -> bool:
    return b"flint" in pickle.dumps(value)


def test_a_plan_travels(plan: vn.Plan) -> None:
    for twin in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan), copy.copy(plan)):
        assert twin == plan
        assert hash(twin) == hash(plan)
        assert twin.to_dict() == plan.to_dict()
        assert str(twin) == str(plan)
    assert not flint_inside(plan)


def test_plans_differ() -> None:
    one, other = vn.plan("1", eps="1e-3"), vn.plan("1", eps="1e-4")
    assert one != other
    assert len({one, other, vn.plan("1", eps="1e-3")}) == 2


def test_a_plan_is_frozen(plan: vn.Plan) -> None:
    with pytest.raises(FrozenInstanceError):
        plan.degree_closed_form = 1  # type: ignore[misc]


def test_a_plan_is_shown(plan: vn.Plan) -> None:
    assert len(repr(plan)) < 200
    assert "\n" not in repr(plan)
    assert str(plan).startswith("exp on ")
    assert plan._repr_html_().startswith("<pre>exp on ")
    latex = plan._repr_latex_()
    assert (latex is None) == (plan.minimax_error is None)


def test_what_it_says_in_short() -> None:
    shown = repr(vn.plan(**QUESTIONS[0]))
    assert shown == "Plan(M=1, eps=0.001: degree 4 proved least, rank 495, does not pay)"
    assert vn.plan(**QUESTIONS[1])._repr_latex_() == (
        r"$\min_{\deg P \le 5} \max_{-4 \le x \le 0} |P(x) - e^x| \in [0.000441747, 0.000441788]$"
    )


def test_the_proof_is_text_on_request(plan: vn.Plan) -> None:
    if isinstance(plan.least, Unknown):
        with pytest.raises(ArithmeticError):
            plan.certify()
        return
    assert isinstance(vn.check(plan.certify()), Proved)
    assert isinstance(vn.check(plan.certify().encode()), Proved)


def test_certify_and_check_from_python() -> None:
    text = vn.certify(M="1", eps="1e-1")
    assert isinstance(text, str)
    assert isinstance(vn.check(text), Proved)
    from varnum import checker

    false = checker.serialise(json.loads(text) | {"eps": "0.0001"})
    assert isinstance(vn.check(false), Refuted)
    with pytest.raises(vn.InputError, match="certificate"):
        vn.check(text.replace("0.1", "0.2"))
    with pytest.raises(vn.InputError, match="ASCII"):
        vn.check("é")
    assert isinstance(vn.certify(M="300", eps="1e-2", max_degree=9), Unknown)


def test_verify_from_python() -> None:
    report = vn.verify("softmax-logit", checks=False)
    assert isinstance(report.verdict("softmax-logit"), Proved)
    assert pickle.loads(pickle.dumps(report)) == report
    assert len(repr(report)) < 200


def answer(question: dict[str, Any]) -> vn.Plan:
    return vn.plan(**question)


def test_process_pools_return_plans() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(answer, QUESTIONS[:2]))
    assert found == [vn.plan(**question) for question in QUESTIONS[:2]]


def test_frames_hold_plans() -> None:
    pandas = pytest.importorskip("pandas")
    plans = [vn.plan(M, eps="1e-3", d=4) for M in ("1", "2")]
    frame = pandas.DataFrame([plan.to_dict() for plan in plans])
    assert list(frame["degree"]) == [plan.degree for plan in plans]
    assert list(pandas.DataFrame({"plan": plans})["plan"]) == plans


def test_the_parts_are_values_too(plan: vn.Plan) -> None:
    for part in (plan.question, plan.least, plan.cost, plan.question.schedule):
        assert pickle.loads(pickle.dumps(part)) == part
        assert isinstance(hash(part), int)
    assert plan.cost is None or isinstance(plan.cost, Cost)


def test_a_budget_is_a_value() -> None:
    from varnum.model.backend import Backend
    from varnum.model.config import preset
    from varnum.model.random_weights import random_model
    from varnum.propagate.budget import Budget, certify_budget, compose_run, teacher_forced_setting

    model = random_model(*preset("var-tiny-plain"), seed=0).to(Backend("numpy", "float64"))
    tokens = [0] * model.var.length
    x, vectors = teacher_forced_setting(model, 0, tokens)  # type: ignore[arg-type]
    compose = compose_run(model, x, vectors)
    found = certify_budget("1e-2", compose, model.var.head_dim, False)
    assert isinstance(found, Budget)
    twin = pickle.loads(pickle.dumps(found))
    assert (twin, hash(twin)) == (found, hash(found))
    assert len(repr(found)) < 200
    assert found.to_dict()["kernel_domain"]
    assert not flint_inside(found)


def test_messages_name_arguments_here_and_options_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from varnum.cli import main

    with pytest.raises(vn.InputError, match=r"^output_error: 2 is not allowed"):
        vn.plan("1", output_error="2")
    with pytest.raises(vn.InputError, match=r"^max_degree: 5000 "):
        vn.plan("1", eps="1e-2", max_degree=5000)
    monkeypatch.setattr(sys, "argv", ["varnum", "bound", "--M", "1", "--output-error", "2"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith("varnum: error: --output-error: 2 is not allowed")


def test_what_attention_returns_is_a_value() -> None:
    import numpy as np

    q, k, v = np.random.default_rng(0).standard_normal((3, 40, 4)) / 4
    found = vn.attention(q, k, v, output_error="1e-2")
    made = found.certificate
    assert (made.target, made.asked) == (0.01, "0.01")
    assert made.reached
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert isinstance(hash(made), int)
    assert len(repr(made)) < 200
    assert len(repr(found)) < 300
    assert found.to_dict() == made.to_dict()
    assert json.loads(json.dumps(made.to_dict())) == made.to_dict()


@pytest.mark.parametrize(
    ("asked", "bound", "reached"),
    [("0.1", 0.1, False), ("1/3", 1 / 3, True), ("0.1", 0.09, True), ("0.5", float("inf"), False)],
)
def test_a_target_is_compared_exactly(asked: str, bound: float, reached: bool) -> None:
    """The double 0.1 lies above one tenth, 1/3 as a double below one third."""
    from fractions import Fraction

    made = vn.Certificate(
        "eps", float(Fraction(asked)), bound, bound, "exact", 0, 1, 1, "", 0.0, 0.0, "", asked
    )
    assert made.reached is reached
    assert made.to_dict()["certified_error"] == (None if bound == float("inf") else bound)


@pytest.mark.parametrize(
    "wrong",
    [{"n": "x"}, {"d": "8"}, {"d": True}, {"d": 8.0}, {"d_v": 2.5}, {"alpha": "2"}, {"n": 4.5},
     {"max_degree": "a"}, {"max_degree": 2.5}, {"schedule": [1, 2]}],
)  # fmt: skip
def test_what_is_no_whole_number_is_one_line(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(vn.InputError, match=f"^{name}: "):
        vn.plan(**({"M": "4", "eps": "1e-3", "d": 8} | wrong))


def test_verdicts_are_shown_in_one_short_line() -> None:
    assert repr(Proved("sign changes")) == "Proved(how='sign changes')"
    for long in (Proved("x" * 5000), Unknown("y" * 5000), Refuted(list(range(5000)), "far")):
        assert len(repr(long)) < 200
        assert repr(long).endswith("...)")
    text = vn.certify(M="1", eps="1e-3")
    assert len(repr(vn.check(text))) < 200


@pytest.mark.parametrize("kind", ["eps", "output_error"])
@pytest.mark.parametrize("target", ["1e-300", "1e-301", "1", Fraction(1, 10**300)])
def test_targets_past_the_end_are_named(kind: str, target: Any) -> None:
    x = np.ones((3, 2))
    with pytest.raises(vn.InputError, match=f"{kind}: .* above 1e-300 and below"):
        vn.attention(x, x, x, **{kind: target})
    vn.attention(x, x, x, **{kind: "1.0000000001e-300"})


def test_a_flowar_plan_travels_too() -> None:
    plan = vn.plan_flowar("flowar-l", M="1", eps="1e-2")
    twin = pickle.loads(pickle.dumps(plan))
    assert twin == plan
    assert hash(twin) == hash(plan)
    assert twin.to_dict() == plan.to_dict()
    assert len(repr(plan)) < 200
    assert plan != vn.plan_flowar("flowar-l", M="1/2", eps="1e-2")
    assert not flint_inside(plan)
    assert json.loads(json.dumps(plan.to_dict()))["schema"] == "varnum/bound-flowar/1"
