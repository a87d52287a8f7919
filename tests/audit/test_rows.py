"""Rows on disk: killed at any moment and resumed, the file is the same, byte for byte."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import zlib

import pytest

from varnum.audit.row_file import RowFile
from varnum.errors import InputError

OPTIONS = ["audit", "--random", "var-tiny", "--labels", "1,2", "--jobs", "1"]


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """Options for a model of 4 layers, and the file an uninterrupted audit of it writes."""
    folder = tmp_path_factory.mktemp("deep")
    (folder / "deep.json").write_text('{"depth": 4}')
    options = [*OPTIONS, "--config", str(folder / "deep.json")]
    whole = folder / "whole.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "varnum", *options, "--out", str(whole)], check=False
    )
    assert done.returncode == 0
    return options, whole.read_bytes()


def kill_after(command, path, size):
    """Start a command and kill it once its file has grown to `size` bytes; its workers must go."""
    child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    while child.poll() is None and (not path.exists() or path.stat().st_size < size):
        time.sleep(0.001)
    child.kill()
    child.wait()
    for _ in range(100):
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGKILL)
    pytest.fail("a worker outlived the command by 10 s")


def test_killed_and_resumed_is_the_same_file(deep, varnum, tmp_path):
    options, whole = deep
    assert whole.count(b"\n") == 1 + 4 * 2 * 4 + 2
    path = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "varnum", *options, "--jobs", "2", "--out", str(path)]
    kill_after(command, path, random.randrange(len(whole)))
    before = path.read_bytes()
    assert whole.startswith(before)
    alone = [sys.executable, "-m", "varnum", *options, "--out", str(path), "--resume"]
    kill_after(alone, path, random.randrange(len(before), len(whole)))
    assert path.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert varnum(*options, "--out", path, "--resume")[0] == 0
    assert path.read_bytes() == whole


def test_a_torn_line_is_computed_again_and_whole_rows_are_not(deep, varnum, tmp_path, monkeypatch):
    from varnum.audit import run

    options, whole = deep
    path = tmp_path / "rows.jsonl"
    lines = whole.split(b"\n")
    path.write_bytes(b"\n".join(lines[:30]) + b"\n" + lines[30][:100])
    computed, audit_head = [], run.audit_head

    def counted(task):
        computed.append((task.names["layer"], task.names["prompt"], task.names["head"]))
        return audit_head(task)

    monkeypatch.setattr(run, "audit_head", counted)
    assert varnum(*options, "--out", path, "--resume")[0] == 0
    assert path.read_bytes() == whole
    assert computed == [(3, 1, 1), (3, 1, 2), (3, 1, 3)]
    computed.clear()
    assert varnum(*options, "--out", path, "--resume")[0] == 0
    assert (path.read_bytes(), computed) == (whole, [])


def test_an_interruption_says_how_to_go_on(deep, varnum, tmp_path, monkeypatch):
    from varnum.audit import run

    options, whole = deep
    path, audit_head = tmp_path / "rows.jsonl", run.audit_head

    def stopped(task):
        if task.names["layer"] == 2:
            raise KeyboardInterrupt
        return audit_head(task)

    monkeypatch.setattr(run, "audit_head", stopped)
    code, out, err = varnum(*options, "--out", path)
    assert (code, out) == (130, "")
    assert err.startswith(f"varnum: interrupted: 8 rows are in {path}; --resume continues")
    assert whole.startswith(path.read_bytes())


def test_another_question_is_refused(deep, varnum, tmp_path):
    options, whole = deep
    path = tmp_path / "rows.jsonl"
    path.write_bytes(whole)
    for more, name in (
        (["--output-error", "1e-3"], "output_error"),
        (["--seed", "1"], "seed"),
        (["--top-k", "3"], "tokens"),
        (["--model-error", "2"], "model_error"),
    ):
        code, out, err = varnum(*options, *more, "--out", path, "--resume")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"began with another question; different: {name}" in err
    code, _, err = varnum(*options, "--out", path)
    assert (code, "exists; --resume continues it" in err) == (2, True)
    assert path.read_bytes() == whole


HEAD = {"digest": "x", "question": {}}
GOOD = b'{"schema": "varnum/audit-rows/1", "digest": "x", "question": {}}\n'
ROW = {"kind": "head", "model": "m", "layer": 0, "prompt": 0, "head": 0, "output_error": "0.1"}
LINE = json.dumps(ROW | {"crc32": zlib.crc32(json.dumps(ROW).encode())}).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nonsense\n", "line 1 is not JSON"),
        (b"[]\n", "line 1 is no JSON object"),
        (b'{"schema": "other/1"}\n', "not a file of audit rows"),
        (GOOD + b"\xff\n" + json.dumps(ROW).encode() + b"\n", "line 2 is not JSON"),
        (GOOD + b"{}\n", "line 2 fails its checksum"),
        (GOOD + json.dumps(ROW).encode() + b"\n", "line 2 fails its checksum"),
        (GOOD + LINE.replace(b"0.1", b"0.2"), "line 2 fails its checksum"),
        (GOOD + LINE.replace(b'"layer": 0, ', b""), "line 2 fails its checksum"),
    ],
)
def test_a_damaged_file_is_refused_and_left_alone(tmp_path, content, message):
    path = tmp_path / "r.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        RowFile(str(path), HEAD, resume=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kept", range(len(GOOD)))
def test_a_torn_header_begins_anew(tmp_path, kept):
    path = tmp_path / "r.jsonl"
    path.write_bytes(GOOD[:kept])
    rows = RowFile(str(path), HEAD, resume=True)
    rows.add(ROW)
    rows.add(ROW)  # known: not written again
    rows.close()
    assert path.read_bytes() == GOOD + LINE
    again = RowFile(str(path), HEAD, resume=True)
    again.close()
    assert again.rows == [ROW]


def swapped(lines):
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (swapped, 3),
        (lambda lines: [*lines[:5], *lines[6:]], 6),  # one is missing
        (lambda lines: [*lines[:5], *lines[4:]], 6),  # one is there twice
        (lambda lines: [*lines[:-1], lines[-2], b""], 36),  # one too many
    ],
)
def test_rows_out_of_place_are_refused(deep, varnum, tmp_path, change, number):
    options, whole = deep
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(change(whole.split(b"\n"))))
    before = path.read_bytes()
    code, _, err = varnum(*options, "--out", path, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert f"line {number} is out of place" in err
    assert path.read_bytes() == before


def test_two_audits_do_not_write_one_file(varnum, tmp_path):
    path = tmp_path / "r.jsonl"
    rows = RowFile(str(path), HEAD)
    with pytest.raises(InputError, match="another audit is writing it"):
        RowFile(str(path), HEAD, resume=True)
    rows.add(ROW)
    rows.close()
    assert path.read_bytes() == GOOD + LINE


def test_only_plain_files_hold_rows(tmp_path):
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    for name in ("pipe.jsonl", "full.jsonl"):
        with pytest.raises(InputError, match="is not a plain file"):
            RowFile(str(tmp_path / name), HEAD)
    (tmp_path / "d.jsonl").mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        RowFile(str(tmp_path / "d.jsonl"), HEAD)


def test_a_full_disk_is_one_line_and_loses_no_row(deep, varnum, tmp_path):
    """The shell's limit on the size of a file stands in for a full disk."""
    options, whole = deep
    path = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "varnum", *options, "--out", str(path)]
    limited = ["sh", "-c", 'ulimit -f 20; exec "$@"', "sh", *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"varnum: error: {path}: cannot write (File too large)")
    assert done.stderr.count("\n") == 1
    assert whole.startswith(path.read_bytes())
    assert varnum(*options, "--out", path, "--resume")[0] == 0
    assert path.read_bytes() == whole


def test_edited_rows_are_refused_or_said_to_be_trusted(deep, varnum, tmp_path):
    """A checksum is no proof: it can be made anew."""
    options, whole = deep
    path, page = tmp_path / "rows.jsonl", tmp_path / "r.html"
    lines = whole.split(b"\n")

    def resumed(change, number=2):
        row = json.loads(lines[number - 1])
        del row["crc32"]
        change(row)
        line = json.dumps(row | {"crc32": zlib.crc32(json.dumps(row).encode())}).encode()
        edited = [*lines[: number - 1], line, *lines[number:]]
        path.write_bytes(b"\n".join(edited))
        return varnum(*options, "--out", path, "--resume", "--html", page)

    code, _, err = resumed(lambda row: row.update(rank_apriori=1))
    assert code == 0
    said = f"{len(lines) - 2} rows were taken from {path} as found: a checksum shows damage, not"
    assert said in err
    assert "rows were taken from" in page.read_text()
    spoilt = {
        "rank_apriori": lambda row: row.pop("rank_apriori"),
        "M": lambda row: row.update(M="large"),
        "scales: M": lambda row: row["scales"][0].pop("M"),
        "scales": lambda row: row.update(scales=3),
        "eps": lambda row: row.update(eps=float("nan")),
        "extra": lambda row: row.update(extra=1),
        "pays_apriori": lambda row: row.update(pays_apriori=1),
    }
    for name, change in spoilt.items():
        code, out, err = resumed(change)
        assert (code, out) == (2, "")
        assert f"line 2: {name}: not as it is written" in err
        assert err.count("\n") == 1
    code, _, err = resumed(lambda row: row.update(layer=[1]))
    assert (code, "line 2 names no row" in err) == (2, True)
    budget = next(n for n, line in enumerate(lines, 1) if b'"budget"' in line)
    code, _, err = resumed(lambda row: row["steps"][0].pop("zeta"), budget)
    assert (code, "steps: zeta: not as it is written" in err) == (2, True)
    path.write_bytes(b"[" * 100_000 + b"\n")
    code, _, err = varnum(*options, "--out", path, "--resume")
    assert (code, "line 1 is not JSON" in err) == (2, True)
    path.write_bytes(b'{"schema": "varnum/audit-rows/1", "digest": 1, "question": [1]}\n')
    code, _, err = varnum(*options, "--out", path, "--resume")
    assert (code, "began with another question" in err) == (2, True)


def test_a_name_that_is_not_utf8_is_shown_escaped(varnum, tmp_path):
    from varnum.cli.audit import _write_html

    _write_html(str(tmp_path / "r.html"), "<p>caf\udce9.npz</p>")
    assert (tmp_path / "r.html").read_bytes() == b"<p>caf\\udce9.npz</p>"
