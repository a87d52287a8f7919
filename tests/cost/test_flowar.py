"""FlowAR's attention: counts against loops, crossovers against scans, the released grid."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from varnum._plan_flowar import plan_flowar
from varnum.cost import flowar as fl
from varnum.cost.sampler import Sampler, guidance_factor, steps, time_grid
from varnum.cost.schedule import Schedule
from varnum.errors import InputError


def by_loops(sizes: fl.FlowSizes, r: int) -> dict[str, tuple[int, int, int]]:
    """(pairs, exact, lowrank) of each kind, evaluation by evaluation."""
    T, found, seen = sizes.sampler.evaluations, {}, 0
    d, f = sizes.head_dim, sizes.flow_head_dim
    ar, self_, cross = [0, 0, 0], [0, 0, 0], [0, 0, 0]
    for n in sizes.schedule.lengths:
        seen += n
        for _ in range(sizes.blocks * sizes.heads):
            ar = [ar[0] + n * seen, ar[1] + n * seen * (2 * d + 1), ar[2] + n * r * (2 * d + 5)]
        for _ in range(sizes.flow_blocks * sizes.flow_heads):
            cross[2] += n * (2 * r + r * (f + 1))  # key features, coefficients, state: once
            for _ in range(T):
                for kind in (self_, cross):
                    kind[0] += n * n
                    kind[1] += n * n * (2 * f + 1)
                self_[2] += n * (3 * r + 2 * r * (f + 1))
                cross[2] += n * (r + r * (f + 1))
    found = {fl.AR: ar, fl.SELF: self_}
    if sizes.cross:
        found[fl.CROSS] = cross
    return {kind: (v[0], v[1], v[2]) for kind, v in found.items()}


SMALL = fl.FlowSizes("toy", 2, 2, 3, 1, 2, 5, True, Sampler(6), Schedule((1, 2, 3)))


@pytest.mark.parametrize("sizes", [SMALL, replace(SMALL, cross=False), fl.RELEASED["flowar-s"]])
def test_counts_by_loops(sizes: fl.FlowSizes) -> None:
    found = {m.kind: (m.pairs, m.exact, m.lowrank(7)) for m in fl.modules(sizes)}
    assert found == by_loops(sizes, 7)
    for m in fl.modules(sizes):
        r = m.largest_rank()
        assert r == 0 or m.lowrank(r) < m.exact
        assert m.lowrank(r + 1) >= m.exact
        once = m.pairs // (m.heads * m.evaluations)
        assert (Fraction(once, sum(m.tokens)) > m.threshold(7)) == (m.lowrank(7) < m.exact)


def test_one_evaluation_more_is_seen() -> None:
    sizes = fl.RELEASED["flowar-l"]
    pairs = {m.kind: m.pairs for m in fl.modules(sizes)}
    assert pairs == {fl.AR: 23_831_808, fl.SELF: 322_122_240, fl.CROSS: 322_122_240}
    assert pairs[fl.SELF] == 192 * 24 * 69905 != 192 * 25 * 69905
    huge = fl.modules(fl.RELEASED["flowar-h"])
    assert huge[1].pairs + huge[2].pairs == 2 * 288 * 50 * 69905
    share = {name: 1 - fl.modules(s)[0].pairs / sum(m.pairs for m in fl.modules(s))
             for name, s in fl.RELEASED.items()}  # fmt: skip
    assert [round(100 * share[f"flowar-{x}"]) for x in "slh"] == [80, 96, 98]


@pytest.mark.parametrize("name", ["flowar-tiny", "flowar-tiny-cross"])
@pytest.mark.parametrize("cfg", ["1", "12/5"])
def test_a_run_makes_these_pairs(name: str, cfg: str) -> None:
    from varnum.model.flowar.flow_sampling import FlowSettings
    from varnum.proof.checking import load

    made, counted = load("flowar").pairs_run(name, FlowSettings(7, Fraction(cfg), Fraction(7, 10)))
    assert made == counted


def test_time_index_of_the_grid() -> None:
    """The released 24 indices for num_steps 25; exact rationals truncate as float32 does there."""
    said = "1000 936 872 809 745 681 618 554 490 427 363 300 250 229 208 187 166 145 125 104 83 62"
    assert [int(1000 * t) for t in time_grid(25)[:-1]] == [*map(int, said.split()), 41, 20]
    assert steps(25)[0] == Fraction(7, 110)
    assert [steps(25).count(h) for h in (Fraction(7, 110), Fraction(1, 20), Fraction(1, 48))] == [
        11, 1, 12,
    ]  # fmt: skip
    for n in (2, 3, 6, 7, 25, 49, 50, 51, 100):
        grid = time_grid(n)
        assert grid[0] == 1
        assert grid[-1] == 0
        assert all(h > 0 for h in steps(n))
        assert sum(steps(n)) == 1
        assert len(steps(n)) == (50 if n == 50 else 2 * (n // 2))
    with pytest.raises(InputError, match="num_steps"):
        time_grid(1)


def test_guidance() -> None:
    sampler = Sampler(25, Fraction(43, 10), Fraction(9, 10))
    assert [sampler.guided(k, 5) for k in range(5)] == [0, 22, 22, 22, 22]
    assert guidance_factor(Fraction(43, 10), 4, 5) == Fraction(43, 10)
    assert Sampler(50, Fraction(12, 5), Fraction(7, 10)).guided(4, 5) == 35  # equality included
    assert Sampler(6, Fraction(1, 2)).guided(2, 5) == 0
    assert guidance_factor(Fraction(9), 0, 1) == 1
    sizes = replace(SMALL, sampler=Sampler(8, Fraction(2), Fraction(9, 10)))
    count = sizes.sampler.guided(1, 3)
    ar = fl.modules(sizes)[0].pairs
    assert fl.guided_pairs(sizes) == ar + 4 * count * (16 + 81)
    assert fl.guided_pairs(SMALL) == 0


@pytest.mark.parametrize("alpha", [2, 3])
@pytest.mark.parametrize("threshold", ["1/2", "1", "5/2", "9", "100", "4433/7"])
def test_crossover_is_least_and_final(threshold: str, alpha: int) -> None:
    t = Fraction(threshold)
    n = fl.flow_crossover_at(t, alpha)
    assert n is not None
    pays = [fl.flow_pays_at(m, alpha, t) for m in range(1, 3 * n + 40)]
    assert all(pays[n - 1 :])
    assert n == 1 or not pays[n - 2]
    floors = [fl._floor(m, alpha) for m in range(1, 600)]
    assert floors == sorted(floors)


def test_a_far_crossover_is_exact() -> None:
    t = Fraction(10**40)
    n = fl.flow_crossover_at(t)
    assert n is not None
    assert fl.flow_pays_at(n, 2, t)
    assert not fl.flow_pays_at(n - 1, 2, t)
    assert fl.flow_crossover_at(Fraction(10) ** 20_001) is None


def test_leading_coefficients() -> None:
    assert fl.asymptotic_pairs(24) == (Fraction(64, 45), Fraction(16 * 24, 15))
    sizes = replace(fl.RELEASED["flowar-s"], schedule=Schedule(tuple(2**k for k in range(11))))
    ar, flow = fl.modules(sizes)
    n4 = 1024**4
    assert ar.pairs / (ar.heads * n4) == pytest.approx(64 / 45, rel=1e-5)
    assert flow.pairs / (flow.heads * n4) == pytest.approx(24 * 16 / 15, rel=1e-5)


def test_plan_of_the_spec() -> None:
    answer = plan_flowar("flowar-l", M="1", eps="1e-2")
    ratios = [m.lowrank / m.module.exact for m in answer.modules]
    assert [round(x) for x in ratios] == [181, 241, 125]
    assert [m.crossover_n for m in answer.modules] == [216, 249, 179]
    assert answer.pays is False
    half = plan_flowar("flowar-l", M="1/2", eps="1e-2").modules[0]
    assert (half.plan.degree, half.rank, half.crossover_n) == (2, 2145, 46)
    small = plan_flowar("flowar-l", M="1/10", eps="1e-2")
    assert small.pays is True
    for m in answer.modules:
        size = m.largest_size().size  # type: ignore[union-attr]
        at = plan_flowar("flowar-l", M=size, eps="1e-2")
        assert {x.kind: x.pays for x in at.modules}[m.kind] is True
    assert answer.modules[0].plan.regime["b"] == pytest.approx(1 / np.log(341))  # type: ignore[index]
    assert answer.modules[1].plan.regime["b"] == pytest.approx(1 / np.log(256))  # type: ignore[index]


def test_from_entries_each_width_has_its_own_size() -> None:
    answer = plan_flowar("flowar-h", R="1", eps="1e-2")
    sizes = [m.plan.question.M_high for m in answer.modules]
    assert sizes[1] == sizes[2] == 8
    assert sizes[0] > Fraction(979, 100)  # sqrt(96)
    with pytest.raises(InputError, match=r"M: FlowAR's heads have no cap.*`varnum audit --flowar`"):
        plan_flowar("flowar-s", eps="1e-2")
    with pytest.raises(InputError, match=r"sigma: d is not allowed; FlowAR's heads divide"):
        plan_flowar("flowar-s", R=1, sigma="d", eps="1e-2")
    with pytest.raises(InputError, match="one of flowar-s"):
        plan_flowar("flowar-xl", M=1, eps="1e-2")


def test_the_product_of_the_weights_does_not_bound_rotated_logits() -> None:
    w_q, w_k = np.array([[1.0, 0], [0, 0]]), np.array([[0.0, 0], [1, 0]])
    assert not (w_q.T @ w_k).any()
    turn = np.array([[0.0, -1], [1, 0]])
    x = np.array([1.0, 0])
    assert (turn @ w_q @ x) @ (w_k @ x) == 1
    assert np.linalg.norm(w_q, 2) * np.linalg.norm(w_k, 2) >= 1
