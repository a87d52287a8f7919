"""A number shown as proved is rounded outward: by `varnum.outward` and by nothing else."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from pathlib import Path

import pytest

import varnum
from varnum.audit.page.page import _cell, _shown
from varnum.audit.summary import short

HOME = Path(varnum.__file__).parent
FACES = ("cli/*.py", "audit/*.py", "_plan_text.py", "text.py", "_plan.py", "_attention.py")
ROUNDS = re.compile(r"\.\d*[gfe%]$")

# what is formatted to nearest, and why that states no bound
NEAREST = {
    "times": "a ratio of two exact counts, said in a sentence",
    "answer.degree_curve": "an estimate, said to be one",
    "regime['b']": "midpoints, no assurance is printed with them", "regime['c']": "likewise",
    "regime['p']": "likewise", "regime['rho']": "likewise", "regime['b_star']": "likewise",
    "result['estimate_b']": "an estimate", "result['estimate_c']": "an estimate",
    "result['estimate_p']": "an estimate", "rho[": "estimates", "star[": "estimates",
    "result['rank_log10']": "a size, to one decimal", "point[": "a table of sizes",
    "content['seconds']": "a time", "content['seconds_certificate']": "a time",
    "content['seconds_exact']": "a time", "seconds": "a time", "found.seconds": "a time",
    "round(time.perf_counter() - started, 3)": "a time",
    "target": "the user's own number", "mean": "a measurement", "first": "a measurement",
    "content['gap_proved']": "a quotient of two numbers that stand beside it",
    "content['gap_reference']": "a quotient of two numbers that stand beside it",
    "content['target']": "the user's own number", "given": "the user's own number",
    "content['rank_kernel_error']": "the user's own number, at which a rank is meant",
    "float(value)": "the user's own number in a refusal", "spread": "in words, no bound",
    "estimate_dimension(": "an estimate", "guess": "an estimate", "round(guess)": "an estimate",
    "row[f'{name}_measured']": "a measurement", "max(ratios)": "a measurement",
    "found['random_keys_kappa']": "a measurement",
    "run['error_over_limit']": "a measurement", "run['first_failure_over_limit']": "a measurement",
    "x": "a coordinate, or an estimated point", "y": "a coordinate", "shade": "a shade",
    "x1": "a coordinate", "x2": "a coordinate", "y1": "a coordinate", "y2": "a coordinate",
    "left + head * wide": "a coordinate", "top + layer * tall": "a coordinate",
    "wide - 1": "a coordinate", "tall - 1": "a coordinate", "left": "a coordinate",
    "height": "a coordinate",
    "max(seconds, 1)": "a guess of time", "seconds / 60": "a guess of time",
    "seconds / 3600": "a guess of time",
    "float(value.mid())": "an order of magnitude, up to a constant factor",
    "sizes[": "orders of magnitude of circuits", "math.log(": "an order of magnitude",
    "found.pairs / found.tokens ** 2": "a ratio of exact counts",
    "100 * made['operations'] / made['operations_exact']": "a ratio of exact counts",
    "share": "a ratio of exact counts", "part[n]": "the middle of an enclosure of an exponent",
    "float(found.shape.c)": "the user's own number",
    "margins.constant.max()": "first order, an estimate",
    "np.median(margins.constant)": "an estimate", "np.median(margins.random)": "an estimate",
    "float(100 * result.sign_inconsistent)": "a share of a sample",
    "float(100 * result.both_signs)": "a share of a sample",
}  # fmt: skip


def formatted():
    """(file, expression) of every value that a face formats with rounding."""
    for path in sorted({p for pattern in FACES for p in HOME.glob(pattern)}):
        for node in ast.walk(ast.parse(path.read_text())):
            spec = getattr(node, "format_spec", None)
            if isinstance(node, ast.FormattedValue) and spec is not None:
                literal = "".join(p.value for p in spec.values if isinstance(p, ast.Constant))
                if ROUNDS.search(literal):
                    yield path.relative_to(HOME), ast.unparse(node.value)
            called = getattr(node, "func", None)
            if isinstance(called, ast.Name) and called.id in ("round", "format"):
                yield path.relative_to(HOME), ast.unparse(node)


def test_no_other_formatter_of_bounds():
    found = list(formatted())
    assert len(found) > 20  # it looks in the right places
    others = [(str(path), text) for path, text in found if not _known(text)]
    assert others == []


def _known(text):
    """By its whole text, or by its beginning where that ends with a bracket."""
    return any(text == key or (key[-1] in "[(" and text.startswith(key)) for key in NEAREST)


def test_the_formatter_test_sees_a_bound():
    tree = ast.parse("f\"{made['output_error']:.3g}\"")
    (node,) = (n for n in ast.walk(tree) if isinstance(n, ast.FormattedValue))
    assert not _known(ast.unparse(node.value))


@pytest.mark.parametrize("value", [0.0989433, 4.714386, 1.0000001, 123456.7, 1e-9, 1234567, 0.1])
def test_the_audit_rounds_outward(value):
    assert Fraction(short(value)) >= Fraction(value) >= Fraction(short(value, up=False))
    assert Fraction(_shown(value, "M")) >= Fraction(value)
    assert Fraction(_shown(value, "budget_eps")) <= Fraction(value)
    shown = re.search(">(.*)<", _cell([0.0, value], "M"))
    assert Fraction(shown[1]) >= Fraction(value)
    assert Fraction(_shown("4.71438", "cap")) < Fraction("4.71438")
    assert _shown("var-tiny", "model") == "var-tiny"


def test_the_case_that_was_wrong():
    """0.0989433 and 4.714386, proved, were shown as 0.0989 and 4.71."""
    assert (short(0.0989433), short(4.714386)) == ("0.0990", "4.72")
