"""What README and the docstrings show is run here, and its output compared."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import varnum

README = (Path(__file__).parents[1] / "README.md").read_text()
OPTIONAL = {"torch", "cvc5", "matplotlib", "distributed", "safetensors"}


def shown_command() -> tuple[str, str]:
    """The first install command's varnum part, and the text block README shows for it."""
    command = re.search(r"^pip install -e \. && (varnum .*)$", README, re.M)
    block = re.search(r"```text\n(.*?)```", README, re.S)
    assert command is not None
    assert block is not None
    return command[1], block[1]


def run(command: str) -> str:
    arguments = [sys.executable, "-m", *command.split()]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


def test_readme_shows_what_the_main_command_prints() -> None:
    command, block = shown_command()
    assert run(command) == block


def test_an_edited_output_would_be_seen() -> None:
    command, block = shown_command()
    assert run(command) != block.replace("109", "108")


def test_readme_python() -> None:
    code = re.search(r"```python\n(.*?)```", README, re.S)
    assert code is not None
    expected = re.findall(r"print\(.*\)  # (.*)", code[1])
    out = subprocess.run(
        [sys.executable, "-c", code[1]], capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines() == expected


def test_every_verb_is_in_the_readme_or_help_only() -> None:
    from varnum.cli import VERBS

    for verb in re.findall(r"`varnum (\w+)", README):
        assert verb in VERBS


MODULES = [
    m.name for m in pkgutil.walk_packages(varnum.__path__, "varnum.") if "__main__" not in m.name
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if error.name in OPTIONAL:
            pytest.skip(f"{error.name} is not installed")
        raise
    assert doctest.testmod(module).failed == 0


def test_docstring_examples_are_really_run() -> None:
    total = sum(
        doctest.testmod(importlib.import_module(m)).attempted
        for m in ("varnum._plan", "varnum.verdict")
    )
    assert total >= 2
