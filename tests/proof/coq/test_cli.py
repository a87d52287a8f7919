"""The command line's part: certify --format coq, --coq-prelude, check --coq."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from varnum.cli import main
from varnum.proof.coq.compiler import Compiled


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)

    def call(words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["varnum", *words.split()])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


Run = Callable[[str], tuple[int, str, str]]


@pytest.mark.usefixtures("library")
def test_check_says_what_coq_accepted(run: Run) -> None:
    assert run("certify --M 1 --eps 1/10 -o c.json")[0] == 0
    code, out, _ = run("check c.json --coq --json")
    assert code == 0
    answer = json.loads(out)
    assert answer["verdict"] == "proved"
    assert answer["coq"]["theorems"] == ["reached", "excluded"]
    assert answer["coq"]["axioms"] == "primitive"


def test_the_exported_file_compiles(run: Run, compile_text: Callable[[str], Compiled]) -> None:
    code, out, _ = run("certify --W 1 --error additive --eps 1/10 --format coq")
    assert code == 0
    assert compile_text(out).ok


def test_a_file_is_written_without_coq(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    code, out, _ = run("certify --M 1 --eps 1/10 --format coq")
    assert code == 0
    assert out.count("\nTheorem ") == 2


@pytest.mark.parametrize(
    "words",
    ["check c.json --coq", "certify --coq-prelude made", "verify --claim linear --require coq"],
)
def test_without_coq(words: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("certify --M 1 --eps 1/10 -o c.json")[0] == 0
    monkeypatch.setenv("PATH", "")
    code, out, err = run(words)
    assert (code, out) == (4, "")
    assert "apt-get install coq libcoq-interval" in err
    assert not Path("made").exists()


@pytest.mark.parametrize(
    "words",
    [
        "check c.json --axioms minimal",
        "certify --M 1 --eps 1/10 --axioms minimal",
        "certify --coq-prelude made --M 1 --eps 1/10",
    ],
)
def test_options_that_do_not_go_together(words: str, run: Run) -> None:
    code, out, err = run(words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("library")
def test_a_user_s_own_libraries_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compile_text: Callable[[str], Compiled]
) -> None:
    """coqc takes $XDG_DATA_HOME/coq into its load path: an axiom there would count."""
    own = tmp_path / "data" / "coq"
    own.mkdir(parents=True)
    (own / "Evil.v").write_text("Axiom evil : False.")
    subprocess.run(["coqc", "-q", "Evil.v"], cwd=own, check=True, capture_output=True)
    for name in ("XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.setenv(name, str(tmp_path / "data"))
    text = "Require Evil. Theorem t : False. Proof. exact Evil.evil. Qed."
    (tmp_path / "plain.v").write_text(text)
    plain = subprocess.run(["coqc", "-q", "plain.v"], cwd=tmp_path, capture_output=True, text=True)
    assert plain.returncode == 0, plain.stderr  # so the danger is real
    assert not compile_text(text).ok
