"""The seeds of checks/fuzz, and what the fuzzing found, once more; a few random changes to each.

`python checks/fuzz TARGET --minutes 10` searches for more.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from varnum.checker import check

FOLDER = Path(__file__).parents[2] / "checks" / "fuzz"


@pytest.fixture(scope="module")
def targets() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("fuzz_targets", FOLDER / "targets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    module._folder.cleanup()


def seeds() -> list[Path]:
    return sorted(path for path in (FOLDER / "seeds").glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", seeds(), ids=lambda p: f"{p.parent.name}-{p.name}")
def test_seed(targets: ModuleType, path: Path) -> None:
    target, data = targets.TARGETS[path.parent.name], path.read_bytes()
    target(data)
    rng = random.Random(path.name)
    for _ in range(20):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            i = rng.randrange(len(changed) + 1)
            changed[i : i + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
        target(bytes(changed))


def test_the_seeds_reach_beyond_the_first_check(targets: ModuleType) -> None:
    for name in ("constant", "line"):
        check((FOLDER / "seeds" / "certificate" / name).read_bytes())
    assert {path.parent.name for path in seeds()} == set(targets.TARGETS)


def test_a_target_does_not_swallow_other_errors(
    targets: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes) -> None:
        raise KeyError("degree")

    monkeypatch.setattr(targets, "check", broken)
    with pytest.raises(KeyError):
        targets.certificate(b"{}")
    monkeypatch.setattr(
        targets, "check", lambda data: (_ for _ in ()).throw(targets.Malformed("a\nb"))
    )
    with pytest.raises(AssertionError, match="more than one line"):
        targets.certificate(b"{}")


def test_without_atheris_it_says_so() -> None:
    import subprocess

    code = "import sys; sys.modules['atheris'] = None; sys.argv = ['fuzz', 'dimacs'];" + (
        f"import runpy; runpy.run_path({str(FOLDER)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, "")
    assert "pip install atheris" in done.stderr
