"""sample_check against extended precision; what it refuses; it draws after the output is fixed."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction

import numpy as np
import pytest

import varnum as vn
from tests.support.backends import BACKENDS, placed
from tests.support.heads import correlated as head
from tests.support.oracle import ranges, softmax
from varnum.cli import main
from varnum.cli.attention_sampled import in_short
from varnum.sampled import row_sample as module
from varnum.sampled.row_sample import sample_check
from varnum.sampled.rows import errors_of_rows

SCALES = (1, 4, 16, 60)
SIGMA = float(np.sqrt(8))


def arrays(seed: int = 0, length: int = 81) -> list[np.ndarray]:
    return [np.asarray(part, dtype=np.float32) for part in head(8, length, seed)]


def exactly(q: np.ndarray, k: np.ndarray, v: np.ndarray, scales=None) -> np.ndarray:
    return softmax(q, k, v, np.sqrt(np.longdouble(8)), scales)


@pytest.mark.parametrize("scales", [None, SCALES, (1,) * 81])
@pytest.mark.parametrize("far", [0.0, 1e4])
def test_errors_lie_between_both_numbers(scales, far) -> None:
    q, k, v = arrays(1)
    v = (v + far).astype(np.float32)
    true, spread = exactly(q, k, v, scales), ranges(v, len(q), scales)
    rng = np.random.default_rng(0)
    output = np.asarray(true + 1e-3 * spread * rng.normal(size=true.shape), dtype=float)
    error = np.abs(output - true)
    with np.errstate(all="ignore"):
        error = np.where(spread > 0, error / spread, np.where(error > 0, np.inf, 0)).max(1)
    ends = module._ends(len(q), len(k), scales, False)
    wide = [np.asarray(part, dtype=float) for part in (q, k, v)]
    found = errors_of_rows(output, *wide, SIGMA, ends)
    assert (found.low <= error).all()
    assert (error <= found.high).all()
    inside = np.isfinite(error)
    assert (found.high - found.low)[inside].max() < 1e-6


def test_a_row_lost_to_rounding_is_not_called_good() -> None:
    """Half of the interval dropped is seen: the true error is as far as the bound says possible."""
    q = k = np.zeros((4, 2))
    v = np.array([[0.0], [1.0], [1.0], [1.0]])
    found = errors_of_rows(np.full((4, 1), 0.75), q, k, v, 1.0, np.full(4, 4))
    assert (found.low == 0).all()
    assert (found.high > 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_rows_are_counted_exactly(backend) -> None:
    q, k, v = arrays()
    output = exactly(q, k, v, SCALES).astype(np.float32)
    output[[3, 70, 80]] += 0.5 * np.ptp(v, 0)
    given = placed(backend, q, k, v, output)
    found = sample_check(*given, output_error="1e-2", rows=81, scales=SCALES)
    assert (found.above, found.surely_above, found.total) == (3, 3, 81)
    assert (
        Fraction(found.share_above)
        >= Fraction(3, 81)
        > Fraction(found.share_above) - Fraction(1, 10**9)
    )
    assert found.all_rows
    assert found.word == "proved for this run"
    assert (found.verdict, found.exit_code) == ("refuted", 1)
    assert found.witness is not None
    assert found.witness[:2] in ((0, 3), (0, 70), (0, 80))


def test_heads_are_counted_through() -> None:
    q, k, v = (np.stack([part] * 3)[None] for part in arrays())
    output = np.stack([exactly(q[0, i], k[0, i], v[0, i]) for i in range(3)])[None]
    output = output.astype(np.float32)
    output[0, 2, 5] = 100
    found = sample_check(q, k, v, output, output_error="1e-3", rows=1000)
    assert found.total == 243
    assert found.above == 1
    assert found.witness is not None
    assert found.witness[:2] == (2, 5)


def test_a_sample_says_so() -> None:
    q, k, v = arrays()
    output = exactly(q, k, v).astype(np.float32)
    found = sample_check(q, k, v, output, output_error="1e-3", rows=40, confidence="1e-2")
    assert found.word == "with high probability, up to chance 0.01 for each bound"
    assert (found.verdict, found.exit_code, found.above) == ("done", 0, 0)
    assert 0.108 < found.share_above < 0.109  # 1 - 0.01^(1/40)
    assert found.largest_seen < 1e-6
    assert "chance 0.01" in str(found)
    assert "certified" not in str(found)
    assert pickle.loads(pickle.dumps(found)) == found
    assert vn.sample_check is sample_check


def test_a_target_within_rounding_is_unknown() -> None:
    q, k, v = arrays()
    output = np.asarray(exactly(q, k, v), dtype=float)
    wide = [np.asarray(part, dtype=float) for part in (q, k, v)]
    found = sample_check(*wide, output, output_error="1e-15", rows=20)
    assert (found.verdict, found.exit_code) == ("unknown", 3)
    assert found.above == 20
    assert found.share_above == 1


def test_rows_are_drawn_after_the_output_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = arrays()
    output = exactly(q, k, v).astype(np.float32)
    output[:40] += 1e3

    def draw(total: int) -> int:
        output[:40] -= 1e3 if output[0, 0] > 500 else 0  # a cheat that repairs what is drawn
        return int(np.random.default_rng().integers(40))

    monkeypatch.setattr(module.secrets, "randbelow", draw)
    assert sample_check(q, k, v, output, output_error="1e-3", rows=9).surely_above == 9


def test_a_constant_column_is_met_exactly_or_not_at_all() -> None:
    q, k, v = arrays()
    v[:, 0] = 3
    output = exactly(q, k, v).astype(np.float32)
    output[:, 0] = 3
    assert sample_check(q, k, v, output, output_error="1e-3", rows=99).above == 0
    output[7, 0] = np.nextafter(np.float32(3), np.float32(4))
    found = sample_check(q, k, v, output, output_error="1e-3", rows=99)
    assert found.surely_above == 1
    assert found.mean_error > 1 / 81


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"output": np.nan}, "output: holds nan or inf"),
        ({"output": "shape"}, "output: shape"),
        ({"rows": 0}, "rows: 0"),
        ({"rows": True}, "rows: True"),
        ({"rows": 10**9}, "rows: "),
        ({"confidence": "0"}, "confidence: 0"),
        ({"confidence": "0.9"}, "confidence: 0.9"),
        ({"confidence": 1e-3}, "confidence: 0.001 is a float"),
        ({"output_error": "2"}, "output_error: 2"),
        ({"causal": 1}, "causal: 1"),
        ({"causal": True, "scales": SCALES}, "causal: give it or scales"),
        ({"scales": (1, 2)}, "scales: sum to 3"),
    ],
    ids=str,
)
def test_what_is_refused(change, said) -> None:
    q, k, v = arrays()
    output = exactly(q, k, v).astype(np.float32)
    wrong = change.pop("output", None)
    if wrong == "shape":
        output = output[:-1]
    elif wrong is not None:
        output[3, 1] = wrong
    with pytest.raises(vn.InputError, match=said):
        sample_check(q, k, v, output, **{"output_error": "1e-2", **change})


def test_the_command_line(tmp_path, capsys, monkeypatch) -> None:
    q, k, v = arrays()
    output = exactly(q, k, v).astype(np.float32)
    files = []
    for name, part in zip(("q", "k", "v", "against"), (q, k, v, output), strict=True):
        np.save(tmp_path / f"{name}.npy", part)
        files += [f"--{name}", str(tmp_path / f"{name}.npy")]

    def run(*more: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["varnum", "attention", *files, *more])
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    code, out, _ = run("--output-error", "1e-2", "--rows", "30", "--json")
    assert code == 0
    answer = json.loads(out)
    assert {"rows", "confidence", "share_above", "mean_error"} <= set(answer["sampled"])
    assert answer["assurance"].startswith("with high probability, up to chance 0.001")
    assert answer["verdict"] == "done"
    code, out, _ = run("--output-error", "1e-2", "--rows", "30")
    assert code == 0
    assert "certified" not in out
    code, _, said = run("--eps", "1e-2")
    assert (code, said.count("\n")) == (2, 1)
    code, _, said = run()
    assert code == 2
    assert "--output-error" in said
    own = files[:-2]
    monkeypatch.setattr(
        "sys.argv",
        ["varnum", "attention", *own, "--output-error", "1e-2", "--rows", "30", "--json"],
    )
    with pytest.raises(SystemExit):
        main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["assurance"] == "proved for this run"
    assert answer["sampled"]["assurance"].startswith("with high probability")
    assert answer["sampled"]["above"] == 0
    np.save(tmp_path / "against.npy", output + 1)
    code, out, _ = run("--output-error", "1e-2", "--rows", "30")
    assert code == 1
    assert "worst row" in out


@pytest.mark.parametrize("target", [1 / 3, 2 / 3, 0.01, 0.1234321])
def test_a_share_is_said_of_rows_above_no_less_than_the_target(target):
    said = in_short({"share_above": 0.027, "assurance": ""}, target)
    assert Fraction(said.split("above ")[1].split(",")[0]) >= Fraction(str(target))
