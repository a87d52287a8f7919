"""The checker's own command: which reader takes a file, and codes where no answer arrives."""

from __future__ import annotations

import hashlib
import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from varnum.approx.ship.evaluation_certificate import certificate
from varnum.approx.ship.formats import format_named
from varnum.approx.ship.goal import Goal
from varnum.approx.ship.kernel import Kernel, certify_kernel
from varnum.checker import circuit
from varnum.checker.__main__ import main, say
from varnum.circuit import parts
from varnum.circuit.file import circuit_file


class Deaf:
    """A stream whose reader is gone, or whose disk is full."""

    def __init__(self, error: type[OSError], path: Path) -> None:
        self.error = error
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT)

    def write(self, text: str) -> int:
        return len(text)  # it is noticed when what was written is sent on

    def flush(self) -> None:
        raise self.error

    def fileno(self) -> int:
        return self.fd


@pytest.mark.parametrize(("code", "full", "gone"), [(0, 3, 141), (1, 3, 141), (2, 2, 2)])
def test_an_answer_that_does_not_arrive_says_nothing_of_the_file(
    code: int, full: int, gone: int, tmp_path: Path
) -> None:
    here = tmp_path / "out"
    streams: list[tuple[Any, int]] = [
        (None, full), (Deaf(OSError, here), full), (Deaf(BrokenPipeError, here), gone),
    ]  # fmt: skip
    for stream, said in streams:
        assert say("text", stream, code) == said
        if stream is not None:  # what is left in it goes nowhere, and raises nothing
            assert os.path.samestat(os.fstat(stream.fd), os.stat(os.devnull))


def test_a_circuit_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part, path = parts.add(3, 2), tmp_path / "c.json"
    path.write_bytes(circuit_file(part, part.build()))
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.startswith("circuit (")
    body = {k: v for k, v in json.loads(path.read_bytes()).items() if k != "digest"}
    body["counts"]["gates"] += 1
    digest = "sha256:" + hashlib.sha256(circuit._canonical(body)).hexdigest()
    path.write_bytes(circuit._canonical({**body, "digest": digest}))
    assert main([str(path)]) == 1
    assert "not proved" in capsys.readouterr().out
    assert main([str(path), str(path)]) == 2
    assert main([]) == 2
    path.write_text("{}")
    assert main([str(path)]) == 2
    assert "usage" in capsys.readouterr().err


def test_an_evaluation_is_read_by_its_own_reader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = Goal("exp2", Fraction(0), Fraction(1, 64), "relative")
    kernel = certify_kernel(goal, format_named("bfloat16"), 1)
    assert isinstance(kernel, Kernel)
    path = tmp_path / "e.json"
    path.write_text(certificate(kernel))
    assert main([str(path)]) == 0
    assert capsys.readouterr().out
