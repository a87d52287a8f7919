"""One envelope: its words come from the tables, its numbers are JSON, nothing overwrites it."""

from __future__ import annotations

import json

import pytest

from varnum.cli.envelope import envelope, print_envelope
from varnum.verdict import ANSWER_WORDS, CLAIM_WORDS, weakest


def test_it_prints_and_returns_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    content = {"big": 10**5000, "small": 2**53, "flag": True, "bound": 0.5}
    code = print_envelope(
        "varnum/x/1", content, verdict="unknown", assurance="proved for this run", exit_code=3
    )
    shown = json.loads(capsys.readouterr().out)
    assert code == shown["exit_code"] == 3
    assert list(shown) == ["schema", "version", "verdict", "assurance", "exit_code", *content]
    assert shown["big"] == "1" + "0" * 5000  # a double holds integers up to 2^53


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "fine"}, "verdict 'fine'"),
        ({"assurance": "certain"}, "assurance 'certain'"),
        ({"content": {"verdict": 1}}, "belong to the envelope"),
    ],
)
def test_other_words_are_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"content": {}, "verdict": "proved", "assurance": "proved"}
    given = good | change
    with pytest.raises(ValueError, match=message):
        envelope(
            "varnum/x/1", given["content"], verdict=given["verdict"],  # type: ignore[arg-type]
            assurance=given["assurance"], exit_code=0,  # type: ignore[arg-type]
        )  # fmt: skip


def test_nan_is_not_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_envelope(
            "varnum/x/1", {"x": float("nan")}, verdict="done", assurance="measured", exit_code=0
        )


def test_the_weakest_word_wins() -> None:
    assert weakest("proved", "with high probability", "proved for this run") == (
        "with high probability"
    )
    assert weakest("coq", "words") == "words"
    assert weakest(*CLAIM_WORDS) == "open"
    assert weakest(*ANSWER_WORDS) == "estimated"
    with pytest.raises(ValueError, match="not words of one table"):
        weakest("proved", "solver")
    with pytest.raises(ValueError, match="not words of one table"):
        weakest()
