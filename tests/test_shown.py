"""What README and the docstrings show is run here, and its output compared."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import is_dataclass
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

import varnum
from varnum.cli import VERBS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def shown_command() -> tuple[str, str]:
    """The first install command's varnum part, and the text block README shows for it."""
    command = re.search(r"^pip install -e \. && (varnum .*)$", README, re.M)
    block = re.search(r"```text\n(.*?)```", README, re.S)
    assert command is not None
    assert block is not None
    return command[1], block[1]


@cache
def run(command: str) -> str:
    arguments = [sys.executable, "-m", *command.split()]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


def test_readme_shows_what_the_main_command_prints() -> None:
    command, block = shown_command()
    assert run(command) == block


def test_an_edited_output_would_be_seen() -> None:
    command, block = shown_command()
    assert run(command) != block.replace("109", "108")


PAGES = sorted((ROOT / "docs").rglob("*.md"))
EXTRAS = {"torch": "torch", "plot": "matplotlib", "cvc5": "cvc5", "cluster": "distributed"}
DOCS = [p for p in PAGES if "```console" in p.read_text()]
PYTHON = [p for p in PAGES if ">>> " in p.read_text()]


def sessions(text: str) -> list[tuple[str, str]]:
    """(command, output) of every `$ command` in the console blocks of a page."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.rstrip("\n")))
    return found


WORDS = r"[\w ./,=@:+-]*"
HERE = re.compile(rf"varnum ({WORDS})(?:> ([\w./-]+)|\| (.*))?")  # FILE; or the rest of a pipe


def shell(command: str, folder: Path, given: str | None = None) -> tuple[str, str]:
    """stdout and stderr of a shell command; `varnum` is this environment's."""
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=os.environ | {"PATH": here, "COLUMNS": "80"},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, done.stderr


def output(command: str, folder: Path) -> tuple[str, str]:
    """stdout and stderr of a command of a page.

    varnum, alone or first in a pipe, runs in this process, which saves its start; whatever asks for
    more of the shell, and README's first command, runs in one of its own.
    """
    simple = HERE.fullmatch(command)
    if simple is None:
        return shell(command, folder)
    words, file, rest = simple.groups()
    out, err, digits = StringIO(), StringIO(), sys.get_int_max_str_digits()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys, "argv", ["varnum", *words.split()])
        with pytest.raises(SystemExit):
            main()
    sys.set_int_max_str_digits(digits)
    if file is not None:
        (folder / file).write_text(out.getvalue())
        return "", err.getvalue()
    if rest is not None:
        piped, said = shell(rest, folder, out.getvalue())
        return piped, err.getvalue() + said
    return out.getvalue(), err.getvalue()


def replay(text: str, folder: Path) -> list[str]:
    """Run a page's sessions in order in one folder; the commands whose output differs."""
    checker, options = doctest.OutputChecker(), doctest.ELLIPSIS
    differing = []
    for command, expected in sessions(text):
        out, err = output(command, folder)
        if not checker.check_output(expected + "\n", out.rstrip("\n") + "\n", options):
            differing.append(f"{command}\n{out}{err}")
    return differing


@pytest.mark.parametrize("page", DOCS, ids=lambda p: p.stem)
def test_pages_show_what_the_commands_print(page: Path, tmp_path: Path) -> None:
    differing = replay(page.read_text(), tmp_path)
    absent = {name for name, module in EXTRAS.items() if not importlib.util.find_spec(module)}
    lacking = {
        name for name in absent for text in differing if f"pip install 'varnum[{name}]'" in text
    }
    assert [t for t in differing if not any(f"'varnum[{name}]'" in t for name in lacking)] == []
    if lacking:
        pytest.skip(f"some commands of this page need the extras {', '.join(sorted(lacking))}")


def test_an_edited_page_would_be_seen(tmp_path: Path) -> None:
    page = "```console\n$ varnum bound --M 1 --eps 1e-3 | head -2 | tail -1\n  degree  {}...\n```\n"
    assert replay(page.replace("{}", "...4   proved least"), tmp_path) == []
    assert replay(page.replace("{}", "...5   proved least"), tmp_path) != []


def examples(text: str, name: str) -> doctest.TestResults:
    """Run a page's `>>>` examples in order, in one namespace."""
    test = doctest.DocTestParser().get_doctest(text.replace("```", ""), {}, name, name, 0)
    return doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(test)


PARTS = ("torch", "transformers", "diffusers")  # optional, imported by the examples of some pages


@pytest.mark.parametrize("page", PYTHON, ids=lambda p: p.stem)
def test_pages_show_what_python_prints(page: Path) -> None:
    imported = " ".join(re.findall(r"^>>> import (.*)", page.read_text(), re.M))
    for part in PARTS:
        if re.search(rf"\b{part}\b", imported):
            pytest.importorskip(part, reason=f"{part} is not installed (an extra)")
    result = examples(page.read_text(), page.name)
    assert result.attempted > 0
    assert result.failed == 0


def test_an_edited_example_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    page = next(p for p in PYTHON if p.stem == "read-and-check-a-certificate").read_text()
    assert examples(page.replace("0.1652", "0.1653"), "edited").failed == 1


BLOCK = re.compile(r"^(<!-- not run: [^\n]+ -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
COMPARED_ELSEWHERE = {"certificate.md": {"json", "text"}}  # by tests/checker/test_files.py


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_nothing_is_shown_that_is_not_run(page: Path) -> None:
    """Every block is run, or says why not; indented code, which nothing runs, is not used."""
    for reason, language, body in BLOCK.findall(page.read_text()):
        if language == "sh" or (language == "text" and reason):
            assert reason, f"a block that is not run must say why: {body}"
        elif language in ("python", "pycon"):
            assert ">>> " in body, f"without prompts it is not run: {body}"
        elif language != "console":
            assert language in COMPARED_ELSEWHERE.get(page.name, ()), body
    prose = BLOCK.sub("", page.read_text())
    assert not re.search(r"^\n {4}[^ \n*-]", prose, re.M)


def test_readme_shows_nothing_else() -> None:
    """The blocks above and below; the rest is installing, and citing (tests/test_site.py)."""
    kinds = [language for _, language, _ in BLOCK.findall(README)]
    assert kinds == ["console", "text", "console", "python", "bibtex"]


def test_readme_python() -> None:
    code = re.search(r"```python\n(.*?)```", README, re.S)
    assert code is not None
    expected = re.findall(r"print\(.*\)  # (.*)", code[1])
    out = subprocess.run(
        [sys.executable, "-c", code[1]], capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines() == expected


def test_every_verb_that_readme_names_exists() -> None:
    for verb in re.findall(r"`varnum (\w+)", README):
        assert verb in VERBS


WITH_EXAMPLES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted((ROOT / "varnum").rglob("*.py"))
    if ">>> " in file.read_text()
}


def docstrings(found: object, name: str) -> list[doctest.DocTest]:
    """Those with examples, of a module or of an object and its methods."""
    return [test for test in doctest.DocTestFinder().find(found, name) if test.examples]


def failures(test: doctest.DocTest) -> int:
    return doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(test).failed


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstring_examples(name: str) -> None:
    imported = " ".join(re.findall(r"^ *>>> import (.*)", WITH_EXAMPLES[name].read_text(), re.M))
    for part in PARTS:
        if re.search(rf"\b{part}\b", imported):
            pytest.importorskip(part, reason=f"{part} is not installed (an extra)")
    found = docstrings(importlib.import_module(name), name)
    assert found
    assert [test.name for test in found if failures(test)] == []


def test_an_edited_docstring_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    [test] = docstrings(varnum.plan, "plan")
    assert failures(test) == 0
    for example in test.examples:
        example.want = example.want.replace("degree 4", "degree 5").replace("0.001 is", "0.01 is")
    assert failures(test) == 2


# made by a call that shows its own refusals, of plain values: there is nothing they could refuse
RECORDS = {
    "Audit", "Call", "Certificate", "FlowPlan", "SampleCheck", "Seen", "Triage", "Unexplained",
}  # fmt: skip


def refusals(name: str) -> tuple[int, int]:
    """(examples that show a value, examples that show an error) in the docstrings of a name."""
    examples = [e for t in docstrings(getattr(varnum, name), name) for e in t.examples]
    refused = sum(e.exc_msg is not None for e in examples)
    return sum(bool(e.want) for e in examples) - refused, refused


@pytest.mark.parametrize("name", [n for n in varnum.__all__ if n != "__version__"])
def test_a_public_name_shows_a_success_and_a_refusal(name: str) -> None:
    works, refused = refusals(name)
    if name in RECORDS:
        assert is_dataclass(getattr(varnum, name))
        assert refused == 0, "no exception is needed"
        assert "raise " not in inspect.getsource(getattr(varnum, name))
    else:
        assert refused > 0
        assert works > 0 or issubclass(getattr(varnum, name), Exception)
