"""The list of false versions in checks/mutation stays applicable; two of them are tried here.

`python checks/mutation named` tries all of them.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "checks" / "mutation"


def entries(name, table):
    return tomllib.loads((FOLDER / name).read_text("utf-8")).get(table, [])


@pytest.mark.parametrize("mutant", entries("named.toml", "mutant"), ids=lambda m: m["name"])
def test_every_false_version_still_applies(mutant):
    source = (ROOT / mutant["file"]).read_text("utf-8")
    assert source.count(mutant["old"]) == 1
    changed = source.replace(mutant["old"], mutant["new"])
    assert changed != source
    compile(changed, mutant["file"], "exec")
    for path in mutant["tests"].split():
        assert (ROOT / path.partition("::")[0]).exists()


def test_every_survivor_says_why_and_still_exists():
    spec = importlib.util.spec_from_file_location("mutation_edits", FOLDER / "edits.py")
    edits = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = edits  # its dataclass looks itself up
    spec.loader.exec_module(edits)
    keys = {}
    argued, still_open = (entries("survivors.toml", kind) for kind in ("survivor", "open"))
    assert all(len(e["why"]) > 15 for e in argued)
    for e in argued + still_open:
        file = e["where"].split("::")[0]
        keys.setdefault(file, {m.key for m in edits.mutants(ROOT, file)})
        assert (e["where"], e["old"], e["new"], e.get("nth", 0)) in keys[file], e


def mutation(*arguments):
    return subprocess.run(
        [sys.executable, str(FOLDER), *arguments], capture_output=True, text=True, check=False
    )


def test_a_false_version_is_noticed_and_a_harmless_one_is_not():
    done = mutation("named", "--only", "a^2 for a^2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 of 1 false versions noticed" in done.stdout
    assert mutation("named", "--only", "no such name").returncode == 1


def test_a_mutant_that_no_test_notices_is_reported():
    done = mutation(
        "all",
        "varnum/hardness/cnf.py",
        "--sample",
        "2",
        "--tests",
        "tests/formulas/test_core.py",
    )
    assert done.returncode == 1
    assert "2 SURVIVED" in done.stdout
