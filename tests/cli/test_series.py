"""varnum series: JSON against its schema, text, one-line errors."""

import json
import sys
from importlib import resources
from pathlib import Path

import pytest

from varnum.cli import main

DATA = Path(__file__).parents[1] / "data" / "series"
TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "null": type(None)}


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["varnum", "series", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


@pytest.mark.parametrize(
    "options",
    [(), ("--skip",), ("--heads", "diff:1/2"), ("--heads", "+-", "--normalise", "window"),
     ("--windows", "first:0.7", "--normalise", "train", "--heads", "-")],
)  # fmt: skip
def test_json_is_what_the_schema_says(run, options):
    code, out, _ = run(DATA / "sunspots.csv", "--json", *options)
    assert code == 0
    document = json.loads(out)
    schema = json.loads((resources.files("varnum") / "schemas" / "series.json").read_text())
    assert document.keys() == schema["properties"].keys() == set(schema["required"])
    for name, rule in schema["properties"].items():
        types = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
        assert any(isinstance(document[name], TYPES[t]) for t in types), name
        assert rule["description"]


def test_the_headline_on_co2(run):
    code, out, _ = run(DATA / "co2.csv", "--skip", "--windows", "first:0.7")
    text = " ".join(out.split())
    assert code == 0
    assert "0.0 % of 356 windows (first:0.7 of the values)" in text
    assert "one head + skip >= 0.992 of E (y - x_T)^2" in text
    assert "raw inputs rule such a model out" in text
    assert "with each window's mean removed nothing is ruled out" in text
    assert "no forecast" in text
    _, out, _ = run(DATA / "co2.csv", "--skip", "--normalise", "window")
    assert "nothing is ruled out" in out


def test_a_header_is_optional_and_columns_are_chosen(run, tmp_path):
    rows = "1,4\n2,4\n3,5\n5,4\n"
    plain, named = tmp_path / "plain.csv", tmp_path / "named.csv"
    plain.write_text(rows)
    named.write_text("a,b\n" + rows)
    answers = []
    for arguments in ((plain, "--column", "1"), (named, "--column", "a"), (named, "--column", "1")):
        _, out, _ = run(*arguments, "--window", "2", "--json")
        document = json.loads(out)
        answers.append({k: v for k, v in document.items() if k not in ("file", "column")})
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["values"] == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--window", "0"), "--window: 0 is not allowed"),
        (("--window", "999"), "at most 512"),
        (("--heads", "two"), "--heads: no 'two'"),
        (("--heads", "diff:-1"), "lambda is 0 or more"),
        (("--windows", "first:2"), "above 0, at most 1"),
        (("--normalise", "all"), "--normalise: no 'all'"),
        (("--column", "zz"), "--column: no 'zz'"),
        (("--plot", "x.txt"), "must end in one of"),
    ],
)
def test_bad_options(run, options, says):
    code, out, err = run(DATA / "co2.csv", *options)
    assert code == 2
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a\n1\n\nnan\n", "line 4"),
        ("a,b\n1,2\n3\n", "line 3: no value in column 2"),
        ("5\n5\n5\n", "the unit"),
        ("5\n", "needs more than"),
        ("a,b\n", "needs more than"),
        ("1\n1e400\n2\n", "line 2: sizes between"),
    ],
)
def test_bad_files(run, tmp_path, text, says):
    path = tmp_path / "x.csv"
    path.write_text(text)
    code, _, err = run(path, "--window", "1", "--skip")
    assert code == 2
    assert says in err


def test_a_first_line_that_is_no_number_is_named_as_the_header(run, tmp_path):
    path = tmp_path / "x.csv"
    for first, said in (("1.O", True), ("1.0", False)):
        path.write_text("\n".join([first, *"1234521431542"]))
        code, out, err = run(path, "--window", "2")
        assert code == 0
        assert ("taken as the header: '1.O'" in err) == said
        assert "header" not in out


def test_a_picture_is_drawn(run, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "s.svg"
    code, out, _ = run(DATA / "unemp.csv", "--skip", "--plot", path)
    assert code == 0
    assert "wrote" in out
    assert "</svg>" in path.read_text()
