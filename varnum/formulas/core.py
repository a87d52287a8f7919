"""A closed form once, and its printers: balls, exact rationals, SMT-LIB, text.

What the code evaluates, what the documentation prints and what a solver is given is the same sympy
expression. The printers below are trusted code; the tests hold them against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from varnum.balls.scalar import Number, arb, ball


@dataclass(frozen=True)
class Formula:
    """A named closed form.

    claim: id in the ledger, which says on what it rests; source: paper and theorem; says: one line
    of meaning; left: symbol text of what is defined; expr: sympy.
    """

    claim: str
    left: str
    expr: sp.Expr
    source: str
    says: str

    def ball(self, **values: Number) -> arb:
        """Enclosure at the given exact numbers or balls, at the precision in force."""
        return to_ball(self.expr, {name: ball(value) for name, value in values.items()})

    def exact(self, **values: Fraction | int) -> Fraction:
        """The exact rational value; raises TypeError where the form is not rational."""
        return to_exact(self.expr, {name: Fraction(value) for name, value in values.items()})

    def integer(self, **values: int) -> int:
        """The exact value of an integer-valued form."""
        value = self.exact(**values)
        if value.denominator != 1:
            raise ArithmeticError(f"{self.left} is not an integer at {values}")
        return value.numerator

    def __str__(self) -> str:
        return f"{self.left} = {sp.sstr(self.expr)}"


_BALL_FUNCTIONS: dict[type[sp.Basic], Callable[..., arb]] = {
    sp.exp: lambda x: x.exp(),
    sp.log: lambda x: x.log(),
    sp.cosh: lambda x: x.cosh(),
    sp.sinh: lambda x: x.sinh(),
    sp.tanh: lambda x: x.tanh(),
    sp.atanh: lambda x: x.atanh(),
    sp.asin: lambda x: x.asin(),
    sp.acos: lambda x: x.acos(),
    sp.sin: lambda x: x.sin(),
    sp.cos: lambda x: x.cos(),
    sp.LambertW: lambda x: x.lambertw(),
    sp.factorial: lambda x: (x + 1).gamma(),
    sp.binomial: lambda n, k: (n + 1).gamma() / ((k + 1).gamma() * (n - k + 1).gamma()),
    sp.Abs: abs,
    sp.ceiling: lambda x: x.ceil(),
    sp.floor: lambda x: x.floor(),
    sp.Max: lambda *xs: _fold(lambda a, b: a.max(b), xs),
    sp.Min: lambda *xs: _fold(lambda a, b: a.min(b), xs),
}


def _fold(step: Callable[[arb, arb], arb], items: Sequence[arb]) -> arb:
    value = items[0]
    for item in items[1:]:
        value = step(value, item)
    return value


def to_ball(expr: sp.Basic, values: dict[str, arb]) -> arb:
    """Evaluate a sympy expression in balls; raises TypeError on what it does not know."""
    if expr.is_Symbol:
        return values[expr.name]
    if expr.is_Rational:
        return ball(Fraction(int(expr.p), int(expr.q)))
    if expr is sp.E:
        return arb(1).exp()
    if expr is sp.pi:
        return arb.pi()
    if expr.is_Pow:
        base, power = expr.args
        if power == sp.Rational(1, 2):
            return to_ball(base, values).sqrt()
        if power == -sp.Rational(1, 2):
            return to_ball(base, values).rsqrt()
        if base is sp.E:
            return to_ball(power, values).exp()
        if power.is_Integer:
            return to_ball(base, values) ** int(power)
        return to_ball(base, values) ** to_ball(power, values)
    if isinstance(expr, sp.hyper):
        upper, lower = expr.args[0], expr.args[1]
        return to_ball(expr.args[2], values).hypgeom(
            [to_ball(a, values) for a in upper], [to_ball(b, values) for b in lower]
        )
    parts = [to_ball(part, values) for part in expr.args]
    if expr.is_Add:
        return _fold(lambda a, b: a + b, parts)
    if expr.is_Mul:
        return _fold(lambda a, b: a * b, parts)
    function = _BALL_FUNCTIONS.get(expr.func)
    if function is None:
        raise TypeError(f"no ball evaluation for {expr.func}")
    return function(*parts)


def to_exact(expr: sp.Basic, values: dict[str, Fraction]) -> Fraction:
    """Evaluate a rational expression exactly; raises TypeError where it is not rational."""
    if expr.is_Symbol:
        return values[expr.name]
    if expr.is_Rational:
        return Fraction(int(expr.p), int(expr.q))
    parts = [to_exact(part, values) for part in expr.args]
    if expr.is_Add:
        return sum(parts, Fraction(0))
    if expr.is_Mul:
        return math.prod(parts, start=Fraction(1))
    if expr.is_Pow and parts[1].denominator == 1:
        return Fraction(parts[0] ** parts[1].numerator)
    if expr.func in (sp.binomial, sp.factorial) and all(p.denominator == 1 for p in parts):
        integers = [p.numerator for p in parts]
        return Fraction((math.comb if expr.func is sp.binomial else math.factorial)(*integers))
    if expr.func in (sp.Max, sp.Min):
        return max(parts) if expr.func is sp.Max else min(parts)
    if expr.func is sp.Abs:
        return abs(parts[0])
    raise TypeError(f"{expr.func} has no exact rational value")


def to_smt(expr: sp.Basic) -> str:
    """Print a rational expression as an SMT-LIB real term; raises TypeError where it cannot."""
    if expr.is_Symbol:
        return str(expr.name)
    if expr.is_Rational:
        p, q = int(expr.p), int(expr.q)
        text = f"{abs(p)}.0" if q == 1 else f"(/ {abs(p)}.0 {q}.0)"
        return f"(- {text})" if p < 0 else text
    if expr.is_Pow and expr.args[1].is_Integer:
        power = int(expr.args[1])
        base = to_smt(expr.args[0])
        product = base if abs(power) == 1 else f"(* {' '.join([base] * abs(power))})"
        return product if power > 0 else f"(/ 1.0 {product})"
    if expr.func in (sp.Max, sp.Min, sp.Abs):
        return _smt_choice(expr)
    parts = " ".join(to_smt(part) for part in expr.args)
    if expr.is_Add:
        return f"(+ {parts})"
    if expr.is_Mul:
        return f"(* {parts})"
    relations = {sp.Le: "<=", sp.Lt: "<", sp.Ge: ">=", sp.Gt: ">", sp.Eq: "="}
    if expr.func in relations:
        return f"({relations[expr.func]} {parts})"
    if isinstance(expr, sp.And | sp.Or | sp.Not):
        name = {sp.And: "and", sp.Or: "or", sp.Not: "not"}[expr.func]
        return f"({name} {parts})"
    raise TypeError(f"{expr.func} is not an SMT-LIB real term")


def _smt_choice(expr: sp.Basic) -> str:
    """Maximum, minimum and absolute value as if-then-else."""
    if expr.func is sp.Abs:
        inner = to_smt(expr.args[0])
        return f"(ite (>= {inner} 0.0) {inner} (- {inner}))"
    relation = ">=" if expr.func is sp.Max else "<="
    value, *others = (to_smt(part) for part in expr.args)
    for other in others:
        value = f"(ite ({relation} {value} {other}) {value} {other})"
    return value
