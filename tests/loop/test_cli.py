"""varnum loop: JSON against its schema, text, exit codes, one-line errors."""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from varnum.cli import main

TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "null": type(None),
         "array": list, "object": dict}  # fmt: skip


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["varnum", "loop", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


def check(value, rule, name):
    types = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    allowed = tuple(t for k in types for t in np.ravel(np.array(TYPES[k], dtype=object)))
    assert isinstance(value, allowed), name
    assert not (isinstance(value, bool) and "boolean" not in types), name
    assert rule["description"]
    assert value in rule.get("enum", [value])
    for key, inner in rule.get("properties", {}).items():
        if isinstance(value, dict) and key in value:
            check(value[key], inner, f"{name}.{key}")
    if isinstance(value, list) and "items" in rule:
        for item in value:
            check(item, rule["items"], f"{name}[]")
    if isinstance(value, dict):
        assert value.keys() <= rule["properties"].keys(), name


def document(out):
    schema = json.loads((resources.files("varnum") / "schemas" / "loop.json").read_text())
    found = json.loads(out)
    check(found, schema | {"description": "all"}, "document")
    assert set(schema["required"]) <= found.keys()
    return found


@pytest.fixture
def near_identity(tmp_path):
    rng = np.random.default_rng(0)
    W = np.eye(50) + rng.uniform(-1, 1, (50, 50)) * 1e-3
    path = tmp_path / "net.npz"
    np.savez(path, W=W, b=np.full(50, 0.1))
    return path


def test_all_boxes_of_a_file(run, near_identity):
    code, out, _ = run(near_identity, "--activation", "cubic", "--json", "--exit", "1e-3")
    found = document(out)
    assert code == 0 == found["exit_code"]
    assert found["certified"] == "2^50"
    assert found["tolerance"] == pytest.approx(3**-1.5 / 1, rel=1e-12)
    assert found["rate"] < 1
    assert found["noise"] > 0
    assert found["assurance"] == "proved for this run"
    code, out, _ = run(near_identity, "--activation", "cubic")
    assert "2^50 certified, one per orthant box" in out


@pytest.mark.parametrize(
    ("options", "code", "certified"),
    [
        (("--cubic", "--d", 10_000, "--e", "0.1", "--beta", "0.085"), 0, "2^10000"),
        (("--cubic", "--d", 3, "--beta", "0.1926"), 1, None),
        (("--tanh", "--d", 3, "--beta", "0.5"), 0, "2^3"),
        (("--tanh", "--d", 3, "--beta", "0.54"), 1, None),
        (("--activation", "exp-poly", "--d", 1000, "--e", "0.01", "--beta", "0.01"), 0, "2^1000"),
        (("--cubic", "--d", 3, "--beta", "0.19", "--noise", "0.01"), 3, None),
    ],
)
def test_all_networks_of_given_norms(run, options, code, certified):
    found, out, _ = run(*options, "--json")
    assert found == code
    assert document(out)["certified"] == certified
    text_code, text, _ = run(*options)
    assert text_code == code
    assert (certified or "not certified") in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "--d is needed"),
        (("--cubic", "--tanh", "--d", 2), "one of them"),
        (("--cubic", "--d", 0), "dimension"),
        (("--cubic", "--d", 2, "--e", "-1"), "negative"),
        (("--cubic", "--d", 2, "--c", "2"), "--c"),
        (("--cubic", "--d", 2, "--noise", "-1"), "--noise"),
        (("absent.npz",), "no such file"),
        (("--activation", "sine", "--d", 2), "allowed"),
        (("--activation", "poly:1,x", "--d", 2), "poly:1,x"),
    ],
)
def test_bad_input_is_one_line(run, options, says):
    code, out, err = run(*options)
    assert code == 2
    assert not out
    assert err.startswith("varnum: error: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"b": np.zeros(2)}, "expected arrays W"),
        ({"W": np.zeros((2, 3))}, "shape (2, 3)"),
        ({"W": np.eye(2), "b": np.zeros(3)}, "b has shape"),
        ({"W": np.full((2, 2), np.nan)}, "NaN"),
        ({"W": np.array([["a"]])}, "dtype"),
    ],
)
def test_bad_files_are_one_line(run, tmp_path, arrays, says):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    code, _, err = run(path)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1


FLIPFLOP = (
    [[-0.72, -0.24, -0.25, 0.91], [-0.6, 0.01, 0.08, -1.26],
     [-0.63, 0.64, 1.41, 1.09], [0.26, -0.82, 0.1, 0.45]],
    [-0.18, 0.02, -0.06, 0.04],
)  # fmt: skip


def saved(path, W, b):
    np.savez(path, W=np.array(W, dtype=float), b=np.array(b, dtype=float))
    return path


def test_count_of_a_file(run, tmp_path):
    path = saved(tmp_path / "flipflop.npz", *FLIPFLOP)
    code, out, _ = run(path, "--count", "--json")
    found = document(out)
    assert code == 0
    assert (found["count"], found["attracting"], found["complete"]) == (9, 4, True)
    assert found["boxes"] > 9
    for point in found["points"]:
        assert all(a <= x <= b for a, x, b in zip(
            point["low"], point["point"], point["high"], strict=True))  # fmt: skip
    code, out, _ = run(path, "--count")
    assert "9 in R^4, exactly" in out
    assert "4 attracting, 5 not" in out


def test_count_with_a_box_and_sturm(run, tmp_path):
    path = saved(tmp_path / "two.npz", [[1, -0.05], [0, 1]], [-0.1426, 0])
    code, out, _ = run(path, "--activation", "cubic", "--count", "--json")
    found = document(out)
    assert (code, found["count"], found["attracting"], found["sturm"]) == (0, 7, 3, 7)
    code, out, _ = run(path, "--activation", "cubic", "--count", "--box", "-2,2", "--json")
    assert document(out)["count"] == 7
    code, out, _ = run(path, "--activation", "cubic", "--count", "--box", "-2,1", "--json")
    found = document(out)
    assert code == 3
    assert found["verdict"] == "unknown"
    assert found["count"] is None
    assert "face" in found["reason"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--count", "--box", "1"), "--box"),
        (("--count", "--box", "2,1"), "empty"),
        (("--box", "0,1"), "only with --count"),
        (("--count", "--boxes", "0"), "--boxes"),
        (("--count", "--noise", "1e-3"), "--noise, --exit: not with --count"),
        (("--count", "--exit", "1e-3"), "--noise, --exit: not with --count"),
        (("--count", "--activation", "silu"), "--box"),
    ],
)
def test_bad_count_options_are_one_line(run, tmp_path, options, says):
    path = saved(tmp_path / "one.npz", [[2.0]], [0.0])
    code, _, err = run(path, *options)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1


def test_single_points_of_a_file(run, tmp_path):
    path = saved(tmp_path / "flipflop.npz", *FLIPFLOP)
    code, out, _ = run(path, "--json", "--starts", 12, "--exit", "1e-3")
    found = document(out)
    assert code == 0
    kinds = [point["stability"] for point in found["certified"]]
    assert kinds.count("attracting") == 4
    assert found["noise"] > 0
    assert found["rate"] < 1
    code, out, _ = run(path, "--starts", 12, "--exit", "1e-3")
    assert "certified, each the only one in its ball" in out
    assert "stop within half the ball when the" in out
    code, out, _ = run(path, "--starts", 12, "--noise", "0.01", "--json")
    assert len(document(out)["certified"]) == 1  # one ball stands so much
    code, out, _ = run(path, "--starts", 12, "--noise", "1", "--json")
    assert code == 3
    assert document(out)["certified"] is None


def test_files_of_torch(run, tmp_path):
    torch = pytest.importorskip("torch")
    W, b = (torch.tensor(x) for x in FLIPFLOP)
    torch.save({"W": W, "b": b}, tmp_path / "net.pth")
    code, out, _ = run(tmp_path / "net.pth", "--count", "--json")
    assert code == 0
    assert document(out)["count"] == 9


def test_a_looped_block(run):
    path = Path(__file__).parents[1] / "data" / "loop" / "sorter.npz"
    code, out, _ = run(path, "--json", "--exit", "1e-3")
    found = document(out)
    assert code == 0
    assert found["inputs"] == len(found["certified"]) == 2
    for point in found["certified"]:
        assert point["entry_radius"] > 0.01
        assert point["loops_certified"] - point["loops_measured"] <= 1
    code, out, _ = run(path, "--noise", "1")
    assert code == 3
    assert "not certified" in out
    code, _, err = run(path, "--count")
    assert code == 2
    assert "a looped block" in err


def test_regions_of_a_file(run, tmp_path):
    path = saved(tmp_path / "two.npz", 2 * np.eye(2), np.zeros(2))
    low = np.array([[0.75, 0.75], [-1, -1]])
    np.savez(tmp_path / "good.npz", low=low, high=low + 0.25)
    np.savez(tmp_path / "bad.npz", low=low + np.array([[0.22, 0], [0, 0]]), high=low + 0.25)
    code, out, _ = run(path, "--regions", tmp_path / "good.npz", "--json")
    assert code == 0
    assert document(out)["certified"] == "2 of 2 regions"
    code, out, _ = run(path, "--regions", tmp_path / "bad.npz")
    assert code == 3
    assert "region 1: it is not mapped into itself" in out


def test_the_picture_shows_what_was_proved(run, tmp_path):
    pytest.importorskip("matplotlib")
    path = saved(tmp_path / "flipflop.npz", *FLIPFLOP)
    assert run(path, "--count", "--plot", tmp_path / "count.svg")[0] == 0
    assert run(path, "--starts", 6, "--plot", tmp_path / "balls.svg")[0] == 0
    assert (tmp_path / "count.svg").stat().st_size > 1000
    code, _, err = run(path, "--plot", tmp_path / "a.gif")
    assert code == 2
    assert "must end in" in err


def test_work_is_split_without_changing_the_answer(run, tmp_path):
    path = saved(tmp_path / "flipflop.npz", *FLIPFLOP)
    code, out, _ = run(path, "--count", "--jobs", 2, "--json")
    assert code == 0
    assert document(out)["count"] == 9


NEGATIVE = [(-1.0, 0.2, "poly:0,-1.5,0,0.5"), (-5.0, 1.0, "relu"), (-5.0, 1.0, "sigmoid")]


@pytest.mark.parametrize(("weight", "bias", "activation"), NEGATIVE)
def test_a_negative_centre_certifies_nothing_at_once(run, tmp_path, weight, bias, activation):
    """About c I with c < 0 the map turns intervals round: the closed forms are not for it."""
    path = tmp_path / "net.npz"
    np.savez(path, W=np.array([[weight]]), b=np.array([bias]))
    _, out, _ = run(path, f"--activation={activation}", "--json")
    assert json.loads(out).get("claim") != "loop-coordinates"


def test_noise_is_in_the_exit(run, tmp_path):
    """With W = 2 and noise 0.1 an orbit may rest 0.1155 away: no step proves an error of 0.05."""
    path = tmp_path / "net.npz"
    np.savez(path, W=np.array([[2.0]]), b=np.zeros(1))
    _, out, _ = run(path, "--noise", "0.1", "--exit", "0.05", "--json")
    assert json.loads(out)["stop_below"] is None
    _, out, _ = run(path, "--exit", "0.05", "--json")
    assert json.loads(out)["stop_below"] > 0.05


def test_the_tolerance_is_said_to_be_the_one_without_noise(run):
    given = ("--cubic", "--d", "100", "--e", "0.05", "--beta", "0.01")
    for noise, said in (("0", False), ("0.01", True)):
        code, out, _ = run(*given, "--noise", noise)
        assert code == 0
        assert ("without noise" in out) == said
