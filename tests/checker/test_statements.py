"""True statements are proved, and each slightly false version of them is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from fractions import Fraction
from math import cosh, exp, sinh, tanh
from pathlib import Path
from typing import Any

import pytest

from varnum.checker import Checked, Malformed, NotProved, check, serialise
from varnum.checker.certificate import Certificate, read
from varnum.checker.proof import certify_least, certify_sup

Content = dict[str, Any]
TABLE = Path(__file__).parents[1] / "data" / "exp-degrees.json"


def scaled(number: str, factor: str) -> str:
    x = Fraction(number) * Fraction(factor)
    return f"{x.numerator}/{x.denominator}"


def prove(content: Content) -> Checked:
    return check(serialise(content))


def test_each_is_proved_and_true(case: Content, holds: Callable[[Content], None]) -> None:
    proved = prove(case)
    holds(case)
    assert proved.sup <= Fraction(case["eps"])
    assert proved.least is None or proved.least > Fraction(case["eps"])
    said = str(proved)
    assert "\n" not in said
    assert f"degree at most {case['degree']}," in said
    assert f"eps = {case['eps']} " in said
    assert f"[{', '.join(case['interval'])}]" in said
    assert ("is the least degree that reaches eps." in said) == case["minimal"]
    assert ("Not claimed" in said) != case["minimal"]


def test_bounds_enclose_the_best_error(case: Content, best: Callable[..., Any]) -> None:
    """The checker's two numbers against mpmath's levelled errors: right, and not loose."""
    proved, (low, high) = prove(case), map(Fraction, case["interval"])
    found = best(case["error"], low, high, case["degree"])
    assert float(found.level) <= float(proved.sup) * (1 + 1e-12)
    assert float(proved.sup) <= float(found.peak) * 1.001
    if proved.least is not None:
        below = best(case["error"], low, high, case["degree"] - 1)
        assert 0.9 * float(below.level) <= float(proved.least) <= float(below.peak) * (1 + 1e-12)


def test_constant_is_tanh(contents: dict[str, Content]) -> None:
    """E_0 = tanh M on [-M, M], exactly."""
    assert float(prove(contents["constant"]).sup) == pytest.approx(tanh(0.0625), rel=1e-12)


def test_degrees_of_the_table(producer: Callable[..., bytes]) -> None:
    """All published rows (Sollya 8.0's guessdegree among them), proved by the checker alone."""
    rows = json.loads(TABLE.read_text())["rows"]
    assert len(rows) == 42
    for row in rows:
        relative = row["kind"] == "relative"
        ends = ("-" + row["M"], row["M"] if relative else "0")
        proved = check(producer("relative" if relative else "additive", *ends, row["eps"]))
        assert proved.certificate.minimal
        assert proved.certificate.degree == row["minimal_degree"]
        if row["minimal_degree"] > 0:
            assert float(proved.least) <= row["minimax_error_one_below"] * (1 + 1e-9)
        assert float(proved.sup) == pytest.approx(row["minimax_error_at_degree"], rel=1e-2)


def test_large_interval(producer: Callable[..., bytes]) -> None:
    proved = check(producer("relative", "-32", "32", "1/1000000000000"))
    assert proved.certificate.degree == 61
    assert proved.certificate.minimal


def smaller_eps(c: Content) -> None:
    c["eps"] = scaled(c["eps"], "1/3")


def eps_just_below_the_error(c: Content) -> None:
    sup = prove(c).sup * Fraction(999, 1000)
    c["eps"] = f"{round(sup * 10**20)}/{10**20}"


def eps_just_above_the_lower_bound(c: Content) -> None:
    least = prove(c).least
    assert least is not None
    c["eps"] = f"{round(least * 10**20) + 10**16}/{10**20}"


def lower_degree(c: Content) -> None:
    c["degree"] -= 1


def lower_degree_all_through(c: Content) -> None:
    c["degree"] -= 1
    c["upper"]["numerators"].pop()
    c["upper"]["brackets"] = c["upper"]["brackets"][:-1]


def larger_interval(c: Content) -> None:
    c["interval"] = [scaled(c["interval"][0], "1.1"), scaled(c["interval"][1], "1.1")]


def smaller_interval(c: Content) -> None:
    c["interval"][0] = scaled(c["interval"][0], "0.3")
    c["interval"][1] = scaled(c["interval"][1], "0.3")


def other_error(c: Content) -> None:
    c["error"] = "additive" if c["error"] == "relative" else "relative"


def moved_coefficient(c: Content) -> None:
    c["upper"]["numerators"][0] = hex(int(c["upper"]["numerators"][0], 16) * 9 // 8)


def other_exponent(c: Content) -> None:
    c["upper"]["exponent"] -= 1


def zero_polynomial(c: Content) -> None:
    c["upper"]["numerators"] = ["0x0"] * (c["degree"] + 1)


def swapped_brackets(c: Content) -> None:
    b = c["upper"]["brackets"]
    b[0], b[1] = b[1], b[0]


def dropped_bracket(c: Content) -> None:
    c["upper"]["brackets"].pop(1)


def doubled_bracket(c: Content) -> None:
    c["upper"]["brackets"][1] = c["upper"]["brackets"][0]


def reversed_bracket(c: Content) -> None:
    c["upper"]["brackets"][1].reverse()


def bracket_without_zero(c: Content) -> None:
    a, b = (int(x, 16) for x in c["upper"]["brackets"][1])
    c["upper"]["brackets"][1] = [hex(b + 1), hex(b + 1 + (b - a))]


def bracket_as_wide_as_it_gets(c: Content) -> None:
    """Still one zero in it, but nothing follows about the error there."""
    c["upper"]["brackets"][1][1] = hex(int(c["upper"]["brackets"][2][0], 16) - 1)


def merged_points(c: Content) -> None:
    c["lower"]["points"][1] = c["lower"]["points"][0]


def swapped_points(c: Content) -> None:
    p = c["lower"]["points"]
    p[1], p[2] = p[2], p[1]


def point_outside(c: Content) -> None:
    c["lower"]["points"][0] = hex(int(c["lower"]["points"][0], 16) * 2)


def last_point_outside(c: Content) -> None:
    c["lower"]["points"][-1] = hex(int(c["lower"]["points"][-1], 16) + 1)


def dropped_point(c: Content) -> None:
    c["lower"]["points"].pop(1)


def dropped_point_and_degree(c: Content) -> None:
    c["lower"]["points"].pop(1)
    c["lower"]["degree"] -= 1


def lower_at_the_degree_itself(c: Content) -> None:
    c["lower"]["degree"] += 1
    p = [int(x, 16) for x in c["lower"]["points"]]
    c["lower"]["points"].insert(1, hex((p[0] + p[1]) // 2))


def crowded_points(c: Content) -> None:
    """All points crowded at one end: a true lower bound, far too low."""
    first = int(c["lower"]["points"][0], 16)
    c["lower"]["points"] = [hex(first + k) for k in range(len(c["lower"]["points"]))]


def minimal_without_proof(c: Content) -> None:
    c["lower"] = None


def eps_zero(c: Content) -> None:
    c["eps"] = "0"


def eps_one(c: Content) -> None:
    c["eps"] = "1"


def eps_negative(c: Content) -> None:
    c["eps"] = "-" + c["eps"]


def reversed_interval(c: Content) -> None:
    c["interval"].reverse()


NOT_PROVED = [
    smaller_eps, eps_just_below_the_error, eps_just_above_the_lower_bound, larger_interval,
    smaller_interval, other_error, moved_coefficient, other_exponent, zero_polynomial,
    swapped_brackets, doubled_bracket, reversed_bracket, bracket_without_zero,
    bracket_as_wide_as_it_gets, merged_points, swapped_points, point_outside, last_point_outside,
    dropped_point_and_degree, lower_at_the_degree_itself, crowded_points, minimal_without_proof,
    lower_degree_all_through,
]  # fmt: skip
MALFORMED = [
    lower_degree, dropped_bracket, dropped_point, eps_zero, eps_one, eps_negative, reversed_interval
]  # fmt: skip


@pytest.mark.parametrize("change", [*NOT_PROVED, *MALFORMED], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", ["relative", "additive", "varnum relative", "varnum additive"])
def test_false_statements_are_refused(
    name: str, change: Callable[[Content], None], contents: dict[str, Content]
) -> None:
    content = deepcopy(contents[name])
    change(content)
    assert content != contents[name]
    with pytest.raises(NotProved if change in NOT_PROVED else Malformed):
        prove(content)


def test_weaker_statements_stay_proved(contents: dict[str, Content], holds: Any) -> None:
    """No claim of minimality, a lower bound for a lower degree, a larger eps: still true."""
    c = deepcopy(contents["relative"])
    c["minimal"] = False
    assert "Not claimed" in str(prove(c))
    c["lower"] = {
        "degree": 1,
        "points_exponent": 0,
        "points": ["-0x1", "0x0", "0x1"],
    }
    assert float(prove(c).least) == pytest.approx(tanh(0.5) ** 2)  # (e - 2 + 1/e)/(e + 2 + 1/e)
    holds(c)
    c["lower"], c["eps"] = None, "0.002"
    assert prove(c).least is None


@pytest.mark.parametrize("bracket", [["-0x2", "-0x1"], ["0x1", "0x3"], ["-0x4", "0x4"]])
def test_a_peak_between_the_ends_is_not_overlooked(bracket: list[str]) -> None:
    """The line through both ends has relative error 0 there and cosh 1 - 1 = 0.54 between them."""
    line = {
        "schema": "varnum/certificate/1",
        "error": "relative",
        "interval": ["-1", "1"],
        "eps": "0.5",
        "degree": 1,
        "upper": {
            "exponent": -64,
            "numerators": [hex(round(cosh(1) * 2**64)), hex(round(sinh(1) * 2**64))],
            "brackets_exponent": -2,
            "brackets": [bracket],
        },
        "lower": None,
        "minimal": False,
    }
    with pytest.raises(NotProved):
        prove(line)
    line["upper"] |= {"brackets": []}
    with pytest.raises(Malformed):
        prove(line)


def bracket_beside_zero(content: Content, i: int) -> Certificate:
    """Bracket i from just after its zero to half way to the next: the derivative keeps its sign.

    The others are wide, so that few bits show their signs.
    """
    c = read(serialise(content))
    after, next_one = c.brackets[i][1], c.brackets[i + 1][0]
    wide = [(a - Fraction(1, 50), b + Fraction(1, 50)) for a, b in c.brackets]
    wide[i] = (after, (after + next_one) / 2)
    return c._replace(brackets=wide)


@pytest.mark.parametrize("name", ["relative", "additive"])
def test_too_few_bits_prove_less_but_nothing_false(
    name: str, contents: dict[str, Content], best: Callable[..., Any]
) -> None:
    """Soundness does not rest on the precision: from 0 bits on, every bound stays a bound."""
    content = contents[name]
    c, (low, high) = read(serialise(content)), map(Fraction, content["interval"])
    upper, lower = (best(name, low, high, content["degree"] - k) for k in (0, 1))
    beside = [bracket_beside_zero(content, i) for i in (0, 1)]
    proofs = 0
    for bits in range(c.bits):
        assert float(certify_least(c._replace(bits=bits))) <= float(lower.peak)
        for false in beside:
            with pytest.raises(NotProved, match="sign"):
                certify_sup(false._replace(bits=bits))
        try:
            sup = certify_sup(c._replace(bits=bits))
        except NotProved:
            continue
        proofs += 1
        assert float(sup) >= float(upper.level)
    assert proofs > 20


@pytest.mark.parametrize("name", ["relative", "additive"])
def test_the_curvature_term(name: str, contents: dict[str, Content]) -> None:
    """With a wide bracket the bound is |h(a)| + (b - a)^2 B/2, B as in proofs/exp-supnorm.md."""
    c = read(serialise(contents[name]))
    x = (c.brackets[1][0] + c.brackets[1][1]) / 2
    a, b = x - Fraction(1, 8), x + Fraction(1, 8)
    brackets = [c.brackets[0], (a, b), *c.brackets[2:]]
    p = [float(n * c.unit) for n in c.numerators]
    size = float(max(-c.low, c.high))

    def at(q: list[float], y: float) -> float:
        return sum(k * y**i for i, k in enumerate(q))

    first = [*(i * k for i, k in enumerate(p) if i), 0.0]
    second = [*(i * k for i, k in enumerate(first) if i), 0.0]
    if name == "relative":
        curve = [s - 2 * f + k for k, f, s in zip(p, first, second, strict=True)]
        bend = at([abs(k) for k in curve], size) * exp(-float(c.low))
        start = at(p, float(a)) * exp(-float(a)) - 1
    else:
        bend = at([abs(k) for k in second], size) + exp(float(c.high))
        start = at(p, float(a)) - exp(float(a))
    expected = abs(start) + float(b - a) ** 2 / 2 * bend
    assert float(certify_sup(c._replace(brackets=brackets))) == pytest.approx(expected, rel=1e-9)
