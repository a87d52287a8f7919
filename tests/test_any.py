"""The rigorous core names its types: no bare `Any` in it, but for the lines listed here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "varnum"
CORE = (
    "balls", "checker", "recheck", "formulas", "approx", "floats", "circuit", "loop", "proof",
    "lowrank", "propagate",
    "tensor.py", "outward.py", "verdict.py", "value.py",
    "_certificate.py", "_portable.py", "_spread.py", "sampled/row_sample.py", "sampled/rows.py",
)  # fmt: skip
ALLOWED: dict[str, tuple[int, str]] = {}  # file -> how many, why


def mentions(code: str) -> list[int]:
    """The lines on which `Any` is used; importing it is no use."""
    found = []
    for node in ast.walk(ast.parse(code)):
        named = isinstance(node, ast.Name) and node.id == "Any"
        reached = isinstance(node, ast.Attribute) and node.attr == "Any"
        quoted = isinstance(node, ast.Constant) and _in_text(node.value)
        if named or reached or quoted:
            found.append(node.lineno)
    return sorted(found)


def _in_text(value: object) -> bool:
    """Whether a quoted annotation uses it; prose does not parse, or only names it in passing."""
    if not isinstance(value, str) or "Any" not in value:
        return False
    try:
        return bool(mentions(value))
    except SyntaxError:
        return False


def test_it_is_noticed_in_each_spelling() -> None:
    code = "from typing import Any\ndef f(x: Any) -> typing.Any: ...\ny: 'list[Any]' = []\n"
    assert mentions(code) == [2, 2, 3]
    assert mentions('"""Any array will do."""\nAnyDtype = int\n') == []


@pytest.mark.parametrize("room", CORE)
def test_none_in_the_core(room: str) -> None:
    path = ROOT / room
    files = [path] if path.suffix else sorted(path.rglob("*.py"))
    assert files
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        lines = mentions(file.read_text())
        most, _why = ALLOWED.get(name, (0, ""))
        assert len(lines) == most, f"{name}: `Any` on lines {lines}; {most} allowed: name the type"
