"""The printers are trusted code, so they are held against each other and against sympy."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
import sympy as sp
import z3

from varnum.balls.scalar import ball, precision
from varnum.formulas import cost, exp, regime, softmax
from varnum.formulas.core import Formula, to_ball, to_exact, to_smt

MODULES = (cost, exp, regime, softmax)
FORMULAS = [f for m in MODULES for f in vars(m).values() if isinstance(f, Formula)]


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f"{f.claim}:{f.left}")
def test_ball_encloses_sympys_own_value(formula: Formula) -> None:
    random.seed(formula.left)
    names = sorted(s.name for s in formula.expr.free_symbols)
    for _ in range(3):
        values = {name: Fraction(random.randint(1, 9), 10) for name in names}
        if any(s.is_integer for s in formula.expr.free_symbols):
            values = {name: Fraction(random.randint(1, 9)) for name in names}
        with precision(120):
            got = formula.ball(**values)
        symbols = {
            s: sp.Rational(*values[s.name].as_integer_ratio()) for s in formula.expr.free_symbols
        }
        expected = sp.N(formula.expr.subs(symbols), 25)
        assert expected.is_real, formula
        reference = ball(str(expected))
        assert abs(got - reference) < ball("1e-15") * (1 + abs(reference))


def test_exact_and_ball_agree_on_rational_forms() -> None:
    d, g = sp.symbols("d g")
    expr = (d**2 - 3 * g) / (d + 1) + sp.binomial(5, 2) - sp.Max(d, g) + sp.Abs(-g)
    values = {"d": Fraction(3), "g": Fraction(2)}
    exact = to_exact(expr, values)
    assert exact == Fraction(9 - 6, 4) + 10 - 3 + 2
    with precision(64):
        assert to_ball(expr, {k: ball(v) for k, v in values.items()}).contains(ball(exact))


def test_smt_agrees_with_exact() -> None:
    x, y = sp.symbols("x y")
    expr = (x - 2 * y) ** 2 / (x**2 + 1) - sp.Rational(7, 3) * x * y
    values = {"x": Fraction(5, 2), "y": Fraction(-1, 3)}
    exact = to_exact(expr, values)
    text = (
        "(declare-fun x () Real)(declare-fun y () Real)"
        "(assert (= x (/ 5.0 2.0)))(assert (= y (- (/ 1.0 3.0))))"
    )
    value = f"(/ {abs(exact.numerator)}.0 {exact.denominator}.0)"
    value = f"(- {value})" if exact < 0 else value
    same = z3.Solver()
    same.from_string(f"{text}(assert (not (= {to_smt(expr)} {value})))")
    assert same.check() == z3.unsat
    other = z3.Solver()  # and the printer is not vacuous: a shifted value is refuted
    other.from_string(f"{text}(assert (= {to_smt(expr)} (+ 1.0 {value})))")
    assert other.check() == z3.unsat


@pytest.mark.parametrize("printer", [to_smt, lambda e: to_exact(e, {}), lambda e: to_ball(e, {})])
def test_printers_refuse_what_they_do_not_know(printer: object) -> None:
    with pytest.raises(TypeError):
        printer(sp.zeta(sp.Integer(3)))  # type: ignore[operator]
