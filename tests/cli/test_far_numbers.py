"""Numbers beyond every format, and what is no number: one line and exit code 2."""

from __future__ import annotations

import sys

import pytest

from varnum.cli import main

FAR = ["1e400", "9" * 500]
NONE = ["nan", "1/0", "1e99999", "\u0663"]
OPTIONS = [
    "bound --M @ --eps 0.1", "bound --W @ --error additive --eps 0.1", "certify --M @ --eps 0.1",
    "bound --R @ --d 4 --sigma 1 --eps 0.1", "bound --M 1 --eps @", "bound --M 1 --output-error @",
    "bound --model-error 1e-2 --norms @,1,1 --R 1 --d 4 --scales 2",
    "bound --model-error 1e-2 --norms 1,1,@ --R 1 --d 4 --scales 2",
    "bound --model-error 1e-2 --norms 1,1,1 --R @ --d 4 --scales 2",
    "bound --model-error 1e-2 --norms 1,1,1 --R 1 --d 4 --scales @",
    "verify --claim softmax-logit --no-checks --timeout @", "regime --c @", "kv --rows @ --dv 4",
]  # fmt: skip


def run(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["varnum", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, *capsys.readouterr()


@pytest.mark.parametrize("option", OPTIONS)
def test_no_number_is_too_far(option, monkeypatch, capsys):
    for value in FAR + NONE:
        if value == "\u0663" and any(name in option for name in ("timeout", "scales @", "rows")):
            continue  # Python's own numbers: a three
        words = [part.replace("@", value) for part in option.split()]
        code, out, err = run(words, monkeypatch, capsys)
        assert (code, out, err.count("\n")) == (2, "", 1), words
        assert "internal" not in err


def test_sizes_and_seeds_of_verify(monkeypatch, capsys):
    for more in (["--timeout", "1e400"], ["--trials", "9" * 30], ["--seed", "-1"]):
        words = ["verify", "--claim", "softmax-logit", *more]
        code, out, err = run(words, monkeypatch, capsys)
        assert (code, out, err.count("\n")) == (2, "", 1), words


def test_tiny_scales_and_empty_ones(monkeypatch, capsys):
    words = ["bound", "--R", "1", "--d", "4", "--eps", "0.1", "--sigma"]
    code, _, err = run([*words, "1e-400"], monkeypatch, capsys)
    assert (code, "beyond what a bound is of use for" in err) == (2, True)
    code, out, _ = run([*words, "1e400"], monkeypatch, capsys)
    assert code == 0
    assert "M = ~4.000000000e-400" in out
    code, _, err = run(["kv", "--model", "var-d16", "--sigma", ""], monkeypatch, capsys)
    assert (code, "sigma" in err) == (2, True)
