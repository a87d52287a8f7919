"""What Coq accepts of certificates, and the slightly false versions that it refuses."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from varnum import checker, plan
from varnum.proof.coq.check import check_in_coq
from varnum.verdict import Proved, Refuted

Content = dict[str, Any]

TRUE = [  # error, size, eps
    ("relative", "1/4", "1e-1"),
    ("relative", "4", "1e-3"),
    ("relative", "8", "1e-6"),
    ("relative", "16", "1e-12"),
    ("relative", "32", "1e-3"),
    ("additive", "4", "1e-3"),
    ("additive", "32", "1e-3"),
    ("additive", "1/3", "1e-9"),
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
@pytest.mark.usefixtures("prelude")
def test_accepted(error: str, size: str, eps: str) -> None:
    answer = check_in_coq(held(content_of(error, size, eps)))
    assert answer.theorems == ("reached", "excluded")
    assert isinstance(answer.verdict, Proved), answer.verdict


@pytest.mark.usefixtures("prelude")
def test_accepted_with_minimal_axioms_and_without_points() -> None:
    content = content_of() | {"lower": None, "minimal": False}
    answer = check_in_coq(held(content), minimal_axioms=True)
    assert (answer.theorems, type(answer.verdict)) == (("reached",), Proved)


@pytest.mark.usefixtures("prelude")
def test_a_constant() -> None:
    answer = check_in_coq(held(json.loads(plan("0", eps="1e-3").certify())))
    assert (answer.theorems, type(answer.verdict)) == (("reached",), Proved)


def with_eps(number: str) -> Content:
    return content_of() | {"eps": number}


def tampered() -> dict[str, tuple[str, Content]]:
    """Name -> (the theorem that must fail, a false certificate with a right digest)."""
    return {
        "eps below the error": ("reached", with_eps("0.000404")),
        "eps above the bound": ("excluded", with_eps("0.001878")),
        "wider interval": ("reached", content_of() | {"interval": ["-4", "5"]}),
    }


@pytest.mark.parametrize("name", tampered())
@pytest.mark.usefixtures("prelude")
def test_a_tampered_certificate_never_compiles(name: str) -> None:
    theorem, content = tampered()[name]
    answer = check_in_coq(held(content))
    assert isinstance(answer.verdict, Refuted)
    assert answer.verdict.witness == theorem
