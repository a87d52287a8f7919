"""The answer as a whole: consistent parts, redundant restatements, bad questions."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import pytest

import varnum as vn
from varnum import checker
from varnum.approx.inverse import LargestInterval
from varnum.balls.scalar import ball, precision
from varnum.cost.regime import regime_exponent
from varnum.errors import InputError
from varnum.question import LOGIT_CAP, logit_bound
from varnum.verdict import Unknown


def test_the_released_model() -> None:
    answer = vn.plan(model="var-d16", eps="1e-2")
    assert (answer.degree, answer.proved_minimal, answer.pays) == (109, True, False)
    assert answer.question.schedule is not None
    assert answer.question.schedule.length == 680
    assert (answer.question.d, answer.question.sigma) == (64, "1")
    with precision(100):  # the cap lies above exp of float32's log 100
        assert ball("4.605170249938965").exp() < ball(LOGIT_CAP)
    assert vn.plan(model="var-d36", eps="1e-2").question.schedule.length == 2240  # type: ignore[union-attr]


@pytest.mark.parametrize("model", ["var-d16", "var-d20", "var-d24", "var-d30", "var-d36"])
def test_every_preset_has_an_answer(model: str) -> None:
    answer = vn.plan(model=model, M="1/2", eps="1e-2")
    assert answer.question.d == 64
    assert answer.proved_minimal
    assert answer.cost is not None


def test_redundant_restatements_agree() -> None:
    direct = vn.plan(M="2", d=8, eps="1e-3", schedule="1,2,4,8")
    entries = vn.plan(R="1", d=8, sigma="4", eps="1e-3", n=8)  # 8 * 1 / 4
    assert (direct.degree, direct.rank, direct.cost) == (entries.degree, entries.rank, entries.cost)
    by_d = vn.plan(R="2", d=9, sigma="d", eps="1e-3")
    assert by_d.degree == vn.plan(M="4", eps="1e-3").degree
    square = vn.plan(R="1", d=16, sigma="sqrt", eps="1e-3")  # an exact root
    assert square.question.M_low == square.question.M_high == 4
    halved = vn.plan(R="1", d=16, sigma="4sqrt", eps="1e-3")
    assert halved.question.M_high == 1


def test_irrational_sigma_is_enclosed() -> None:
    low, high = logit_bound(Fraction(1), 8, "sqrt")
    assert low**2 < 8 < high**2
    assert high - low < Fraction(1, 10**28)
    answer = vn.plan(R="1", d=8, sigma="sqrt", eps="1e-3")
    assert answer.proved_minimal
    assert checker.check(answer.certify().encode()).least is not None


def test_output_error_is_softmax_relative() -> None:
    answer = vn.plan(M="1", output_error="1e-2")
    assert answer.question.eps == Fraction(200, 10001)
    with precision(100):
        tau = (ball(answer.question.eps).atanh() / 2).tanh()
    assert tau.overlaps(ball("0.01"))


def test_additive_output_error_counts_the_row() -> None:
    answer = vn.plan(W="2", error="additive", output_error="1e-2", schedule="1,2", d=2)
    assert answer.question.eps == Fraction(1, 100) / (5 * Fraction(101, 100))
    with pytest.raises(InputError, match="schedule"):
        vn.plan(W="2", error="additive", output_error="1e-2")


def test_regime_is_the_cost_modules() -> None:
    regime = vn.plan(M="1", d=8, eps="1e-3", n=16).regime
    assert regime is not None
    assert regime["b"] == pytest.approx(1 / 5.8319, rel=1e-4)  # ln 341
    rho = regime_exponent(*(Fraction(str(regime[k])) for k in "bcp"))
    assert regime["rho"] == pytest.approx(float(rho[0].mid()), rel=1e-9)
    assert (regime["rho"] < 1) == (regime["b"] < regime["b_star"])


def test_backwards_meets_forwards() -> None:
    answer = vn.plan(M="1", d=8, eps="1e-2", n=64)
    found = answer.largest_size()
    assert isinstance(found, LargestInterval)
    assert vn.plan(M=found.size, d=8, eps="1e-2", n=64).pays is True
    assert vn.plan(M=found.above, d=8, eps="1e-2", n=64).pays is False
    largest = answer.largest_d()
    assert largest is not None
    d = largest.d
    assert vn.plan(M="1", d=d, eps="1e-2", n=64).pays is True
    assert vn.plan(M="1", d=d + 1, eps="1e-2", n=64).pays is False
    n = answer.crossover_n
    assert n is not None
    assert vn.plan(M="1", d=8, eps="1e-2", n=n).pays is True
    assert vn.plan(M="1", d=8, eps="1e-2", n=n - 1).pays is False


def test_backwards_with_R_moves_M_along() -> None:
    answer = vn.plan(R="1/2", d=8, sigma="1", eps="1e-2", n=64)
    largest = answer.largest_d()
    assert largest is not None
    d = largest.d
    assert vn.plan(R="1/2", d=d, sigma="1", eps="1e-2", n=64).pays is True
    assert vn.plan(R="1/2", d=d + 1, sigma="1", eps="1e-2", n=64).pays is False


def test_beyond_the_exchange_a_degree_still_suffices() -> None:
    answer = vn.plan(M="5000", d=4, eps="1e-2", n=8)
    assert isinstance(answer.least, Unknown)
    assert not answer.proved_minimal
    assert answer.degree == answer.degree_closed_form
    assert answer.minimax_error is None
    assert answer.reasons["degree_proved_minimal"]
    with pytest.raises(ArithmeticError):
        answer.certify()


def test_a_degree_that_only_suffices_proves_no_refusal() -> None:
    loose = vn.plan("20", eps="1e-2", d=1, n=8, max_degree=3)
    tight = vn.plan("20", eps="1e-2", d=1, n=8)
    assert tight.pays is True
    assert loose.pays is None
    assert loose.crossover_n is None
    assert loose.crossover_n_at_most is not None
    assert tight.crossover_n is not None
    assert loose.crossover_n_at_most >= tight.crossover_n
    assert set(loose.reasons) >= {"pays", "crossover_n", "degree_proved_minimal"}
    assert loose.largest_d() is None
    assert vn.plan("20", eps="1e-2", d=1, n=64, max_degree=3).pays is True  # sufficient is enough


def test_tiny_and_huge_questions_have_answers() -> None:
    tiny = vn.plan("1e-40", eps="1e-2", d=4, n=4)
    assert (tiny.degree, tiny.proved_minimal) == (0, True)
    assert vn.plan("1e-40", eps="1e-50").degree == 1
    small = vn.plan("1e-18", eps="1e-2", model="var-d16").regime
    assert small is not None
    assert small["b"] == pytest.approx(1e-18 / 6.5221, rel=1e-4)
    assert small["rho"] > 0.1
    assert vn.plan("1e6", eps="1e-2", d=10**4, n=4).crossover_n_at_most is None
    assert isinstance(vn.plan("1", eps="1e-2", d=1, n=10**6).largest_size(), Unknown)
    narrow = vn.plan(W="1", error="additive", eps="1e-150")
    assert narrow.proved_minimal


def test_zero_logits() -> None:
    answer = vn.plan(M="0", d=8, eps="1e-3", n=16)
    assert (answer.degree, answer.rank, answer.pays) == (0, 1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        {"M": "1"},
        {"M": "1", "eps": "0"},
        {"M": "1", "eps": "1"},
        {"M": "1", "eps": "-1e-3"},
        {"M": "1", "eps": "nan"},
        {"M": "1", "eps": 0.1},
        {"M": "1", "eps": "1e-301"},
        {"M": "1", "eps": "1e-2", "output_error": "1e-2"},
        {"M": "-1", "eps": "1e-2"},
        {"M": "nan", "eps": "1e-2"},
        {"M": "inf", "eps": "1e-2"},
        {"M": "1e9", "eps": "1e-2"},
        {"M": "1", "R": "1", "eps": "1e-2"},
        {"M": "1", "sigma": "banana", "eps": "1e-2"},
        {"M": "1", "eps": "1e-2", "max_degree": -5},
        {"model": "var-tiny", "eps": "1e-2"},
        {"R": "1", "eps": "1e-2"},
        {"R": "-1", "d": 4, "sigma": "d", "eps": "1e-2"},
        {"R": "1", "d": 4, "sigma": "0", "eps": "1e-2"},
        {"R": "1", "d": 4, "sigma": "two", "eps": "1e-2"},
        {"M": "1", "d": 0, "eps": "1e-2"},
        {"M": "1", "d": 10**9, "eps": "1e-2"},
        {"M": "1", "d": 4, "eps": "1e-2", "schedule": ""},
        {"M": "1", "d": 4, "eps": "1e-2", "schedule": "2,1"},
        {"M": "1", "d": 4, "eps": "1e-2", "schedule": "1,2", "n": 4},
        {"M": "1", "d": 4, "eps": "1e-2", "n": 4, "alpha": 1},
        {"model": "var-d99", "eps": "1e-2"},
        {"W": "1", "eps": "1e-2"},
        {"M": "1", "eps": "1e-2", "error": "absolute"},
        {"eps": "1e-2"},
    ],
)
def test_bad_questions_get_one_line(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        vn.plan(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


def test_the_facade_is_not_shadowed() -> None:
    code = "import varnum._plan, varnum as vn; print(vn.plan(M='1', eps='1e-3').degree)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "4\n"
    with pytest.raises(AttributeError):
        vn.no_such_name  # noqa: B018


def test_where_it_does_not_pay_it_says_what_would() -> None:
    answer = vn.plan(model="var-d16", eps="1e-2")
    size = answer.largest_size(3).size  # type: ignore[union-attr]
    assert "Here it would pay for |logit| up to 0.200 " in str(answer)
    assert "varnum audit" in str(answer)
    again = vn.plan(M=size, model="var-d16", eps="1e-2")
    assert again.pays
    assert "would pay" not in str(again)
    assert "No |logit| is small enough" in str(vn.plan(M=1, d=4, n=1, eps="1e-2"))
    assert "W up to" in str(vn.plan(W=4, d=64, n=16, error="additive", eps="1e-3"))
