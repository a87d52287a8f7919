"""Pictures as files: both formats, the same bytes each time, one line for what cannot be done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")

from varnum.plots import budget, cost, degree, error, figure, rank, tightness

ROOT = Path(__file__).parents[2]
SMALL = {
    "degree": (degree, {"errors": ("1e-1",), "sizes": ("1/4", "1")}),
    "rank": (rank, {"sizes": ("1/4", "1")}),
    "error": (error, {"M": "1", "most": 3}),
    "cost": (cost, {}),
    "far": (cost, {"d": 64, "R": "2"}),
    "budget": (budget, {}),
}


@pytest.mark.parametrize("name", SMALL)
def test_each_picture_in_both_formats(name: str, tmp_path: Path) -> None:
    module, arguments = SMALL[name]
    data = module.numbers(**arguments)
    files = [tmp_path / f"{name}.{end}" for end in ("svg", "png")]
    figure.make(module, data, files)
    assert files[0].read_text().lstrip().startswith("<?xml")
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in files:
        figure.make(cost, cost.numbers(), [path])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_tightness_draws_attained_and_loose(tmp_path: Path) -> None:
    rows = [
        {"claim": "a", "measured": 1.0, "claimed": 1.0},
        {"claim": "b", "measured": 1e-6, "claimed": 1.0},
    ]
    figure.make(tightness, {"rows": rows, "trials": 1}, [tmp_path / "t.svg"])
    assert (tmp_path / "t.svg").stat().st_size > 1000


def varnum(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "varnum", "plot", *arguments]
    settings = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=settings)


def test_the_command_writes_and_prints_the_same_numbers(tmp_path: Path) -> None:
    target = tmp_path / "cost.svg"
    run = varnum("cost", str(target), "--json")
    answer = json.loads(run.stdout)
    assert answer["schema"] == "varnum/plot-cost/2"
    assert answer["files"] == [str(target)]
    assert {k: answer[k] for k in ("n", "exact", "crossover_n")} == {
        k: cost.numbers()[k] for k in ("n", "exact", "crossover_n")
    }
    assert target.stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["degree"], "give a file to write"),
        (["degree", "x.jpg"], "must end in one of"),
        (["degree", "nowhere/x.svg"], "is not a folder"),
        (["degree", "x.svg", "--eps", "2"], "0 < eps < 1"),
        (["degree", "x.svg", "--eps", "1e-1,1e-2,1e-3,1e-4,1e-5,1e-6"], "at most 5"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str) -> None:
    run = varnum(*arguments)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert said in run.stderr


def test_without_matplotlib_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    run = varnum("cost", "x.svg", PYTHONPATH=str(tmp_path))
    assert run.returncode == 4
    assert "plot" in run.stderr
    assert varnum("cost", "--json", PYTHONPATH=str(tmp_path)).returncode == 0  # numbers need none
