"""Whatever lies in the file: one line and an exit code, from each of the three ways to run it."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import varnum.checker
from varnum.checker import Malformed, NotProved, check, serialise
from varnum.checker.__main__ import main
from varnum.checker.certificate import MAX_BYTES
from varnum.cli.check import check as check_verb
from varnum.errors import InputError

Content = dict[str, Any]
FOLDER = Path(varnum.checker.__file__).parent
DEEP = 100_000
GARBAGE = {
    "empty": b"",
    "newline": b"\n",
    "not text": bytes(range(256)),
    "UTF-16": "{}".encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "other JSON": b"[1, 2]\n",
    "null": b"null\n",
    "empty object": b"{}\n",
    "NaN": b'{\n "eps": NaN\n}\n',
    "infinity": b'{\n "eps": 1e999999\n}\n',
    "huge integer": b'{\n "degree": ' + b"9" * 100_000 + b"\n}\n",
    "deep list": b"[" * DEEP,
    "deep list, closed": b"[" * DEEP + b"]" * DEEP,
    "deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "half deep": b"[" * 700 + b"]" * 700 + b"\n",
    "too long": b" " * (MAX_BYTES + 1),
    "control characters": b"\x1b[2J\x00",
    "lone surrogate": b'{\n "eps": "\\ud800"\n}\n',
}


@pytest.fixture
def good(contents: dict[str, Content], tmp_path: Path) -> Path:
    path = tmp_path / "c.json"
    path.write_bytes(serialise(contents["relative"]))
    return path


def false(contents: dict[str, Content], path: Path) -> Path:
    content = deepcopy(contents["relative"])
    content["eps"] = "0.0005"
    path.write_bytes(serialise(content))
    return path


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(GARBAGE[name])
    assert main([str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("not a certificate: ")
    assert err.count("\n") == 1
    assert len(err) < 200


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(Malformed):
        check(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.text(max_size=20) | st.sampled_from(["upper", "lower", "degree", "interval"]))
def test_any_json_in_any_place(contents: dict[str, Content], data: st.DataObject, key: str) -> None:
    """Canonical, digest right, one entry of the wrong kind (or one too many)."""
    good = contents["relative"]
    content = {**good, key: data.draw(json_values.filter(lambda v: v != good.get(key)))}
    with pytest.raises((Malformed, NotProved)):
        check(serialise(content))


def test_twice_the_same_key(contents: dict[str, Content]) -> None:
    data = serialise(contents["relative"]).replace(b' "eps"', b' "eps": "0.5",\n "eps"', 1)
    with pytest.raises(Malformed, match="digest"):
        check(data)


def test_canonical_bytes_alone_pass(contents: dict[str, Content]) -> None:
    data = serialise(contents["relative"])
    again = [
        json.dumps(json.loads(data), indent=2).encode(),
        data[:-1],
        data + b"\n",
        data.replace(b"\n", b"\r\n"),
        data.replace(b"relative", b"\\u0072elative"),
    ]
    for other in again:
        with pytest.raises(Malformed):
            check(other)


@pytest.mark.parametrize(
    ("places", "degree", "lower"),
    [(16384, 400, None), (16384, 60, None), (2000, 400, None), (60, 400, 400)],
)
def test_too_much_work_is_refused_before_it_starts(
    places: int, degree: int, lower: int | None, contents: dict[str, Content]
) -> None:
    content = deepcopy(contents["relative"])
    content["degree"], content["minimal"] = degree, False
    content["upper"] = {
        "exponent": -16384,
        "numerators": ["0x" + "f" * 4096] * (degree + 1),
        "brackets_exponent": -places,
        "brackets": [[hex(2 * k), hex(2 * k + 1)] for k in range(degree)],
    }
    content["lower"] = lower and {
        "degree": lower,
        "points_exponent": -16384,
        "points": [hex(k) for k in range(lower + 2)],
    }
    with pytest.raises(Malformed, match=r"work|bytes"):
        check(serialise(content))


@pytest.mark.parametrize("path", ["", ".", "/", "no such file", "\0", "a\nb", "x" * 5000])
def test_unreadable(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([path]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage:")


def test_a_bare_python_runs_the_folder(
    good: Path, contents: dict[str, Content], tmp_path: Path
) -> None:
    """A copy under another name, no site packages (-S), no environment, no current folder (-I)."""
    copy = tmp_path / "copied"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def run(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
        command = [sys.executable, "-I", "-S", str(copy), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    said = str(check(good.read_bytes())) + "\n"
    assert run(str(good)) == (0, said, "")
    assert run("-", given=good.read_bytes()) == (0, said, "")
    code, out, err = run(str(false(contents, tmp_path / "false.json")))
    assert (code, err) == (1, "")
    assert out.startswith("not proved: ")
    code, out, err = run("-", given=b"{}")
    assert (code, out) == (2, "")
    assert err.startswith("not a certificate: ")


def test_the_module_runs(good: Path) -> None:
    command = [sys.executable, "-m", "varnum.checker", str(good)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("proved: ")


def test_it_is_small_and_stands_alone() -> None:
    """Standard library and itself; no float anywhere; short enough for one sitting."""
    lines = {"circuit": 0, "evaluation": 0, "": 0}  # these two have readers of their own
    for path in FOLDER.rglob("*.py"):
        own = path.stem if path.parent == FOLDER else path.parent.name
        lines[own if own in lines else ""] += sum(
            bool(line.strip()) for line in path.read_text().splitlines()
        )
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert all(name.name in sys.stdlib_module_names for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                top = str(node.module).split(".")[0]
                assert node.level in (1, 2) or top in sys.stdlib_module_names
            elif isinstance(node, ast.Constant):
                assert not isinstance(node.value, float)
            elif isinstance(node, ast.Name):
                assert node.id != "float"
            elif isinstance(node, ast.BinOp):
                assert not isinstance(node.op, ast.Div) or path.name in ("proof.py", "shift.py")
    assert lines[""] < 310
    assert lines["circuit"] < 220
    assert lines["evaluation"] < 600


def test_the_example_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "certificate.md").read_text()
    example = page.split("```json\n")[1].split("```")[0]
    said = page.split("```text\n")[1].split("```")[0]
    assert str(check(example.encode())) + "\n" == said


def verb(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    """`varnum check` in a process of its own."""
    command = [sys.executable, "-m", "varnum", "check", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_verb(good: Path, contents: dict[str, Content], tmp_path: Path) -> None:
    said = str(check(good.read_bytes())) + "\n"
    assert verb(str(good)) == (0, said, "")
    assert verb("-", given=good.read_bytes()) == (0, said, "")
    code, out, err = verb(str(false(contents, tmp_path / "f.json")))
    assert (code, err) == (1, "")
    assert out.startswith("not proved: ")
    code, out, err = verb("-", given=b"{}")
    assert (code, out) == (2, "")
    assert err.startswith("varnum: error: ")
    assert err.count("\n") == 1


def test_certify_and_check(tmp_path: Path) -> None:
    """The two commands of the manual, and the JSON of the second."""
    path = tmp_path / "c.json"
    command = [sys.executable, "-m", "varnum", "certify", "--M", "4", "--eps", "1e-6"]
    path.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    code, out, err = verb("--json", str(path))
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert (answer["schema"], answer["verdict"]) == ("varnum/check/2", "proved")
    assert (answer["degree"], answer["lower_degree"], answer["minimal"]) == (13, 12, True)
    assert float(answer["error_at_most"]) < 1e-6 < float(answer["lower_error_at_least"])


def test_verb_json_of_a_false_statement(
    contents: dict[str, Content], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_verb(str(false(contents, tmp_path / "f.json")), as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "refuted"


@pytest.mark.parametrize("name", GARBAGE)
def test_verb_bad_input(name: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(GARBAGE[name])
    with pytest.raises(InputError) as caught:
        check_verb(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["", ".", "no such file", "\0", "a\nb"])
def test_verb_unreadable(path: str) -> None:
    with pytest.raises(InputError) as caught:
        check_verb(path)
    assert "\n" not in str(caught.value)
