"""What Coq accepts of certificates, and the slightly false versions that it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from varnum import checker, plan
from varnum.proof.coq.compiler import Compiled
from varnum.proof.coq.coq_answer import check_in_coq
from varnum.proof.coq.export import coq_file
from varnum.proof.coq.theorems import PRIMITIVE, REALS, axioms_of
from varnum.verdict import Proved, Refuted

Content = dict[str, Any]

TRUE = [  # error, size, eps
    ("relative", "4", "1e-3"),
    ("relative", "16", "1e-12"),
    ("additive", "1/3", "1e-9"),
]
MORE = [
    ("relative", "1/4", "1e-1"),
    ("relative", "1", "1e-9"),
    ("relative", "8", "1e-6"),
    ("relative", "32", "1e-3"),
    ("additive", "4", "1e-3"),
    ("additive", "32", "1e-3"),
    ("additive", "3", "1e-1"),
]


@cache
def text(error: str, size: str, eps: str) -> str:
    if error == "relative":
        return plan(size, eps=eps).certify()
    return plan(W=size, eps=eps, error="additive").certify()


def held(content: Content) -> Any:
    return checker.read(checker.serialise(content))


def content_of(error: str = "relative", size: str = "4", eps: str = "1e-3") -> Content:
    return dict(json.loads(text(error, size, eps)))


@pytest.mark.parametrize(("error", "size", "eps"), TRUE)
@pytest.mark.usefixtures("library")
def test_accepted(error: str, size: str, eps: str) -> None:
    answer = check_in_coq(held(content_of(error, size, eps)))
    assert answer.theorems == ("reached", "excluded")
    assert isinstance(answer.verdict, Proved), answer.verdict


def test_more_are_accepted(compile_text: Callable[[str], Compiled]) -> None:
    """Each in a module of its own, so that the libraries are loaded once."""
    files = [coq_file(held(content_of(*case))) for case in MORE]
    parts = [f"Module M{k}.\n{file}\nEnd M{k}." for k, file in enumerate(files)]
    answer = compile_text("\n".join(parts))
    assert answer.ok, answer.message


@pytest.mark.usefixtures("library")
def test_accepted_with_minimal_axioms_and_without_points() -> None:
    content = content_of() | {"lower": None, "minimal": False}
    answer = check_in_coq(held(content), minimal_axioms=True)
    assert (answer.theorems, type(answer.verdict)) == (("reached",), Proved)


@pytest.mark.usefixtures("library")
def test_a_constant() -> None:
    answer = check_in_coq(held(json.loads(plan("0", eps="1e-3").certify())))
    assert (answer.theorems, type(answer.verdict)) == (("reached",), Proved)


def changed(size: str = "4", eps: str = "0.001", **how: Any) -> Content:
    """The certificate of `size` with another eps, and with parts of it edited by functions."""
    content = deepcopy(content_of("relative", size, "1e-3"))
    content["eps"] = eps
    for part, edit in how.items():
        half, _, key = part.partition("_")
        content[half][key] = edit(content[half][key])
    return content


def moved(points: list[str]) -> list[str]:
    """The middle point, half way to the next."""
    k = len(points) // 2
    half = (int(points[k], 16) + int(points[k + 1], 16)) // 2
    return [*points[:k], hex(half), *points[k + 1 :]]


def outside(points: list[str]) -> list[str]:
    return [*points[:-1], hex(int(points[-1], 16) + 1)]


def merged(points: list[str]) -> list[str]:
    return [*points[:2], points[1], *points[3:]]


def shifted(brackets: list[list[str]]) -> list[list[str]]:
    """The middle bracket, two of its widths to the right."""
    k = len(brackets) // 2
    low, high = (int(x, 16) for x in brackets[k])
    by = 2 * (high - low)
    return [*brackets[:k], [hex(low + by), hex(high + by)], *brackets[k + 1 :]]


def nudged(numerators: list[str]) -> list[str]:
    """The fifth coefficient, off by 2^-20 (its unit is 2^-`exponent`)."""
    unit = -content_of()["upper"]["exponent"]
    return [*numerators[:4], hex(int(numerators[4], 16) + (1 << unit - 20)), *numerators[5:]]


def shorter(content: Content) -> Content:
    upper = content["upper"] | {
        key: content["upper"][key][:-1] for key in ("numerators", "brackets")
    }
    return content | {
        "degree": content["degree"] - 1,
        "upper": upper,
        "lower": None,
        "minimal": False,
    }


HALVES = [  # half, verdict, certificate; the error of P is 404.3e-6, the bound 1876.6e-6
    ("upper", True, changed(eps="0.000405")),
    ("upper", False, changed(eps="0.000404")),
    ("lower", True, changed(eps="0.001876")),
    ("lower", False, changed(eps="0.001878")),
    ("lower", True, changed(lower_points=moved)),  # a factor 1.9 to spare: rightly accepted
    ("lower", False, changed(eps="0.001876", lower_points=moved)),
    ("lower", False, changed(lower_points=outside)),
    ("lower", False, changed(lower_points=merged)),
    ("upper", False, changed(upper_brackets=shifted)),
    ("upper", False, changed(eps="0.000405", upper_numerators=nudged)),
    ("upper", False, shorter(changed())),
    ("upper", True, changed("32")),
    ("upper", False, changed("32", eps="0.000453")),
]


def test_each_half_is_decided_where_eps_is_tight(compile_text: Callable[[str], Compiled]) -> None:
    """True and slightly false halves in one file: Coq computes each check, and no other way."""
    lines: list[str] = []
    for number, (half, verdict, content) in enumerate(HALVES):
        whole = coq_file(held(content))
        if not lines:
            lines.append(whole.partition("Definition")[0])
        lines.append(_definition(whole, f"held{number}"))
        lines.append(_decided(f"held{number}", half, verdict))
    coarse = re.sub(r"bits_main := \d+", "bits_main := 60", coq_file(held(changed("32"))))
    lines += [_definition(coarse, "coarse"), _decided("coarse", "upper", False)]
    answer = compile_text("\n".join(lines))
    assert answer.ok, answer.message


def _definition(whole: str, name: str) -> str:
    found = re.search(r"^Definition held : .*?^\|\}\.$", whole, re.M | re.S)
    assert found is not None
    return found[0].replace("Definition held", f"Definition {name}")


def _decided(name: str, half: str, verdict: bool) -> str:
    said = "true" if verdict else "false"
    return (
        f"Example {name}_{half} : Fast.check_{half} relative {name} = {said}.\n"
        "Proof. vm_compute. reflexivity. Qed."
    )


TAMPERED = [
    ("reached", {"eps": "0.000404"}),
    ("excluded", {"eps": "0.001878"}),
    ("reached", {"interval": ["-4", "5"]}),
]


@pytest.mark.parametrize(("theorem", "change"), TAMPERED)
@pytest.mark.usefixtures("library")
def test_a_tampered_certificate_never_compiles(theorem: str, change: Content) -> None:
    answer = check_in_coq(held(content_of() | change))
    assert isinstance(answer.verdict, Refuted)
    assert answer.verdict.witness == theorem


def test_the_statements_are_those_of_the_file() -> None:
    """Two theorems in full, with the certificate's own numbers."""
    said = coq_file(held(content_of()))
    assert "exists p : list Q, length p = 10%nat /\\ forall x : R," in said
    assert "-4 <= x <= 4 -> Rabs (Pol p x * exp (- x) - 1) <= 1 / 1000." in said
    assert "forall q : list R, (length q < 10)%nat -> exists x : R," in said
    assert "-4 <= x <= 4 /\\ Rabs (peval q x * exp (- x) - 1) > 1 / 1000." in said
    additive = coq_file(held(content_of("additive", "1/3", "1e-9")))
    assert "-1 / 3 <= x <= 0 -> Rabs (Pol p x - exp x) <= 1 / 1000000000." in additive


@pytest.mark.parametrize(("minimal", "allowed"), [(False, PRIMITIVE), (True, REALS)])
def test_axioms_of_a_certificate(
    minimal: bool, allowed: frozenset[str], compile_text: Callable[[str], Compiled]
) -> None:
    text = coq_file(held(content_of()), minimal)
    answer = compile_text(
        f"{text}\nDefinition both := (reached, excluded).\nPrint Assumptions both."
    )
    assert axioms_of(answer.output) == allowed
