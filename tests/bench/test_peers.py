"""The peers of the benchmarks do what their papers say: near exact where they must be."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
BENCH = Path(__file__).parents[2] / "checks" / "bench"


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    monkeypatch.setattr(sys, "argv", sys.argv)


def head(length: int = 600, d: int = 6) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(length, d, generator=generator) for _ in range(3))
    return 0.3 * q, k, v


def error(name: str, size: int, given: Any = None) -> float:
    q, k, v = given or head()
    module = importlib.import_module(f"peers.{name}")
    exact = torch.softmax(q @ k.T, 1) @ v
    return float(((module.attend(q, k, v, size, 0) - exact).abs() / (v.amax(0) - v.amin(0))).max())


def test_every_peer_runs_and_none_is_worse_than_the_mean_by_much() -> None:
    peers = importlib.import_module("peers").PEERS
    mean = error("mean", 0)
    for module, sizes in peers.values():
        size = sizes[0] if module in ("mean", "taylor") else 64
        assert error(module, size) < 2 * mean, module


def test_more_costs_more_and_errs_less() -> None:
    q, k, v = head()
    small = (q / 3, k, v)
    assert error("taylor", 2, small) < 0.6 * error("taylor", 1, small)
    assert error("taylor", 1, small) < 0.4 * error("mean", 0, small)
    for name in ("nystrom", "wildcat"):
        assert error(name, 256) < 0.1 * error(name, 16) < 0.1, name
    assert error("favor", 4096, (q / 9, k, v)) < 0.6 * error("favor", 16, (q / 9, k, v))


def test_pivots_find_rare_keys_that_random_ones_miss() -> None:
    q, k, v = head()
    k = torch.cat([k[:20], k[20:30].repeat(58, 1)])  # 20 keys once, 10 keys 58 times
    assert error("wildcat", 48, (q, k, v)) < 0.2 * error("nystrom", 48, (q, k, v))


def test_halving_is_better_than_leaving_out_at_random() -> None:
    q, k, v = head(1024, 2)
    q, k = 0.3 * q, 0.3 * k
    exact = torch.softmax(q @ k.T, 1) @ v
    spread = v.amax(0) - v.amin(0)
    plain = torch.softmax(q @ k[:256].T, 1) @ v[:256]
    assert error("thinformer", 256, (q, k, v)) < 0.6 * float(((plain - exact).abs() / spread).max())


def test_all_landmarks_are_exact() -> None:
    """As many segments as tokens: the inverse is of the softmax matrix itself."""
    q, k, v = head(40)
    assert error("nystromformer", 40, (3 * q, k, v)) < 0.1
    assert error("nystrom", 40, (q, k, v)) < 1e-3


def test_the_table_of_heads_runs(capsys: pytest.CaptureFixture[str]) -> None:
    table = importlib.import_module("trained_heads")
    heads = BENCH.parents[1] / "tests" / "data" / "heads" / "text_L160_d32.npz"
    sys.argv = ["trained_heads.py", str(heads), "--targets", "1e-1", "--repeats", "1"]
    threads = torch.get_num_threads()
    try:
        assert table.main() == 0
    finally:
        torch.set_num_threads(threads)
    header, _, line = capsys.readouterr().out.splitlines()
    assert header.count("|") == line.count("|") == 12
    assert "| text 2.5 | trained | 160 | 1e-1 |" in line
