"""The theorems of proofs/coq: what they state and rest on, and that false ones are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sympy as sp

from varnum.proof import ledger
from varnum.proof.coq.compiler import Compiled
from varnum.proof.coq.library import LIBRARY, sources
from varnum.proof.coq.theorems import REALS, Seen, look

NAMES = sorted({name for claim in ledger.claims().values() for name in claim.theorems})


@pytest.fixture(scope="module")
def seen(library: Path) -> Seen:
    assert library.is_dir()
    return look(NAMES)


def test_the_axioms_are_those_of_the_real_numbers(seen: Seen) -> None:
    assert seen.axioms == REALS


def test_nothing_is_assumed_and_nothing_forgotten() -> None:
    files = {path.stem: path.read_text("utf-8") for path in sources().glob("*.v")}
    assert set(files) == set(LIBRARY)
    for text in files.values():
        bare = re.sub(r"\(\*.*?\*\)", "", text, flags=re.S)
        assert not re.search(r"\b(Admitted|admit|Axiom|Parameter|Conjecture|Abort)\b", bare)


# theorem -> what stands in it, in the words of the closed form that the code evaluates
SAME = [
    ("Softmax.softmax_relative", "tanh (artanh eps / 2)", "softmax.output_relative"),
    ("Softmax.softmax_relative", "2 * tanh (artanh eps / 2)", "softmax.l1_relative"),
    ("Softmax.softmax_logit", "tanh (zeta / 2)", "softmax.output_logit"),
    ("Softmax.softmax_compose", "tanh ((zeta + artanh eps) / 2)", "softmax.output_compose"),
    ("Softmax.ratio_bound", "(u - 1) / (u + 1)", "softmax.output_rational"),
    ("Rank.monomial_rank", "binomial (d + g) g", "cost.rank"),
    ("Rank.binomial_published", "binomial (2 * (g + d)) (2 * g)", "cost.rank_published"),
    ("Layers.bicubic_lebesgue", "1 - 2 * a * t * (1 - t)", "layers.bicubic_l1"),
    ("Layers.bicubic_lebesgue", "1 - a / 2", "layers.bicubic_sup"),
    ("Layers.bicubic_min_sharp", "4 * a / 27", "layers.bicubic_min"),
    ("Layers.layernorm_lipschitz", "sqrt (2 - 2 * sqrt (1 - h * h))", "layers.layernorm_l2"),
    ("Heads.seth_head", "ln (3 * INR n) / (2 * (INR t2 - INR t))", "hardness.seth_rate"),
    ("Cache.kv_capacity", "ln ((INR N - 1) * (1 - tau) / tau) / (1 - mu)", "hardness.kv_query"),
    ("Cache.kv_capacity", "1 / (4 * INR q)", "hardness.kv_tau"),
    ("Cache.kv_capacity", "N * dv * b", "hardness.kv_bits"),
]


@pytest.mark.parametrize(("theorem", "part", "name"), SAME)
def test_a_theorem_states_the_formula(theorem: str, part: str, name: str, seen: Seen) -> None:
    assert part in seen.statements[theorem]
    expr = ledger.formula(name).expr
    symbols = sorted(expr.free_symbols, key=str)
    read = in_sympy(part, {str(s): s for s in symbols})
    assert read.free_symbols <= set(symbols)
    for number in (3, 5):  # exact points inside every domain
        small = {"eps", "tau", "mu", "h", "t"}
        at = {s: sp.Rational(1, number + i) if str(s) in small else sp.Integer(number + i)
              for i, s in enumerate(symbols)}  # fmt: skip
        assert abs(sp.N((read - expr).subs(at), 40)) < sp.Float("1e-35")


def in_sympy(part: str, symbols: dict[str, sp.Symbol]) -> sp.Expr:
    """A Coq expression of these few forms, read by sympy."""
    text = re.sub(r"\bINR (\w+)", r"\1", part)
    text = re.sub(r"\b(binomial) (\(.*\)|\w+) (\(.*\)|\w+)$", r"\1(\2, \3)", text)
    text = re.sub(r"\bartanh (\w+)", r"atanh(\1)", text)
    text = re.sub(r"\b(tanh|sqrt|ln) \(", r"\1(", text)
    return sp.sympify(text, locals=symbols | {"binomial": sp.binomial})


def test_another_formula_would_be_seen() -> None:
    eps = sp.Symbol("eps", positive=True)
    wrong = in_sympy("tanh (artanh eps / 3)", {"eps": eps})
    right = ledger.formula("softmax.output_relative").expr
    assert abs(sp.N((wrong - right).subs(eps, sp.Rational(1, 3)), 40)) > sp.Float("1e-2")


# module, text of a statement, the same a little too strong
FALSE = [
    ("Softmax", "tanh (zeta / 2)\n  /\\ sum", "tanh (zeta / 3)\n  /\\ sum"),
    ("Softmax", "(high - low) * tanh (artanh eps / 2)", "(high - low) * tanh (artanh eps / 3)"),
    ("Softmax", "(high - low) * ((u - 1) / (u + 1))", "(high - low) * ((u - 1) / (u + 2))"),
    ("Rank", "sum (binomial (d + g) g) (fun a", "sum (binomial (d + g) g - 1) (fun a"),
    ("Heads", "1 / 2 <= out", "3 / 5 <= out"),
    ("Heads", "out <= 1 / 4", "out <= 1 / 5"),
    ("Heads", "ln (3 * INR n)", "ln (2 * INR n)"),
    ("Cache", "answer - out) < 1 / (4", "answer - out) < 1 / (2"),
    ("Cache", "(k ^ len <= 2 ^ bits)", "((k + 1) ^ len <= 2 ^ bits)"),
    ("Layers", "l1 a t <= 1 - a / 2", "l1 a t <= 1 - a / 3"),
    ("Taylor", "- 1) <= top g M)", "- 1) <= top (S g) M)"),
]


@pytest.mark.parametrize(("module", "true", "false"), FALSE, ids=[f"{m}-{f}" for m, _, f in FALSE])
def test_a_false_statement_is_refused(
    module: str, true: str, false: str, compile_text: Callable[[str], Compiled]
) -> None:
    """The same proof does not prove it; False.v shows for each that no other does."""
    text = (sources() / f"{module}.v").read_text("utf-8")
    assert true in text
    answer = compile_text(text.replace(true, false))
    assert not answer.ok
    assert answer.message


def test_the_false_statements_are_refuted() -> None:
    said = (sources() / "False.v").read_text("utf-8")
    assert len(re.findall(r"^Theorem \w+_false : ~ \(forall", said, re.M)) >= 10
