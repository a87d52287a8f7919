"""The comparison with Sollya can fail, and a few degrees of it where Sollya is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import pytest

from varnum.approx.target import Target, additive, relative
from varnum.proof.checking import load

SCRIPT = Path(__file__).parents[2] / "checks" / "bench" / "sollya_supnorm.py"


@pytest.fixture(scope="module")
def comparison() -> ModuleType:
    return load("sollya_supnorm")


def test_without_sollya_nothing_passes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert "sollya is not installed" in done.stderr


@pytest.mark.skipif(shutil.which("sollya") is None, reason="needs Debian's package sollya")
@pytest.mark.parametrize("degree", [3, 8, 14])
@pytest.mark.parametrize("target", [relative(Fraction(2)), additive(Fraction(3))])
def test_the_two_enclosures_meet(comparison: ModuleType, target: Target, degree: int) -> None:
    poly, extrema, bits = comparison.minimax(target, degree)
    ours = comparison.varnum_supnorm(target, poly, bits, lambda: extrema)
    theirs = comparison.sollya_supnorm(target, poly, bits, 1, 60)
    assert 0 < max(ours.low, theirs.low) <= min(ours.high, theirs.high)
    assert ours.width <= theirs.width


@pytest.mark.skipif(shutil.which("sollya") is None, reason="needs Debian's package sollya")
def test_no_answer_is_no_pass(comparison: ModuleType) -> None:
    with pytest.raises(comparison.Stopped):
        comparison.sollya("while(true)do{};", 0.3)
