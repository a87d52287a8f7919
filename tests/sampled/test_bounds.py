"""Bounds from a sample against exact rationals, all samples counted; false versions are seen."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from varnum.proof.checking import judge, load
from varnum.sampled import mean, share
from varnum.sampled.mean import mean_above
from varnum.sampled.share import share_above
from varnum.verdict import Proved, Refuted

DELTA = Fraction(1, 1000)


def at_most_bad(bad: int, rows: int, p: Fraction) -> Fraction:
    return sum((comb(rows, i) * p**i * (1 - p) ** (rows - i) for i in range(bad + 1)), Fraction(0))


@pytest.mark.parametrize(("bad", "rows"), [(0, 1), (0, 256), (1, 2), (3, 40), (39, 40), (20, 300)])
def test_the_share_is_the_root_of_the_binomial_tail(bad: int, rows: int) -> None:
    found = share_above(bad, rows, DELTA)
    assert at_most_bad(bad, rows, found) <= DELTA
    assert at_most_bad(bad, rows, found - Fraction(1, 1 << 29)) > DELTA


def test_the_shares_of_the_specification() -> None:
    assert 0.0266 < share_above(0, 256, DELTA) < Fraction(27, 1000)
    assert 0.0067 < share_above(0, 1024, DELTA) < Fraction(68, 10000)
    assert share_above(5, 5, DELTA) == 1


def capital(errors: list[Fraction], m: Fraction) -> Fraction:
    """The whole capital, exactly."""
    total = Fraction(0)
    for bet, whole in zip(mean._BETS, mean._CAPITAL, strict=True):
        for x in errors:
            whole *= 1 + bet * (m - x)
        total += whole
    return total


@pytest.mark.parametrize("errors", [[0.0] * 60, [0.25, 0.5] * 20, [1.0, 0.0, 0.0] * 15, [1.0]])
def test_the_mean_is_where_the_capital_is_made(errors: list[float]) -> None:
    exact = [Fraction(x) for x in errors]
    found = mean_above(errors, DELTA)
    assert sum(mean._CAPITAL) == 1
    assert found == 1 or capital(exact, found) >= 1 / DELTA
    assert found >= sum(exact) / len(exact)
    below = found * Fraction(9, 10)
    assert capital(exact, below) < 1 / DELTA  # little is given away


def test_the_mean_refuses_what_is_not_within_zero_and_one() -> None:
    for wrong in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match="errors lie in"):
            mean_above([0.5, wrong], DELTA)


def test_larger_errors_never_lower_the_mean() -> None:
    few = [0.1, 0.0, 0.3] * 10
    more = [x + 0.05 for x in few]
    assert mean_above(few, DELTA) <= mean_above(more, DELTA)


def test_no_sample_of_the_check_is_wrong_too_often() -> None:
    found = load("sampled").measure(trials=200, seed=1)
    assert isinstance(judge(found), Proved)
    assert max(r.tightness for r in found if r.what.startswith("share")) > 0.999


def test_twice_the_chance_is_too_often_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("sampled")
    right = module.share_above
    monkeypatch.setattr(module, "share_above", lambda b, n, chance: right(b, n, chance * 2))
    found = [r for r in module.measure(trials=200, seed=1) if r.what.startswith("share")]
    assert isinstance(judge(found), Refuted)


def test_bets_beyond_the_capital_are_too_often_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Factors 1 + 2 (m - x) may be negative: two of them make a fortune out of two losses."""
    module = load("sampled")

    def false(errors: list[float], chance: Fraction) -> Fraction:
        for step in range(1, 101):
            m, whole = step / 100, 1.0
            for x in errors:
                whole *= 1 + 8 * (m - x)
            if whole >= 1 / chance:
                return Fraction(step, 100)
        return Fraction(1)

    monkeypatch.setattr(module, "mean_above", false)
    found = [r for r in module.measure(trials=200, seed=1) if r.what.startswith("mean")]
    assert isinstance(judge(found), Refuted)


def test_chances_are_not_rounded_down() -> None:
    assert share.share_above(0, 1, Fraction(1, 3)) >= Fraction(2, 3)
