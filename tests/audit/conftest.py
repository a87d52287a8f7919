"""The real command in this process, and one audited model that several tests look at."""

from __future__ import annotations

import json
import sys

import pytest

from varnum.audit.executor import ONE_THREAD
from varnum.cli import main


@pytest.fixture
def varnum(monkeypatch, capsys):
    """varnum(*arguments) -> (exit code, stdout, stderr) of the real main()."""
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "1")  # the command sets them; restored afterwards

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["varnum", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return run


@pytest.fixture
def rows_of():
    """rows_of(path) -> the lines of a file of rows, header first."""
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]
