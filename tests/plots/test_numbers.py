"""The numbers behind the pictures against Sollya's table, closed forms and the other verbs."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest

from varnum.errors import InputError
from varnum.plots import budget, cost, degree, error, phase, rank, tightness
from varnum.proof.verify import Item, Report
from varnum.verdict import Proved, Unknown

TABLE = json.loads((Path(__file__).parents[1] / "data" / "exp-degrees.json").read_text())["rows"]
RELATIVE = {
    (Fraction(row["M"]), row["eps"]): row for row in TABLE if row["kind"] == "relative"
}  # fmt: skip


def test_degrees_lie_in_sollyas_intervals() -> None:
    data = degree.numbers(errors=("1e-1", "1e-3"), sizes=("1/2", "2", "8"))
    for series in data["series"]:
        for M, least, closed in zip(data["M"], series["least"], series["closed_form"], strict=True):
            low, high = RELATIVE[Fraction(M), series["eps"]]["sollya_guessdegree"]
            assert low <= least <= high <= closed
    wrong = [g + 1 for g in data["series"][0]["least"]]
    tops = [RELATIVE[Fraction(M), "1e-1"]["sollya_guessdegree"][1] for M in data["M"]]
    assert any(g > top for g, top in zip(wrong, tops, strict=True))  # one more would be seen


def test_ranks_are_binomials_and_lines_are_the_schedules() -> None:
    data = rank.numbers(sizes=("1/2", "2", "8"))
    assert data["degree"] == [RELATIVE[Fraction(M), "1e-2"]["minimal_degree"] for M in data["M"]]
    for row, g in zip(data["rank"], data["degree"], strict=True):
        assert row == [math.comb(d + g, g) for d in data["d"]]
    squares = [h * h for h in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)]
    assert data["tokens"]["var-d16"] == sum(squares) == 680


def test_errors_are_ordered_and_match_the_table() -> None:
    rows = error.numbers(M="2", most=12)["rows"]
    for row in rows:
        low, high = row["minimax"]
        assert low <= high <= row["taylor"] <= row["claimed"]
        assert row["measured"] <= high + 2e-13  # 2 g 2^-53 e^(2M): Horner and exp in float64
    for (M, _), known in RELATIVE.items():
        if M == 2 and known["minimal_degree"] <= 12:
            low, high = rows[known["minimal_degree"]]["minimax"]
            seen = known["minimax_error_at_degree"]
            assert low <= seen * (1 + 1e-3)
            assert seen <= high * (1 + 1e-3)


def test_costs_cross_where_the_verb_says() -> None:
    data = cost.numbers()
    assert (data["rank"], data["crossover_n"]) == (math.comb(13, 5), 39)
    assert data["slope_exact"] == pytest.approx(4, abs=1e-3)
    assert data["slope_lowrank"] == pytest.approx(2, abs=1e-3)
    cheaper = [a > b for a, b in zip(data["exact"], data["lowrank"], strict=True)]
    assert cheaper == [n >= 39 for n in data["n"]]


def test_tightness_takes_what_verify_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = Item("affine", "check", "affine", Proved("tested"), 0.5, 1.0)
    absent = Item("linear", "check", "layers", Unknown("could not run: torch"))
    other = Item("linear", "obligation", "linear.smt2", Proved("unsat"))
    report = Report((ran, absent, other), {}, ())
    monkeypatch.setattr(tightness, "verify", lambda **asked: report)
    data = tightness.numbers(trials=5)
    assert [(r["claim"], r["measured"], r["claimed"]) for r in data["rows"]] == [("affine", 0.5, 1)]
    assert data["not_run"] == {"layers": "could not run: torch"}


def test_the_budget_ends_at_the_target() -> None:
    data = budget.numbers(model_error="1e-2")
    errors = [step["error"] for step in data["steps"]]
    assert errors == sorted(errors)
    assert 0.999e-2 < errors[-1] <= 1e-2
    assert float(data["eps"]) < errors[0]


def test_released_models_lie_in_the_phase_diagram() -> None:
    points = phase.numbers()["released"]
    assert {p["L"] for p in points} == {680, 2240}
    assert all(p["b"] == pytest.approx(float(p["M"]) / math.log(p["L"]), rel=1e-5) for p in points)


@pytest.mark.parametrize(
    "make",
    [
        lambda: error.numbers(M="0"),
        lambda: error.numbers(most=0),
        lambda: budget.numbers(model="var-d16"),
        lambda: budget.numbers(label=-1),
        lambda: tightness.numbers(trials=0),
        lambda: phase.numbers(p="51"),
    ],
)
def test_bad_input_is_named(make: object) -> None:
    with pytest.raises(InputError, match="is not allowed"):
        make()  # type: ignore[operator]
