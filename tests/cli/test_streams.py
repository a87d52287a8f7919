"""Closed and full streams, and readers that leave: never a wrong verdict, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

VN = f"'{sys.executable}' -m varnum"
BOUND = f"{VN} bound --M 1 --eps 1e-2"
GONE = (0, 141)


def shell(script, folder=None):
    """(exit code, stdout, stderr) of a bash script."""
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert "Traceback" not in done.stderr
    assert "internal" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    from varnum._plan import plan

    path = tmp_path_factory.mktemp("c") / "g.json"
    path.write_text(plan("1", eps="1e-2").certify())
    return path


@pytest.fixture(scope="module")
def false_certificate(certificate):
    import json

    from varnum import checker

    path = certificate.with_name("false.json")
    content = json.loads(certificate.read_text()) | {"eps": "0.001"}
    path.write_bytes(checker.serialise(content))
    return path


LEAVES = "{ %s; echo $? >code; } | true; cat code"  # the reader is gone before anything is written


@pytest.mark.parametrize("verb", ["check", "checker"])
@pytest.mark.parametrize("proved", [True, False])
def test_a_reader_that_leaves_says_nothing_of_a_certificate(
    verb, proved, certificate, false_certificate, tmp_path
):
    program = f"{VN} check" if verb == "check" else f"'{sys.executable}' -m varnum.checker"
    file = certificate if proved else false_certificate
    code, out, err = shell(LEAVES % f"{{ sleep .3; {program} {file}; }}", tmp_path)
    assert code == 0
    assert out.split() == ["141"]
    assert err == ""


COMMANDS = [  # ways to print: a table, help of a group, of a verb, exit by code
    "bound --M 1 --eps 1e-2", "plot", "--help", "run --random var-tiny",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_verb_survives_a_reader_that_leaves(command, tmp_path):
    _, out, err = shell(LEAVES % f"{{ sleep .2; {VN} {command}; }}", tmp_path)
    assert int(out) in GONE
    assert err == ""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_every_verb_says_that_the_disk_is_full(command):
    code, _, err = shell(f"{VN} {command} > /dev/full")
    assert code == 3
    assert err.startswith("varnum: error: cannot write the result: No space left on device")
    assert err.count("\n") == 1


def test_closed_and_full_stderr_cost_nothing():
    for lost in ("2>&-", "2>/dev/full"):
        code, out, _ = shell(f"{BOUND} {lost}")
        assert code == 0
        assert out.startswith("exp on [-M, M], M = 1")
        assert shell(f"{VN} bound --M x --eps 1e-2 {lost}") == (2, "", "")
        assert shell(f"'{sys.executable}' -m varnum.checker /dev/null {lost}") == (2, "", "")


def test_closed_stdout_is_one_line():
    code, _, err = shell(f"{BOUND} >&-")
    assert code == 2
    assert err == "varnum: error: standard output is closed; results go there\n"
    assert shell(f"{BOUND} >&- 2>&-") == (2, "", "")
    assert shell(f"{VN} check - <&-")[0] == 2


def test_the_checker_alone_cannot_write(certificate):
    for lost, right in ((">/dev/full", 3), (">&-", 3)):
        assert shell(f"'{sys.executable}' -m varnum.checker {certificate} {lost}")[0] == right


def test_a_dash_is_standard_input(tmp_path):
    import numpy as np

    (tmp_path / "s.csv").write_text("\n".join(map(str, range(1, 31))))
    read = shell(f"{VN} series s.csv --window 5", tmp_path)
    assert read[0] == 0
    assert shell(f"{VN} series - --window 5 < s.csv", tmp_path)[:2] == read[:2]
    np.savez(tmp_path / "net.npz", W=[[2.0, 0.1], [0.0, 2.0]], b=[0.01, 0.0])
    code, out, _ = shell(f"{VN} loop net.npz --json", tmp_path)
    piped = shell(f"{VN} loop - --json < net.npz", tmp_path)
    assert piped[:2] == (code, out.replace("net.npz", "-"))
    code, out, err = shell(f"{VN} series - <&-", tmp_path)
    assert (code, out, err) == (2, "", "varnum: error: -: standard input is closed\n")
