"""Satisfiability and closest pairs at injected error 0.1249, against a real SAT solver."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from varnum.errors import InputError
from varnum.hardness.cnf import Cnf, parse_cnf
from varnum.hardness.decide import evaluate_exact
from varnum.hardness.evaluators import evaluator
from varnum.hardness.solve import ROUTES, closest, is_near, solve_sat

LIMIT = Fraction("0.1249")


def random_cnf(rng, variables, ratio=4.27, width=3):
    names = range(1, variables + 1)
    return Cnf(
        variables,
        tuple(
            frozenset(rng.choice((-1, 1)) * name for name in rng.sample(names, width))
            for _ in range(round(ratio * variables))
        ),
    )


def z3_says(cnf):
    names = [z3.Bool(f"x{i}") for i in range(cnf.variables + 1)]
    solver = z3.Solver()
    for clause in cnf.clauses:
        solver.add(z3.Or([names[abs(x)] if x > 0 else z3.Not(names[abs(x)]) for x in clause]))
    return solver.check() == z3.sat


def assert_decided(cnf, truth, **options):
    answer = solve_sat(cnf, LIMIT, **options)
    assert answer.satisfiable == truth
    assert answer.outputs.error < Fraction(1, 8)
    if truth:
        assert len(answer.assignment) == cnf.variables
        assert cnf.satisfied_by(set(answer.assignment))
    else:
        assert answer.assignment is None


def test_three_hundred_formulas_near_the_threshold_agree_with_z3():
    rng = random.Random(20)
    truths = []
    for trial in range(300):
        variables = 20 if trial < 100 else rng.randint(3, 20)
        cnf = random_cnf(rng, variables, rng.uniform(3.8, 4.8))
        truths.append(z3_says(cnf))
        assert_decided(cnf, truths[-1])
        if trial % 10 == 0:
            assert_decided(cnf, truths[-1], via="hamming")
    assert 60 < sum(truths) < 240


def test_every_formula_of_two_clauses_over_two_variables():
    literals = (1, -1, 2, -2)
    clauses = [frozenset(c) for size in range(4) for c in itertools.combinations(literals, size)]
    for pair in itertools.product(clauses, repeat=2):
        cnf = Cnf(2, pair)
        truth = any(cnf.satisfied_by({a, b}) for a, b in itertools.product((1, -1), (2, -2)))
        for via in ROUTES:
            assert_decided(cnf, truth, via=via)


@settings(max_examples=60, deadline=None)
@given(
    clauses=st.lists(st.lists(st.integers(-7, 7).filter(bool), max_size=4), max_size=14),
    seed=st.integers(0, 99),
)
def test_restating_a_formula_changes_nothing(clauses, seed):
    cnf = Cnf(7, tuple(frozenset(c) for c in clauses))
    truth = z3_says(cnf)
    assert_decided(cnf, truth)
    rng = random.Random(seed)
    names = rng.sample(range(1, 8), 7)
    renamed = [[(names[abs(x) - 1]) * (1 if x > 0 else -1) for x in c] for c in clauses]
    rng.shuffle(renamed)
    assert_decided(Cnf(9, tuple(frozenset(c) for c in [*renamed, [8, -8, 1], *renamed[:2]])), truth)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("p cnf 0 0\n", True),
        ("p cnf 3 0\n", True),
        ("p cnf 0 1\n0\n", False),
        ("p cnf 3 2\n1 2 0\n0\n", False),
        ("p cnf 1 2\n1 0\n-1 0\n", False),
        ("p cnf 1 1\n1 -1 0\n", True),
        ("p cnf 2 1\n1 1 1 0\n", True),
        ("p cnf 100000 1\n100000 0\n", True),
    ],
)
def test_odd_but_legal_formulas(text, truth):
    for via in ROUTES:
        assert_decided(parse_cnf(text), truth, via=via)


def test_an_error_of_one_eighth_is_refused():
    cnf = parse_cnf("p cnf 1 1\n1 0\n")
    for error in ("0.125", "1/8", "0.1249999999999999999"):
        with pytest.raises(InputError, match="below 1/8"):
            solve_sat(cnf, Fraction(error))
    with pytest.raises(InputError, match=r"^error"):
        solve_sat(cnf, Fraction(-1))
    with pytest.raises(InputError, match=r"^via"):
        solve_sat(cnf, via="magic")


def test_a_kernel_that_lies_is_caught_not_believed():
    from varnum.hardness.decide import Outputs

    unsatisfiable = parse_cnf("p cnf 1 2\n1 0\n-1 0\n")
    with pytest.raises(ArithmeticError, match="broke its bound"):
        solve_sat(
            unsatisfiable,
            evaluate=lambda head: Outputs(np.ones(len(head.queries)), Fraction(0), "liar"),
        )


@settings(max_examples=60, deadline=None)
@given(data=st.data(), m=st.integers(1, 9))
def test_closest_pair_is_the_closest(data, m):
    side = st.lists(st.lists(st.integers(0, 1), min_size=m, max_size=m), min_size=1, max_size=6)
    x, y = np.array(data.draw(side)), np.array(data.draw(side))
    answer = closest(x, y, LIMIT)
    table = (x[:, None] != y[None]).sum(axis=2)
    assert answer.distance == table.min() == table[answer.pair]
    for t, far in itertools.combinations(range(m + 1), 2):
        if table.min() <= t or table.min() >= far:
            assert is_near(x.astype(np.int8), y.astype(np.int8), t, far, LIMIT) == (
                table.min() <= t
            )


def test_closest_pair_refuses_what_is_not_bits():
    for x, y in (([[0, 2]], [[0, 1]]), ([], [[0]]), ([[0, 1]], [[0]])):
        with pytest.raises(InputError):
            closest(x, y)


@pytest.mark.parametrize("name", ["lowrank", "clusters"])
def test_low_rank_attention_decides_too(name):
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 2, (1000, 3)) for _ in "xy")
    x[:, 0], y[:, 0] = 0, 1  # eight different words at most: a low rank exists
    lowrank = evaluator(name)
    answer = closest(x, y, Fraction("0.11"), evaluate=lowrank)
    assert answer.distance == (x[:, None] != y[None]).sum(axis=2).min()
    outputs, exact = lowrank(answer.heads[0]), evaluate_exact(answer.heads[0])
    if name == "clusters":  # the words; recovery would need every row exactly
        assert "; exact," not in outputs.method
        assert "clusters, rank 5" in outputs.method
    assert outputs.error < Fraction(1, 100)
    assert np.abs(outputs.values - exact.values).max() <= outputs.error + exact.error


def test_low_rank_attention_says_where_it_does_not_pay():
    cnf = random_cnf(random.Random(1), 12)
    answer = solve_sat(cnf, LIMIT, evaluate=evaluator("lowrank"))
    assert answer.satisfiable == z3_says(cnf)
    assert "; exact," in answer.outputs.method
    with pytest.raises(InputError, match="certifies nothing"):
        solve_sat(cnf, evaluate=evaluator("pivots"))
