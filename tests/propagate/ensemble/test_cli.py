"""`varnum error` and `varnum run --model-error`: what they print, and bad input."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.command import varnum
from varnum.cli import main
from varnum.propagate.ensemble import error


def arrays(path):
    """All arrays of a .npz; the file is closed."""
    with np.load(path) as held:
        return dict(held)


def run(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    sys.argv = ["varnum", *command.split()]
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    path = tmp_path / "t.npz"
    np.savez(path, tokens=np.random.default_rng(0).integers(0, 64, (1, 30)))
    return str(path)


def test_given_logits_are_bounded(
    tokens: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The float64 run's own logits, written by `run`, then a little off in one entry."""
    out = str(tmp_path / "run.npz")
    base = f"--random var-tiny --labels 3 --tokens {tokens}"
    assert run(f"run {base} --out {out}", capsys)[0] == 0
    logits = arrays(out)["logits"]
    code, text, _ = run(f"error {base} --logits {out} --samples 16 --json", capsys)
    same: dict[str, Any] = json.loads(text)
    assert (code, same["verdict"]) == (0, "proved")
    assert same["assurance"] == "proved for this run, up to chance 1e-6"
    assert same["measured"] < 1e-13
    assert same["logit_error"] <= 1.01 * same["rounding_bound"] < 1e-7
    assert "not the probability that a printed bound is false" in same["sentence"]
    logits[0, 29, 7] += 0.5
    np.save(tmp_path / "off.npy", logits)
    bounds = str(tmp_path / "bounds.npz")
    command = f"error {base} --logits {tmp_path}/off.npy --samples 16 --out {bounds}"
    code, text, _ = run(command, capsys)
    assert code == 0
    assert text.startswith("logits within      0.501 of the exact model's")
    kept = arrays(bounds)
    assert kept["bound"].shape == kept["logits"].shape == logits.shape


def test_an_image_is_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The image of `varnum run`, off by a half in one pixel; then a narrower run's, made here."""
    free, bounds = tmp_path / "free.npz", str(tmp_path / "bounds.npz")
    assert run(f"run --random var-tiny --labels 3 --out {free}", capsys)[0] == 0
    image = arrays(free)["image"]
    image[0, 1, 2, 3] += 0.5 if image[0, 1, 2, 3] < 0.5 else -0.5
    np.save(tmp_path / "off.npy", image)
    base = f"error --random var-tiny --labels 3 --tokens {free} --samples 16"
    code, text, _ = run(f"{base} --image {tmp_path}/off.npy --out {bounds}", capsys)
    assert code == 0
    assert "image within       0.501 of the exact model's" in text
    kept = arrays(bounds)
    assert np.sort(np.abs(kept["image"] - image).ravel())[-2] <= kept["image_bound"].max()
    code, text, _ = run(f"{base} --dtype float32 --decode --json", capsys)
    assert (code, 1e-8 < json.loads(text)["image_error"] < 1e-5) == (0, True)


@pytest.mark.parametrize("eps", ["0.001", None])
def test_a_run_takes_the_kernel_error_that_was_found(
    eps: str | None,
    tokens: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search itself is tried in test_run.py."""
    asked: dict[str, Any] = {}

    def found(*_: Any, **given: Any) -> Any:
        asked.update(given)
        return SimpleNamespace(kernel_error=eps, reason="no kernel error keeps it")

    monkeypatch.setattr(error, "error_of", found)
    command = f"run --random var-tiny --labels 3 --tokens {tokens} --attention lowrank"
    code, text, err = run(f"{command} --model-error 1e-2 --json", capsys)
    assert (asked["model_error"], asked["chance"]) == ("1e-2", Fraction(1, 10**6))
    if eps is None:
        assert (code, text) == (3, "")
        assert "no kernel error keeps it" in err
        return
    document = json.loads(text)
    assert code == 0
    assert document["assurance"] == "proved for this run, up to chance 1e-6"
    assert (document["attention"]["kind"], document["attention"]["target"]) == ("eps", 0.001)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("--logits x.npy --dtype float32", "--logits: give either"),
        ("--image x.npy --decode", "--image: give either"),
        ("--samples 3", "--samples"),
        ("--chance 2", "--chance: 2 is not allowed"),
        ("--kernel-error 1e-3 --model-error 1e-3", "give one of"),
        ("--backend balls", "--backend: balls enclose"),
        ("--seed 3", "No such option"),
        ("--logit 3", "--logit: (3,) is not (token, id)"),
        ("--logit 999:1", "--logit: token: 999 is not allowed"),
        ("--device cuda", "--device: is for a run made here"),
        ("--bounds-on tpu", "--bounds-on: 'tpu' is not allowed; numpy, torch, cuda"),
        ("--output-error 1e-3", "--output-error: is for --attention lowrank"),
    ],
)
def test_bad_input(options: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(f"error --random var-tiny --labels 3 {options}", capsys)
    assert (code, out) == (2, "")
    assert word in err


def test_chosen_logits_are_read(tokens: str, capsys: pytest.CaptureFixture[str]) -> None:
    head = f"error --random var-tiny --labels 3 --samples 16 --tokens {tokens}"
    code, out, _ = run(f"{head} --logit 5:7 --logit 5:7:9 --json", capsys)
    chosen = json.loads(out)["chosen"]
    assert code == 0
    assert [(c["token"], c["id"], c["other"]) for c in chosen] == [(5, 7, None), (5, 7, 9)]
    assert all(0 < c["error"] < 1e-9 for c in chosen)
    code, _, said = run(f"{head} --logit 5-7", capsys)
    assert code == 2
    assert "TOKEN:ID" in said


def test_guided_logits(tmp_path):
    base = ("error", "--random", "var-tiny", "--labels", "3", "--samples", "16", "--cfg", "3/2")
    done = varnum(*base, "--dtype", "float32", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 1e-8 < found["measured"] < found["logit_error"] < 1e-4
    for option in (("--margins",), ("--kernel-error", "1e-5"), ("--record", "r.json")):
        refused = varnum(*base, *option)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert f"{option[0]}: not with --cfg" in refused.stderr
