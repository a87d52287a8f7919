"""The main job from the command line: JSON fields, exit codes, one line per error."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.command import varnum


def test_json_has_every_field() -> None:
    run = varnum("bound", "--model", "var-d16", "--eps", "1e-2", "--json")
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["schema"] == "varnum/bound/2"
    assert (answer["M"], answer["eps"], answer["d"], answer["sigma"]) == (
        "100.0000065",
        "0.01",
        64,
        "1",
    )
    assert (answer["degree"], answer["degree_proved_minimal"]) == (109, True)
    assert answer["degree_taylor"] == 359
    assert answer["degree_closed_form"] >= 359
    low, high = answer["minimax_error"]
    assert 0 < low <= high <= 0.01
    assert answer["rank"] == "2015629928408612688170793003754236523616144066850"
    assert int(answer["rank_published"]) > int(answer["rank"])
    assert answer["cost"]["exact"] == sum(s["exact"] for s in answer["cost"]["per_scale"])
    assert int(answer["cost"]["lowrank"]) == sum(
        int(s["lowrank"]) for s in answer["cost"]["per_scale"]
    )
    assert len(answer["cost"]["per_scale"]) == 10
    assert answer["memory"]["cache"] == 680 * 128
    assert set(answer["regime"]) >= {"b", "c", "p", "rho", "b_star"}
    assert int(answer["crossover_n"]) > 10**24
    assert answer["pays"] is False
    assert run.stderr == ""


def test_without_schedule_or_d_there_is_null_and_a_reason() -> None:
    answer = json.loads(varnum("bound", "--M", "4", "--eps", "1e-6", "--json").stdout)
    for name in ("rank", "cost", "memory", "regime", "pays", "crossover_n"):
        assert answer[name] is None
        assert answer["reasons"][name]
    answer = json.loads(varnum("bound", "--M", "4", "--eps", "1e-6", "--d", "8", "--json").stdout)
    assert answer["rank"] == 203490  # C(21, 8)
    for name in ("cost", "memory", "regime", "pays"):
        assert answer[name] is None
        assert "schedule" in answer["reasons"][name]


def test_text_fits_80_columns_and_explains() -> None:
    run = varnum("bound", "--model", "var-d16", "--eps", "1e-2")
    assert run.returncode == 0
    assert "Does not pay" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80
    more = varnum(
        "bound", "--M", "1", "--d", "8", "--output-error", "1e-2", "--n", "64", "--explain"
    )
    for claim in (
        "softmax-relative",
        "degree-closed-form",
        "minimal-degree",
        "monomial-rank",
        "cost-lowrank",
    ):
        assert f"[{claim}]" in more.stdout


@pytest.mark.parametrize("what", ["M", "d", "n"])
def test_backwards(what: str) -> None:
    run = varnum(
        "bound", "--M", "1", "--d", "8", "--eps", "1e-2", "--n", "64", "--solve", what, "--json"
    )
    solved = json.loads(run.stdout)["solve"]
    assert solved["for"] == what
    assert solved["value"] is not None


def test_nothing_that_cannot_be_written_counts_as_refuted() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    for arguments in (["bound", "--M", "1", "--eps", "1e-2"], ["doctor"], ["--help"]):
        with open("/dev/full", "w") as full:
            run = subprocess.run(
                [sys.executable, "-m", "varnum", *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert run.returncode == 3, arguments
        assert run.stderr.count("\n") == 1


def test_what_certify_writes_check_reads(tmp_path: Path) -> None:
    for arguments in (
        ["--M", "1", "--eps", "1e-200"],
        ["--W", "3", "--error", "additive", "--eps", "1/7"],
        ["--R", "1", "--d", "7", "--sigma", "sqrt", "--output-error", "0.123456789012345678901"],
        ["--M", "1e-30", "--eps", "1e-2"],
    ):
        written = varnum("certify", *arguments)
        assert written.returncode == 0, written.stderr
        path = tmp_path / "c.json"
        path.write_text(written.stdout)
        assert varnum("check", str(path)).returncode == 0
    piped = subprocess.run(
        [sys.executable, "-m", "varnum", "check", "-"], input=written.stdout, text=True, check=False
    )
    assert piped.returncode == 0


def test_unproved_is_exit_3_and_still_answers() -> None:
    run = varnum("bound", "--M", "5000", "--eps", "1e-2", "--json")
    assert run.returncode == 3
    answer = json.loads(run.stdout)
    assert answer["degree_proved_minimal"] is False
    assert answer["degree"] == answer["degree_closed_form"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["bound", "--M", "1", "--eps", "0"],
        ["bound", "--M", "1", "--eps", "1"],
        ["bound", "--M", "1", "--eps", "NaN"],
        ["bound", "--M", "-1", "--eps", "1e-2"],
        ["bound", "--M", "1", "--d", "0", "--eps", "1e-2"],
        ["bound", "--M", "1", "--d", "4", "--schedule", "", "--eps", "1e-2"],
        ["bound", "--M", "1", "--d", "4", "--schedule", "3,2", "--eps", "1e-2"],
        ["bound", "--model", "var-d17", "--eps", "1e-2"],
        ["bound", "--M", "1e9", "--eps", "1e-2"],
        ["bound", "--M", "1e999999999", "--eps", "1e-2"],
        ["bound", "--M", "1", "--eps", "1e-2", "--error", "absolute"],
        ["bound", "--M", "1", "--eps", "1e-2", "--timeout", "-1"],
        ["bound", "--no-such-option"],
        ["bound", "--M", "1", "--eps", "1e-2", "--d", "1.5"],
        ["bound", "--M", "1", "--eps", "1e-2", "--solve", "x"],
        ["bound", "--M", "1", "--eps", "1e-2", "--sigma", "banana"],
        ["certify", "--M", "1"],
        ["certify", "--M", "1", "--eps", "1e-2", "--out", "/no/such/folder/c.json"],
        ["check", "/no/such/file"],
        ["no-such-verb"],
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: list[str]) -> None:
    run = varnum(*arguments)
    assert run.returncode == 2, run
    assert run.stdout == ""
    assert run.stderr.startswith("varnum: error: ")
    assert run.stderr.count("\n") == 1


def test_timeout_holds() -> None:
    start = time.monotonic()
    run = varnum("bound", "--M", "390", "--eps", "1e-100", "--max-degree", "4000", "--timeout", "1")
    assert run.returncode == 3
    assert "not finished after 1 s" in run.stderr
    assert time.monotonic() - start < 30  # not a speed test: without the limit it takes minutes


def test_certify_then_check(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    run = varnum("certify", "--M", "4", "--eps", "1e-6")
    assert run.returncode == 0
    path.write_text(run.stdout)
    checked = varnum("check", str(path))
    assert checked.returncode == 0
    assert "13 is the least degree" in checked.stdout
    path.write_text(run.stdout.replace('"eps": "0.000001"', '"eps": "0.0000001"'))
    assert varnum("check", str(path)).returncode in (1, 2)


def test_no_arguments_and_version() -> None:
    assert "bound" in varnum().stdout
    assert varnum().returncode == 0
    assert varnum("--version").stdout.startswith("varnum ")


def test_doctor() -> None:
    run = varnum("doctor", "--json")
    assert run.returncode == 0
    report = json.loads(run.stdout)
    assert report["ok"] is True
    assert [t["passed"] for t in report["self_test"]] == [True, True]
    assert "self-test" in varnum("doctor").stdout
