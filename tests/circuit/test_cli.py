"""`varnum circuit` and `varnum precision`: answers, exit codes, bad input in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from varnum.circuit import parts
from varnum.cli import main


def said(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str, int]:
    monkeypatch.setattr(sys, "argv", ["varnum", *command.split()])
    with pytest.raises(SystemExit) as stop:
        main()
    out = capsys.readouterr()
    return out.out, out.err, int(stop.value.code or 0)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda command: said(command, capsys, monkeypatch)


def test_all_inputs_prove_and_some_do_not(ask: Any) -> None:
    out, _, code = ask("circuit add --count 2 --bits 3 --run --json")
    held = json.loads(out)
    assert (held["verdict"], held["assurance"], code) == ("proved", "proved", 0)
    assert (held["inputs_checked"], held["equal"]) == (64, True)
    assert held["gates"] == held["formula_gates"]
    held = json.loads(ask("circuit add --count 2 --bits 3 --run --inputs 9 --json")[0])
    assert (held["verdict"], held["assurance"]) == ("done", "measured")
    assert (held["inputs_checked"], held["inputs_all"]) == (9, False)
    held = json.loads(ask("circuit add --count 2 --bits 3 --json")[0])
    assert (held["equal"], held["inputs_checked"], held["verdict"]) == (None, 0, "done")


def test_a_difference_is_refuted_with_a_witness(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = parts.add

    def wrong(count: int, bits: int) -> parts.Part:
        from dataclasses import replace

        part = honest(count, bits)
        return replace(part, reference=lambda x: (~part.reference(x)[0], None))

    monkeypatch.setattr(parts, "add", wrong)
    out, _, code = ask("circuit add --count 2 --bits 1 --run")
    assert code == 1
    assert "4 of 4 inputs differ" in out
    held = json.loads(ask("circuit add --count 2 --bits 1 --run --json")[0])
    assert (held["verdict"], held["exit_code"], held["witness"]) == ("refuted", 1, [0, 0])


def test_a_file_goes_to_the_checker(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    picture = tmp_path / "c.svg"
    ask(f"circuit head --tokens 2 --width 1 --bits 2 --write {path}")
    out, _, code = ask(f"check {path}")
    assert code == 0
    assert "all 16 inputs give the outputs of the file's table" in out
    ask(f"circuit add --count 2 --bits 2 --write {path} --draw {picture}")
    held = json.loads(ask(f"check {path} --json")[0])
    assert (held["verdict"], held["inputs_checked"], held["depth"]) == ("proved", 16, 2)
    assert picture.read_text().startswith("<svg")
    path.write_bytes(path.read_bytes().replace(b'"inputs":4', b'"inputs":5'))
    _, err, code = ask(f"check {path}")
    assert code == 2
    assert err.count("\n") == 1


def test_a_models_depth(ask: Any) -> None:
    held = json.loads(ask("circuit --model var-d16 --bits 8 --json")[0])
    assert [p["std"] for p in held["paths"]] == [6113, 6109]
    assert [p["exp"] for p in held["paths"]] == [320, 321]
    assert held["paths_teacher_forced"][0]["sum"] == 183
    assert (held["layers"], held["layers_teacher_forced"]) == (1800, 180)
    hand = 680**2 * (64 * 8**2 + 255 * (1 + 64 * 8)) + 680 * 64 * 2**8
    assert held["gates_per_head"] == hand
    assert f"{hand:.1e}" == "6.2e+10"
    assert json.loads(ask("circuit --model var-d30 --json")[0])["layers"] == 3340
    held = json.loads(ask("circuit --model paper --scales 4 --json")[0])
    assert (held["scales"], held["layers"]) == (4, None)


BAD = {
    "circuit add --count 0 --bits 1": "--count: 0 is not within",
    "circuit add --count 2": "--bits",
    "circuit add --count 2 --bits 1 --run --inputs 0": "--inputs",
    "circuit generate --sides 1,x": "--sides: '1,x'",
    "circuit generate --sides 2,1": "--sides",
    "circuit add --count 2 --bits 1 --write /nowhere/c.json": "--write: '/nowhere/c.json'",
    "circuit add --count 40 --bits 4 --draw x.svg": "--draw: ",
    "circuit --model gpt": "--model: no 'gpt'; known: paper, var-tiny",
    "circuit --model var-d16 --scales 3": "--scales: only with model paper",
    "circuit --model paper --scales 40": "--scales: 40",
    "circuit --model var-d16 --bits 0": "--bits: 0",
    "circuit --model var-d16 add --count 2 --bits 1": "--model: takes no command",
    "precision --random var-tiny --bits 1": "bits: 1 is not within 2 to 24",
    "precision --random var-tiny --bits x": "--bits: 'x'",
    "precision": "weights: give --var and --vae",
    "precision --random var-tiny --labels 99": "labels: ",
    "precision --random var-tiny --tokens none.npz": "tokens: ",
}


@pytest.mark.parametrize("command", BAD)
def test_bad_input_is_one_line(command: str, ask: Any) -> None:
    out, err, code = ask(command)
    assert code == 2
    assert BAD[command] in err
    assert err.count("\n") == 1
    assert out == ""


def test_bits_of_a_model(ask: Any) -> None:
    held = json.loads(ask("precision --random var-tiny --labels 3 --bits 8,24 --json")[0])
    first, last = held["rows"]
    assert (first["bits"], last["bits"], last["tokens"]) == (8, 24, 30)
    assert first["error_at_least"] <= first["error_measured"] < first["first_order"]
    assert first["certain"] <= first["tokens_equal"]
    assert last["certain"] == sum(row["tokens"] for row in held["least_bits"]) == 30
    assert held["assurance"] == "estimated"
    assert held["assurance_of"]["error_measured"] == "proved for this run"
    out, _, code = ask("precision --random var-tiny --labels 3 --bits 8 --in-order --no-enclosure")
    assert code == 0
    assert "in index order" in out
    assert "float64, measured" in out
