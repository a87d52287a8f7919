"""What a person sees: help with an example, 80 columns, no colour in pipes, doctor."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import typer

from tests.support.command import varnum
from varnum import __version__
from varnum.cli import VERBS, build, main
from varnum.text import filled

PICTURES = ("degree", "rank", "error", "cost", "tightness", "budget", "phase")
GROUPS = {"hardness": ("sat", "closest", "wrap"), "plot": ("degree", "budget", "phase")}
COMMANDS = [[verb] for verb in VERBS] + [[g, c] for g, below in GROUPS.items() for c in below]


@pytest.mark.parametrize("command", COMMANDS, ids="-".join)
def test_help_says_how_what_and_an_example(command: list[str]) -> None:
    run = varnum(*command, "--help")
    assert run.returncode == 0
    assert run.stdout.startswith(f"Usage: varnum {' '.join(command)} ")
    assert "Example" in run.stdout
    assert f"varnum {command[0]}" in run.stdout.split("Example")[1]
    assert max(map(len, run.stdout.splitlines())) <= 80
    assert "\x1b" not in run.stdout
    assert "..." not in run.stdout.partition("Commands:")[2]  # no summary is cut off


def test_without_arguments_the_verbs_are_listed() -> None:
    run = varnum()
    assert run.returncode == 0
    assert all(f"\n  {verb} " in run.stdout for verb in VERBS)
    assert "..." not in run.stdout.partition("Commands:")[2]  # no line is cut off
    assert varnum("plot").stdout.startswith("Usage: varnum plot ")
    assert varnum("plot").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["bond"], "bond"), (["bound", "--eps"], "--eps"), (["plot", "degre"], "degre")],
)
def test_a_slip_is_one_line(arguments: list[str], said: str) -> None:
    run = varnum(*arguments)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert run.stderr.startswith("varnum: error: ")
    assert said in run.stderr


CNF = "p cnf 3 3\n1 -2 0\n2 3 -1 0\n-3 0\n"
WORDS = "0011\n0101\n\n1111\n0001\n"
TABLES = (
    "bound --M 4 --eps 1e-6 --d 64",
    "bound --M 1000 --eps 1e-2",
    "bound --model var-d36 --eps 1e-2 --explain --solve M",
    "bound --error additive --W 8 --output-error 1e-2 --d 8 --n 16 --explain --solve d",
    "bound --model-error 1e-2 --norms 1,1,1 --R 1 --d 8 --sigma d --scales 3",
    "verify --claim softmax-relative --no-checks",
    "verify --claim rank-reference",
    "hardness sat f.cnf --error 0.1249",
    "hardness closest w.txt",
    "hardness wrap f.cnf",
    "kv --model var-d36 --rank 100000",
    "kv --demo --bits 1",
    "kv --model var-d36 --sparsity 8 --scale 3 --keeps 9999",
    "kv --model all --sparsity 64 --keeps 40000",
    "kv --evict heads.npz --merge 5",
    "kv --evict run --random var-tiny --merge 3",
    "series co2.csv --skip --heads diff:1/2",
    "regime --c 1 --p 1 --b 0.1",
    "attention --q q.npy --k k.npy --v v.npy --sigma sqrt --output-error 1e-2",
    "run --random var-tiny --labels 1,2",
    "audit --random var-tiny",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files are that tables and examples name."""
    monkeypatch.chdir(tmp_path)
    for name in ("f.cnf", "formula.cnf"):
        Path(name).write_text(CNF)
    for name in ("w.txt", "words.txt"):
        Path(name).write_text(WORDS)
    shutil.copy(Path(__file__).parents[1] / "data" / "series" / "co2.csv", "co2.csv")
    random = np.random.default_rng(0)
    np.savez("heads.npz", **{name: random.standard_normal((30, 4)) for name in "qkv"})
    np.savez("net.npz", W=2 * np.eye(2), b=np.zeros(2))
    for name in "qkv":
        np.save(name, np.random.default_rng(0).standard_normal((300, 8)) / 4)
    return tmp_path


def here(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of a command in this process."""
    monkeypatch.setattr(sys, "argv", ["varnum", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize("arguments", TABLES)
@pytest.mark.usefixtures("folder")
def test_no_table_is_wider_than_80_columns(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(arguments.split(), monkeypatch)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) >= 3, err
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert "\x1b" not in out


@pytest.mark.parametrize("kept", ["174 083 910", "M <= 3.58", "w2 = -1"])
@pytest.mark.parametrize("before", range(60, 80))
def test_no_line_ends_inside_a_number_or_beside_its_sign(kept: str, before: int) -> None:
    lines = filled("x" * before + " " + kept).split("\n")
    assert any(kept in line for line in lines)
    assert max(map(len, lines)) <= 80


EXAMPLES = {"hardness": ("sat", "closest", "wrap"), "plot": PICTURES}
SHOWN = [[verb] for verb in VERBS if verb not in EXAMPLES]
SHOWN += [[group, name] for group, names in EXAMPLES.items() for name in names]
RUN_ELSEWHERE = ("plot", "audit")  # by the pages about them; here their options are read


@pytest.mark.parametrize("command", SHOWN, ids="-".join)
@pytest.mark.usefixtures("folder")
def test_the_examples_of_help_work(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here([*command, "--help"], monkeypatch)
    shown = capsys.readouterr().out.split("Example")[1].partition("\n\n")[0]
    joined = " ".join(shown.partition(":")[2].split())
    for example in joined.split("; "):
        for command_line in example.split(" && "):
            words, _, file = command_line.partition(" > ")
            name, *arguments = words.split()
            assert name == "varnum"
            if arguments[0] in RUN_ELSEWHERE:
                assert read(arguments) == command[-1]
                continue
            part = arguments[-1] if "--require" in arguments else None
            part = "matplotlib" if "--plot" in arguments else part
            absent = part is not None and find_spec(part) is None
            assert here(arguments, monkeypatch) == (4 if absent else 0)
            if file:
                Path(file).write_text(capsys.readouterr().out)


def test_an_example_with_a_wrong_option_would_be_seen() -> None:
    with pytest.raises(Exception, match="epsilon"):
        read(["plot", "degree", "x.svg", "--epsilon", "1e-2"])


def read(arguments: list[str]) -> str | None:
    """The command that these arguments reach, its options read but nothing run."""
    command = typer.main.get_command(build((arguments[0],)))
    context = command.make_context("varnum", arguments)
    while hasattr(command, "resolve_command"):
        _, command, rest = command.resolve_command(context, context._protected_args + context.args)
        context = command.make_context(command.name, rest, parent=context)
    return command.name


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("varnum bo", "bound"),
        ("varnum bound --model-", "--model-error"),
        ("varnum plot ti", "tightness"),
        ("varnum bound --model var-d2", "var-d20 var-d24"),
        ("varnum bound --model flowar-l", "flowar-l"),
        ("varnum run --random flowar-s", "flowar-s"),
        ("varnum audit --random var-d16", "var-d16"),
        ("varnum verify --claim softmax-l", "softmax-logit"),
    ],
)
def test_the_shell_completes(typed: str, offered: str) -> None:
    asked = {"_VARNUM_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    code = "import sys; from varnum.cli import main; sys.argv = ['varnum']; main()"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | asked | {"COMP_CWORD": str(typed.count(" "))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.split() == offered.split()


def test_doctor_says_what_is_there() -> None:
    run = varnum("doctor")
    assert run.returncode == 0
    assert run.stdout.startswith(f"varnum {__version__}, Python ")
    assert run.stdout.count("self-test: ") == run.stdout.count(": ok") == 2
    assert max(map(len, run.stdout.splitlines())) <= 80


def test_doctor_names_what_is_absent_and_how_to_add_it(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "gone = {'torch', 'cvc5', GONE}\n"
        "u.find_spec = lambda name, *a: None if name in gone else find(name, *a)\n"
        "from varnum.cli import main; sys.argv = ['varnum', 'doctor', *sys.argv[1:]]; main()"
    )

    def doctor(gone: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code.replace("GONE", repr(gone)), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    run = doctor("")
    assert run.returncode == 0
    named = re.search(r"pip install 'varnum\[(.*)\]'", run.stdout)
    assert named is not None
    assert {"torch", "cvc5"} <= set(named[1].split(","))
    base = doctor("flint", "--json")
    assert base.returncode == 4
    assert json.loads(base.stdout)["ok"] is False
