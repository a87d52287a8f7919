"""Counts against a loop that counts, crossovers against exhaustive scans."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varnum.cost.counts import (
    LargestDimension,
    count,
    crossover,
    largest_dimension,
    largest_rank,
    pays_at,
)
from varnum.cost.schedule import Schedule, geometric, parse_schedule
from varnum.errors import InputError
from varnum.lowrank.counting import largest_degree, rank, rank_published
from varnum.model.config import PATCHES_256, PATCHES_512


def counted_by_hand(sides: tuple[int, ...], d: int, d_v: int, r: int) -> tuple[int, int]:
    """Run both algorithms' loops on counters."""
    exact = lowrank = seen = 0
    for side in sides:
        tokens = side * side
        seen += tokens
        for _ in range(tokens):
            exact += seen * d  # logits
            exact += seen  # exps
            exact += seen * d_v  # weighted sum
            lowrank += 2 * r + r  # features of q and k, coefficients
            lowrank += r * (d_v + 1)  # add phi(k) [v, 1] to the state
            lowrank += r * (d_v + 1)  # read the state with phi(q)
    return exact, lowrank


sides = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(lambda x: tuple(sorted(x)))


@given(sides, st.integers(1, 9), st.integers(1, 9), st.integers(1, 50))
def test_counts(sides: tuple[int, ...], d: int, d_v: int, r: int) -> None:
    cost = count(Schedule(sides), d, d_v, r)
    assert (cost.exact, cost.lowrank) == counted_by_hand(sides, d, d_v, r)
    L = sum(s * s for s in sides)
    assert cost.cache == L * (d + d_v)
    assert cost.cache_before_last == (L - sides[-1] ** 2) * (d + d_v)
    assert cost.state == r * (d_v + 1)
    assert cost.pays == (cost.lowrank < cost.exact)
    assert (r <= largest_rank(Schedule(sides), d, d_v)) == cost.pays


def test_released_schedules() -> None:
    assert Schedule(PATCHES_256).length == 680
    assert Schedule(PATCHES_512).length == 2240
    kept = count(Schedule(PATCHES_256), 1, 1, 1).cache_before_last // 2
    assert kept == 424  # of 680


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 400), st.integers(2, 4))
def test_crossover_is_first_and_final(d: int, d_v: int, r: int, alpha: int) -> None:
    first = crossover(d, d_v, r, alpha)
    assert first is not None
    for n in range(1, first + 40):
        assert count(geometric(n, alpha), d, d_v, r).pays == (n >= first), n


def test_crossover_is_exact_when_astronomical() -> None:
    first = crossover(64, 64, rank(64, 109))
    assert first is not None
    threshold = Fraction(rank(64, 109) * (2 * 64 + 5), 129)
    assert pays_at(first, 2, threshold)
    assert not pays_at(first - 1, 2, threshold)
    assert first > 10**24


def test_geometric_pyramid() -> None:
    assert geometric(16).sides == (1, 2, 4, 8, 16)
    assert geometric(27, 3).sides == (1, 3, 9, 27)
    assert geometric(1).sides == (1,)
    for n in range(1, 60):
        smaller, larger = geometric(n).sides[::-1], geometric(n + 1).sides[::-1]
        assert all(a <= b for a, b in zip(smaller, larger, strict=False))
        assert len(smaller) <= len(larger)


@pytest.mark.parametrize(
    "text", ["", "3,2", "0,1", "1,a", "1,,2", "-1", "1.5", "9" * 30, "1_0,20", "1,٢٠"]
)
def test_bad_schedules(text: str) -> None:
    with pytest.raises(InputError, match="schedule"):
        parse_schedule(text)


@pytest.mark.parametrize(("n", "alpha"), [(0, 2), (5, 1), (5, 0), (10**19, 2)])
def test_bad_pyramids(n: int, alpha: int) -> None:
    with pytest.raises(InputError):
        geometric(n, alpha)


def test_ranks() -> None:
    assert rank(3, 2) == 10  # 1, x, y, z and six products
    assert rank(64, 0) == 1
    for d in range(1, 8):
        for g in range(8):
            assert rank(d, g) <= rank_published(d, g)
            assert largest_degree(d, rank(d, g)) == g
            if rank(d, g) > 1:
                assert largest_degree(d, rank(d, g) - 1) == g - 1
    assert largest_degree(3, 0) is None
    with pytest.raises(InputError):
        rank(0, 1)


def test_largest_dimension_is_where_it_stops_paying() -> None:
    schedule = geometric(32)
    for degree in (1, 2, 3):
        found = largest_dimension(schedule, lambda _, g=degree: g)  # type: ignore[misc]
        assert found is not None
        d = found.d
        assert count(schedule, d, d, rank(d, degree)).pays
        assert not count(schedule, d + 1, d + 1, rank(d + 1, degree)).pays
    assert largest_dimension(schedule, lambda _: None) is None
    assert largest_dimension(Schedule((1,)), lambda _: 1) == LargestDimension(0, open=False)


def test_degree_zero_pays_for_large_d_only() -> None:
    """At rank 1 the threshold falls with d: the first no is not final."""
    schedule = Schedule((1, 1))
    assert not count(schedule, 1, 1, 1).pays
    assert count(schedule, 4, 4, 1).pays
    assert largest_dimension(schedule, lambda _: 0, limit=64) == LargestDimension(64, open=True)


def test_crossovers_beyond_reach_are_none() -> None:
    assert crossover(1000, 1000, 10**30_000) is None
    far = crossover(64, 64, 10**3000, 3)
    assert far is not None
    threshold = Fraction(10**3000 * (2 * 64 + 5), 129)
    assert pays_at(far, 3, threshold)
    assert not pays_at(far - 1, 3, threshold)
