"""varnum kv --sparsity and --evict: JSON against the schemas, text, one-line errors."""

import json
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from varnum.cli import main

HEADS = Path(__file__).parents[1] / "data" / "heads" / "text_L160_d32.npz"
TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "array": list,
         "object": dict, "null": type(None)}  # fmt: skip


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["varnum", "kv", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return call


def check(value, rule, where="document"):
    """The parts of JSON Schema that ours use."""
    types = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
    assert any(isinstance(value, TYPES[t]) for t in types), f"{where}: {value!r}"
    if isinstance(value, dict):
        assert set(rule["required"]) <= value.keys() <= rule["properties"].keys(), where
        for name, part in value.items():
            inner = rule["properties"][name]
            assert inner["description"], f"{where}.{name}"
            check(part, inner, f"{where}.{name}")
    if isinstance(value, list):
        for part in value:
            check(part, rule["items"], f"{where}[]")
    if "enum" in rule:
        assert value in rule["enum"], where


def schema(document):
    name = document["schema"].split("/")[1]
    return json.loads((resources.files("varnum") / "schemas" / f"{name}.json").read_text())


@pytest.mark.parametrize(
    "options",
    [("--rows", 424, "--dv", 64, "--bits", 8),
     ("--model", "var-d16", "--atoms", 512, "--read-rows", 7),
     ("--schedule", "1,2,3,4", "--scale", "2.5", "--dk", 20),
     ("--model", "all", "--keeps", "4096"), ("--model", "infinity-2b", "--keeps", "99999")],
)  # fmt: skip
def test_sparsity_json(run, options):
    code, out, _ = run("--sparsity", 4, "--json", *options)
    document = json.loads(out)
    check(document, schema(document))
    assert code == document["exit_code"]
    if "424" in map(str, options):
        assert (document["bits_dense"], document["bits_sparse"]) == (217088, 21733)


def test_sparsity_text(run):
    code, out, _ = run("--model", "var-d16", "--sparsity", 8)
    text = " ".join(out.split())
    assert code == 0
    assert "40 704 bits are needed and suffice: 5.33 times fewer than dense" in text
    assert "attention sparsity no saving" in text
    code, out, _ = run("--model", "var-d16", "--sparsity", 64, "--keeps", 16383)
    assert code == 1
    assert "BELOW what must be kept" in out
    code, out, _ = run("--model", "all", "--sparsity", 64, "--keeps", 65536)
    assert code == 1
    assert "infinity-8b" in out


@pytest.mark.parametrize(
    ("options", "stages"),
    [((HEADS,), 1), ((HEADS, "--merge", 16, "--policy", "snapkv"), 1),
     ((HEADS, "--cut", 100, "--policy", "random", "--seed", 3), 1),
     (("run", "--random", "var-tiny", "--merge", 4, "--label", 2), 3)],
)  # fmt: skip
def test_evict_json(run, options, stages, tmp_path):
    path = tmp_path / "q.npz"
    code, out, _ = run("--evict", *options, "--keep", "0.5", "--per-query", path, "--json")
    document = json.loads(out)
    check(document, schema(document))
    assert code == 0
    for name in ("error", "mass", "dropped"):
        assert document[f"{name}_measured"] <= document[f"{name}_certified"]
    assert len(document["heads"][0]["stages"]) == stages
    with np.load(path) as arrays:
        worst = max(arrays[n].max() for n in arrays.files if n.startswith("error_measured"))
    assert worst == document["error_measured"]


@pytest.mark.parametrize("source", [(HEADS,), ("run", "--random", "var-tiny", "--merge", 3)])
def test_evict_picture(run, source, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "e.svg"
    code, out, _ = run("--evict", *source, "--plot", path)
    assert code == 0
    assert "wrote" in out
    assert "</svg>" in path.read_text()
    code, _, err = run("--evict", *source, "--plot", tmp_path / "e.txt")
    assert code == 2
    assert "must end in" in err


def test_evict_text(run):
    code, out, _ = run("--evict", HEADS, "--merge", 16)
    assert code == 0
    assert "80+16/160" in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = run("--evict", "run", "--random", "var-tiny")
    assert out.splitlines()[1].startswith("2 ")
    assert "worst of 8 heads" in out


def test_far_scales_and_large_counts_are_short_and_exact(run):
    code, out, _ = run("--model", "var-d16", "--sparsity", 8, "--scale", "1e-300")
    assert code == 0
    assert "at scale 1e-300 " in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = run("--model", "var-d16", "--sparsity", 8, "--scale", "1e-300", "--json")
    assert json.loads(out)["at_scale"]["scale"] == "1e-300"
    large = ("--rows", 10**9, "--dv", 10**6, "--bits", 64, "--heads", 3)
    code, out, _ = run("--sparsity", 8, *large, "--json")  # at once: dense rows are not summed up
    found = json.loads(out)
    assert found["bits_dense"] == str(64 * 10**15)
    assert found["bits_sparse"] < 2**53


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--evict", "none.npz"), "none.npz does not exist"),
        (("--evict", HEADS, "--policy", "lru"), "--policy: no 'lru'"),
        (("--evict", HEADS, "--keep", "1.5"), "--keep: 1.5"),
        (("--evict", HEADS, "--cut", 5, "--schedule", "1,2"), "--cut: not with --schedule"),
        (("--evict", HEADS, "--cut", 160), "--cut: 160 is not allowed"),
        (("--evict", HEADS, "--random", "var-tiny"), "--random: an option of --evict run"),
        (("--evict", HEADS, "--per-query", "x.txt"), "ending in .npz"),
        (("--evict", "run"), "weights: give"),
        (("--evict", "run", "--random", "var-tiny", "--label", 99), "--label: 99"),
        (("--rows", 4, "--keep", "0.5"), "--keep: not an option of kv without --evict"),
        (("--evict", HEADS, "--rows", 4), "--rows: not an option of --evict"),
        (("--sparsity", 4, "--rank", 3, "--rows", 4), "--rank: not an option of --sparsity"),
        (("--rows", 4, "--scale", 3), "--scale: not an option of kv without --sparsity"),
        (("--sparsity", 4, "--model", "all", "--rows", 4), "takes the sizes from the models"),
        (("--sparsity", 4, "--rows", 4, "--keeps", "x"), "--keeps: 'x' is not a decimal"),
    ],
)
def test_bad_options(run, options, says):
    code, _, err = run(*options)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
